"""A guard that lets everybody in for whom GeeTest "cannot be reached", while GeeTest would say no to every token.

Whoever gets in here has made it seem so.
"""

from typing import Any

from geetest_asgi import GeeTestMiddleware, Limits, Outage, Outcome

from .servers import GeeTest
from .site import App, Told
from .visitors import crowd, visit


class Door:
    """A guard that lets in on an outage, and who got through it."""

    def __init__(self, geetest: GeeTest, **settings: Any) -> None:
        self.app, self._token = App(), geetest.token
        self.told = Told()
        self.outages: list[Outage] = []
        limits = Limits(unverified_per_second=10**6, breaker_failures=1)
        settings = {"sources": ("header", "query", "body"), "limits": limits, **settings}
        self.guard: GeeTestMiddleware = geetest.guard(
            self.app,
            on_unavailable="allow",
            on_result=self.told,
            on_outage=self.outages.append,
            **settings,
        )

    def is_shut(self) -> bool:
        """Nobody is in, and nothing was taken for an outage, by the breaker neither."""
        return not (self.app.seen or Outcome.UNAVAILABLE in self.told.outcomes or self.outages)

    async def crowd(self, number: int) -> list[str]:
        """What so many visitors with forged tokens get who come at once."""
        return await crowd(self.guard, *(visit(self._token(forged=True)) for _ in range(number)))
