"""An httpx transport for many calls to few servers. This file imports httpx; it is itself imported with the first call.

httpx's own pool looks at every connection and every waiting call at each step, so its cost grows with the square of
what is in flight. Here each server has a list of free connections, last used first; whoever calls bounds their number.
"""

import os
import ssl
from collections import defaultdict, deque
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from time import monotonic
from typing import Any, Final
from urllib.parse import urlsplit

import anyio
import httpx

from .._core.model import Reply
from .call import Call, Progress
from .exchange import HEADERS, reply_of
from .reader import BrokenReplyError, Reader
from .sockets import Connection, Resolver, connect

UNUSED: Final = 45.0
"""Seconds after which a free connection is closed; GeeTest's end may close it earlier."""


class KeptConnectionError(httpx.ReadError):
    """A connection that was kept from another call failed. Its other end may have closed it while this call was on its
    way, which a visitor can time; so it says nothing about GeeTest.
    """


@dataclass(frozen=True, slots=True)
class Origin:
    """A scheme, host and port."""

    host: str
    port: int
    secure: bool


class Transport(httpx.AsyncBaseTransport):
    """Connections of one event loop. Follows no redirect, keeps no cookie and knows no proxy.

    `trust_env`: see `certificates`.
    """

    def __init__(self, *, trust_env: bool = False) -> None:
        self._trust_env = trust_env
        self._resolver = Resolver()
        self._free: defaultdict[Origin, deque[Connection]] = defaultdict(deque)
        self._closed = False

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send a request and return its response. Only the body of a 200 is read, and 64 KiB of it at most.

        Has no time-out of its own. Raises httpx's ConnectError, ReadError, WriteError and RemoteProtocolError.
        """
        left = {"host", "content-length", "transfer-encoding", "connection"}
        headers = tuple((name, value) for name, value in request.headers.items() if name not in left)
        origin, head = _head(request.method, str(request.url), headers)
        reader = await self._exchange(origin, head, await request.aread(), Progress())
        return httpx.Response(reader.status, headers=reader.headers(), stream=_Body(reader.body or b""))

    async def post(self, url: str, form: bytes, call: Call) -> Reply:
        """The same for the line, without httpx's objects, which cost more than the call."""
        reader = await self._exchange(*_head("POST", url, _HEADERS), form, call)
        return reply_of(reader.status, reader.fields, reader.body)

    async def _exchange(self, origin: Origin, head: bytes, body: bytes, progress: Progress) -> Reader:
        connection = self._kept(origin) or await self._connect(origin, progress)
        kept, reader = connection.free_since > 0, Reader()
        try:
            progress.sends(connection.socket, kept=kept)
            await connection.stream.send(b"%b%d\r\n\r\n%b" % (head, len(body), body))
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
        return reader

    def _kept(self, origin: Origin) -> Connection | None:
        free = self._free[origin]
        while free and monotonic() - free[0].free_since > UNUSED:
            free.popleft().socket.close()
        while free:
            connection = free.pop()
            if not connection.hears():
                return connection
            connection.socket.close()
        return None

    async def _connect(self, origin: Origin, progress: Progress) -> Connection:
        try:
            addresses = await self._resolver.look_up(origin.host, origin.port, progress)
            context = certificates(self._trust_env) if origin.secure else None
            return await connect(addresses, origin.port, origin.host, context, progress)
        except (OSError, UnicodeError, anyio.BrokenResourceError, anyio.EndOfStream) as error:
            raise httpx.ConnectError(f"{origin.host} cannot be reached") from error

    async def aclose(self) -> None:
        """Close every free connection now, and those in use when their calls end."""
        self._closed = True
        for free in self._free.values():
            while free:
                free.pop().socket.close()


class _Body(httpx.AsyncByteStream):
    """A body in one piece. httpx's own is a generator, which trio complains of if a call fails half-way."""

    def __init__(self, body: bytes) -> None:
        self._left = [body]

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        if not self._left:
            raise StopAsyncIteration
        return self._left.pop()


@lru_cache(64)
def _head(method: str, url: str, headers: tuple[tuple[str, str], ...]) -> tuple[Origin, bytes]:
    """The origin of a URL, and the head of a request as far as the value of Content-Length."""
    parts = urlsplit(url)
    secure = parts.scheme == "https"
    origin = Origin(str(parts.hostname), parts.port or (443 if secure else 80), secure)
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    lines = [f"{method} {target} HTTP/1.1", f"Host: {parts.netloc}", *map(": ".join, headers), "Content-Length: "]
    return origin, "\r\n".join(lines).encode("latin-1")


_HEADERS: Final = tuple(HEADERS.items())


def certificates(trust_env: bool) -> ssl.SSLContext:
    """Return whom to trust: httpx's certificates; with `trust_env` those of SSL_CERT_FILE or SSL_CERT_DIR, if set.

    The first time takes tens of milliseconds: not a thing to do on an event loop.
    """
    files = (os.environ.get("SSL_CERT_FILE"), os.environ.get("SSL_CERT_DIR")) if trust_env else ()
    return _certificates(trust_env, files)


@lru_cache(8)
def _certificates(trust_env: bool, files: tuple[str | None, ...]) -> ssl.SSLContext:
    return httpx.create_ssl_context(trust_env=trust_env)


def proxied(proxy: str, *, trust_env: bool) -> httpx.AsyncBaseTransport:
    """Return httpx's own transport through a proxy. Reads certificates, as `certificates` does."""
    limits = httpx.Limits(max_connections=None, max_keepalive_connections=20, keepalive_expiry=UNUSED)
    return httpx.AsyncHTTPTransport(verify=certificates(trust_env), trust_env=False, proxy=proxy, limits=limits)


def request_of(kit: Any, url: str, form: bytes, headers: Mapping[str, str], extensions: Mapping[str, Any]) -> Any:
    """Return a request for a transport of httpx's, or of httpx2's: `kit` is the package, None for httpx."""
    return (kit or httpx).Request("POST", url, content=form, headers=headers, extensions=dict(extensions))
