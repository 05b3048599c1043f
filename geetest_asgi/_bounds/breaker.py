"""When to stop asking a server that does not answer, and when to try it again. No I/O; the clock is given.

           failures in a row                    pause over, the next caller
    CLOSED ────────────────> OPEN (a pause) ────────────────────────────> PROBING: that caller alone
       ^                       ^                                             │
       │                       └── no answer: a pause twice as long ─────────┤
       └────────────────────────── an answer of any kind ────────────────────┘

A visitor can move none of these arrows. Only an outage counts as a failure, and a call that is given up, by a visitor
who leaves or by a bound of our own, counts for nothing. Nor can visitors who leave keep the probe to themselves, and so
the door open: a probe that was given up makes room for two.
"""

import threading
import time
from collections.abc import Callable
from enum import StrEnum
from typing import Final

GRACE: Final = 1.0
"""Seconds past its own budget after which a probe is taken for lost: its event loop was stopped and never ran again."""


class State(StrEnum):
    """What a breaker lets through."""

    CLOSED = "closed"
    """Every call."""
    OPEN = "open"
    """No call."""
    PROBING = "probing"
    """One call, which is awaited or under way."""


class Breaker:
    """One server's. `failures` in a row (0: none) open it for `pause` seconds, then twice that, up to `longest`.

    Shared by threads and event loops; nothing here waits. A caller takes a ticket and brings it back with one of
    `answered`, `failed` and `given_up`. The first two say whether the server is now asked, or no longer asked.
    """

    def __init__(
        self, failures: int, pause: float, longest: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._enough = failures
        self._first, self._longest = pause, longest
        self._clock = clock
        self._lock = threading.Lock()
        self._open = False
        self._turn = 0
        """Goes up with every change: what an older ticket has to say of failures is no news."""
        self._failures = 0
        self._pause = pause
        self._until = self._lost = self._since = 0.0
        self._room = 0

    @property
    def state(self) -> State:
        """At this moment."""
        if not self._open:
            return State.CLOSED
        return State.OPEN if self._clock() < self._until else State.PROBING

    def ready(self) -> bool:
        """Would `take` give a ticket now?"""
        return not self._open or self._may_probe(self._clock())

    def take(self, seconds: float) -> int | None:
        """A ticket for a call of `seconds` at most, or None: do not ask."""
        turn = self._turn  # read first: whoever opens the breaker meanwhile makes it an old one
        if not self._open:
            return turn
        with self._lock:
            now = self._clock()
            if self._open:
                if not self._may_probe(now):
                    return None
                self._room = max(0, self._room - 1)
                self._lost = now + seconds + GRACE
            return self._turn

    def answered(self, ticket: int | None = None) -> float | None:
        """An answer came. The seconds that the server was not asked, if this is the end of them.

        `ticket`: of the call that was answered; one from before the pause does not end it. None: any call's answer.
        """
        if not (self._open or self._failures):
            return None
        with self._lock:
            if self._open and ticket not in (None, self._turn):
                return None
            was_open, self._open, self._failures = self._open, False, 0
            self._pause = self._first
            self._turn += was_open
            return self._clock() - self._since if was_open else None

    def failed(self, ticket: int) -> bool:
        """An outage. True if the server is no longer asked from now on."""
        with self._lock:
            if ticket != self._turn or not self._enough:
                return False
            if self._open:
                self._pause = min(2 * self._pause, self._longest)
                self._rest()
                return False
            self._failures += 1
            if self._failures < self._enough:
                return False
            self._open, self._since = True, self._clock()
            self._rest()
            return True

    def given_up(self, ticket: int) -> None:
        """The call ended, and nothing was learnt of the server."""
        with self._lock:
            if self._open and ticket == self._turn:
                self._room += 2

    def _may_probe(self, now: float) -> bool:
        return now >= self._until and (self._room > 0 or now >= self._lost)

    def _rest(self) -> None:
        self._turn += 1
        self._until, self._room = self._clock() + self._pause, 1
