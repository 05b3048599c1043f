"""Odd requests: what the guard makes of them, in processor time, beside what a Starlette handler does.

Each comes whole and without a token, so the guard refuses it. The handler reads cookies and body as handlers do; it is
spared what the guard refuses at once.
"""

import asyncio
import json
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Final

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route, Router
from starlette.types import ASGIApp, Message, Scope

from geetest_asgi import GeeTestMiddleware, Rule
from geetest_asgi.clearance import Clearance

from .measure import Work, alternate, rounded, table

FORM: Final = (b"content-type", b"application/x-www-form-urlencoded")
JSON: Final = (b"content-type", b"application/json")
MB: Final = 1_000_000
PASS: Final = b"geetest_clearance_12345678=1.2.3"

Case = tuple[str, list[tuple[bytes, bytes]], bytes]
"""A path, headers and a body."""
CASES: Final[dict[str, Case]] = {
    "a form of 200 B, for comparison": ("/login", [FORM], b"user=" + b"x" * 195),
    "JSON of 1 MB, brackets": ("/login", [JSON], b'{"a":' + b"[" * (MB // 2) + b"]" * (MB // 2) + b"}"),
    "JSON of 1 MB, one number": ("/login", [JSON], b'{"a":' + b"1" * MB + b"}"),
    "JSON of 1 MB, escapes": ("/login", [JSON], b'{"a":"' + b"\\u0041" * (MB // 6) + b'"}'),
    "JSON of 1 MB, 15,000 objects": ("/login", [JSON], json.dumps([{"a": "x" * 50}] * 15_000).encode()),
    "a path of 2,000 B, controls and dots": ("/" + "a\n;.." * 400, [FORM], b"x=1"),
    "a path of 99 segments, dots": ("/x/.." * 49 + "/login", [FORM], b"x=1"),
    "a path of 60,000 B": ("/a" * 30_000, [FORM], b"x=1"),
    "900 cookies, 8 KB": ("/login", [FORM, (b"cookie", b"; ".join(b"c%d=v" % n for n in range(900)))], b"x=1"),
    "1,000 Cookie headers": ("/login", [FORM, *[(b"cookie", PASS)] * 1_000], b"x=1"),
    "5,000 headers": ("/login", [*((b"x-%d" % n, b"v") for n in range(5_000)), FORM], b"x=1"),
}


async def _handle(request: Request) -> Response:
    _ = request.cookies
    with suppress(ValueError, RecursionError, HTTPException):
        await (request.json() if request.headers["content-type"].endswith("json") else request.form())
    return PlainTextResponse("in")


APP: Final = Router([Route("/{path:path}", _handle, methods=["POST"])])


async def _send(message: Message) -> None: ...


def _requests(app: ASGIApp, case: Case) -> Work:
    path, headers, body = case

    async def one() -> None:
        scope: Scope = {
            "type": "http",
            "method": "POST",
            "path": path,
            "raw_path": path.encode(),
            "root_path": "",
            "query_string": b"",
            "headers": headers,
            "client": ("203.0.113.7", 1),
            "state": {},
        }
        pieces = iter([{"type": "http.request", "body": body, "more_body": False}])

        async def receive() -> Any:
            return next(pieces)

        await app(scope, receive, _send)

    return _turns(one)


def _turns(one: Callable[[], Any]) -> Work:
    async def turns(times: int) -> None:
        for _ in range(times):
            await one()

    return lambda times: asyncio.run(turns(times))


def main() -> str:
    """The tables."""
    rule = Rule("POST /**", name="all", clearance=Clearance("a secret of no use"))
    guard = GeeTestMiddleware(APP, protect=rule, captcha_id="an-id", captcha_key="a-key")
    rows = []
    for name, case in CASES.items():
        works = {"ours": _requests(guard, case), "handler": _requests(APP, case)}
        took = alternate(works, times=20, rounds=9, choose=min)
        ours, handler = took["ours"] / 1e3, took["handler"] / 1e3
        rows.append([name, rounded(handler), rounded(ours), f"{ours / handler:.1f} ×"])
    return table(["processor time, µs", "a handler in Starlette", "**geetest_asgi** refuses", "beside it"], rows)
