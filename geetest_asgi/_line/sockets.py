"""The sockets of the guard's own transport. Each knows when it last sent something, and whether data has arrived.

Data stays in the kernel until the call reads it. So the socket itself shows at any moment whether the other end is
silent, however late the event loop is.
"""

import asyncio
import errno
import select
import socket
import ssl
import sys
from collections.abc import Awaitable
from contextlib import suppress
from contextvars import Context
from time import monotonic
from typing import Final

import anyio
from anyio.abc import ByteStream
from anyio.streams.tls import TLSAttribute

from .._bounds.per_loop import on_asyncio

_AT_ONCE: Final = 64 * 1024
"""Bytes received in one piece: more than an answer has, and less than a size for which malloc maps memory each time."""

_UNDER_WAY: Final = frozenset({0, errno.EINPROGRESS, errno.EWOULDBLOCK, getattr(errno, "WSAEWOULDBLOCK", 0)})


class Readiness:
    """Waits until a socket can be read: on trio, and on asyncio's loop of Windows."""

    def __init__(self, raw: socket.socket) -> None:
        self._raw = raw

    def wait(self) -> Awaitable[None]:
        """Wait until there is something to read, or the connection has ended. May return without either."""
        return anyio.wait_readable(self._raw)

    def close(self) -> None:
        """Stop waiting. Call it before the socket is closed, while no task waits."""


class AsyncioReadiness(Readiness):
    """On asyncio: keeps one reader. anyio adds and removes one for each wait, which is a third of a call's cost."""

    _idle: bool
    """The event loop called the reader while no task waited."""

    def __init__(self, raw: socket.socket) -> None:
        super().__init__(raw)
        self._loop = asyncio.get_running_loop()
        self._waiting: asyncio.Future[None] | None = None
        self._added = False

    def wait(self) -> Awaitable[None]:
        """See `Readiness`."""
        if not self._added:
            Context().run(self._loop.add_reader, self._raw, self._wake)  # it outlives this request
            self._added = True
        self._waiting, self._idle = self._loop.create_future(), False
        return self._waiting

    def _wake(self) -> None:
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_result(None)
        elif self._idle:
            self.close()  # else the event loop would spin until the data is read
        else:  # asyncio calls the reader once more before the woken task has read
            self._idle = True

    def close(self) -> None:
        """See `Readiness`."""
        if self._added:
            self._added = False
            with suppress(RuntimeError):  # the loop has ended
                self._loop.remove_reader(self._raw)


class Socket(ByteStream):
    """A TCP connection. One task at a time may use it."""

    def __init__(self, address: str, port: int) -> None:
        """Begin to connect. Raises OSError."""
        self._raw = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET)
        kind = AsyncioReadiness if sys.platform != "win32" and on_asyncio() else Readiness
        self._readiness = kind(self._raw)
        try:
            self._raw.setblocking(False)
            self._raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if (error := self._raw.connect_ex((address, port))) not in _UNDER_WAY:
                raise OSError(error, "connecting")
        except BaseException:
            self._raw.close()
            raise
        self.since: float = monotonic()
        """When it last sent something, or began to connect."""
        self._has_sent = self._has_read = False
        self._poll = select.poll() if hasattr(select, "poll") else None
        if self._poll is not None:
            self._poll.register(self._raw, select.POLLOUT)

    async def connected(self) -> None:
        """Wait until the socket is connected. Raises OSError."""
        await anyio.wait_writable(self._raw)
        if error := self._raw.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
            raise OSError(error, "connecting")

    def hears(self) -> bool:
        """Return whether something is unread: data or the end; before the first `send`, that the other end accepted."""
        if self._poll is not None:
            return bool(self._poll.poll(0))
        waiting = ([self._raw], []) if self._has_sent else ([], [self._raw])  # Windows
        return any(select.select(*waiting, [self._raw], 0))

    async def send(self, item: bytes) -> None:
        """Send all of it, without waiting if the kernel has space for it. Raises OSError."""
        if self._poll is not None and not self._has_sent:
            self._poll.modify(self._raw, select.POLLIN)
        self._has_sent, self._has_read = True, False
        while item:
            try:
                item = item[self._raw.send(item) :]
                self.since = monotonic()
            except BlockingIOError:
                await anyio.wait_writable(self._raw)

    async def receive(self, max_bytes: int = _AT_ONCE) -> bytes:
        """Wait for data and return it. Raises OSError, and EndOfStream at the end of the connection."""
        while True:
            if not self._has_read:  # else there may be more, or an error: uvloop reports data and an error only once
                await self._readiness.wait()
            self._has_read = False
            try:
                data = self._raw.recv(max_bytes)
            except BlockingIOError:
                continue
            if not data:
                raise anyio.EndOfStream
            self._has_read = True
            return data

    async def send_eof(self) -> None:
        """Close the sending direction."""
        self._raw.shutdown(socket.SHUT_WR)

    def close(self) -> None:
        """Close the socket. Waits for nothing: not for the other end's part of a TLS shutdown."""
        self._readiness.close()
        self._raw.close()

    async def aclose(self) -> None:
        """Do what `close` does."""
        self.close()


class Connection:
    """A connected socket, with TLS for https."""

    def __init__(self, connected: Socket, stream: ByteStream) -> None:
        self.socket = connected
        self.stream = stream
        self.free_since = 0.0
        """By `time.monotonic`; 0.0 before its first use."""
        self._secure: ssl.SSLObject | None = stream.extra(TLSAttribute.ssl_object, None)  # noqa: S610 - not Django's

    def is_unused(self) -> bool:
        """Return whether nothing unexpected has arrived: neither data nor the end of the connection."""
        return not self.socket.hears() and (self._secure is None or not _has_leftovers(self._secure))


def _has_leftovers(secure: ssl.SSLObject) -> bool:
    """Return whether TLS holds data that arrived together with the last answer."""
    try:
        secure.read(1)
    except ssl.SSLWantReadError:
        return False
    except ssl.SSLError:
        return True
    return True
