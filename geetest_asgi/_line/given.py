"""A client or a transport of the user's, or httpx's own through a proxy."""

import sys
from collections.abc import AsyncIterator, Mapping
from typing import Any

from anyio import CancelScope

from .._core.model import Reply
from .blame import KeptConnectionError
from .call import Call
from .exchange import HEADERS, read_reply


class GivenWire:
    """A client or a transport: anything with `stream` or `handle_async_request` of httpx's or httpx2's."""

    def __init__(self, client: Any, *, ours: bool) -> None:
        self._client = client
        self._ours = ours
        of_httpx2 = any(base.__module__.partition(".")[0] == "httpx2" for base in type(client).__mro__)
        self._kit = sys.modules.get("httpx2") if of_httpx2 else None

    async def post(self, url: str, form: bytes, call: Call) -> Reply:
        """POST without following redirects, which would send the token elsewhere."""
        # Connect, read, write, pool. Our own deadline ends the call. A wait for the client's own pool is caused by our
        # own load and is no outage: it must end, as PoolTimeout, while most of the time remains.
        timeout = {"connect": None, "read": None, "write": None, "pool": call.hand_over()}
        trace = Trace(call)
        extensions = {"trace": trace.note}
        try:
            if hasattr(self._client, "stream"):
                return await self._stream(url, form, tuple(timeout.values()), extensions)
            return await self._handle(url, form, {**extensions, "timeout": timeout})
        except Exception as error:
            if call.sent and call.kept:
                raise KeptConnectionError from error
            raise
        finally:
            if trace.opening is not None:
                await trace.close()

    async def _stream(self, url: str, form: bytes, limits: object, extensions: Mapping[str, Any]) -> Reply:
        request = {"content": form, "headers": HEADERS, "timeout": limits, "extensions": extensions}
        async with self._client.stream("POST", url, follow_redirects=False, **request) as response:
            # by a hook of the client's, or a mock transport
            read_before = getattr(response, "is_stream_consumed", False)
            pieces = _piece(response.content) if read_before else response.aiter_raw()
            return await read_reply(response.status_code, response.headers, pieces)

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


async def _piece(content: bytes) -> AsyncIterator[bytes]:
    yield content


class Trace:
    """Follows a call by httpx's `trace` extension: `note` goes into its request's `extensions`.

    A client without this extension reports nothing. httpcore 1.0.9 (2025) leaves a connection open if the call is
    cancelled during the TLS handshake, so every end of a call must `close` it.
    """

    def __init__(self, call: Call) -> None:
        self._call = call
        self._connected = False
        self.opening: Any = None
        """A connection whose TLS handshake is not over."""

    async def note(self, event: str, info: Mapping[str, Any]) -> None:
        """Report the progress to the call."""
        if event.endswith("send_request_headers.started"):
            self._call.sends(None, kept=not self._connected)
            self._call.waits()
        elif event.endswith(("connect_tcp.started", "start_tls.started", "send_request_body.complete")):
            self._call.sent, self._connected = event.endswith("complete"), True
            self._call.waits()
        if event.endswith("connect_tcp.complete"):
            self.opening = info["return_value"]
        elif not event.endswith(("start_tls.started", "start_tls.failed")):
            self.opening = None  # it is open, and the client's to keep

    async def close(self) -> None:
        """Close the connection of an unfinished TLS handshake."""
        with CancelScope(shield=True):
            await self.opening.aclose()
