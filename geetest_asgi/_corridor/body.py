"""Read a request's body as far as the captcha fields, then let the app read it from the start.

After the replay the app gets the server's own `receive`, so it sees each disconnect and no other. A disconnect during
the search raises VisitorLeft: the app does not run, and no request is sent to GeeTest.
"""

import time
from collections.abc import Awaitable
from typing import Final

import anyio
from anyio.lowlevel import checkpoint
from starlette.types import Message, Receive

from .._bounds.counters import BodyMemory
from .._core.fields.scanners import JsonScanner, Scanner
from .._core.limits import Limits
from .._core.model import Evidence, Outcome
from .._line.clock import clock

_QUIET: Final = 3.0
"""Seconds without data after which draining ends: curl stops sending when it sees an error status, others are slow."""

_PIECE: Final = 16 * 1024
"""Bytes scanned between two readings of the clock: some 10 ms for the slowest body, multipart."""
_SLICE: Final = 0.002
"""Seconds of scanning before other tasks run. Where the server already holds the body, nothing else would yield."""


class VisitorLeft(Exception):  # noqa: N818 - not an error
    """The client has disconnected. Raised and caught inside the guard."""


class Body:
    """The body of one request."""

    def __init__(self, receive: Receive, limits: Limits, memory: BodyMemory, client: str | None) -> None:
        self._server = receive
        self._limits = limits
        self._memory = memory
        self._client = client
        self._kept: bytearray | None = None
        """Bytes that were read and not yet replayed; None: there are none."""
        self._taken = 0
        """Bytes of `memory` that this body holds."""
        self._remaining = limits.max_body
        self._slice_ends = 0.0
        self._early: Message | None = None
        """Message that `wait_for_disconnect` received, for the app."""
        self.touched = False
        """The server's `receive` was called."""
        self.complete = False
        """The end of the body was read."""

    @property
    def receive(self) -> Receive:
        """The app's `receive`."""
        return self._replay if self.touched else self._server

    async def search(self, scanner: Scanner) -> Evidence | None:
        """Read until the scanner is done. Return evidence if a limit was hit. Raises VisitorLeft."""
        self.touched = True
        kept = self._kept = bytearray()
        limit = clock().limit(self._limits.body_timeout)
        with limit.begin() as scope:
            try:
                while not (scanner.done or self.complete):
                    message = await self._server()
                    if message["type"] != "http.request":
                        raise VisitorLeft
                    self.complete = not message.get("more_body", False)
                    kept += (chunk := bytes(message.get("body") or b""))
                    if not self._has_room(len(chunk)):
                        return Evidence(Outcome.BUSY, "no room to keep more request bodies (max_buffered)")
                    await self._scan(scanner, chunk)
                    if self._remaining < 0 and not scanner.done:
                        return Evidence(Outcome.TOO_LARGE, f"no fields within {self._limits.max_body} bytes")
                return None
            finally:
                limit.end(scope)
        return Evidence(Outcome.TOO_SLOW, f"no fields within {self._limits.body_timeout:g} s")

    def _has_room(self, more: int) -> bool:
        """Take memory for so many more bytes. Return False if a limit does not permit it."""
        if not self._memory.take(more, self._client, self._taken):
            return False
        self._taken += more
        return True

    async def _scan(self, scanner: Scanner, chunk: bytes) -> None:
        """Scan a chunk, as far as `max_body`. If that takes long, other tasks run between its pieces."""
        chunk, self._remaining = chunk[: self._remaining], self._remaining - len(chunk)
        if isinstance(scanner, JsonScanner):  # JSON is decoded whole
            chunk = b""
            if self.complete and self._remaining >= 0:
                scanner.feed(self._kept or b"")
        for start in range(0, len(chunk), _PIECE):
            if time.perf_counter() > self._slice_ends:
                if self._slice_ends:
                    await checkpoint()
                self._slice_ends = time.perf_counter() + _SLICE
            scanner.feed(chunk[start : start + _PIECE])
            if scanner.done:
                break
        if self.complete and self._remaining >= 0:
            scanner.end()

    async def wait_for_disconnect(self) -> bool:
        """Wait for the server's next message, once, after the end of the body. True: the client has disconnected.

        The app receives the message too.
        """
        self._early = await self._server()
        return bool(self._early["type"] == "http.disconnect")

    def _replay(self) -> Awaitable[Message]:
        """Replay the bytes that were read, then return the server's own awaitable: a long upload has many pieces."""
        return self._server() if self._kept is None and self._early is None else self._next()

    async def _next(self) -> Message:
        if self._kept is not None:
            piece = bytes(self._kept)
            self.close()
            return {"type": "http.request", "body": piece, "more_body": not self.complete}
        message, self._early = self._early, None
        assert message is not None  # noqa: S101 - see _replay
        return message

    async def receive_until_complete(self) -> Message:
        """The `receive` of a denial. At the end of the body it sets `complete`, so that nothing is drained."""
        message = await self._replay()
        if message["type"] == "http.request" and not message.get("more_body", False):
            self.complete = True
        return message

    async def drain(self) -> None:
        """Read the rest of the body and discard it, within `drain_bytes` and `drain_seconds`."""
        self.close()
        left = self._limits.drain_bytes
        ends = anyio.current_time() + self._limits.drain_seconds
        with anyio.CancelScope() as quiet:
            while left > 0 and not self.complete:
                quiet.deadline = min(ends, anyio.current_time() + _QUIET)
                message = await self._server()
                self.complete = not message.get("more_body", False)  # a disconnect ends it, too
                left -= len(message.get("body") or b"")

    def close(self) -> None:
        """Discard the bytes that were kept."""
        self._kept = None
        if self._taken:
            self._memory.give_back(self._taken, self._client)
            self._taken = 0


def without_body(receive: Receive) -> Receive:
    """Return a `receive` that gives an empty body, then the messages of `receive` without those of its body."""
    empty = [{"type": "http.request", "body": b"", "more_body": False}]

    async def receive_empty() -> Message:
        if empty:
            return empty.pop()
        while (message := await receive())["type"] == "http.request":
            continue
        return message

    return receive_empty
