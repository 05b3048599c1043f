"""The time of one call, and what its end is evidence of.

Silence is judged by the socket: it counts from the moment at which we last sent something (or began to connect). Until
then our own end may have taken the time, by an event loop that visitors held, or by a queue; so a silence that is
shorter than a fair share of the call's time is `busy`, and no outage.
"""

import math
import time
from collections.abc import Awaitable, Callable
from contextvars import copy_context
from dataclasses import dataclass, field
from typing import Final

import anyio

from .._core.model import Evidence, Outcome
from .blame import blame, is_timeout, sockets_to_spare
from .clock import Clock, Running

Disconnected = Callable[[], Awaitable[bool]]

_LATE: Final = 0.1
"""The part of a call's time for which the event loop may be late while an exception of the user's client counts."""

_PAUSE: Final = 0.005
"""Seconds that a healthy loop may be late: for so long a thread may keep the interpreter to itself."""

_FAIR: Final = 0.75
"""The part of a server's time for which it must have been silent."""

_OURS: Final = "too little of the time was GeeTest's"


@dataclass(slots=True, eq=False)
class Progress:
    """How far the call to one server has come. The wire that makes the call keeps it up to date."""

    now: Callable[[], float] = time.monotonic
    """The event loop's time."""
    until: float = math.inf
    """When the server's share of the time ends, if nothing was sent by then."""
    scope: anyio.CancelScope = field(default_factory=anyio.CancelScope)
    ours: str = ""
    """What is waited for at our own end, in words; empty while the other end is waited for."""
    since: float = math.inf
    """When that began."""
    began: float = math.inf
    """When the server's turn came."""
    connecting: bool = False
    """It is known that a connection is being made, or was made."""
    sent: bool = False
    """Something of the request may have been sent."""
    kept: bool = False
    """On a connection that was open before."""
    pool: float = math.inf
    """Seconds that a client's own pool may make the call wait."""
    foreign: bool = False
    """By a client of the user's: what its exceptions say is not known for certain."""
    late: float = 0.0
    """Seconds that the event loop was late meanwhile, where it is a client of the user's."""

    def waits(self) -> None:
        """Something was sent just now, or a connection was asked for."""
        self.ours, self.since, self.connecting = "", self.now(), True

    def waits_for_us(self, what: str) -> None:
        """It is our own end that takes time."""
        self.ours = what

    def sends(self, *, kept: bool) -> None:
        """The request leaves now."""
        self.ours, self.since, self.sent, self.kept = "", self.now(), True, kept

    @property
    def was_not_sent(self) -> bool:
        """Nothing reached the server: the next may be asked."""
        return self.connecting and not self.sent


