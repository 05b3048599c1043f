"""One timer for many blocks that may take equally long."""

from math import inf
from time import monotonic
from typing import TYPE_CHECKING

import anyio

if TYPE_CHECKING:
    from .clock import Clock


class TimeLimit:
    """Cancels blocks after the same number of seconds each, as `anyio.move_on_after` would.

    A timer of the loop's for each block would cost more than the block: asyncio keeps it for its whole time, even where
    the block ends at once. These blocks end in the order in which they began, so one timer does for all.
    """

    def __init__(self, clock: "Clock", seconds: float) -> None:
        self._clock, self._seconds = clock, seconds
        self._ends: dict[anyio.CancelScope, float] = {}
        self._watched = False

    def begin(self) -> anyio.CancelScope:
        """Return the scope of a block that begins now."""
        scope = self._clock.scope()
        self._ends[scope] = ends = monotonic() + self._seconds
        if not self._watched:
            self._watched = True
            self._clock.watch(self, ends)
        return scope

    def end(self, scope: anyio.CancelScope) -> None:
        """The block is over."""
        del self._ends[scope]

    def wake(self, now: float) -> float | None:
        """By the clock."""
        first = next(iter(self._ends.values()), inf)
        self._watched = first < inf
        return first if now < first else None

    def give_up(self) -> float:
        """By the clock."""
        now = monotonic()
        for scope, ends in self._ends.items():
            if ends > now:
                return ends
            scope.cancel()
        self._watched = False
        return inf
