"""client_address: which client a request counts against."""

from collections.abc import Mapping
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address
from typing import Any, Final

_NAT64: Final = IPv6Network("64:ff9b::/96")
"""RFC 6052 §2.1: the last 32 bits are the IPv4 address of a client behind the translator."""

_LONGEST: Final = 64


def client_address(scope: Mapping[str, Any]) -> str | None:
    """The client of an HTTP or websocket scope, as one text: "203.0.113.7", or "2001:db8:0:1::/64".

    Of IPv6 the /64 counts, since a host has all of its addresses. IPv4 addresses written as IPv6 (mapped, NAT64) are
    IPv4; a port that a proxy has left behind the address is dropped. Another text, such as a test client's name, is
    returned as it is, 64 characters at most. None where the server names no client, as behind a Unix socket.

    It is the server's word: behind a proxy, tell the server to read the proxy's header (`uvicorn --proxy-headers`).
    """
    client = scope.get("client")
    host = client[0] if client else None
    if not isinstance(host, str) or not host:
        return None
    return _known(host[:_LONGEST])


@lru_cache(4096)
def _known(host: str) -> str:
    address = _parse(host)
    return host if address is None else _text(address)


def _parse(host: str) -> IPv4Address | IPv6Address | None:
    bare = host[1:].partition("]")[0] if host.startswith("[") else host
    head, _, port = bare.rpartition(":")
    for each in (bare, head) if port.isdigit() and "." in head else (bare,):
        try:
            return ip_address(each)
        except ValueError:
            continue
    return None


def _text(address: IPv4Address | IPv6Address) -> str:
    if isinstance(address, IPv4Address):
        return str(address)
    if (inner := address.ipv4_mapped) is not None:
        return str(inner)
    if address in _NAT64:
        return str(IPv4Address(address.packed[12:]))
    return f"{IPv6Address(address.packed[:8] + bytes(8))}/64"
