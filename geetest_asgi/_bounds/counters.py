"""Counters that bound what all requests of one middleware do together. Safe across threads and event loops."""

import threading
import time
from collections.abc import Callable


class Pot:
    """An amount that all requests share, such that no client can use it up.

    One client holds half of it at most, and the last quarter is for requests that hold little. Of `client=None` (no
    address is known) the first does not apply.
    """

    def __init__(self, amount: int, *, little: int) -> None:
        self._left = amount
        self._share, self._reserve = amount // 2, amount // 4
        self._little = little
        self._held: dict[str, int] = {}
        self._lock = threading.Lock()

    @property
    def left(self) -> int:
        """What nobody holds."""
        return self._left

    @property
    def clients(self) -> int:
        """How many clients hold something."""
        return len(self._held)

    def take(self, amount: int, client: str | None, held: int = 0) -> bool:
        """Take this much, or nothing. `held`: what the request has taken before."""
        with self._lock:
            reserve = 0 if held + amount <= self._little else self._reserve
            mine = self._held.get(client, 0) + amount if client is not None else 0
            if amount > self._left - reserve or mine > self._share:
                return False
            if client is not None:
                self._held[client] = mine
            self._left -= amount
            return True

    def give(self, amount: int, client: str | None) -> None:
        """Give back what was taken."""
        with self._lock:
            self._left += amount
            if client is not None and amount:
                mine = self._held[client] - amount
                if mine:
                    self._held[client] = mine
                else:
                    del self._held[client]


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


class ClientCap:
    """At most `per_minute` of one client within each minute of the clock. Not safe across threads by itself.

    Forgets everything with each minute, and within one remembers `most` clients, the latest: some 10 MB.
    """

    def __init__(self, per_minute: int, clock: Callable[[], float] = time.monotonic, *, most: int = 100_000) -> None:
        self._per_minute = per_minute
        self._clock = clock
        self._most = most
        self._minute = 0
        self._taken: dict[str, int] = {}

    def has_room(self, client: str) -> bool:
        """Has this client one left in this minute?"""
        minute = int(self._clock() / 60)
        if minute != self._minute:
            self._minute, self._taken = minute, {}
        return self._taken.get(client, 0) < self._per_minute

    def count(self, client: str) -> None:
        """One more of this client."""
        self._taken[client] = self._taken.pop(client, 0) + 1
        if len(self._taken) > self._most:
            del self._taken[next(iter(self._taken))]
