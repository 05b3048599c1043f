"""MemoryStore: a store in the memory of this process."""

import heapq
import itertools
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Final, Generic, TypeVar

from .numbers import check_size

T = TypeVar("T")


class MemoryStore:
    """A bounded store in memory, for all threads and event loops of this process, but for no other process.

    size    Greatest number of values, and of counters. For a new one the oldest is removed. A spent token is one
            value; 100,000 take about 34 MB.

    Raises ConfigError for a size below 1.
    """

    def __init__(self, size: int = 100_000, *, clock: Callable[[], float] = time.monotonic) -> None:
        check_size("MemoryStore", size)
        self._clock = clock
        self._values = Expiring[str](size)
        self._counters: Expiring[itertools.count[int]] = Expiring(size)
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._values) + len(self._counters)

    def __contains__(self, key: str) -> bool:
        """Return whether `add` would refuse the key."""
        with self._lock:
            return self._values.find(key, self._clock()) is not None

    async def add(self, key: str, value: str, seconds: float) -> bool:
        """See `Store.add`."""
        with self._lock:
            now = self._clock()
            if self._values.find(key, now) is not None:
                return False
            self._values.insert(key, value, now + seconds, now)
            return True

    async def pop(self, key: str) -> str | None:
        """See `Store.pop`."""
        with self._lock:
            value = self._values.find(key, self._clock())
            self._values.remove(key)
            return value

    async def delete(self, key: str) -> None:
        """See `Store.delete`."""
        with self._lock:
            self._values.remove(key)

    async def count(self, key: str, seconds: float) -> int:
        """See `Store.count`."""
        with self._lock:
            now = self._clock()
            counter = self._counters.find(key, now)
            if counter is None:
                self._counters.insert(key, counter := itertools.count(1), now + seconds, now)
            return next(counter)


_AT_ONCE: Final = 64
"""Ended entries that one `insert` removes at most, so that no call takes long."""

_Entry = tuple[float, int, str, T]
"""Its end, a number of its own, its key and its value."""


class Expiring(Generic[T]):
    """At most `size` entries. For a new one the oldest is removed. Not safe across threads.

    Not the one that ends first: made-up tokens, which are kept longer, would push out the failures of AfterFailures.
    """

    def __init__(self, size: int) -> None:
        self._size = size
        self._entries: OrderedDict[str, _Entry[T]] = OrderedDict()
        self._order: list[_Entry[T]] = []
        """A heap. Removed entries stay in it until they are first, or until there are too many of them."""
        self._numbers = itertools.count()

    def __len__(self) -> int:
        return len(self._entries)

    def find(self, key: str, now: float) -> T | None:
        """Return the value of an entry that has not ended, or None."""
        entry = self._entries.get(key)
        return entry[3] if entry is not None and entry[0] > now else None

    def insert(self, key: str, value: T, ends: float, now: float) -> None:
        """Add an entry whose key `find` did not find."""
        for _ in range(min(_AT_ONCE, len(self._order))):
            first = self._order[0]
            present = self._entries.get(first[2]) is first
            if present and first[0] > now:
                break
            heapq.heappop(self._order)
            if present:
                del self._entries[first[2]]
        self._entries.pop(key, None)  # it may be there and have ended
        while len(self._entries) >= self._size:
            self._entries.popitem(last=False)
        self._entries[key] = entry = ends, next(self._numbers), key, value
        heapq.heappush(self._order, entry)
        if len(self._order) > 2 * len(self._entries) + _AT_ONCE:
            self._order = sorted(self._entries.values())

    def remove(self, key: str) -> None:
        """Remove the entry, if there is one."""
        self._entries.pop(key, None)
