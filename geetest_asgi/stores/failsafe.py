"""A store outside of this process may fail. Then this process's own memory decides, and the site goes on.

What the memory keeps of a key, each under a prefix of its own:

TAKEN       added here: no other request of this process gets it, and the store is not asked
UNSURE      added here without an answer from the store, so the store's key, if any, may be another process's
HERE_ONLY   its value, where the store was not asked: the only copy
ELSEWHERE   the store said that it is taken: asked again next time, and taken if the store fails by then
"""

import threading
import time
from collections.abc import Callable, Coroutine
from typing import Any, Final, TypeVar, cast
from weakref import WeakKeyDictionary

import anyio

from .._bounds.breaker import Breaker, State
from .._core.errors import GeeTestError
from ..observers.logs import log_store_answers, log_store_fails
from .memory import MemoryStore
from .protocol import Store

T = TypeVar("T")

TIMEOUT: Final = 2.0
"""Seconds that a request waits for a store at most. A store's own timeout should end sooner."""

PAUSE: Final = 1.0
"""Seconds for which a store that failed is not asked. Then one request tries it, and the others do not wait."""

_TAKEN: Final = "taken:"
_UNSURE: Final = "unsure:"
_HERE_ONLY: Final = "here:"
_ELSEWHERE: Final = "elsewhere:"

_NOT_ASKED: Final = object()
_FAILED: Final = object()


class StoreFailsError(GeeTestError):
    """The store gave no answer. The text says why."""


class FailSafe:
    """A store that may fail, with this process's memory in front of it.

    The middleware wraps every store but a `MemoryStore` in one; wrap it yourself to read `failing` in a health check.
    While the store raises or does not answer within 2 s, each process goes by what it has seen itself: no token is let
    in twice by one process, but perhaps by two. Each beginning and each end of a failure is one record of the logger
    "geetest_asgi": its `geetest_event` is "store_fails" or "store_answers".

    A token spent in one process while the store is down is not known to the others afterwards: GeeTest refuses it.
    A key that was added here counts as taken here until it is popped or deleted here, whatever the store forgets.
    """

    def __init__(self, store: Store, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._store = store
        self._memory = _memory_beside(store)
        self.name: str = type(store).__name__
        """The class of the store."""
        self._why = ""
        self._breaker = Breaker(1, PAUSE, PAUSE, clock)
        self._lock = threading.Lock()
        self.failures: int = 0
        """Calls of the store that failed, since the start."""

    @property
    def failing(self) -> bool:
        """The last call of the store failed."""
        return self._breaker.state is not State.CLOSED

    async def add(self, key: str, value: str, seconds: float) -> bool:
        """See `Store.add`. While the store fails: true for what this process has not seen."""
        memory = self._memory
        if not await memory.add(_TAKEN + key, "", seconds):
            return False
        free = await self._ask(lambda: self._store.add(key, value, seconds), bool, key, value)
        if free is _NOT_ASKED or free is _FAILED:
            await memory.delete(_UNSURE + key)  # one that is about to end
            await memory.add(_UNSURE + key, "", seconds)
            if free is _NOT_ASKED:  # after a failed call the store may have it, and two copies would count twice
                await memory.add(_HERE_ONLY + key, value, seconds)
            free = _ELSEWHERE + key not in memory
        if not free:
            await memory.add(_ELSEWHERE + key, "", seconds)
            await self._forget(key)
            return False
        await memory.delete(_ELSEWHERE + key)
        return True

    async def pop(self, key: str) -> str | None:
        """See `Store.pop`. While the store fails: what was added here after it began to fail."""
        value: object = await self._memory.pop(_HERE_ONLY + key)
        if value is None:
            value = await self._ask(lambda: self._store.pop(key), str | None, key)
        if not isinstance(value, str):
            return None
        await self._forget(key)
        return value

    async def delete(self, key: str) -> None:
        """See `Store.delete`. The store is asked only where it has confirmed that this process added the key."""
        confirmed = _TAKEN + key in self._memory and _UNSURE + key not in self._memory
        try:
            if confirmed:
                await self._ask(lambda: self._store.delete(key), object, key)
        finally:
            await self._forget(key)

    async def count(self, key: str, seconds: float) -> int:
        """See `Store.count`. While the store fails: this process's own count."""
        here = await self._memory.count(key, seconds)
        there = await self._ask(lambda: self._store.count(key, seconds), int, key)
        return there if isinstance(there, int) else here

    async def ask_store(self, call: Callable[[Store], Coroutine[Any, Any, T]], key: str) -> T:
        """The store's own answer, for what this process's memory must not decide. `call` is given the store.

        Raises StoreFailsError where the store fails, or is not asked since it has just failed.
        """
        answer = await self._ask(lambda: call(self._store), object, key)
        if answer is _NOT_ASKED or answer is _FAILED:
            raise StoreFailsError(f"{self.name} fails ({self._why})")
        return cast("T", answer)

    async def _forget(self, key: str) -> None:
        for mark in (_UNSURE, _HERE_ONLY, _TAKEN):  # the last one lets other requests in
            await self._memory.delete(mark + key)

    async def _ask(
        self, call: Callable[[], Coroutine[Any, Any, object]], kind: Any, key: str, value: str = ""
    ) -> object:
        """The store's answer, or _NOT_ASKED, or _FAILED. `key` and `value` are kept out of the log."""
        ticket = self._breaker.take(TIMEOUT)
        if ticket is None:
            return _NOT_ASKED
        try:
            # Shielded: an add that is cut short may have taken the token all the same.
            with anyio.fail_after(TIMEOUT, shield=True):
                answer = await call()
            if not isinstance(answer, kind) or (kind is int and isinstance(answer, bool)):
                raise TypeError(f"a store must not answer {type(answer).__name__} here: see geetest_asgi.stores.Store")
        except Exception as error:
            self._failed(ticket, _description(error, key, value))
            return _FAILED
        except BaseException:  # asyncio's own cancellation knows no shield
            self._breaker.given_up(ticket)
            raise
        if (seconds := self._breaker.answered(ticket)) is not None:
            log_store_answers(self.name, seconds)
        return answer

    def _failed(self, ticket: int, reason: str) -> None:
        with self._lock:
            self.failures += 1
            self._why = reason
        if self._breaker.failed(ticket):
            log_store_fails(self.name, reason)


def _description(error: Exception, key: str, value: str) -> str:
    """The error's class and its message, without the message where it may quote what the store was given."""
    kind, message = type(error).__name__, str(error)
    if not message or value or key in message:
        return kind
    return f"{kind}: {message[:300]!r}"


_memories: Final[WeakKeyDictionary[Store, MemoryStore]] = WeakKeyDictionary()


def _memory_beside(store: Store) -> MemoryStore:
    """One for each store, however many guards use it: what one has let in, the others must know."""
    try:
        return _memories.setdefault(store, MemoryStore())
    except TypeError:  # a class that cannot be hashed, or with slots
        return MemoryStore()
