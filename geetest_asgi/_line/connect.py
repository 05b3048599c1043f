"""Making a connection: look up the name, connect, shake hands. Each step reports its progress."""

import ipaddress
import select
import socket
import ssl
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any, Final

import anyio
from anyio import CancelScope, CapacityLimiter, from_thread, to_thread
from anyio.abc import ByteStream, SocketAttribute
from anyio.streams.tls import TLSAttribute, TLSStream

from .deadline import Progress

_NEXT_ADDRESS: Final = 0.25
"""Seconds after which the next address of a name is tried beside the one before (RFC 8305 §5)."""

_LOOKUPS: Final = 4
"""Names that are looked up at one time: each on a thread, of which a resolver that hangs keeps so many."""

AT_ONCE: Final = 256 * 1024
"""Bytes. No event loop hands over more in one piece (asyncio and uvloop read so many at a time)."""


class Resolver:
    """Looks up names on threads of its own: an app's slow endpoints may have used up all others."""

    def __init__(self) -> None:
        self._limiter = CapacityLimiter(_LOOKUPS)

    async def look_up(self, host: str, port: int, progress: Progress) -> Sequence[str]:
        """Return the addresses of `host`. Raises OSError."""
        with suppress(ValueError):
            return [str(ipaddress.ip_address(host))]
        progress.waits_for_us("no thread to look up a host")
        ticket = object()
        await self._limiter.acquire_on_behalf_of(ticket)

        def run() -> Sequence[Any]:
            try:
                return socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
            finally:  # also when nobody waits for it any more: it was a thread until now
                with suppress(RuntimeError):  # the event loop has ended
                    from_thread.run_sync(self._limiter.release_on_behalf_of, ticket)

        progress.waits()
        found = await to_thread.run_sync(run, abandon_on_cancel=True, limiter=CapacityLimiter(1))
        return list(dict.fromkeys(str(each[4][0]) for each in found))


class Stream(ByteStream):
    """What TLS is spoken over. It reports each step of the handshake: from then on it is the other end's turn."""

    def __init__(self, inner: ByteStream, progress: Progress) -> None:
        self._inner = inner
        self._progress = progress

    async def receive(self, max_bytes: int = AT_ONCE) -> bytes:
        """Receive all that has come, whatever TLS asks for: nothing is kept back where `is_quiet` would not see it."""
        return await self._inner.receive(AT_ONCE)

    async def send(self, item: bytes) -> None:
        """Send as anyio's streams do."""
        self._progress.waits()
        await self._inner.send(item)

    async def send_eof(self) -> None:
        """Hang up half-way, as anyio's streams do."""
        await self._inner.send_eof()

    async def aclose(self) -> None:
        """Close it."""
        await self._inner.aclose()

    @property
    def extra_attributes(self) -> Mapping[Any, Any]:
        """Those of the stream inside."""
        return self._inner.extra_attributes


async def connect(
    addresses: Sequence[str], port: int, host: str, context: ssl.SSLContext | None, progress: Progress
) -> ByteStream:
    """Return a connection to the first address that accepts one, secured where a context is given.

    Raises OSError (of which SSLError is one) and anyio's exceptions for a broken stream.
    """
    progress.waits()
    plain = await _first(addresses, port)
    if context is None:
        return plain
    stream = Stream(plain, progress)
    try:
        return await TLSStream.wrap(stream, hostname=host, ssl_context=context, standard_compatible=False)
    except BaseException:
        await close(stream)
        raise


async def _first(addresses: Sequence[str], port: int) -> ByteStream:
    """Try one address after the other, each a moment after the one before, and keep the first that connects."""
    if len(addresses) == 1:
        return await anyio.connect_tcp(addresses[0], port)
    made: list[ByteStream] = []
    errors: list[OSError] = []

    async def attempt(address: str, over: anyio.Event) -> None:
        try:
            stream = await anyio.connect_tcp(address, port)
        except OSError as error:
            errors.append(error)
        else:
            if made:
                return await close(stream)
            made.append(stream)
            group.cancel_scope.cancel()
        over.set()
        return None

    async with anyio.create_task_group() as group:
        for address in addresses:
            group.start_soon(attempt, address, over := anyio.Event())
            with anyio.move_on_after(_NEXT_ADDRESS):
                await over.wait()
    if not made:
        raise OSError("no address accepts a connection") from ExceptionGroup("connecting", errors)
    return made[0]


async def close(stream: ByteStream) -> None:
    """Close at once, without a farewell that the other end may keep us waiting with."""
    with CancelScope(shield=True):
        await anyio.aclose_forcefully(stream)


class Ear:
    """Tells whether something has come on a connection that nobody asked for: data, or its end."""

    def __init__(self, stream: ByteStream) -> None:
        self._raw = stream.extra(SocketAttribute.raw_socket)  # noqa: S610 - not Django's
        self._secure = stream.extra(TLSAttribute.ssl_object, None)  # noqa: S610
        self._poll = select.poll() if hasattr(select, "poll") else None
        if self._poll is not None:
            self._poll.register(self._raw.fileno(), select.POLLIN)

    def hears(self) -> bool:
        """Look, without waiting."""
        return self._is_readable() or (self._secure is not None and _has_leftovers(self._secure))

    def _is_readable(self) -> bool:
        if self._poll is not None:
            return bool(self._poll.poll(0))
        return bool(select.select([self._raw], [], [], 0)[0])  # Windows


def _has_leftovers(secure: ssl.SSLObject) -> bool:
    """TLS may hold what was received together with the last answer."""
    try:
        secure.read(1)
    except ssl.SSLWantReadError:
        return False
    except ssl.SSLError:
        return True
    return True
