"""Sockets of our own: looking up a name, connecting, TLS. Each socket knows when it last sent, and if it was answered.

What has arrived stays in the kernel until the call reads it. So at any moment the socket itself can say whether the
other end is silent, however late the event loop is.
"""

import errno
import ipaddress
import select
import socket
import ssl
from collections.abc import Mapping, Sequence
from contextlib import suppress
from time import monotonic
from typing import Any, Final

import anyio
from anyio import CapacityLimiter, from_thread, to_thread
from anyio.abc import ByteStream
from anyio.streams.tls import TLSAttribute, TLSStream

from .call import Progress
from .readiness import readiness

_NEXT_ADDRESS: Final = 0.25
"""Seconds after which the next address of a name is tried beside the one before (RFC 8305 §5)."""

_LOOKUPS: Final = 4
"""Names that are looked up at one time: each on a thread, of which a resolver that hangs keeps so many."""

_AT_ONCE: Final = 64 * 1024
"""Bytes that are received in one piece: more than an answer has, and less than what malloc would map anew each time."""

_UNDER_WAY: Final = frozenset({0, errno.EINPROGRESS, errno.EWOULDBLOCK, getattr(errno, "WSAEWOULDBLOCK", 0)})


class Socket(ByteStream):
    """A TCP connection. One task at a time may use it."""

    def __init__(self, address: str, port: int) -> None:
        """Begin to connect. Raises OSError."""
        self._raw = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET)
        self._readiness = readiness(self._raw)
        try:
            self._raw.setblocking(False)
            self._raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if (error := self._raw.connect_ex((address, port))) not in _UNDER_WAY:
                raise OSError(error, "connecting")
        except BaseException:
            self._raw.close()
            raise
        self.since = monotonic()
        """When it last sent something, or began to connect."""
        self._connected = False
        self._poll = select.poll() if hasattr(select, "poll") else None
        if self._poll is not None:
            self._poll.register(self._raw, select.POLLOUT)

    async def connected(self) -> None:
        """Wait until it is. Raises OSError."""
        await anyio.wait_writable(self._raw)
        if error := self._raw.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
            raise OSError(error, "connecting")
        self._connected = True
        if self._poll is not None:
            self._poll.modify(self._raw, select.POLLIN)

    def hears(self) -> bool:
        """Return whether the other end has done something that was not looked at yet: accepted, sent, hung up."""
        if self._poll is not None:
            return bool(self._poll.poll(0))
        waiting = ([self._raw], []) if self._connected else ([], [self._raw])  # Windows
        return any(select.select(*waiting, [self._raw], 0))

    async def send(self, item: bytes) -> None:
        """Send all of it, at once where the kernel has room. Raises OSError."""
        while item:
            try:
                item = item[self._raw.send(item) :]
                self.since = monotonic()
            except BlockingIOError:
                await anyio.wait_writable(self._raw)

    async def receive(self, max_bytes: int = _AT_ONCE) -> bytes:
        """Receive what has come. Raises OSError, and EndOfStream where the other end has hung up."""
        while True:
            await self._readiness.wait()
            with suppress(BlockingIOError):
                if data := self._raw.recv(max_bytes):
                    return data
                raise anyio.EndOfStream

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

    @property
    def extra_attributes(self) -> Mapping[Any, Any]:
        """None."""
        return {}


class Connection:
    """A socket, with TLS where that is wanted."""

    def __init__(self, connected: Socket, stream: ByteStream) -> None:
        self.socket = connected
        self.stream = stream
        self.free_since = 0.0
        """By `time.monotonic`; 0.0 before its first use."""
        self._secure: ssl.SSLObject | None = stream.extra(TLSAttribute.ssl_object, None)  # noqa: S610 - not Django's

    def hears(self) -> bool:
        """Return whether something has come that nobody asked for: data, or the end of the connection."""
        return self.socket.hears() or (self._secure is not None and _has_leftovers(self._secure))


def _has_leftovers(secure: ssl.SSLObject) -> bool:
    """TLS may hold what was received together with the last answer."""
    try:
        secure.read(1)
    except ssl.SSLWantReadError:
        return False
    except ssl.SSLError:
        return True
    return True


async def connect(
    addresses: Sequence[str], port: int, host: str, context: ssl.SSLContext | None, progress: Progress
) -> Connection:
    """Return a connection to the first address that accepts one, secured where a context is given.

    Raises OSError (of which SSLError is one) and anyio's exceptions for a broken stream.
    """
    made = await _first(addresses, port, progress)
    if context is None:
        return Connection(made, made)
    try:
        secure = await TLSStream.wrap(made, hostname=host, ssl_context=context, standard_compatible=False)
    except BaseException:
        made.close()
        raise
    return Connection(made, secure)


async def _first(addresses: Sequence[str], port: int, progress: Progress) -> Socket:
    """Try one address after the other, each a moment after the one before, and keep the first that connects."""
    if len(addresses) == 1:
        return await _one(addresses[0], port, progress)
    made: list[Socket] = []
    errors: list[OSError] = []

    async def attempt(address: str, over: anyio.Event) -> None:
        try:
            made.append(await _one(address, port, progress))
            group.cancel_scope.cancel()
        except OSError as error:
            errors.append(error)
        over.set()

    try:
        async with anyio.create_task_group() as group:
            for address in addresses:
                group.start_soon(attempt, address, over := anyio.Event())
                with anyio.move_on_after(_NEXT_ADDRESS):
                    await over.wait()
        if not made:
            raise OSError("no address accepts a connection") from ExceptionGroup("connecting", errors)
        first = made.pop(0)
    finally:
        for each in made:
            each.close()
    progress.uses(first)
    return first


async def _one(address: str, port: int, progress: Progress) -> Socket:
    progress.uses(made := Socket(address, port))
    try:
        await made.connected()
    except BaseException:
        made.close()
        raise
    return made


class Resolver:
    """Looks up names on threads of its own: an app's slow endpoints may have used up all others."""

    def __init__(self) -> None:
        self._limiter = CapacityLimiter(_LOOKUPS)

    async def look_up(self, host: str, port: int, progress: Progress) -> Sequence[str]:
        """Return the addresses of `host`. Raises OSError."""
        with suppress(ValueError):
            return [str(ipaddress.ip_address(host))]
        progress.waits_for_us("no thread to look up a host")
        ticket, begun, awaited = object(), False, True
        await self._limiter.acquire_on_behalf_of(ticket)

        def run() -> Sequence[Any]:
            nonlocal begun
            begun = True
            if awaited:
                progress.waits()
            try:
                return socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
            finally:  # also when nobody waits for it any more: it was a thread until now
                if awaited:
                    progress.waits_for_us("the event loop was held up")
                with suppress(RuntimeError):  # the event loop has ended
                    from_thread.run_sync(self._limiter.release_on_behalf_of, ticket)

        try:
            found = await to_thread.run_sync(run, abandon_on_cancel=True, limiter=CapacityLimiter(1))
        finally:
            awaited = False
            if not begun:  # cancelled before the thread began: it gives nothing back
                self._limiter.release_on_behalf_of(ticket)
        return list(dict.fromkeys(str(each[4][0]) for each in found))
