"""Sockets of our own. Each knows when it last sent, and whether it was answered.

What has arrived stays in the kernel until the call reads it. So at any moment the socket itself can say whether the
other end is silent, however late the event loop is.
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
"""Bytes that are received in one piece: more than an answer has, and less than what malloc would map anew each time."""

_UNDER_WAY: Final = frozenset({0, errno.EINPROGRESS, errno.EWOULDBLOCK, getattr(errno, "WSAEWOULDBLOCK", 0)})


class Readiness:
    """Waits until a socket can be read: on trio, and on asyncio's loop of Windows."""

    def __init__(self, raw: socket.socket) -> None:
        self._raw = raw

    def wait(self) -> Awaitable[None]:
        """Wait until there is something to read, or the other end has hung up. It may wake for nothing."""
        return anyio.wait_readable(self._raw)

    def close(self) -> None:
        """The socket is about to be closed. Nobody waits."""


class AsyncioReadiness(Readiness):
    """On asyncio a reader that stays: anyio adds and removes one for each wait, which is a third of a call's cost."""

    _idle: bool
    """The loop has come though nobody waits."""

    def __init__(self, raw: socket.socket) -> None:
        super().__init__(raw)
        self._loop = asyncio.get_running_loop()
        self._waiting: asyncio.Future[None] | None = None
        self._added = False

    def wait(self) -> Awaitable[None]:
        """See `Readiness`."""
        if not self._added:
            Context().run(self._loop.add_reader, self._raw, self._wake)  # of no request: it outlives this one
            self._added = True
        self._waiting, self._idle = self._loop.create_future(), False
        return self._waiting

    def _wake(self) -> None:
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_result(None)
        elif self._idle:
            self.close()  # else the loop would spin until somebody reads
        else:  # asyncio comes once more before the task that was woken has read
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
        """Wait until it is. Raises OSError."""
        await anyio.wait_writable(self._raw)
        if error := self._raw.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
            raise OSError(error, "connecting")

    def hears(self) -> bool:
        """Return whether there is something not looked at yet: data or a hang-up; until we send, that it accepted."""
        if self._poll is not None:
            return bool(self._poll.poll(0))
        waiting = ([self._raw], []) if self._has_sent else ([], [self._raw])  # Windows
        return any(select.select(*waiting, [self._raw], 0))

    async def send(self, item: bytes) -> None:
        """Send all of it, at once where the kernel has room. Raises OSError."""
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
        """Receive what has come. Raises OSError, and EndOfStream where the other end has hung up."""
        while True:
            if not self._has_read:  # else there may be more, or an error: uvloop tells once of data and error together
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
        """Hang up half-way."""
        self._raw.shutdown(socket.SHUT_WR)

    def close(self) -> None:
        """Close it, without a farewell that the other end may keep us waiting with."""
        self._readiness.close()
        self._raw.close()

    async def aclose(self) -> None:
        """Close it."""
        self.close()


class Connection:
    """A socket, with TLS where that is wanted."""

    def __init__(self, connected: Socket, stream: ByteStream) -> None:
        self.socket = connected
        self.stream = stream
        self.free_since = 0.0
        """By `time.monotonic`; 0.0 before its first use."""
        self._secure: ssl.SSLObject | None = stream.extra(TLSAttribute.ssl_object, None)  # noqa: S610 - not Django's

    def is_unused(self) -> bool:
        """Return whether nothing has come that nobody asked for: neither data nor the end of the connection."""
        return not self.socket.hears() and (self._secure is None or not _has_leftovers(self._secure))


def _has_leftovers(secure: ssl.SSLObject) -> bool:
    """TLS may hold what was received together with the last answer."""
    try:
        secure.read(1)
    except ssl.SSLWantReadError:
        return False
    except ssl.SSLError:
        return True
    return True
