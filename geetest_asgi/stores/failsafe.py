"""FailSafe: a store whose failures do not stop the site. While it fails, the memory of this process decides.

The memory keeps these marks for a key, each with a prefix of its own:

TAKEN       The key was added here. No other request of this process gets it; the store is not called.
UNSURE      It was added here without an answer of the store, so the store's key may belong to another process.
HERE_ONLY   Its value, if the store was not called: the only copy.
ELSEWHERE   The store said that the key is taken. The next `add` calls the store again; if that fails, it is taken.
"""

import threading
import time
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any, Final, TypeVar
from weakref import WeakKeyDictionary

import anyio

from .._bounds.breaker import Breaker
from .._core.errors import GeeTestError
from ..observers.logs import log_store_answers, log_store_fails
from .memory import MemoryStore
from .numbers import TIMEOUT
from .protocol import Store

T = TypeVar("T")

PAUSE: Final = 1.0
"""Seconds for which a failed store is not called. Then one request tries it; the others do not wait."""

_TAKEN: Final = "taken:"
_UNSURE: Final = "unsure:"
_HERE_ONLY: Final = "here:"
_ELSEWHERE: Final = "elsewhere:"


class StoreFailsError(GeeTestError):
    """The store fails. The message says why."""


class StoreSkippedError(StoreFailsError):
    """The store was not called, since it has just failed."""


class FailSafe:
    """Wraps a store that may fail, with the memory of this process in front of it.

    The middleware wraps every store except a `MemoryStore`. Wrap it yourself to read `failing` in a health check.
    While the store raises, or does not answer within 2 s, each process knows only its own tokens: one process lets no
    token in twice, but two processes may. The logger "geetest_asgi" has a record when a failure begins and one when it
    ends: their `geetest_event` is "store_fails" or "store_answers".

    A key that was added here counts as taken here until it is popped or deleted here, even if the store forgets it.
    """

    def __init__(self, store: Store, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._store = store
        self._memory = _memory_beside(store)
        self.name: str = type(store).__name__
        """The name of the store's class."""
        self._breaker = Breaker(1, PAUSE, PAUSE, clock)
        self._lock = threading.Lock()
        self.failures: int = 0
        """Number of failed calls of the store since the start."""

    @property
    def failing(self) -> bool:
        """True if the last call of the store failed."""
        return self._breaker.is_open

    async def add(self, key: str, value: str, seconds: float) -> bool:
        """See `Store.add`. While the store fails, True for a key that this process has not seen."""
        if not await self._memory.add(_TAKEN + key, "", seconds):
            return False
        try:
            free = await self._ask(lambda: self._store.add(key, value, seconds), bool, key, value)
        except StoreFailsError as failure:
            free = _ELSEWHERE + key not in self._memory
            await self._memory.add(_UNSURE + key, "", seconds)
            if isinstance(failure, StoreSkippedError):  # else the store may have the value: a copy would count twice
                await self._memory.add(_HERE_ONLY + key, value, seconds)
        if free:
            await self._memory.delete(_ELSEWHERE + key)
        else:
            await self._memory.add(_ELSEWHERE + key, "", seconds)
            await self._forget(key)
        return free

    async def pop(self, key: str) -> str | None:
        """See `Store.pop`. While the store fails, only values that were added here since then."""
        value = await self._memory.pop(_HERE_ONLY + key)
        if value is None:
            with suppress(StoreFailsError):
                value = await self._ask(lambda: self._store.pop(key), str | None, key)
        if value is not None:
            await self._forget(key)
        return value

    async def delete(self, key: str) -> None:
        """See `Store.delete`. The store is called only if it has confirmed that this process added the key."""
        confirmed = _TAKEN + key in self._memory and _UNSURE + key not in self._memory
        try:
            if confirmed:
                with suppress(StoreFailsError):
                    await self._ask(lambda: self._store.delete(key), object, key)
        finally:
            await self._forget(key)

    async def count(self, key: str, seconds: float) -> int:
        """See `Store.count`. While the store fails, the count of this process."""
        here = await self._memory.count(key, seconds)
        try:
            return await self._ask(lambda: self._store.count(key, seconds), int, key)
        except StoreFailsError:
            return here

    async def ask_store(self, call: Callable[[Store], Coroutine[Any, Any, T]], key: str) -> T:
        """Return the value of `call(store)`, for keys that the memory of this process must not decide about.

        Raises StoreFailsError if the store fails, or is not called since it has just failed.
        """
        return await self._ask(lambda: call(self._store), object, key)

    async def _forget(self, key: str) -> None:
        for mark in (_UNSURE, _HERE_ONLY, _TAKEN):  # TAKEN last: without it other requests get the key
            await self._memory.delete(mark + key)

    async def _ask(self, call: Callable[[], Coroutine[Any, Any, T]], kind: Any, key: str, value: str = "") -> T:
        """Return the store's answer, or raise StoreFailsError. `key` and `value` stay out of the log."""
        ticket = self._breaker.take(TIMEOUT)
        if ticket is None:
            raise StoreSkippedError(f"{self.name} has just failed")
        try:
            # Shielded: a cancelled `add` might still have taken the token.
            with anyio.fail_after(TIMEOUT, shield=True):
                answer = await call()
            if not isinstance(answer, kind) or (kind is int and isinstance(answer, bool)):
                raise TypeError(f"a store must not answer {type(answer).__name__} here: see geetest_asgi.stores.Store")
        except Exception as error:
            reason = _description(error, key, value)
            self._count_failure(ticket, reason)
            raise StoreFailsError(f"{self.name} fails ({reason})") from None
        except BaseException:  # asyncio's own cancellation knows no shield
            self._breaker.given_up(ticket)
            raise
        if (seconds := self._breaker.answered(ticket)) is not None:
            log_store_answers(self.name, seconds)
        return answer

    def _count_failure(self, ticket: int, reason: str) -> None:
        with self._lock:
            self.failures += 1
        if self._breaker.failed(ticket):
            log_store_fails(self.name, reason)


def _description(error: Exception, key: str, value: str) -> str:
    """Return the error's class and its message, or only the class if the message may quote a key or a value."""
    kind, message = type(error).__name__, str(error)
    if not message or value or key in message:
        return kind
    return f"{kind}: {message[:300]!r}"


_memories: Final[WeakKeyDictionary[Store, MemoryStore]] = WeakKeyDictionary()


def _memory_beside(store: Store) -> MemoryStore:
    """Return the one memory beside this store, which all guards with this store share."""
    try:
        return _memories.setdefault(store, MemoryStore())
    except TypeError:  # not hashable, or no weak references
        return MemoryStore()
