"""Proxies that the environment names, for `trust_env=True`."""

from collections.abc import Iterable
from importlib.util import find_spec
from typing import Final
from urllib.parse import urlsplit

from .._core.errors import ConfigError

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


def check_proxies(servers: Iterable[str]) -> None:
    """Raise ConfigError for a proxy that cannot be used. Its URL is not shown: it may hold a password."""
    for server in servers:
        scheme = urlsplit(proxy_of(server) or "http:").scheme
        if scheme not in _SCHEMES:
            raise ConfigError(f"trust_env: a proxy with the scheme {scheme!r}; write one of {', '.join(_SCHEMES)}")
        if scheme.startswith("socks") and find_spec("socksio") is None:
            raise ConfigError("trust_env: a SOCKS proxy needs the package socksio: pip install 'httpx[socks]'")
