"""The protocol of a store, and the store that keeps everything in this process's memory."""

import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Protocol

from .._core.errors import ConfigError

SPENT = ""
"""What a claim is answered for a key that is taken and has no note."""


class Store(Protocol):
    """Remembers keys for a while. A key is a digest; a note is a short text (ASCII), handed out once.

    What the methods raise, or that they take too long, does not reach the visitor: see `FailSafe`.
    """

    async def claim(self, key: str, seconds: float) -> str | None:
        """Take the key for `seconds`. None: it was free and is now the caller's.

        Else what was left for it: a note, which is handed to one caller only, or "" (SPENT). Of many simultaneous
        claims of one key, one gets None; of many claims of a key with a note, one gets the note.
        """

    async def release(self, key: str, note: str | None = None) -> None:
        """Give the key back: without a note it is free again, with one it stays taken and the next claim gets it.

        For who holds the key. Where several processes share it, a key that is free or another's is to be left alone.
        """


class MemoryStore:
    """Spent tokens in memory: bounded, shared by all requests of this process and by no other.

    `size` is how many keys are kept at most; the oldest goes first. A key is 64 characters; 100,000 of them take
    about 32 MB. Safe across threads and event loops.
    """

    def __init__(self, size: int = 100_000, *, clock: Callable[[], float] = time.monotonic) -> None:
        if size < 1:
            raise ConfigError(f"MemoryStore(size={size!r}): a store that keeps nothing lets every token in twice")
        self._size = size
        self._clock = clock
        self._kept: OrderedDict[str, tuple[float, str]] = OrderedDict()
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._kept)

    async def claim(self, key: str, seconds: float) -> str | None:
        """See `Store.claim`."""
        with self._lock:
            now = self._clock()
            self._forget_ended(now)
            ends, note = self._kept.get(key, (now, SPENT))
            if ends > now:
                self._kept[key] = (ends, SPENT)
                return note
            self._kept.pop(key, None)
            if len(self._kept) >= self._size:
                self._kept.popitem(last=False)
            self._kept[key] = (now + seconds, SPENT)
            return None

    async def release(self, key: str, note: str | None = None) -> None:
        """See `Store.release`."""
        with self._lock:
            if note is None:
                self._kept.pop(key, None)
            elif key in self._kept:
                self._kept[key] = (self._kept[key][0], note)

    def _forget_ended(self, now: float) -> None:
        """From the old end on: keys are kept for the same time, so they end in the order in which they came."""
        while self._kept:
            key, (ends, _) = next(iter(self._kept.items()))
            if ends > now:
                return
            del self._kept[key]
