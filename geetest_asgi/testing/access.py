"""Decide which requests may reach control pages: those of this machine's programs and of pages of the same origin.

A control page makes tokens, starts faults or lists calls. Any site that is open in a browser on this machine can make
the browser send requests to it. So the `Host` header must be a name that no stranger can own (DNS rebinding), and a
browser's request must come from a page of the same origin. Programs such as curl send no `Origin` or `Sec-Fetch-Site`.
"""

import re
from typing import Final

from starlette.datastructures import Headers
from starlette.types import Scope

# An IP address, a name without a dot, or one below a top-level domain that is reserved for private use.
_HOST: Final = re.compile(
    r"([0-9]{1,3}(\.[0-9]{1,3}){3}|\[[0-9a-f:.]{2,45}\]|([a-z0-9_.-]+\.(localhost|internal|test)|[a-z0-9_-]+))(:[0-9]{1,5})?",
    re.IGNORECASE,
)
_OWN: Final = ("same-origin", "none")  # none: the address was typed, or a bookmark


def refusal(scope: Scope) -> str | None:
    """Return why this request may not reach a control page, as a sentence; None if it may."""
    headers = Headers(scope=scope)
    host, origin, site = headers.get("host"), headers.get("origin"), headers.get("sec-fetch-site")
    if host is not None and not _HOST.fullmatch(host):
        return f"Host is {host[:100]!r}: an IP address, localhost or a name without a dot is wanted"
    # Browsers that send Sec-Fetch-Site know best: a proxy in between may have changed Host.
    if site is not None:
        return None if site in _OWN else f"Sec-Fetch-Site is {site[:100]!r}: pages of other origins are refused"
    if origin is not None and origin.partition("://")[2] != host:
        return f"Origin is {origin[:100]!r}: pages of other origins are refused"
    return None
