"""Visitors in process, who say what a test has them say."""

import json
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import Any
from urllib.parse import urlencode

import anyio
from anyio.lowlevel import checkpoint
from starlette.types import ASGIApp, Message, Scope

from .servers import SECONDS

FORM = "application/x-www-form-urlencoded"
HEADER_VALUES = (b"a", b"a,", b";", b'";', b"{", b"9", b" ")
"""Of which a long header may consist: each is hard for another kind of reader."""


async def until(is_so: Callable[[], object]) -> None:
    """Wait for it, at most as long as nothing here takes."""
    with anyio.fail_after(SECONDS):
        while not is_so():
            await anyio.sleep(0.005)


def form(fields: Mapping[str, str]) -> bytes:
    return urlencode(fields).encode()


def as_parts(fields: Mapping[str, str], boundary: str = "b") -> bytes:
    """The beginning of a multipart body."""
    part = '--{}\r\nContent-Disposition: form-data; name="{}"\r\n\r\n{}\r\n'
    return "".join(part.format(boundary, *field) for field in fields.items()).encode()


def in_headers(token: Mapping[str, str]) -> dict[str, str]:
    return {f"x-geetest-{name.replace('_', '-')}": value for name, value in token.items()}


def http_scope(
    method: str = "POST",
    path: str = "/login",
    headers: Mapping[str, str] | Sequence[tuple[str, str]] = (),
    query: bytes = b"",
    **more: Any,
) -> dict[str, Any]:
    pairs = list(headers.items()) if isinstance(headers, Mapping) else list(headers)
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "query_string": query,
        "root_path": "",
        "headers": [(name.lower().encode(), value.encode()) for name, value in pairs],
        "client": ("127.0.0.1", 50000),
        "server": ("127.0.0.1", 80),
        **more,
    }


def cut(body: bytes, size: int) -> list[bytes]:
    return [body[at : at + size] for at in range(0, len(body), size)] or [b""]


def messages(*pieces: bytes, ends: bool = True) -> list[Message]:
    last = len(pieces) - 1
    return [
        {"type": "http.request", "body": piece, "more_body": number < last or not ends}
        for number, piece in enumerate(pieces)
    ]


class Visit:
    """One request in process. `receive` hands out the messages, then waits for more, or for the visitor to `leave`."""

    def __init__(self, scope: Scope, *incoming: Message) -> None:
        self.scope = scope
        self.incoming = deque(incoming)
        self.sent: list[Message] = []
        self.received = 0
        """How often something was asked of the server."""
        self.waiting = False
        """The server was asked for more than has come."""
        self.left = False
        self._news = anyio.Event()

    async def receive(self) -> Message:
        self.received += 1
        await checkpoint()
        while not (self.incoming or self.left):
            self._news, self.waiting = anyio.Event(), True
            await self._news.wait()
        if self.incoming:
            return self.incoming.popleft()
        return {"type": "websocket.disconnect" if self.scope["type"] == "websocket" else "http.disconnect"}

    def say(self, *incoming: Message) -> None:
        """More comes from the visitor."""
        self.incoming.extend(incoming)
        self._news.set()

    def leave(self) -> None:
        """The visitor hangs up."""
        self.left = True
        self._news.set()

    async def leave_during_the_call(self) -> None:
        """Hang up when the guard listens for that, which is after a tenth of the call's time, and a moment later: a
        disconnect that comes at once is a test client's.
        """
        await until(lambda: self.waiting)
        for _ in range(10):
            await anyio.sleep(0.01)
        self.leave()

    async def send(self, message: Message) -> None:
        await checkpoint()
        self.sent.append(message)

    async def run(self, app: ASGIApp, seconds: float = SECONDS) -> "Visit":
        with anyio.fail_after(seconds):
            await app(self.scope, self.receive, self.send)
        return self

    @property
    def status(self) -> int:
        starts = [each for each in self.sent if each["type"].endswith("http.response.start")]
        assert len(starts) == 1, self.sent
        status = starts[0]["status"]
        assert isinstance(status, int)
        return status

    @property
    def headers(self) -> dict[str, str]:
        start = next(each for each in self.sent if each["type"].endswith("http.response.start"))
        names = [name.lower() for name, _ in start["headers"]]
        assert len(names) == len(set(names)), "a header is sent twice"
        return {name.decode().lower(): value.decode() for name, value in start["headers"]}

    @property
    def body(self) -> bytes:
        return b"".join(each.get("body", b"") for each in self.sent if each["type"].endswith("http.response.body"))

    @property
    def problem(self) -> dict[str, Any]:
        problem = json.loads(self.body)
        assert isinstance(problem, dict)
        return problem

    @property
    def code(self) -> str:
        """The denial's code, or "in" where the app has answered."""
        return "in" if self.body == b"in" else str(self.problem["code"])


def visit(
    fields: Mapping[str, str] | None = None,
    *,
    body: bytes | Sequence[bytes] | None = None,
    headers: Mapping[str, str] | Sequence[tuple[str, str]] = (),
    content_type: str | None = FORM,
    **scope: Any,
) -> Visit:
    """A visitor who posts these fields, or this body, in a form to /login."""
    if body is None:
        body = form(fields or {})
    pieces = [body] if isinstance(body, bytes) else list(body)
    pairs = list(headers.items()) if isinstance(headers, Mapping) else list(headers)
    if content_type is not None:
        pairs.append(("content-type", content_type))
    return Visit(http_scope(headers=pairs, **scope), *messages(*pieces))


def handshake(
    query: Mapping[str, str] | None = None, headers: Mapping[str, str] | None = None, *, http_response: bool = False
) -> Visit:
    """A visitor who opens a websocket; with `http_response` the server can answer it as HTTP."""
    scope = http_scope("GET", "/ws", headers or {}, form(query or {}))
    del scope["method"]
    scope |= {"type": "websocket", "scheme": "ws", "subprotocols": []}
    scope["extensions"] = {"websocket.http.response": {}} if http_response else {}
    return Visit(scope, {"type": "websocket.connect"})


def unfinished(*pieces: bytes, content_type: str = FORM, **scope: Any) -> Visit:
    """A visitor whose body is not all there yet."""
    return Visit(http_scope(headers={"content-type": content_type}, **scope), *messages(*pieces, ends=False))
