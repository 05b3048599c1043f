"""A wire without a network: a call to GeeTest as a call of an ASGI app, in the caller's own event loop."""

from collections.abc import AsyncIterator, Sequence
from urllib.parse import urlsplit

import anyio
from starlette.types import ASGIApp, Message, Scope

from .._core.model import Reply
from .._line.call import Call
from .._line.exchange import HEADERS, read_reply


class InProcess:
    """Asks `app` whatever the address is. It holds nothing between calls, so any thread and event loop may use it."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def post(self, url: str, form: bytes, call: Call) -> Reply:
        """POST the form. Nothing is reported to `call`: nothing is connected."""
        request: list[Message] = [{"type": "http.request", "body": form, "more_body": False}]
        sent: list[Message] = []

        async def receive() -> Message:
            if not request:
                await anyio.sleep_forever()  # this caller leaves by being cancelled
            return request.pop()

        async def send(message: Message) -> None:
            sent.append(message)

        await self._app(_scope(url), receive, send)
        return await _reply(sent)

    async def aclose(self) -> None:
        """Nothing is open."""


def _scope(url: str) -> Scope:
    parts = urlsplit(url)
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "method": "POST",
        "scheme": parts.scheme,
        "root_path": "",
        "path": parts.path,
        "raw_path": parts.path.encode(),
        "query_string": parts.query.encode(),
        "headers": [
            (name.lower().encode(), value.encode()) for name, value in {"Host": parts.netloc, **HEADERS}.items()
        ],
        "client": ("127.0.0.1", 0),
        "server": (parts.hostname, parts.port),
    }


async def _reply(sent: Sequence[Message]) -> Reply:
    """What was sent, read as it is read off a socket."""
    start, *pieces = sent

    async def body() -> AsyncIterator[bytes]:
        for piece in pieces:
            yield piece.get("body", b"")

    headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in start["headers"]}
    return await read_reply(start["status"], headers, body())
