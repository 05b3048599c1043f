"""A guard that lets everybody in for whom GeeTest "cannot be reached", while GeeTest would say no to every token.

Whoever gets in here has made it seem so.
"""

from typing import Any

from geetest_asgi import Limits, Outcome

from .servers import GeeTest
from .site import Site


class Door(Site):
    """A guard that lets in on an outage, and who got through it."""

    def __init__(self, geetest: GeeTest, **settings: Any) -> None:
        limits = Limits(unverified_per_second=10**6, breaker_failures=1)
        defaults = {"sources": ("header", "query", "body"), "limits": limits, "on_unavailable": "allow"}
        super().__init__(geetest, **{**defaults, **settings})

    def is_shut(self) -> bool:
        """Nobody is in, and nothing was taken for an outage, by the breaker neither."""
        return not (self.app.seen or Outcome.UNAVAILABLE in self.told.outcomes or self.outages)
