"""The receive edge: read a request's body as far as the captcha fields, then let the app read it from the start.

After the replay comes the server's own `receive`, whatever it says: no disconnect is invented, none is lost. A
disconnect while reading means that nobody is there any more: the app does not run, GeeTest is not asked.
"""

import time
from contextlib import suppress
from typing import Final

import anyio
from anyio.lowlevel import checkpoint
from starlette.types import Message, Receive

from .._bounds.counters import Budget
from .._core.fields.scanners import Scanner
from .._core.limits import Limits
from .._core.model import Evidence, Outcome
from .spool import Spool

_AT_ONCE: Final = 20
"""Turns of the event loop. What comes through others' middlewares takes some of them, and no more on a slow machine."""

_PIECE: Final = 16 * 1024
"""Bytes scanned without a look at the clock: up to 5 ms of the hardest JSON, 9 ms of the hardest multipart body."""
_TURN: Final = 0.002
"""Seconds of scanning until the others have their turn: a server may have a whole body ready, so nothing else waits."""


class Body:
    """The body of one request."""

    def __init__(self, receive: Receive, limits: Limits, memory: Budget) -> None:
        self._receive = receive
        self._limits = limits
        self._spool = Spool(memory)
        self._room = limits.max_body
        self._turn_ends = 0.0
        self._replayed = False
        self._early: Message | None = None
        self.touched = False
        """Something was taken from the server: the app must be given `replay` for its `receive`."""
        self.complete = False
        """The end of the body was seen."""
        self.gone = False
        """The visitor left before the end."""

    async def search(self, scanner: Scanner) -> Evidence | None:
        """Read until the scanner knows. Evidence where a bound was hit; else None, and the scanner has the answer."""
        self.touched = True
        with anyio.move_on_after(self._limits.body_timeout):
            while not (scanner.done or self.complete or self.gone):
                if (evidence := await self._step(scanner)) is not None:
                    return evidence
            return None
        return Evidence(Outcome.TOO_SLOW, f"no fields within {self._limits.body_timeout:g} s")

    async def _step(self, scanner: Scanner) -> Evidence | None:
        message = await self._receive()
        if message["type"] != "http.request":
            self.gone = True
            return None
        self.complete = not message.get("more_body", False)
        chunk: bytes = message.get("body", b"")
        if not await self._spool.append(chunk):
            return Evidence(Outcome.BUSY, "no room to keep more request bodies")
        # Cut at the limit, so that one large chunk gives the same answer as many small ones.
        await self._scan(scanner, chunk[: self._room])
        if len(chunk) > self._room and not scanner.done:
            return Evidence(Outcome.TOO_LARGE, f"no fields within {self._limits.max_body} bytes")
        self._room -= len(chunk)
        if self.complete:
            scanner.end()
        return None

    async def _scan(self, scanner: Scanner, chunk: bytes) -> None:
        """Feed the scanner in pieces, and let go of the event loop where that takes long."""
        for start in range(0, len(chunk), _PIECE):
            if time.perf_counter() > self._turn_ends:
                if self._turn_ends:
                    await checkpoint()
                self._turn_ends = time.perf_counter() + _TURN
            scanner.feed(chunk[start : start + _PIECE])
            if scanner.done:
                return

    async def until_gone(self) -> bool:
        """Wait for news of the visitor; only after the end of the body. True: they left. The app hears of it too.

        A disconnect that was there already, or an error, is left to the app: it is no news that came meanwhile, and
        test harnesses answer so when they have nothing more to say.
        """
        if self._early is not None:  # heard already, by a call before
            return self.gone
        waited = False

        async def count_turns() -> None:
            nonlocal waited
            for _ in range(_AT_ONCE):
                await checkpoint()
            waited = True

        async with anyio.create_task_group() as group:
            group.start_soon(count_turns)
            with suppress(Exception):  # the app's own call will meet it
                self._early = await self._receive()
            group.cancel_scope.cancel()
        self.gone = waited and self._early is not None and self._early["type"] == "http.disconnect"
        return self.gone

    async def replay(self) -> Message:
        """The app's `receive`: what was read, then the server's own."""
        if self._spool or (self.complete and not self._replayed):
            piece = await self._spool.take()
            self._replayed = True
            return {"type": "http.request", "body": piece, "more_body": bool(self._spool) or not self.complete}
        if self._early is not None:
            message, self._early = self._early, None
            return message
        return await self._receive()

    async def aclose(self) -> None:
        """Let go of what was kept."""
        await self._spool.aclose()
