"""The store that keeps everything in this process's memory."""

import threading
import time
from collections.abc import Callable

from .._core.errors import ConfigError
from .expiring import Expiring


class MemoryStore:
    """A store in memory: bounded, shared by all threads and event loops of this process, and by no other process.

    size    Values kept at most, and counters kept at most; the one that ends first goes first. A spent token is one
            value of 64 characters; 100,000 take about 35 MB.

    Raises ConfigError for a size below 1.
    """

    def __init__(self, size: int = 100_000, *, clock: Callable[[], float] = time.monotonic) -> None:
        if size < 1:
            raise ConfigError(f"MemoryStore(size={size!r}): a store that keeps nothing lets every token in twice")
        self._clock = clock
        self._values = Expiring[str](size)
        self._counters = Expiring[int](size)
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._values) + len(self._counters)

    def __contains__(self, key: str) -> bool:
        """Whether `add` would refuse the key."""
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
            counted = self._counters.find(key, now)
            if counted is None:
                self._counters.insert(key, 1, now + seconds, now)
                return 1
            self._counters.replace(key, counted + 1)
            return counted + 1
