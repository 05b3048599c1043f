"""Many calls to few servers, on our own connections. This file imports httpx, and is imported with the first call.

httpx's own pool looks at every connection and every waiting call at each step, so its cost grows with the square of
the calls in flight. Here each server has a list of free connections, last used first; the caller bounds their number.
"""

import os
import ssl
from collections import defaultdict, deque
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from time import monotonic
from typing import Any, Final
from urllib.parse import urlsplit

import anyio
import httpx

from .._core.model import Reply
from .blame import KeptConnectionError
from .call import Call
from .connecting import Lookup, connect, look_up
from .exchange import HEADERS, reply_of
from .reader import BrokenReplyError, Reader
from .sockets import Connection

UNUSED: Final = 45.0
"""Idle seconds after which the next call closes a connection; GeeTest's end may do so earlier."""


@dataclass(frozen=True, slots=True)
class Origin:
    """A scheme, host and port."""

    host: str
    port: int
    secure: bool


class Transport:
    """The connections of one event loop: no redirect, no cookie, no proxy. `trust_env`: see `certificates`."""

    def __init__(self, *, trust_env: bool = False) -> None:
        self._trust_env = trust_env
        self._lookups: dict[str, Lookup] = {}
        self._free: defaultdict[Origin, deque[Connection]] = defaultdict(deque)
        self._closed = False

    async def post(self, url: str, form: bytes, call: Call) -> Reply:
        """See `Wire`. Reads the body of a 200 only, and 64 KiB of it at most.

        Raises KeptConnectionError, and httpx's ConnectError, ReadError and RemoteProtocolError.
        """
        origin, head = _head(url)
        connection = self._kept(origin) or await self._connect(origin, call)
        kept, reader = connection.free_since > 0, Reader()
        try:
            call.sends(connection.socket, kept=kept)
            await connection.stream.send(b"%b%d\r\n\r\n%b" % (head, len(form), form))
            while not reader.done:
                try:
                    data = await connection.stream.receive()
                except anyio.EndOfStream:
                    data = b""
                reader.feed(data)
        except BrokenReplyError as error:
            raise (KeptConnectionError if kept else httpx.RemoteProtocolError)("no whole answer of HTTP/1.1") from error
        except (OSError, anyio.BrokenResourceError) as error:
            raise (KeptConnectionError if kept else httpx.ReadError)("the connection broke off") from error
        finally:
            if reader.reusable and not self._closed:
                connection.free_since = monotonic()
                self._free[origin].append(connection)
            else:
                connection.socket.close()
        return reply_of(reader.status, reader.fields, reader.body)

    def _kept(self, origin: Origin) -> Connection | None:
        for unused in self._free.values():
            while unused and monotonic() - unused[0].free_since > UNUSED:
                unused.popleft().socket.close()
        free = self._free[origin]
        while free:
            connection = free.pop()
            if connection.is_unused():
                return connection
            connection.socket.close()
        return None

    async def _connect(self, origin: Origin, call: Call) -> Connection:
        try:
            addresses = await look_up(origin.host, origin.port, call, self._lookups)
            context = certificates(self._trust_env) if origin.secure else None
            return await connect(addresses, origin.port, origin.host, context, call)
        except (OSError, UnicodeError, anyio.BrokenResourceError, anyio.EndOfStream) as error:
            raise httpx.ConnectError(f"{origin.host} cannot be reached") from error

    async def aclose(self) -> None:
        """Close every free connection now, and those in use when their calls end."""
        self._closed = True
        for free in self._free.values():
            while free:
                free.pop().socket.close()


@lru_cache(64)
def _head(url: str) -> tuple[Origin, bytes]:
    """Return the origin of a URL, and the head of its request up to the value of Content-Length."""
    parts = urlsplit(url)
    secure = parts.scheme == "https"
    origin = Origin(str(parts.hostname), parts.port or (443 if secure else 80), secure)
    fields = "".join(f"{name}: {value}\r\n" for name, value in HEADERS.items())
    head = f"POST {parts.path}?{parts.query} HTTP/1.1\r\nHost: {parts.netloc}\r\n{fields}Content-Length: "
    return origin, head.encode("latin-1")


def certificates(trust_env: bool) -> ssl.SSLContext:
    """Return the trusted certificates: httpx's; with `trust_env` those of SSL_CERT_FILE or SSL_CERT_DIR, if set.

    The first call takes tens of milliseconds: do not make it on an event loop.
    """
    return _certificates(trust_env, os.environ.get("SSL_CERT_FILE"), os.environ.get("SSL_CERT_DIR"))


@lru_cache(8)
def _certificates(trust_env: bool, file: str | None, folder: str | None) -> ssl.SSLContext:
    return httpx.create_ssl_context(trust_env=trust_env)


def proxied(proxy: str) -> httpx.AsyncBaseTransport:
    """Return httpx's own transport through a proxy of the environment. Reads certificates, as `certificates` does."""
    limits = httpx.Limits(keepalive_expiry=UNUSED)  # no bound here: the caller has one
    return httpx.AsyncHTTPTransport(verify=certificates(True), proxy=proxy, limits=limits)


def request_of(kit: Any, url: str, form: bytes, headers: Mapping[str, str], extensions: Mapping[str, Any]) -> Any:
    """Return a request for a transport of httpx's, or of httpx2's: `kit` is the package, None for httpx."""
    return (kit or httpx).Request("POST", url, content=form, headers=headers, extensions=dict(extensions))
