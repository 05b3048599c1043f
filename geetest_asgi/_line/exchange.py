"""The wires to GeeTest: our own connections, a proxy, or a client or transport of the user's."""

import sys
from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any, Final, Protocol

from anyio import CancelScope, CapacityLimiter, to_thread

from .._core.model import Reply
from .._core.protocol import MAX_REPLY
from .call import Call
from .proxies import proxy_of

HEADERS: Final = {
    "Content-Type": "application/x-www-form-urlencoded",
    "Accept": "application/json",
    "Accept-Encoding": "identity",
    "User-Agent": "geetest_asgi",
}
"""Of each call."""

MARK: Final = "x-geetest-simulator"
"""The header of all that `geetest_asgi.testing.Simulator` answers."""


class Wire(Protocol):
    """The one thing that is asked of an HTTP client here."""

    async def post(self, url: str, form: bytes, call: Call) -> Reply:
        """POST the form, and tell `call` how far it has come. Raises what the client raises. Has no time-out."""

    async def aclose(self) -> None:
        """Close what is ours to close."""


Make = Callable[[], Awaitable[Wire]]


def wire_maker(client: Any, *, trust_env: bool) -> Make:
    """Return what makes the wire of an event loop: by `client`, which may be a function that makes one."""

    async def make() -> Wire:
        if client is None:
            return await _own(trust_env=trust_env)
        if not isinstance(client, type) and (hasattr(client, "stream") or hasattr(client, "handle_async_request")):
            return GivenWire(client, ours=False)
        return GivenWire(client(), ours=True)

    return make


async def _own(*, trust_env: bool) -> Wire:
    """Import what the first call needs, and read the certificates."""
    # Tens of milliseconds: on a thread, and not on one that the app's slow endpoints may have used up.
    await to_thread.run_sync(_load, trust_env, limiter=CapacityLimiter(1))
    from .transport import Transport

    own = Transport(trust_env=trust_env)
    return ProxyWire(own) if trust_env else own


def _load(trust_env: bool) -> None:
    from .transport import certificates

    certificates(trust_env)


class ProxyWire:
    """Goes through the proxy that the environment names for a URL, by httpx's transport; where it names none, not."""

    def __init__(self, direct: Wire) -> None:
        self._direct = direct
        self._proxies: dict[str, GivenWire] = {}

    async def post(self, url: str, form: bytes, call: Call) -> Reply:
        """See `Wire`."""
        proxy = proxy_of(url)
        return await (self._through(proxy) if proxy else self._direct).post(url, form, call)

    def _through(self, proxy: str) -> "GivenWire":
        if proxy not in self._proxies:
            from .transport import proxied

            self._proxies[proxy] = GivenWire(proxied(proxy, trust_env=True), ours=True)
        return self._proxies[proxy]

    async def aclose(self) -> None:
        """Close every connection."""
        for wire in (self._direct, *self._proxies.values()):
            await wire.aclose()


def reply_of(status: int, headers: Mapping[bytes, bytes], body: bytes | None) -> Reply:
    """Return an answer whose header fields have lower-case names."""
    encoded = headers.get(b"content-encoding", b"identity").lower() != b"identity"
    return Reply(status, None if encoded else body, MARK.encode() in headers, encoded)


class KeptConnectionError(Exception):
    """As in `transport`, of a client of the user's."""


class GivenWire:
    """A client or a transport: anything with `stream` or `handle_async_request` of httpx's or httpx2's."""

    def __init__(self, client: Any, *, ours: bool) -> None:
        self._client = client
        self._ours = ours
        self._kit = sys.modules.get("httpx2") if _is_of_httpx2(client) else None

    async def post(self, url: str, form: bytes, call: Call) -> Reply:
        """POST; never following a redirect, which would carry the token elsewhere."""
        # Connect, read, write, pool. Our own deadline ends the call. Waiting for the client's own pool is our crowd's
        # doing and no outage: it must end, as PoolTimeout, while most of that deadline is left.
        timeout = {"connect": None, "read": None, "write": None, "pool": call.hand_over()}
        async with _traced(call) as extensions:
            if hasattr(self._client, "stream"):
                return await self._stream(url, form, tuple(timeout.values()), extensions)
            return await self._handle(url, form, {**extensions, "timeout": timeout})

    async def _stream(self, url: str, form: bytes, limits: object, extensions: Mapping[str, Any]) -> Reply:
        request = {"content": form, "headers": HEADERS, "timeout": limits, "extensions": extensions}
        async with self._client.stream("POST", url, follow_redirects=False, **request) as response:
            return await read_reply(response.status_code, response.headers, response.aiter_raw())

    async def _handle(self, url: str, form: bytes, extensions: Mapping[str, Any]) -> Reply:
        from .transport import request_of

        response = await self._client.handle_async_request(request_of(self._kit, url, form, HEADERS, extensions))
        try:
            return await read_reply(response.status_code, response.headers, response.stream)
        finally:
            await response.aclose()

    async def aclose(self) -> None:
        """Close the client if a function of the user's made it for us."""
        if self._ours and hasattr(self._client, "aclose"):
            await self._client.aclose()


def _is_of_httpx2(client: object) -> bool:
    return any(base.__module__.partition(".")[0] == "httpx2" for base in type(client).__mro__)


@asynccontextmanager
async def _traced(call: Call) -> AsyncIterator[Mapping[str, Any]]:
    """Follow a call by httpx's `trace` extension: the value goes into its request's `extensions`.

    A client that does not know it says nothing, and then nothing is known. httpcore 1.0.9 (2025) leaves a connection
    open that is given up during the TLS handshake: whatever ends the call ends that connection too.
    """
    opening, connected = None, False

    async def trace(event: str, info: Mapping[str, Any]) -> None:
        nonlocal opening, connected
        if event.endswith("send_request_headers.started"):
            call.sends(kept=not connected)
            call.waits()
        elif event.endswith(("connect_tcp.started", "start_tls.started", "send_request_body.complete")):
            call.sent, connected = event.endswith("complete"), True
            call.waits()
        if event.endswith("connect_tcp.complete"):
            opening = info["return_value"]
        elif not event.endswith(("start_tls.started", "start_tls.failed")):
            opening = None  # it is open, and the client's to keep

    try:
        yield {"trace": trace}
    except Exception as error:
        if call.sent and call.kept:
            raise KeptConnectionError from error
        raise
    finally:
        if opening is not None:
            with CancelScope(shield=True):
                await opening.aclose()


async def read_reply(status: int, headers: Mapping[str, str], chunks: AsyncIterable[bytes]) -> Reply:
    """Return the answer, with its body as it was sent; None where it is too long or encoded, or not a 200's.

    No more is read of it than an answer of `/validate` can have: the rest may be without an end.
    """
    raw = {name.lower().encode("latin-1"): value.encode("latin-1", "replace") for name, value in headers.items()}
    known = reply_of(status, raw, b"")
    if status != 200 or known.encoded:
        return reply_of(status, raw, None)
    body, pieces = bytearray(), aiter(chunks)
    async for piece in pieces:
        body += piece
        if len(body) > MAX_REPLY:
            await _break_off(pieces)
            return reply_of(status, raw, None)
    return reply_of(status, raw, bytes(body))


async def _break_off(pieces: AsyncIterator[bytes]) -> None:
    """The generators inside must be unwound, and only an exception does that."""
    with CancelScope() as enough:
        enough.cancel()
        async for _ in pieces:
            pass
