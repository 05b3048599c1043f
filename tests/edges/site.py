"""The site's side: an app that remembers, what was decided, and uvicorn in front of it."""

import socket
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import anyio
from starlette.routing import Router
from starlette.types import ASGIApp, Receive, Scope, Send

from geetest_asgi import GeeTestMiddleware, GeeTestResult, Outage, Outcome

from .servers import SECONDS, GeeTest
from .visitors import visit


class Told:
    """An observer: `on_result=told`."""

    def __init__(self) -> None:
        self.results: list[GeeTestResult] = []

    def __call__(self, result: GeeTestResult, scope: Scope) -> None:
        assert scope["type"] in ("http", "websocket")
        self.results.append(result)

    @property
    def outcomes(self) -> list[Outcome]:
        return [result.outcome for result in self.results]

    @property
    def reasons(self) -> list[str]:
        return [result.reason for result in self.results]


@dataclass
class Seen:
    """One request as the app saw it."""

    scope: Scope
    body: bytes

    @property
    def result(self) -> GeeTestResult:
        result = self.scope["state"]["geetest"]
        assert isinstance(result, GeeTestResult)
        return result


@dataclass
class App:
    """An ASGI app that reads each request to its end, remembers it, and answers `in`."""

    status: int = 200
    headers: Sequence[tuple[bytes, bytes]] = ((b"content-type", b"text/plain"),)
    seen: list[Seen] = field(default_factory=list)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":
            self.seen.append(Seen(scope, b""))
            await receive()
            await send({"type": "websocket.accept"})
            await send({"type": "websocket.close", "code": 1000, "reason": ""})
            return
        body = bytearray()
        more = True
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                raise AssertionError("the app was run for a visitor who had left")
            body += message.get("body", b"")
            more = message.get("more_body", False)
        self.seen.append(Seen(scope, bytes(body)))
        await send({"type": "http.response.start", "status": self.status, "headers": list(self.headers)})
        await send({"type": "http.response.body", "body": b"in"})


def later(function: Callable[..., Any]) -> Callable[..., Any]:
    """The same as an asynchronous function."""

    async def waits(*given: Any) -> Any:
        await anyio.sleep(0)
        return function(*given)

    return waits


class Site:
    """A guard before `/login`, its app, and what was decided and told."""

    def __init__(self, geetest: GeeTest, **settings: Any) -> None:
        self.geetest, self.app, self.told = geetest, App(), Told()
        self.outages: list[Outage] = []
        settings = {"timeout": 5, "on_unavailable": "deny", **settings}
        self.guard: GeeTestMiddleware = geetest.guard(
            self.app, on_result=self.told, on_outage=self.outages.append, **settings
        )

    async def come(self, times: int = 1) -> str:
        """What the last one of so many visitors got."""
        for _ in range(times):
            asked = await visit(self.geetest.token()).run(self.guard)
        return asked.code

    async def crowd(self, number: int, **token: bool) -> list[str]:
        """What so many visitors get who come at once, with tokens of this kind."""
        visits = [visit(self.geetest.token(**token)) for _ in range(number)]
        async with anyio.create_task_group() as tasks:
            for each in visits:
                tasks.start_soon(each.run, self.guard)
        return [each.code for each in visits]

    @property
    def result(self) -> GeeTestResult:
        """The latest."""
        return self.told.results[-1]


class Front:
    """The app of one server on a socket that serves many tests: whichever `app` was put on last."""

    app: ASGIApp
    url: str

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            return await Router()(scope, receive, send)
        return await self.app(scope, receive, send)

    def connect(self) -> socket.socket:
        parts = urlsplit(self.url)
        return socket.create_connection((parts.hostname, parts.port), timeout=SECONDS)

    def talk(self, data: bytes) -> bytes:
        """Send these bytes, and return all that comes until the server hangs up."""
        with self.connect() as wire:
            wire.sendall(data)
            return read_all(wire)


def read_all(wire: socket.socket) -> bytes:
    data = b""
    with suppress(ConnectionResetError):
        while more := wire.recv(65536):
            data += more
    return data


def raw_request(body: bytes, *headers: str, method: str = "POST", target: str = "/login") -> bytes:
    lines = [f"{method} {target} HTTP/1.1", "Host: front", f"Content-Length: {len(body)}", *headers]
    return "\r\n".join([*lines, "", ""]).encode() + body
