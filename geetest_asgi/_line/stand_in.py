"""The seam for tests: somebody who is asked in GeeTest's place by every guard and client of this process.

The guard looks here for each request, so an app is covered whenever it was imported and built, in whatever thread and
event loop it runs, and whichever `client` and `api_server` it was given. Only `geetest_asgi.testing.GeeTest` puts
anybody here, for the length of a `with` block; outside of tests there is nobody.
"""

from threading import Lock
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from .exchange import Wire

DEMO_ID: Final = "647f5ed2ed8acb4be36784e01556bb71"
"""The public demonstration `captcha_id`: printed in GeeTest's documentation and in each of its demos."""

DEMO_KEY: Final = "b09a7aafbfd83f73b35a9b530d0337bf"
"""The key that belongs to `DEMO_ID`: as public as the id, so no secret."""

_lock = Lock()
_wire: "Wire | None" = None


def stand_in() -> "Wire | None":
    """Whom to ask instead of GeeTest; None, as a rule."""
    return _wire


def put_in_place(wire: "Wire") -> None:
    """From now on this one is asked. Raises RuntimeError if there is one: whose answers would a test be getting?"""
    global _wire
    with _lock:
        if _wire is not None:
            raise RuntimeError("GeeTest is stood in for already: one at a time, in one process")
        _wire = wire


def take_away() -> None:
    """From now on GeeTest itself is asked again. Calls under way end where they began."""
    global _wire
    with _lock:
        _wire = None
