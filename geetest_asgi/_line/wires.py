"""Choose what carries the calls of an event loop: our connections, a proxy of the environment, or the user's client."""

from collections.abc import Awaitable, Callable, Iterable
from importlib.util import find_spec
from typing import Any, Final
from urllib.parse import urlsplit

from anyio import CapacityLimiter, to_thread

from .._core.errors import ConfigError
from .._core.model import Reply
from .call import Call
from .exchange import Wire
from .given import GivenWire

Make = Callable[[], Awaitable[Wire]]


def wire_maker(client: Any, servers: Iterable[str], *, trust_env: bool) -> Make:
    """Return a function that makes the wire of an event loop. `client` may be such a function, too.

    Raises ConfigError if `trust_env` is set and the environment names a proxy that cannot be used.
    """
    if trust_env and client is None:
        _check_proxies(servers)

    async def make() -> Wire:
        if client is None:
            return await _own(trust_env=trust_env)
        if not isinstance(client, type) and (hasattr(client, "stream") or hasattr(client, "handle_async_request")):
            return GivenWire(client, ours=False)
        return GivenWire(client(), ours=True)

    return make


async def _own(*, trust_env: bool) -> Wire:
    """Import what the first call needs, and read the certificates."""
    # It takes tens of milliseconds, so it runs on a thread of its own: slow endpoints may use up the app's threads.
    await to_thread.run_sync(_load, trust_env, limiter=CapacityLimiter(1))
    from .transport import Transport

    own = Transport(trust_env=trust_env)
    return ProxyWire(own) if trust_env else own


def _load(trust_env: bool) -> None:
    from .transport import certificates

    certificates(trust_env)


class ProxyWire:
    """Uses httpx's transport if the environment names a proxy for the URL, else our own connections."""

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

            self._proxies[proxy] = GivenWire(proxied(proxy), ours=True)
        return self._proxies[proxy]

    async def aclose(self) -> None:
        """Close every connection."""
        for wire in (self._direct, *self._proxies.values()):
            await wire.aclose()


_SCHEMES: Final = ("http", "https", "socks5", "socks5h")


def proxy_of(url: str) -> str | None:
    """Return the proxy for `url`, by HTTPS_PROXY, HTTP_PROXY, ALL_PROXY and NO_PROXY; None for none."""
    import urllib.request  # heavy, and for trust_env only

    parts = urlsplit(url)
    if urllib.request.proxy_bypass(parts.netloc):
        return None
    proxies = urllib.request.getproxies()
    proxy = proxies.get(parts.scheme) or proxies.get("all")
    return proxy if not proxy or "://" in proxy else f"http://{proxy}"


def _check_proxies(servers: Iterable[str]) -> None:
    """Raise ConfigError for a proxy that cannot be used. Its URL is not shown: it may hold a password."""
    for server in servers:
        scheme = urlsplit(proxy_of(server) or "http:").scheme
        if scheme not in _SCHEMES:
            raise ConfigError(f"trust_env: a proxy with the scheme {scheme!r}; write one of {', '.join(_SCHEMES)}")
        if scheme.startswith("socks") and find_spec("socksio") is None:
            raise ConfigError("trust_env: a SOCKS proxy needs the package socksio: pip install 'httpx[socks]'")
