"""Limits that all requests of one middleware share. Safe across threads and event loops."""

import threading
import time
from collections import Counter
from collections.abc import Callable
from typing import Final

LITTLE: Final = 64 * 1024
"""Bytes of a body that are kept even when longer bodies have filled three quarters of `max_buffered`."""


class BodyMemory:
    """Bytes of memory that the bodies of all requests may take; no client can use them up.

    One client holds half of them at most, and the last quarter is reserved for bodies of at most `little` bytes. With
    `client=None` (no address is known) the first rule does not apply.
    """

    def __init__(self, amount: int, *, little: int = LITTLE) -> None:
        self.left = amount
        """Bytes that no request holds."""
        self.held = Counter[str | None]()
        """Bytes by client, of those that hold any."""
        self._share, self._reserve = amount // 2, amount // 4
        self._little = little
        self._lock = threading.Lock()

    def take(self, amount: int, client: str | None, held: int = 0) -> bool:
        """Take `amount` bytes, or none and return False. `held`: bytes that the request has taken before."""
        with self._lock:
            reserve = 0 if held + amount <= self._little else self._reserve
            mine = self.held[client] + amount
            if amount > self.left - reserve or (client is not None and mine > self._share):
                return False
            self.left -= amount
            if mine:
                self.held[client] = mine
            return True

    def give_back(self, amount: int, client: str | None) -> None:
        """Give back bytes that were taken."""
        with self._lock:
            self.left += amount
            self.held[client] -= amount
            if not self.held[client]:
                del self.held[client]


class RateCap:
    """A rate limit: `per_second` in each second of the clock."""

    def __init__(self, per_second: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._per_second = per_second
        self._clock = clock
        self._second, self._taken = 0, 0
        self._lock = threading.Lock()

    def take(self) -> bool:
        """Take one, if this second has any left. Return whether it was taken."""
        with self._lock:
            second = int(self._clock())
            if second != self._second:
                self._second, self._taken = second, 0
            self._taken += 1
            return self._taken <= self._per_second
