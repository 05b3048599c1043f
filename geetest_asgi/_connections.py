"""The wire to GeeTest. httpx is used in this file only, and imported when the first call is made.

httpx's own pool looks at every connection and every waiting call at each step, so its cost grows with the square of
what is in flight. Here each connection is a transport of its own in a list of free ones, last used first; how many
there are is bounded by whoever calls (`Limits.max_in_flight`).
"""

import ssl
import time
import urllib.request
from collections import defaultdict, deque
from functools import cache, partial
from typing import TYPE_CHECKING, Any, Final, Protocol
from urllib.parse import urlsplit

from anyio import CancelScope, to_thread

from ._core.model import Reply
from ._core.protocol import MAX_REPLY

if TYPE_CHECKING:
    import httpx

KEEP_ALIVE: Final = 45.0
"""Seconds that an unused connection is kept: a new one costs a TLS handshake."""

_HEADERS: Final = {
    "Content-Type": "application/x-www-form-urlencoded",
    "Accept": "application/json",
    "Accept-Encoding": "identity",
    "User-Agent": "geetest_asgi",
}


class Wire(Protocol):
    """The one thing that is asked of an HTTP client here."""

    async def post(self, url: str, form: bytes, connect: float) -> Reply:
        """POST the form; `connect` is how many seconds a connection may take. Raises what the client raises."""

    async def aclose(self) -> None:
        """Close what is ours to close."""


class OwnConnections:
    """The default: httpx's transports, one connection each. Belongs to one event loop."""

    def __init__(self, *, trust_env: bool) -> None:
        self._trust_env = trust_env
        self._free: defaultdict[str, deque[tuple[float, httpx.AsyncHTTPTransport]]] = defaultdict(deque)

    async def post(self, url: str, form: bytes, connect: float) -> Reply:
        """POST on a free connection or a new one. No redirects, no cookies, no retries; replies are bounded."""
        origin = url.partition("/validate")[0]
        transport = await self._take(origin)
        try:
            reply = await _post(transport, url, form, connect)
        except BaseException:
            with CancelScope(shield=True):
                await transport.aclose()
            raise
        self._free[origin].append((time.monotonic(), transport))
        return reply

    async def _take(self, origin: str) -> "httpx.AsyncHTTPTransport":
        free = self._free[origin]
        while free and time.monotonic() - free[0][0] > KEEP_ALIVE:
            await free.popleft()[1].aclose()
        if free:
            return free.pop()[1]
        # Importing httpx and reading the certificates takes tens of milliseconds: not on the event loop.
        return await to_thread.run_sync(partial(_new_transport, origin, self._trust_env))

    async def aclose(self) -> None:
        """Close every free connection."""
        for free in self._free.values():
            while free:
                await free.pop()[1].aclose()


async def _post(transport: "httpx.AsyncHTTPTransport", url: str, form: bytes, connect: float) -> Reply:
    import httpx

    request = httpx.Request("POST", url, content=form, headers=_HEADERS, extensions={"timeout": {"connect": connect}})
    response = await transport.handle_async_request(request)
    try:
        return Reply(response.status_code, await _read(response) if response.status_code == 200 else None)
    finally:
        await response.aclose()


async def _read(response: "httpx.Response") -> bytes | None:
    """The body as sent, or None where it is too long or encoded (we asked for neither)."""
    if response.headers.get("content-encoding", "identity") != "identity":
        return None
    body = bytearray()
    async for chunk in response.stream:  # type: ignore[union-attr]
        body += chunk
        if len(body) > MAX_REPLY:
            return None
    return bytes(body)


def _new_transport(origin: str, trust_env: bool) -> "httpx.AsyncHTTPTransport":
    import httpx

    return httpx.AsyncHTTPTransport(
        verify=_certificates(trust_env) if origin.startswith("https:") else _no_certificates(),
        trust_env=False,
        proxy=_proxy(origin) if trust_env else None,
        limits=httpx.Limits(max_connections=1, max_keepalive_connections=1, keepalive_expiry=KEEP_ALIVE),
    )


@cache
def _certificates(trust_env: bool) -> ssl.SSLContext:
    import httpx

    return httpx.create_ssl_context(trust_env=trust_env)


@cache
def _no_certificates() -> ssl.SSLContext:
    """For plain http, where none is looked at: reading the authorities takes 20 ms."""
    return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


def _proxy(origin: str) -> str | None:
    url = urlsplit(origin)
    if urllib.request.proxy_bypass(url.netloc):
        return None
    proxies = urllib.request.getproxies()
    return proxies.get(url.scheme) or proxies.get("all")


class GivenClient:
    """A client of the user's: any object with httpx's asynchronous `request`."""

    def __init__(self, client: Any, *, ours: bool) -> None:
        self._client = client
        self._ours = ours

    async def post(self, url: str, form: bytes, connect: float) -> Reply:
        """POST by `client.request`; never following a redirect, which would carry the token elsewhere."""
        # Connect, read, write, pool. The caller's deadline bounds the reading. Waiting for the client's own pool is
        # our crowd's doing and no outage: it must end, as PoolTimeout, while most of that deadline is left.
        response = await self._client.request(
            "POST",
            url,
            content=form,
            headers=_HEADERS,
            follow_redirects=False,
            timeout=(connect, None, None, connect / 4),
        )
        return Reply(response.status_code, response.content)

    async def aclose(self) -> None:
        """Close the client if a function of the user's made it for us."""
        if self._ours and hasattr(self._client, "aclose"):
            await self._client.aclose()
