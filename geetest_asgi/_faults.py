"""Whose fault it is when the call to GeeTest fails: the question that an open door hangs on.

Only what a visitor cannot bring about counts as an outage. So outages are listed, and what is not listed is ours.
Exceptions are known by their class names, since httpx, httpx2 and transports for them each have classes of their own.
"""

import errno
import socket
from collections.abc import Iterator
from typing import Final

from ._core.model import Evidence, Outcome

NO_CONNECTION: Final = frozenset({"ConnectError", "ConnectTimeout", "ProxyError", "ConnectionRefusedError", "gaierror"})
"""Nothing was sent: the next server may be asked."""

NO_ANSWER: Final = frozenset(
    {"ReadError", "ReadTimeout", "WriteError", "WriteTimeout", "CloseError", "RemoteProtocolError", "DecodingError"}
    | {"ConnectionError", "TimeoutError"}
)
"""The call may have arrived: it is never sent again."""

_EXHAUSTED: Final = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM, errno.EADDRNOTAVAIL})


def was_not_sent(error: Exception) -> bool:
    """No connection was made, and not for want of sockets of our own."""
    return _outage(error) == "no connection"


def blame(error: Exception) -> Evidence:
    """What a failed call is evidence of. Texts are fixed or class names: an exception's text may hold a URL."""
    name = type(error).__name__
    if (outage := _outage(error)) is not None:
        return Evidence(Outcome.UNAVAILABLE, f"{outage} ({name})")
    if _is_any(error, {"PoolTimeout"}) or _is_any(error, NO_CONNECTION):
        return Evidence(Outcome.BUSY, "no connection to spare")
    return Evidence(Outcome.MISCONFIGURED, f"the call could not be made ({name})")


def _outage(error: Exception) -> str | None:
    if _is_any(error, NO_CONNECTION):
        # Many visitors at once can use up this process's sockets, and then no host can be reached or even looked up.
        return None if _exhausted(error) or not _can_open_a_socket() else "no connection"
    if _is_any(error, {"PoolTimeout"}):  # of httpx; it is a TimeoutException, but the wait was for ourselves
        return None
    return "no answer" if _is_any(error, NO_ANSWER) else None


def _is_any(error: Exception, names: frozenset[str] | set[str]) -> bool:
    return any(base.__name__ in names for base in type(error).__mro__)


def _exhausted(error: BaseException) -> bool:
    return any(isinstance(each, OSError) and each.errno in _EXHAUSTED for each in _causes(error))


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


def _can_open_a_socket() -> bool:
    try:
        socket.socket().close()
    except OSError:
        return False
    return True
