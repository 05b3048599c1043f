"""One connection to GeeTest, by httpx. This is the one file that imports it; it is itself imported with the first call.

A transport of httpx's without its client around it: no redirects, no cookies, no proxies but those asked for.
"""

import ssl
import urllib.request
from collections.abc import AsyncIterator
from functools import cache, lru_cache
from urllib.parse import urlsplit

import httpx

from .._core.model import Reply
from .handshake import handshake
from .reading import read_reply


class Connection:
    """A connection to one origin such as "https://gcaptcha4.geetest.com", made and remade when needed.

    `unused`: seconds after which it is not used again. Building one may read certificates (20 ms): not a thing to do
    on an event loop.
    """

    def __init__(self, origin: str, *, trust_env: bool, unused: float) -> None:
        self._transport = httpx.AsyncHTTPTransport(
            verify=_certificates(trust_env) if origin.startswith("https:") else _no_certificates(),
            trust_env=False,
            proxy=_proxy(origin) if trust_env else None,
            limits=httpx.Limits(max_connections=1, max_keepalive_connections=1, keepalive_expiry=unused),
        )

    async def post(self, url: str, form: bytes, headers: dict[str, str], connect: float) -> Reply:
        """POST the form; `connect`: seconds for making the connection. Only a 200's body is read."""
        async with handshake() as extensions:
            extensions = {**extensions, "timeout": {"connect": connect}}
            request = httpx.Request("POST", _parsed(url), content=form, headers=headers, extensions=extensions)
            request.stream = _Form(form)
            response = await self._transport.handle_async_request(request)
        try:
            return await read_reply(response.status_code, response.headers, response.stream)  # type: ignore[arg-type]
        finally:
            await response.aclose()

    async def aclose(self) -> None:
        """Close it, if it is open."""
        await self._transport.aclose()


class _Form(httpx.AsyncByteStream):
    """A body in one piece. httpx's own is a generator, which trio complains of if a call fails half-way."""

    def __init__(self, form: bytes) -> None:
        self._left = [form]

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        if not self._left:
            raise StopAsyncIteration
        return self._left.pop()


@lru_cache(64)
def _parsed(url: str) -> httpx.URL:
    """There is one for each server and captcha_id, and parsing it is the dearest part of making a request."""
    return httpx.URL(url)


@cache
def _certificates(trust_env: bool) -> ssl.SSLContext:
    return httpx.create_ssl_context(trust_env=trust_env)


@cache
def _no_certificates() -> ssl.SSLContext:
    """For plain http, where none is looked at."""
    return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


def _proxy(origin: str) -> str | None:
    url = urlsplit(origin)
    if urllib.request.proxy_bypass(url.netloc):
        return None
    proxies = urllib.request.getproxies()
    return proxies.get(url.scheme) or proxies.get("all")
