"""Sum up events that are too frequent for a warning each. Pure counting; not safe across threads by itself."""

import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from .._core.model import GeeTestResult, Outcome

BUSY_ENOUGH: Final = 10
"""Clients refused as `busy` at which an episode is reported. Fewer are a short burst, or a client that reaches its own
share of a limit.
"""

BUSY_QUIET: Final = 60.0
"""Seconds without a refusal after which the episode is over."""

MONITOR_EVERY: Final = 300.0
"""Seconds between two summaries of mode "monitor"."""


@dataclass(frozen=True, slots=True)
class BusyEpisode:
    """Requests refused as `busy`, because limits of this process were reached."""

    over: bool
    refused: int
    bounds: Mapping[str, int]
    """Number of requests by reason, which names the limit."""
    seconds: float


class Busy:
    """Episodes of `busy`, over all rules of one middleware. Each is reported when it is large enough and at its end."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._began = self._last = 0.0
        self._bounds = Counter[str]()
        self._clients = set[str]()
        """The first `BUSY_ENOUGH` clients of this episode."""
        self.running = False
        """An episode has begun and has not ended."""

    def note(self, result: GeeTestResult, client: str | None) -> BusyEpisode | None:
        """Count this decision. Return the episode that has become large enough or has ended, or None.

        `client`: the address; each request without one counts as a client.
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
                return over or self._report(over=False)
        return over

    def _end(self, now: float) -> BusyEpisode | None:
        if not self._bounds or now - self._last < BUSY_QUIET:
            return None
        report = self._report(over=True) if len(self._clients) == BUSY_ENOUGH else None
        self._bounds.clear()
        self._clients.clear()
        self.running = False
        return report

    def _report(self, *, over: bool) -> BusyEpisode:
        bounds = dict(self._bounds.most_common())
        return BusyEpisode(over, self._bounds.total(), bounds, self._last - self._began)


@dataclass(frozen=True, slots=True)
class MonitorSummary:
    """Numbers of the requests that mode "monitor" would have denied."""

    requests: int
    denied: int
    by_rule: Mapping[str, int]
    """Number of denied requests by "outcome, rule"."""
    seconds: float


class Monitor:
    """The decisions of all rules in mode "monitor" of one middleware, summed up every `MONITOR_EVERY` seconds."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._began = 0.0
        self._requests = 0
        self._denied = Counter[str]()

    def note(self, result: GeeTestResult) -> MonitorSummary | None:
        """Count this decision. Return the summary if it is due: only a request brings one, never a timer."""
        now = self._clock()
        if not self._requests:
            self._began = now
        self._requests += 1
        if not result.allowed:
            self._denied[f"{result.outcome}, {result.rule}"] += 1
        if now - self._began < MONITOR_EVERY:
            return None
        denied = dict(self._denied.most_common())
        summary = MonitorSummary(self._requests, self._denied.total(), denied, now - self._began)
        self._requests = 0
        self._denied.clear()
        return summary
