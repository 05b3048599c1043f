"""A request that is not protected: what the guard adds to it, beside a class that only passes through.

`added` is what a wrapper costs on top of the bare app; the ratio is that over the pass-through's for a GET.
"""

import asyncio
from collections.abc import Awaitable, Callable

from starlette.middleware.base import BaseHTTPMiddleware, RequestResponseEndpoint
from starlette.middleware.cors import CORSMiddleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from geetest_asgi import GeeTestMiddleware

from .measure import Goal, Work, alternate, goals, table

TIMES, ROUNDS = 2000, 25
SIZES = (1, 10, 100, 1_000, 10_000)


class PassThrough:
    """The least that a middleware can be."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI 3."""
        await self.app(scope, receive, send)


async def bare(scope: Scope, receive: Receive, send: Send) -> None:
    """Two messages, as every answer has."""
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b""})


async def _send(message: Message) -> None: ...


async def _receive() -> Message:
    return {"type": "http.request", "body": b"", "more_body": False}


async def _by_hand(request: Request, call_next: RequestResponseEndpoint) -> Response:
    if request.method == "POST" and request.url.path == "/login":
        return Response("captcha", 403)
    return await call_next(request)


def _run(call: Awaitable[None]) -> None:
    for _ in call.__await__():
        raise AssertionError("it waits for something")


def _requests(app: ASGIApp, method: str, paths: list[str], run: Callable[[Awaitable[None]], None] = _run) -> Work:
    """Different paths in turn, as fresh strings: a string remembers its hash, and servers make a new one each time."""
    scopes = [
        {
            "type": "http",
            "method": method,
            "root_path": "",
            "query_string": b"",
            "headers": [(b"host", b"example.org"), (b"accept", b"*/*"), (b"user-agent", b"benchmark")],
        }
        for _ in paths
    ]
    raw = [path.encode() for path in paths]

    def work(times: int) -> None:
        for turn in range(times):
            which = turn % len(paths)
            scope = scopes[which].copy()
            scope["path"] = raw[which].decode()
            scope["raw_path"] = raw[which]
            run(app(scope, _receive, _send))

    return work


def _patterns(number: int) -> list[str]:
    """A third each: exact, with a placeholder, with a tail."""
    kinds = ("POST /shop{n}/login", "/api{n}/users/{{id}}/reset", "/files{n}/upload/**")
    return [kinds[n % 3].format(n=n) for n in range(number)]


CASES = {
    "GET, no rule speaks of it": ("GET", ["/", "/about", "/assets/app.js", "/shop0/login"]),
    "POST, four paths in turn": ("POST", ["/", "/cart/add", "/search", "/shop0/logins"]),
    "POST, ever new paths": ("POST", [f"/items/{n}/like" for n in range(5_000)]),
}


def _guard(number: int) -> ASGIApp:
    return GeeTestMiddleware(bare, protect=_patterns(number), captcha_id="a" * 32, captcha_key="b" * 32)


def _added(rivals: dict[str, ASGIApp], method: str, paths: list[str]) -> dict[str, float]:
    works = {name: _requests(app, method, paths) for name, app in ({"bare": bare} | rivals).items()}
    took = alternate(works, times=TIMES, rounds=ROUNDS)
    return {name: each - took["bare"] for name, each in took.items() if name != "bare"}


def _added_by_hand() -> float:
    """Of `BaseHTTPMiddleware`, which needs an event loop."""
    loop = asyncio.new_event_loop()
    apps: dict[str, ASGIApp] = {"bare": bare, "by hand": BaseHTTPMiddleware(bare, _by_hand)}
    works = {name: _requests(app, "GET", ["/"], loop.run_until_complete) for name, app in apps.items()}
    took = alternate(works, times=TIMES // 10, rounds=ROUNDS)
    loop.close()
    return took["by hand"] - took["bare"]


def _goals(cost: dict[str, dict[str, float]]) -> str:
    """`cost`: what guards with ever more patterns add, beside the pass-through, by case."""
    get, post, _ = CASES
    flat = max(each["10,000"] / each["1"] for each in cost.values())
    return goals(
        Goal(f"{get}: beside the pass-through", max(cost[get].values()), 2, "×"),
        Goal(f"{post}: beside the pass-through", max(cost[post].values()), 2, "×"),
        Goal("10,000 patterns beside one, the worst of all", flat, 1.3, "×"),
    )


def main() -> str:
    """The tables and the goals."""
    trivial: dict[str, ASGIApp] = {"pass-through": PassThrough(bare)}
    guards: dict[str, ASGIApp] = {f"{number:,}": _guard(number) for number in SIZES}
    rows, cost, base = [], {}, 0.0
    for case, (method, paths) in CASES.items():
        added = _added(trivial | guards, method, paths)
        through = added.pop("pass-through")
        base = base or through  # it looks at no path
        cost[case] = {name: each / base for name, each in added.items()}
        rows.append([case, f"{through:,.0f} ns", *(f"{each:,.0f} ns · {each / base:.1f}" for each in added.values())])
    patterns = table(["added to a bare app, and ratio", "pass-through", *(f"{n} patterns" for n in guards)], rows)
    others: dict[str, ASGIApp] = {
        "**geetest_asgi**, 10,000 patterns": guards["10,000"],
        "Starlette's TrustedHostMiddleware": TrustedHostMiddleware(bare, ["example.org"]),
        "Starlette's CORSMiddleware": CORSMiddleware(bare, ["*"]),
    }
    added = _added(trivial | others, "GET", ["/", "/about"])
    base = added["pass-through"]
    added["by hand, `BaseHTTPMiddleware`"] = _added_by_hand()
    peers = table(
        ["added to a GET, beside others", "ns", "ratio"],
        [[name, f"{each:,.0f}", f"{each / base:.1f}"] for name, each in added.items()],
    )
    return "\n\n".join([patterns, peers, _goals(cost)])


if __name__ == "__main__":
    print(main())
