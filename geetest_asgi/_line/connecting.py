"""Opening a connection: looking up a name, trying its addresses, TLS."""

import ipaddress
import socket
import ssl
from collections.abc import Sequence
from contextlib import suppress
from math import inf
from typing import Any, Final

import anyio
from anyio import CapacityLimiter, from_thread, to_thread
from anyio.streams.tls import TLSStream

from .call import Call
from .sockets import Connection, Socket

_NEXT_ADDRESS: Final = 0.25
"""Seconds after which the next address of a name is tried beside the one before (RFC 8305 §5)."""

_LOOKUPS: Final = 4
"""Names that are looked up at one time: each on a thread, of which a resolver that hangs keeps so many."""


async def connect(
    addresses: Sequence[str], port: int, host: str, context: ssl.SSLContext | None, call: Call
) -> Connection:
    """Return a connection to the first address that accepts one, secured where a context is given.

    Raises OSError (of which SSLError is one) and anyio's exceptions for a broken stream.
    """
    made = await _first(addresses, port, call)
    call.uses(made)
    if context is None:
        return Connection(made, made)
    try:
        secure = await TLSStream.wrap(made, hostname=host, ssl_context=context, standard_compatible=False)
    except BaseException:
        made.close()
        raise
    return Connection(made, secure)


class Attempts:
    """The sockets that try the addresses of one name: what one of them hears, the call hears."""

    def __init__(self) -> None:
        self.sockets: list[Socket] = []

    @property
    def since(self) -> float:
        """When the first of them began to connect."""
        return min((each.since for each in self.sockets), default=inf)

    def hears(self) -> bool:
        """See `Socket`."""
        return any(each.hears() for each in self.sockets)

    async def connect(self, address: str, port: int) -> Socket:
        """Return a connection to this address. Raises OSError."""
        self.sockets.append(made := Socket(address, port))
        try:
            await made.connected()
        except BaseException:
            self.sockets.remove(made)
            made.close()
            raise
        return made


async def _first(addresses: Sequence[str], port: int, call: Call) -> Socket:
    """Try one address after the other, each a moment after the one before, and keep the first that connects."""
    call.uses(attempts := Attempts())
    if len(addresses) == 1:
        return await attempts.connect(addresses[0], port)
    made: list[Socket] = []
    errors: list[OSError] = []

    async def attempt(address: str, over: anyio.Event) -> None:
        try:
            made.append(await attempts.connect(address, port))
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
    return first


class Resolver:
    """Looks up names on threads of its own: an app's slow endpoints may have used up all others."""

    def __init__(self) -> None:
        self._limiter = CapacityLimiter(_LOOKUPS)

    async def look_up(self, host: str, port: int, call: Call) -> Sequence[str]:
        """Return the addresses of `host`. Raises OSError."""
        with suppress(ValueError):
            return [str(ipaddress.ip_address(host))]
        call.ours = "no thread to look up a host"
        ticket, begun, awaited = object(), False, True
        await self._limiter.acquire_on_behalf_of(ticket)

        def run() -> Sequence[Any]:
            nonlocal begun
            begun = True
            if awaited:
                call.waits()
            try:
                return socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
            finally:  # also when nobody waits for it any more: it was a thread until now
                if awaited:
                    call.ours = "the event loop was held up"
                with suppress(RuntimeError):  # the event loop has ended
                    from_thread.run_sync(self._limiter.release_on_behalf_of, ticket)

        try:
            found = await to_thread.run_sync(run, abandon_on_cancel=True, limiter=CapacityLimiter(1))
        finally:
            awaited = False
            if not begun:  # cancelled before the thread began: it gives nothing back
                self._limiter.release_on_behalf_of(ticket)
        return list(dict.fromkeys(str(each[4][0]) for each in found))
