"""What visitors send, as requests in process, so that no server's share counts; and a GeeTest that costs nothing."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from typing import Any, Final, Self
from urllib.parse import urlencode

import httpx
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from geetest_asgi import GeeTestMiddleware

from .measure import Work

ID: Final = "a" * 32
KEY: Final = "b" * 32
Fields = dict[str, str]
BOUNDARY: Final = "----WebKitFormBoundary7MA4YWxkTrZu0gW1"


def token(number: int) -> Fields:
    """Four fields of the right shape; no two numbers give the same."""
    return {
        "lot_number": f"{number:032x}",
        "captcha_output": "c" * 200,
        "pass_token": f"{number:064x}",
        "gen_time": "1790000000",
    }


def _multipart(fields: Fields) -> bytes:
    part = '--{}\r\nContent-Disposition: form-data; name="{}"\r\n\r\n{}\r\n'
    return ("".join(part.format(BOUNDARY, *each) for each in fields.items()) + f"--{BOUNDARY}--\r\n").encode()


KINDS: Final[dict[str, tuple[str, Callable[[Fields], bytes]]]] = {
    "urlencoded": ("application/x-www-form-urlencoded", lambda fields: urlencode(fields).encode()),
    "JSON": ("application/json", lambda fields: json.dumps(fields).encode()),
    "multipart": (f"multipart/form-data; boundary={BOUNDARY}", _multipart),
}
"""The media type of each, and how fields are written in it."""


def whole(body: bytes) -> list[Message]:
    """A body that the server has in one piece."""
    return [{"type": "http.request", "body": body, "more_body": False}]


def pieces(chunks: Iterable[bytes]) -> Iterator[Message]:
    """A body that comes bit by bit."""
    for chunk in chunks:
        yield {"type": "http.request", "body": chunk, "more_body": True}
    yield {"type": "http.request", "body": b"", "more_body": False}


async def post(app: ASGIApp, media_type: str, messages: Iterable[Message]) -> int:
    """POST /login; the value is the status. After the body nothing comes: the visitor waits."""
    left = iter(messages)
    status = 0

    async def receive() -> Message:
        for message in left:
            return message
        await asyncio.Event().wait()
        raise AssertionError

    async def send(message: Message) -> None:
        nonlocal status
        status = message.get("status", status)

    scope = {
        "type": "http",
        "method": "POST",
        "path": "/login",
        "raw_path": b"/login",
        "root_path": "",
        "query_string": b"",
        "http_version": "1.1",
        "headers": [(b"host", b"example.org"), (b"accept", b"*/*"), (b"content-type", media_type.encode())],
    }
    await app(scope, receive, send)
    return status


async def reader(scope: Scope, receive: Receive, send: Send) -> None:
    """An app that reads the body and keeps nothing of it."""
    while (await receive()).get("more_body"):
        pass
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b""})


def guard_with(client: Any) -> GeeTestMiddleware:
    """As it comes, in front of POST /login and an app that reads the body."""
    return GeeTestMiddleware(
        reader, protect=["POST /login"], captcha_id=ID, captcha_key=KEY, client=client, on_unavailable="deny"
    )


def keep_posting(app: ASGIApp, media_type: str, bodies: Callable[[], list[Message]], status: int = 200) -> Work:
    """So many requests in a row on one event loop, each of them answered with this status."""
    runner = asyncio.Runner()

    async def posts(times: int) -> None:
        for _ in range(times):
            if (got := await post(app, media_type, bodies())) != status:
                raise AssertionError(f"answered {got} and not {status}")

    return lambda times: runner.run(posts(times))


class InstantGeeTest(httpx.AsyncBaseTransport):
    """For `client=`, a free wire: success, at once. What is left is the guard's own share.

    It is a client of httpx's interface and a transport, whichever the guard prefers.
    """

    def __init__(self, asked: Callable[[], None] = lambda: None) -> None:
        self._asked = asked

    def stream(self, *_: Any, **__: Any) -> "_Answer":
        """As httpx.AsyncClient's."""
        self._asked()
        return _ANSWER

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """See httpx."""
        self._asked()
        return httpx.Response(200, content=_SUCCESS, request=request)


_SUCCESS: Final = b'{"status":"success","result":"success","reason":"","captcha_args":{}}'


class _Answer:
    """A response that comes and goes without a generator of contextlib's, which would cost more than all else here."""

    status_code: Final = 200
    headers: Final[dict[str, str]] = {}

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        pass

    async def aiter_raw(self) -> AsyncIterator[bytes]:
        """The body."""
        yield _SUCCESS


_ANSWER: Final = _Answer()
