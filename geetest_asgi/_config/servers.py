"""Check the servers to call."""

import ipaddress
import os
import re
from collections.abc import Sequence
from typing import Final
from urllib.parse import urlsplit

from .._core.errors import ConfigError
from .._core.protocol import API_SERVERS, SERVICES
from ..observers.logs import log_loopback
from .values import several

_NAME: Final = re.compile(r"[\w-]{1,63}(\.[\w-]{1,63})*\.?", re.ASCII)


def api_servers(given: str | Sequence[str] | None, *, allow_http: bool) -> tuple[str, ...]:
    """Return the servers to call, in order: those given, else GEETEST_API_SERVER (with commas), else GeeTest's own.

    A name in SERVICES stands for all servers of that service. Raises ConfigError.
    """
    if given is None:
        environment = os.environ.get("GEETEST_API_SERVER", "").strip()
        given = environment.split(",") if environment else API_SERVERS
    servers = tuple(url for each in several("api_server", given) for url in _api_servers(each, allow_http))
    if not servers:
        raise ConfigError("api_server=[]: give at least one base URL, or None for GeeTest's own")
    loopback = [server for server in servers if is_loopback(urlsplit(server).hostname or "")]
    if loopback:
        log_loopback(loopback[0])
    return servers


def is_loopback(host: str) -> bool:
    """Return whether only this machine can reach `host`: 127.0.0.0/8, ::1 or localhost. Never looks up a name."""
    address = _address(host)
    return host.lower() == "localhost" if address is None else address.is_loopback


def _address(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None


def _may_be_a_host(host: str) -> bool:
    """Return whether a look-up could find the host. A name that cannot exist would look like an outage."""
    return _NAME.fullmatch(host) is not None or _address(host) is not None


def _api_servers(given: object, allow_http: bool) -> tuple[str, ...]:
    known = SERVICES.get(given.strip()) if isinstance(given, str) else None
    return known or (_api_server(given, allow_http),)


def _api_server(given: object, allow_http: bool) -> str:
    if not isinstance(given, str):
        raise ConfigError(f"api_server={given!r}: give a base URL such as {API_SERVERS[0]!r}")
    if "@" in given:
        raise ConfigError("api_server: a user name or password in a URL ends up in logs; give a client= that sends it")
    url = given.strip().rstrip("/")
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError as error:
        raise ConfigError(f"api_server={given!r}: not a URL ({error})") from None
    plain = re.fullmatch(r"[!-~]+", url) and parts.scheme in ("http", "https") and _may_be_a_host(host)
    more = re.search("[?#]", url) or "//" in parts.path or url.endswith(("/validate", "/load", "/verify"))
    if not plain or more or port == 0:
        others = f"'/validate' is added; several are a list; or one of {', '.join(map(repr, SERVICES))}"
        raise ConfigError(f"api_server={given!r}: give a base URL such as {API_SERVERS[0]!r}; {others}")
    if parts.scheme == "http" and not allow_http and not is_loopback(host):
        raise ConfigError(f"api_server={given!r}: whoever forges an answer is let in; use https, or allow_http=True")
    return url
