"""client_address: the address under which a client is counted."""

from collections.abc import Mapping
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address
from typing import Any, Final

_NAT64: Final = IPv6Network("64:ff9b::/96")
"""RFC 6052 §2.1: the last 32 bits are the IPv4 address of a client behind the translator."""

_LONGEST: Final = 64


def client_address(scope: Mapping[str, Any]) -> str | None:
    """Return the client's address in an HTTP or websocket scope: "203.0.113.7", or "2001:db8:0:1::/64".

    An IPv6 address is reduced to its /64, since one host may use all addresses of that. An IPv4 address written as IPv6
    (mapped, NAT64) is returned as IPv4; a port that a proxy has appended is removed. Other text, such as the name of a
    test client, is returned as it is, 64 characters at most. None if the server names no client, as with a Unix socket.

    The address comes from the server. Behind a proxy, let the server read the proxy's header (`uvicorn
    --proxy-headers`).
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
    for each in (bare, bare.rpartition(":")[0]):
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