class Deadline:
    """One call's time, which all servers share. The event loop's clock watches it."""

    def __init__(
        self, clock: Clock, seconds: float, servers: int, disconnected: Disconnected | None, *, deliberate: bool = False
    ) -> None:
        """`deliberate`: every silence is meant, as a stand-in's is."""
        self.ended: Evidence | None = None
        """Why the call was ended before an answer came."""
        self._clock, self.seconds, self._deliberate = clock, seconds, deliberate
        self._least = seconds / (2 * servers)
        start = clock.now()
        self._end, self._tenth = start + seconds, start + seconds / 10
        self._disconnected = disconnected
        self._context = copy_context()
        self._watching: Running | None = None
        self._progress: Progress | None = None
        self._over = False
        self._due = start + min(seconds / 10, 1.0)
        clock.watch(self, self._due)

    def begin(self, servers: int) -> Progress:
        """Return a new server's progress, of the `servers` that are left. To be used in its scope."""
        now = self._clock.now()
        share = now + (self._end - now) / servers if servers > 1 else math.inf
        self._progress = Progress(self._clock.now, share, since=now, began=now, pool=(self._end - now) / (8 * servers))
        if share < self._end:
            self._clock.watch(self, share)
        return self._progress

    def waiting(self, what: str) -> anyio.CancelScope:
        """Return the scope in which the call waits for something at our own end."""
        self._progress = Progress(self._clock.now, ours=what)
        return self._progress.scope

    def follow(self, progress: Progress) -> None:
        """Look at how late the event loop is from now on: a client of the user's is making the call."""
        progress.foreign = True
        self._due = self._clock.now() + self._step
        self._clock.watch(self, self._due)

    @property
    def _step(self) -> float:
        return max(0.01, self.seconds / 50)

    def wake(self, now: float) -> float | None:
        """By the clock. None: the time is over, the call's or a server's share of it."""
        progress = self._progress
        if self._over or self.ended is not None:
            return math.inf
        if progress is not None and progress.foreign:
            self._look_how_late(progress, now)
        if now >= self._end or self._share_is_over(now):
            return None
        if now >= self._tenth and self._disconnected is not None and self._watching is None:
            self._watching = self._clock.run(self._watch_client, self._context)
        self._due = self._next(now)
        return self._due

    def _next(self, now: float) -> float:
        wanted = self._end if now >= self._tenth else min(self._tenth, now + 1.0)
        if self._progress is not None and self._progress.foreign:
            wanted = min(wanted, now + self._step)
        return wanted

    def _look_how_late(self, progress: Progress, now: float) -> None:
        if (late := now - self._due) > _PAUSE:
            self._due, progress.since, progress.late = now, progress.since + late, progress.late + late

    def _share_is_over(self, now: float) -> bool:
        progress = self._progress
        return progress is not None and not progress.sent and now >= progress.until

    def give_up(self) -> float:
        """By the clock, after some turns of the loop in which an answer would have been read."""
        now, progress = self._clock.now(), self._progress
        if self._over or self.ended is not None:
            return math.inf
        if now < self._end:
            if progress is not None and self._share_is_over(now):
                progress.scope.cancel()
            return self._next(now)
        self.end(self.silence() if progress else Evidence(Outcome.BUSY, _OURS))
        return math.inf

    def end(self, evidence: Evidence) -> None:
        """End the call."""
        self.ended = self.ended or evidence
        if self._progress is not None:
            self._progress.scope.cancel()

    def silence(self) -> Evidence:
        """Return what it is evidence of that no whole answer has come by now."""
        progress = self._progress
        assert progress is not None  # noqa: S101 - a server is being asked
        if self._deliberate and not progress.ours:
            return Evidence(Outcome.UNAVAILABLE, "no answer in time")
        if progress.ours:
            return Evidence(Outcome.BUSY, progress.ours)
        if not self._was_fair(progress):
            return Evidence(Outcome.BUSY, _OURS)
        if not progress.kept and not sockets_to_spare():
            return Evidence(Outcome.BUSY, "no connection to spare")
        return Evidence(Outcome.UNAVAILABLE, "no answer in time" if progress.sent else "no connection in time")

    def _was_fair(self, progress: Progress) -> bool:
        """Whether the other end had most of the time that there was, and that was not too short for any answer."""
        now = self._clock.now()
        return now - progress.since >= max(_FAIR * (now - progress.began), self._least)

    def blame(self, error: Exception) -> Evidence:
        """Return what a call that failed is evidence of."""
        evidence, progress = blame(error), self._progress
        if evidence.outcome is not Outcome.UNAVAILABLE or progress is None:
            return evidence
        now = self._clock.now()
        if progress.foreign:
            self._look_how_late(progress, now)
        if progress.late > _LATE * self.seconds:
            return Evidence(Outcome.BUSY, "the event loop was held up")
        return self.silence() if now >= self._end or is_timeout(error) else evidence

    async def _watch_client(self) -> None:
        assert self._disconnected is not None  # noqa: S101 - else nobody is watched
        if await self._disconnected() and not self._over:
            self.end(Evidence(Outcome.BUSY, "the client disconnected"))

    def close(self) -> Running | None:
        """The call has ended. Return what is still watching the client, to be stopped."""
        self._over, self._progress = True, None
        return self._watching
