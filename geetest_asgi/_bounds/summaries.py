"""Sum up events that are too frequent for a warning each. Not safe across threads by itself.

Nothing here logs: `note` returns the warning that is due, a function for the caller to call without a lock.
"""

import time
from collections import Counter
from collections.abc import Callable
from functools import partial
from typing import Final

from .._core.model import GeeTestResult, Outcome
from ..observers.logs import log_busy, log_monitor

BUSY_ENOUGH: Final = 10
"""Clients refused as `busy` at which an episode is reported. Fewer are a short burst, or a client that reaches its own
share of a limit.
"""

BUSY_QUIET: Final = 60.0
"""Seconds without a refusal after which the episode is over."""

MONITOR_EVERY: Final = 300.0
"""Seconds between two summaries of mode "monitor"."""

Warn = Callable[[], None]


class Busy:
    """Episodes of `busy`, over all rules of one middleware. Each is reported when it is large enough and at its end."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._began = self._last = 0.0
        self.bounds = Counter[str]()
        """Requests of this episode by reason, which names the limit; empty while there is no episode."""
        self._clients = set[str]()
        """The first `BUSY_ENOUGH` clients of this episode."""

    def note(self, result: GeeTestResult, client: str | None) -> Warn | None:
        """Count this decision. `client`: the address; each request without one counts as a client."""
        now = self._clock()
        over = self._end(now)
        if result.outcome is not Outcome.BUSY:
            return over
        if not self.bounds:
            self._began = now
        self._last = now
        self.bounds[result.reason] += 1
        if len(self._clients) < BUSY_ENOUGH:
            self._clients.add(client or f"request {self.bounds.total()}")
            if len(self._clients) == BUSY_ENOUGH:
                return self._warning(over=False)
        return over

    def _end(self, now: float) -> Warn | None:
        if not self.bounds or now - self._last < BUSY_QUIET:
            return None
        warning = self._warning(over=True) if len(self._clients) == BUSY_ENOUGH else None
        self.bounds.clear()
        self._clients.clear()
        return warning

    def _warning(self, *, over: bool) -> Warn:
        return partial(log_busy, dict(self.bounds.most_common()), self._last - self._began, over=over)


class Monitor:
    """The decisions of all rules in mode "monitor" of one middleware, summed up every `MONITOR_EVERY` seconds."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._began = 0.0
        self._requests = 0
        self._denied = Counter[str]()
        """By "outcome, rule"."""

    def note(self, result: GeeTestResult) -> Warn | None:
        """Count this decision. Only a request brings a summary, never a timer."""
        now = self._clock()
        if not self._requests:
            self._began = now
        self._requests += 1
        if not result.allowed:
            self._denied[f"{result.outcome}, {result.rule}"] += 1
        if now - self._began < MONITOR_EVERY:
            return None
        warning = partial(log_monitor, self._requests, dict(self._denied.most_common()), now - self._began)
        self._requests = 0
        self._denied.clear()
        return warning
