"""The seam for tests: somebody who is asked in GeeTest's place by every guard and client of this process.

The guard looks here for each request, so an app is covered whenever it was imported and built, in whatever thread and
event loop it runs, and whichever `client` and `api_server` it was given. Only `geetest_asgi.testing.GeeTest` puts
anybody here, for the length of a `with` block; outside of tests there is nobody.
"""

from threading import Lock

from .._core.limits import Limits
from .._core.protocol import API_SERVERS
from .exchange import Wire
from .line import Line

_lock = Lock()
_line: Line | None = None


def stand_in() -> Line | None:
    """The line to ask on instead of the guard's own; None outside of tests."""
    return _line


def put_in_place(wire: Wire) -> None:
    """From now on this one is asked. Raises RuntimeError if there is one: whose answers would a test be getting?"""
    global _line

    async def make() -> Wire:
        return wire

    with _lock:
        if _line is not None:
            raise RuntimeError("GeeTest is stood in for already: one at a time, in one process")
        _line = Line(API_SERVERS[:1], Limits(breaker_failures=0), make, deliberate=True)


def take_away() -> None:
    """From now on GeeTest itself is asked again. Calls under way end where they began."""
    global _line
    with _lock:
        _line = None
