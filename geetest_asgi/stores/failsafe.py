"""A store outside of this process may fail. Then this process's own memory decides, and the site goes on.

claim    this process's memory     taken here: spent, and nobody else is asked
         the store                 taken there: spent, or the note that was left
         no answer from it         what this process's memory said
"""

import threading
import time
from collections.abc import Awaitable, Callable
from typing import Any, Final
from weakref import WeakKeyDictionary

import anyio

from ..observers.logs import log_store_answers, log_store_fails
from .memory import SPENT, MemoryStore, Store

PATIENCE: Final = 2.0
"""Seconds that a visitor waits for a store at most. A store's own time-out should end sooner."""

PAUSE: Final = 1.0
"""Seconds for which a store that failed is left alone. Then one request tries it, and the others wait for no one."""

_ELSEWHERE: Final = "\0elsewhere"
"""A note to ourselves: the store said that this is spent, but it was not let in here, and may be given back there."""


class FailSafe:
    """A store with a memory of this process's own before it, so that the store may fail.

    Every store but a `MemoryStore` that is given to the middleware is put into one; do it yourself to look at
    `failing` from a health check. While the store raises or does not answer within 2 s, each process goes by what it
    has seen: no token is let in twice by one process, but perhaps by two. Each beginning and each end of a failure is
    one record of the logger "geetest_asgi": its `geetest_event` is "store_fails" or "store_answers".

    What was spent in one process while the store was down, is not known to others when it is back: GeeTest tells them.
    """

    def __init__(self, store: Store, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._store = store
        self._memory = _memory_beside(store)
        self._health = _Health(type(store).__name__, clock)

    @property
    def failing(self) -> bool:
        """The store's last answer was none."""
        return self._health.failing

    @property
    def failures(self) -> int:
        """Calls of the store that came to nothing, since the start."""
        return self._health.failures

    async def claim(self, key: str, seconds: float) -> str | None:
        """See `Store.claim`. Never raises on the store's account."""
        here = await self._memory.claim(key, seconds)
        if here == SPENT:
            return SPENT
        answered, there = await self._ask(lambda: self._store.claim(key, seconds), key)
        if not answered:
            there = SPENT if here == _ELSEWHERE else here
        elif there is None and here != _ELSEWHERE:
            there = here  # a note that was left here outlives a store that has forgotten everything
        if there == SPENT and here in (None, _ELSEWHERE):
            await self._memory.release(key, _ELSEWHERE)
        return there

    async def release(self, key: str, note: str | None = None) -> None:
        """See `Store.release`. Where the store does not hear of it, the token stays spent for the others."""
        try:
            await self._ask(lambda: self._store.release(key, note), key, note)
        finally:
            await self._memory.release(key, note)

    async def _ask(self, what: Callable[[], Awaitable[Any]], *private: str | None) -> tuple[bool, str | None]:
        """Whether the store has answered, and what."""
        if not self._health.may_try():
            return False, None
        began = self._health.now()
        try:
            # Shielded: a claim that is cut short may have taken the token all the same.
            with anyio.fail_after(PATIENCE, shield=True):
                answer = await what()
            if answer is not None and not isinstance(answer, str):
                raise TypeError(f"a store answers None or a str, not {type(answer).__name__}")
        except Exception as error:
            self._health.failed(error, private)
            return False, None
        self._health.answered(began)
        return True, answer


class _Health:
    """Whether the store is to be asked, and the log of its ups and downs. Safe across threads."""

    def __init__(self, name: str, clock: Callable[[], float]) -> None:
        self.now = clock
        self.failing = False
        self.failures = 0
        self._name = name
        self._since = self._latest = self._next = 0.0
        self._lock = threading.Lock()

    def may_try(self) -> bool:
        """While it fails, once after each pause."""
        with self._lock:
            if not self.failing:
                return True
            now = self.now()
            if now < self._next:
                return False
            self._next = now + PATIENCE + PAUSE  # nobody else until this one is through
            return True

    def failed(self, error: Exception, private: tuple[str | None, ...]) -> None:
        """Take note of it; one warning when it begins."""
        with self._lock:
            self._latest = self.now()
            self._next = self._latest + PAUSE
            self.failures += 1
            began, self.failing = not self.failing, True
            self._since = self._latest if began else self._since
        if began:
            log_store_fails(self._name, _description(error, private))

    def answered(self, began: float) -> None:
        """One record when it is back. What was asked before the failure says nothing about what came after."""
        with self._lock:
            back = self.failing and began > self._latest
            self.failing = self.failing and not back
        if back:
            log_store_answers(self._name, self.now() - self._since)


def _description(error: Exception, private: tuple[str | None, ...]) -> str:
    """Its kind and its words, but for words about a visitor: a store may quote what it was given."""
    kind, words = type(error).__name__, str(error)[:300]
    about_a_visitor = len(private) > 1 and private[1] is not None
    if not words or about_a_visitor or any(each in words for each in private if each):
        return kind
    return f"{kind}: {words!r}"


_memories: Final[WeakKeyDictionary[Store, MemoryStore]] = WeakKeyDictionary()


def _memory_beside(store: Store) -> MemoryStore:
    """One for each store, however many guards use it: what one has let in, the others must know."""
    try:
        return _memories.setdefault(store, MemoryStore())
    except TypeError:  # a class that cannot be hashed, or with slots
        return MemoryStore()
