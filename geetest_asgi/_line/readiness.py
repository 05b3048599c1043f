"""Waiting until a socket can be read."""

import asyncio
import socket
import sys
from contextlib import suppress
from contextvars import Context

import anyio

from .clock import on_asyncio


class Readiness:
    """On trio, and on asyncio's loop of Windows: as anyio waits."""

    def __init__(self, raw: socket.socket) -> None:
        self._raw = raw

    async def wait(self) -> None:
        """Wait until there is something to read, or the other end has hung up. It may wake for nothing."""
        await anyio.wait_readable(self._raw)

    def close(self) -> None:
        """The socket is about to be closed. Nobody waits."""


class AsyncioReadiness(Readiness):
    """On asyncio a reader that stays: anyio adds and removes one for each wait, which is a third of a call's cost."""

    def __init__(self, raw: socket.socket) -> None:
        super().__init__(raw)
        self._loop = asyncio.get_running_loop()
        self._waiting: asyncio.Future[None] | None = None
        self._added = False

    async def wait(self) -> None:
        """See `Readiness`."""
        if not self._added:
            Context().run(self._loop.add_reader, self._raw, self._wake)  # of no request: it outlives this one
            self._added = True
        self._waiting = self._loop.create_future()
        try:
            await self._waiting
        finally:
            self._waiting = None

    def _wake(self) -> None:
        if self._waiting is None:
            self.close()  # else the loop would spin until somebody reads
        elif not self._waiting.done():
            self._waiting.set_result(None)

    def close(self) -> None:
        """See `Readiness`."""
        if self._added:
            self._added = False
            with suppress(RuntimeError):  # the loop has ended
                self._loop.remove_reader(self._raw)


def readiness(raw: socket.socket) -> Readiness:
    """Return what waits for a socket in the running event loop."""
    return AsyncioReadiness(raw) if sys.platform != "win32" and on_asyncio() else Readiness(raw)
