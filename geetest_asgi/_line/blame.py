"""Decide whether a failed call counts as an outage. Only outages may let requests in unverified.

Only failures that a client cannot trigger count as an outage. So outages are listed; any other failure is our own.
Exceptions are known by their class names, since httpx, httpx2 and transports for them each have classes of their own.
"""

import errno
import socket
import ssl
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Final

from .._core.model import Evidence, Outcome

NO_CONNECTION: Final = frozenset({"ConnectError", "ConnectTimeout", "ProxyError", "ConnectionRefusedError", "gaierror"})
"""No connection was made."""

NO_ANSWER: Final = frozenset(
    {"ReadError", "ReadTimeout", "WriteError", "WriteTimeout", "CloseError", "RemoteProtocolError"}
    | {"ConnectionError", "TimeoutError"}
)
"""The call may have arrived: it is never sent again."""

_EXHAUSTED: Final = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM, errno.EADDRNOTAVAIL})

_SPARE: Final = 16
"""Sockets that must be free for a failed connection to be GeeTest's fault: some may have been closed since."""


class KeptConnectionError(Exception):
    """A connection kept from an earlier call failed. The server may have closed it just as this call was sent, and a
    client can time its request to that moment; so the failure says nothing about GeeTest.
    """


def blame(error: Exception) -> Evidence:
    """Return the evidence of a failed call. A reason never quotes an exception's text, which may hold a URL."""
    name = type(error).__name__
    if isinstance(error, KeptConnectionError):
        return Evidence(Outcome.BUSY, "a kept connection had ended")
    if is_any(error, {"DecodingError"}):  # a hook of the client read the answer: as in `parse_reply`
        return Evidence(Outcome.REFUSED, "the answer has a Content-Encoding")
    unreachable = is_any(error, NO_CONNECTION)
    # Many clients at once can use up a pool, or this process's sockets: then no host can be reached or even looked up.
    if is_any(error, {"PoolTimeout"}) or (unreachable and (_exhausted(error) or not sockets_to_spare())):
        return Evidence(Outcome.BUSY, "no connection to spare")
    if unreachable or is_any(error, NO_ANSWER):
        why = ": its certificate is not trusted" if _untrusted(error) else ""
        return Evidence(Outcome.UNAVAILABLE, f"no {'connection' if unreachable else 'answer'}{why} ({name})")
    return Evidence(Outcome.MISCONFIGURED, f"the call could not be made ({name})")


def is_any(error: Exception, names: frozenset[str] | set[str]) -> bool:
    """Return whether the class of `error` or one of its bases has one of these names."""
    return any(base.__name__ in names for base in type(error).__mro__)


def is_timeout(error: Exception) -> bool:
    """Return whether the client's own timeout ended the call."""
    return is_any(error, {"TimeoutError", "TimeoutException"})


def _exhausted(error: BaseException) -> bool:
    return any(isinstance(each, OSError) and each.errno in _EXHAUSTED for each in _causes(error))


def _untrusted(error: BaseException) -> bool:
    """Return whether the certificate was refused. Such an outage lasts, and this machine may be its cause."""
    return any(isinstance(each, ssl.SSLCertVerificationError) for each in _causes(error))


def _causes(error: BaseException) -> Iterator[BaseException]:
    waiting: list[BaseException | None] = [error]
    seen: set[int] = set()
    while waiting:
        each = waiting.pop()
        if each is not None and id(each) not in seen:
            seen.add(id(each))
            yield each
            waiting += [each.__cause__, each.__context__]
            waiting += each.exceptions if isinstance(each, BaseExceptionGroup) else ()


def sockets_to_spare() -> bool:
    """Return whether this process can open some more sockets."""
    with ExitStack() as opened:
        try:
            for _ in range(_SPARE):
                opened.enter_context(socket.socket())
        except OSError:
            return False
    return True
