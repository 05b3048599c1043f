"""The stand-in for tests: every guard and client of this process calls it in GeeTest's place.

The guard looks here for each request. So it does not matter when an app was imported and built, in which thread and
event loop it runs, or which `client` and `api_server` it was given. Only `geetest_asgi.testing.GeeTest` sets a
stand-in, for the length of a `with` block; outside of tests there is none.
"""

from threading import Lock

from .._core.limits import Limits
from .._core.protocol import API_SERVERS
from .exchange import Wire
from .line import Line

_lock = Lock()
_line: Line | None = None


def stand_in() -> Line | None:
    """Return the line to use instead of the guard's own; None outside of tests."""
    return _line


def put_in_place(wire: Wire) -> None:
    """Set the stand-in. Raises RuntimeError if there is one: a test could not tell which of the two answers."""
    global _line

    async def make() -> Wire:
        return wire

    with _lock:
        if _line is not None:
            raise RuntimeError("GeeTest is stood in for already: one at a time, in one process")
        _line = Line(API_SERVERS[:1], Limits(breaker_failures=0), make, deliberate=True)


def take_away() -> None:
    """Remove the stand-in. Calls in progress end at the server where they began."""
    global _line
    with _lock:
        _line = None
