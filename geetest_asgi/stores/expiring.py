"""A bounded mapping whose entries end at times of their own."""

import heapq
from itertools import count
from typing import Final, Generic, TypeVar

T = TypeVar("T")

_AT_ONCE: Final = 64
"""Ended entries that one `insert` removes at most, so that no call has to remove them all."""


class Expiring(Generic[T]):
    """At most `size` entries; the one that ends first makes room for a new one. Not safe across threads."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._entries: dict[str, tuple[float, int, T]] = {}
        self._order: list[tuple[float, int, str]] = []
        """A heap. What `remove` took away stays in it until it comes up, or until there is too much of it."""
        self._numbers = count()

    def __len__(self) -> int:
        return len(self._entries)

    def find(self, key: str, now: float) -> T | None:
        """The value, if there is one that has not ended."""
        entry = self._entries.get(key)
        return entry[2] if entry is not None and entry[0] > now else None

    def insert(self, key: str, value: T, ends: float, now: float) -> None:
        """Add an entry whose key `find` did not find."""
        self._entries.pop(key, None)
        for _ in range(_AT_ONCE):
            if not self._order or self._order[0][0] > now:
                break
            self._remove_first()
        while len(self._entries) >= self._size:
            self._remove_first()
        number = next(self._numbers)
        self._entries[key] = (ends, number, value)
        heapq.heappush(self._order, (ends, number, key))
        if len(self._order) > 2 * len(self._entries) + _AT_ONCE:
            self._order = [(ends, number, key) for key, (ends, number, _) in self._entries.items()]
            heapq.heapify(self._order)

    def replace(self, key: str, value: T) -> None:
        """Change the value of an entry, which ends when it would have ended."""
        ends, number, _ = self._entries[key]
        self._entries[key] = (ends, number, value)

    def remove(self, key: str) -> None:
        """Remove the entry, if there is one."""
        self._entries.pop(key, None)

    def _remove_first(self) -> None:
        _, number, key = heapq.heappop(self._order)
        if self._entries.get(key, (0.0, -1))[1] == number:
            del self._entries[key]
