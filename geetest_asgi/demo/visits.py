"""What came of each request, from the server's own point of view: for the strip and the log on the page.

A `Visit` goes with its request, in the scope: the guard's `on_result` and the handler write into it. Those that met
either of them are kept, the latest `MAX_VISITS`.
"""

import time
from collections import deque
from dataclasses import dataclass, field
from typing import Final

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from .._core.model import GeeTestResult

MAX_VISITS: Final = 100
MAX_KEPT: Final = 4096
"""Bytes of a body that are kept, to send them again: a token and a name are under 1 KiB."""

_VISIT: Final = "geetest_asgi.demo.visit"


@dataclass(slots=True)
class Visit:
    """One request, mutable until its answer begins."""

    method: str
    target: str
    """Path and query as they were sent."""
    content_type: str
    length: int
    """Of the body, as Content-Length says it."""
    state: dict[str, str] | None
    """How the switches stood when the request came; None: there are none."""
    number: int = 0
    """Milliseconds of Unix time, never twice: the order of the log, also across restarts."""
    result: GeeTestResult | None = None
    """The guard's decision; None: the path is not protected."""
    handled: bool = False
    """The login's handler has run."""
    status: int = 0
    body: bytearray = field(default_factory=bytearray)
    """What was read of it, `MAX_KEPT` bytes at most."""
    whole: bool = False
    """`body` is all that there was."""

    @property
    def asked(self) -> bool:
        """The guard has asked GeeTest about this one."""
        return self.result is not None and self.result.elapsed > 0

    def overhear(self, receive: Receive) -> Receive:
        """The same `receive`; what the guard and the handler read is noted."""

        async def noting() -> Message:
            message = await receive()
            if message["type"] == "http.request":
                room = MAX_KEPT - len(self.body)
                piece = message.get("body", b"")
                self.body += piece[:room]
                self.whole = not message.get("more_body", False) and len(piece) <= room
            return message

        return noting


class Log:
    """The latest visits, the oldest first."""

    def __init__(self) -> None:
        self._visits: deque[Visit] = deque(maxlen=MAX_VISITS)
        self._number = 0

    def after(self, number: int) -> list[Visit]:
        """Those that are newer than the one with this number."""
        return [visit for visit in self._visits.copy() if visit.number > number]

    async def watch(
        self, app: ASGIApp, state: dict[str, str] | None, scope: Scope, receive: Receive, send: Send
    ) -> None:
        """Run the app for one HTTP request, and keep what came of it."""
        visit = scope[_VISIT] = _visit(scope, state)

        async def watching(message: Message) -> None:
            if message["type"] == "http.response.start":
                visit.status = message["status"]
                self._keep(visit)
            await send(message)

        await app(scope, visit.overhear(receive), watching)

    def _keep(self, visit: Visit) -> None:
        if visit.result is not None or visit.handled:
            self._number = visit.number = max(self._number + 1, time.time_ns() // 1_000_000)
            self._visits.append(visit)


def remember(result: GeeTestResult, scope: Scope) -> None:
    """The guard's `on_result`."""
    scope[_VISIT].result = result


def handle(scope: Scope) -> None:
    """Said by the login's handler: the request has come as far as this."""
    scope[_VISIT].handled = True


def _visit(scope: Scope, state: dict[str, str] | None) -> Visit:
    headers = dict(scope["headers"])
    length = headers.get(b"content-length", b"")
    query = b"?" + scope["query_string"] if scope["query_string"] else b""
    return Visit(
        method=scope["method"],
        target=((scope.get("raw_path") or scope["path"].encode()) + query).decode("latin-1"),
        content_type=headers.get(b"content-type", b"").decode("latin-1"),
        length=int(length[:18]) if length.isdigit() else 0,
        state=state,
    )
