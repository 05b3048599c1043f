"""Sum up what is too frequent to be a warning for each request. Pure counting; not safe across threads by itself."""

import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from .._core.model import GeeTestResult, Outcome

BUSY_ENOUGH: Final = 10
"""Clients refused as `busy` at which an episode is told: fewer are the blink of a burst, or one client's own share of a
bound.
"""

BUSY_QUIET: Final = 60.0
"""Seconds without one after which the episode is over."""

MONITOR_EVERY: Final = 300.0
"""Seconds between two summaries of mode "monitor"."""


@dataclass(frozen=True, slots=True)
class BusyEpisode:
    """Requests that bounds of our own refused."""

    over: bool
    refused: int
    bounds: Mapping[str, int]
    """By the reason, which names the bound."""
    seconds: float


class Busy:
    """Episodes of `busy`, over all rules of one middleware. Each is told when large enough and when over."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._began = self._last = 0.0
        self._bounds = Counter[str]()
        self._clients = set[str]()
        """The first ones of this episode."""
        self.running = False
        """An episode has begun and is not known to be over."""

    def note(self, result: GeeTestResult, client: str | None) -> BusyEpisode | None:
        """Count this decision. An episode that it shows to have begun or ended.

        `client`: its address; each request without one counts as a client.
        """
        now = self._clock()
        over = self._end(now)
        if result.outcome is not Outcome.BUSY:
            return over
        if not self._bounds:
            self._began = now
        self._last = now
        self._bounds[result.reason] += 1
        self.running = True
        if len(self._clients) < BUSY_ENOUGH:
            self._clients.add(client or f"request {self._bounds.total()}")
            if len(self._clients) == BUSY_ENOUGH:
                return over or self._told(over=False)
        return over

    def _end(self, now: float) -> BusyEpisode | None:
        if not self._bounds or now - self._last < BUSY_QUIET:
            return None
        told = self._told(over=True) if len(self._clients) == BUSY_ENOUGH else None
        self._bounds.clear()
        self._clients.clear()
        self.running = False
        return told

    def _told(self, *, over: bool) -> BusyEpisode:
        bounds = dict(self._bounds.most_common())
        return BusyEpisode(over, self._bounds.total(), bounds, self._last - self._began)


@dataclass(frozen=True, slots=True)
class MonitorSummary:
    """What mode "monitor" would have done."""

    requests: int
    denied: int
    by_rule: Mapping[str, int]
    """Of those denied: how many by "outcome, rule"."""
    seconds: float


class Monitor:
    """The decisions of all rules in mode "monitor" of one middleware, summed up every `MONITOR_EVERY` seconds."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._began = 0.0
        self._requests = 0
        self._denied = Counter[str]()

    def note(self, result: GeeTestResult) -> MonitorSummary | None:
        """Count this decision. The summary, when it is due; it comes with a request, never by itself."""
        now = self._clock()
        if not self._requests:
            self._began = now
        self._requests += 1
        if not result.allowed:
            self._denied[f"{result.outcome}, {result.rule}"] += 1
        if now - self._began < MONITOR_EVERY:
            return None
        denied = dict(self._denied.most_common())
        told = MonitorSummary(self._requests, self._denied.total(), denied, now - self._began)
        self._requests = 0
        self._denied.clear()
        return told
