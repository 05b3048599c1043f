"""Open a connection: look up a name, try its addresses, secure it by TLS."""

import ipaddress
import socket
import ssl
from collections.abc import Sequence
from contextlib import suppress
from contextvars import Context
from math import inf
from time import monotonic
from typing import Any, Final

import anyio
from anyio import CapacityLimiter, to_thread
from anyio.streams.tls import TLSStream

from .call import Call
from .clock import clock
from .sockets import Connection, Socket

_NEXT_ADDRESS: Final = 0.25
"""Seconds after which the next address of a name is tried beside the one before (RFC 8305 §5)."""


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
    """The sockets that try the addresses of one name. The call treats them as one."""

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
    """Try the addresses, each a moment after the one before, and return the first connection."""
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


class Lookup:
    """One look-up of a name, on a thread of its own. Calls use it as they use a socket."""

    def __init__(self) -> None:
        self.since: float = inf
        """When the resolver was asked."""
        self.over = anyio.Event()
        self.found: Sequence[str] | Exception = OSError("the event loop has ended")
        self._answered = False

    def hears(self) -> bool:
        """Return whether the resolver has answered."""
        return self._answered

    async def run(self, host: str, port: int, under_way: dict[str, "Lookup"]) -> None:
        """Look up the name. It goes on when the calls that wait for it are cancelled."""

        def ask() -> Sequence[Any]:
            self.since = monotonic()
            try:
                return socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
            finally:
                self._answered = True

        try:
            found = await to_thread.run_sync(ask, abandon_on_cancel=True, limiter=CapacityLimiter(1))
            self.found = list(dict.fromkeys(str(each[4][0]) for each in found))
        except Exception as error:
            self.found = error
        finally:
            del under_way[host]
            self.over.set()


async def look_up(host: str, port: int, call: Call, under_way: dict[str, Lookup]) -> Sequence[str]:
    """Return the addresses of a host. Raises OSError and UnicodeError.

    Calls that need a name at the same time share one look-up, so a resolver that hangs holds one thread for each name.
    """
    with suppress(ValueError):
        return [str(ipaddress.ip_address(host))]
    if (lookup := under_way.get(host)) is None:
        under_way[host] = lookup = Lookup()
        clock().run(lambda: lookup.run(host, port, under_way), Context())  # it outlives this request
    call.uses(lookup)
    await lookup.over.wait()
    if isinstance(lookup.found, Exception):
        raise lookup.found
    return lookup.found
