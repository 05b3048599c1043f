"""The seam for tests: one line that every guard and client of this process uses in place of its own.

The guard looks here for each request, so an app is covered whenever it was imported and built, in whatever thread and
event loop it runs, and whichever `client` and `api_server` it was given. Only `geetest_asgi.testing.GeeTest` sets it,
for the length of a `with` block; outside of tests it is None.
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
    """Use this wire for all calls from now on. Raises RuntimeError if another one is in place."""
    global _line

    async def make() -> Wire:
        return wire

    with _lock:
        if _line is not None:
            raise RuntimeError("GeeTest is stood in for already: one at a time, in one process")
        _line = Line(API_SERVERS[:1], Limits(breaker_failures=0), make, deliberate=True)


def take_away() -> None:
    """Ask GeeTest itself from now on. Calls under way end on the wire that they began on."""
    global _line
    with _lock:
        _line = None
