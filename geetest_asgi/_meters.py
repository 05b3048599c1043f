"""Counters that bound what all requests of one middleware do together. Safe across threads and event loops."""

import threading
import time
from collections.abc import Callable


class Budget:
    """An amount that is taken and given back; `take` says no where there is not enough left."""

    def __init__(self, amount: int) -> None:
        self._left = amount
        self._lock = threading.Lock()

    def take(self, amount: int = 1) -> bool:
        """Take this much, or nothing at all."""
        with self._lock:
            if amount > self._left:
                return False
            self._left -= amount
            return True

    def give(self, amount: int = 1) -> None:
        """Give back what was taken."""
        with self._lock:
            self._left += amount


class RateCap:
    """At most `per_second` within each second of the clock."""

    def __init__(self, per_second: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._per_second = per_second
        self._clock = clock
        self._second, self._taken = 0, 0
        self._lock = threading.Lock()

    def take(self) -> bool:
        """Take one, if this second has one left."""
        with self._lock:
            second = int(self._clock())
            if second != self._second:
                self._second, self._taken = second, 0
            self._taken += 1
            return self._taken <= self._per_second
