"""Circuit breaker of one server. No I/O; the clock is a parameter.

           consecutive failures                 end of the pause, next call
    CLOSED ────────────────> OPEN (a pause) ────────────────────────────> PROBING: one call at a time
       ^                       ^                                             │
       │                       └── failure: a pause twice as long ───────────┤
       └────────────────────────── answer of any kind ───────────────────────┘

A client can cause none of these changes. Only an outage is a failure. A call that is given up, because its client
disconnects or because a limit of the guard ends it, has no effect. Nor can clients prolong an outage by disconnecting
during each probe: after a probe that was given up two may begin.
"""

import threading
import time
from collections.abc import Callable
from typing import Final

GRACE: Final = 1.0
"""Seconds past its timeout after which a probe counts as lost: its event loop was stopped and did not run again."""


class Breaker:
    """Skip a server for `pause` seconds after `failures` consecutive failures, then for twice that, up to `longest`.

    With `failures=0` the server is never skipped. Safe across threads and event loops; nothing here waits. A caller
    takes a ticket, and returns it by one of `answered`, `failed` and `given_up`.
    """

    def __init__(
        self, failures: int, pause: float, longest: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._threshold = failures
        self._first_pause, self._longest_pause = pause, longest
        self._clock = clock
        self._lock = threading.Lock()
        self.is_open = False
        """The server is skipped, apart from probes."""
        self._generation = 0
        """Number of state changes. A failure with a ticket of an earlier generation is ignored."""
        self._failures = 0
        self._pause = pause
        self._paused_until = self._probe_lost_at = self._opened_at = 0.0
        self._probes = 0
        """Probes that may begin."""

    def ready(self) -> bool:
        """Return whether `take` would give a ticket now."""
        return not self.is_open or self._may_probe(self._clock())

    def take(self, seconds: float) -> int | None:
        """Return a ticket for a call of at most `seconds`, or None if the server must be skipped."""
        with self._lock:
            if self.is_open:
                now = self._clock()
                if not self._may_probe(now):
                    return None
                self._probes = max(0, self._probes - 1)
                self._probe_lost_at = now + seconds + GRACE
            return self._generation

    def answered(self, ticket: int | None = None) -> float | None:
        """Close the breaker after an answer. Return the seconds for which the server was skipped, or None.

        `ticket`: of the answered call; a ticket from before the pause does not end it. None: any call's answer does.
        """
        with self._lock:
            if self.is_open and ticket not in (None, self._generation):
                return None
            was_open, self.is_open, self._failures = self.is_open, False, 0
            self._pause = self._first_pause
            self._generation += was_open
            return self._clock() - self._opened_at if was_open else None

    def failed(self, ticket: int) -> bool:
        """Count a failure. Return True if it opens the breaker."""
        with self._lock:
            if ticket != self._generation or not self._threshold:
                return False
            if self.is_open:
                self._pause = min(2 * self._pause, self._longest_pause)
                self._begin_pause()
                return False
            self._failures += 1
            if self._failures < self._threshold:
                return False
            self.is_open, self._opened_at = True, self._clock()
            self._begin_pause()
            return True

    def given_up(self, ticket: int) -> None:
        """End a call that shows nothing about the server."""
        with self._lock:
            if self.is_open and ticket == self._generation:
                self._probes += 2

    def _may_probe(self, now: float) -> bool:
        return now >= self._paused_until and (self._probes > 0 or now >= self._probe_lost_at)

    def _begin_pause(self) -> None:
        self._generation += 1
        self._paused_until, self._probes = self._clock() + self._pause, 1
