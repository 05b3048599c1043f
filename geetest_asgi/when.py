"""Require a captcha only after some failures of a client.

    app = GeeTestMiddleware(app, protect=["POST /login"], when=AfterFailures(3, seconds=600))

Each client has `limit` places, which are keys in the store. A request takes a free place before the app runs, so of any
number of simultaneous guesses only `limit` reach the app without a captcha. A failure keeps its place for `seconds`.
"""

import hashlib
import json
from collections.abc import Awaitable, Callable, Coroutine, Iterable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from . import _config
from ._core.address import client_address
from ._core.errors import ConfigError
from ._core.rules import Scope
from ._corridor.hooks import call as call_key
from ._corridor.outgoing import REDIRECTS
from ._scope import geetest_result, scope_of
from .stores import FailSafe, Store
from .stores.failsafe import StoreFailsError
from .stores.setting import as_store

__all__ = ["AfterFailures", "report_failure"]

_ATTEMPTS: Final = "geetest_asgi.attempts"
"""Scope key: the `_Attempt` of each guard in the stack that counts this request."""

_MOST_PLACES: Final = 20
"""Each place is a call of the store."""
_LONGEST: Final = 24 * 3600.0

T = TypeVar("T")

Key = Callable[[Scope], str | Awaitable[str | None] | None]


@dataclass(slots=True)
class _Attempt:
    """One request, and the place that it holds."""

    counter: "AfterFailures"
    store: Store
    client: str
    place: int | None
    failed: bool = False
    """The app has called `report_failure`."""


class AfterFailures:
    """For the `when=` of a Rule or of the middleware: no captcha before a client has failed `limit` times.

    limit     number of failures within `seconds` after which a captcha is needed, 1 to 20. Default: 3.
    seconds   seconds for which a failure counts, a day at most. Default: 600.
    statuses  statuses of the app's answer that mean a failure. Default: 401 and 403. An app that answers 200 to a
              failure calls `report_failure(request)`.
    key       fn(scope) -> str | None, plain or asynchronous: failures with the same key are counted together, in all
              guards that share a store. After None the request needs a captcha. Default: the client's address.
    store     store in which `needed` and `clear` count, as the middleware's `store=`. Requests under `when=` count in
              the guard's store.

    An answer below 400 is a success and clears the failures of its client, but only once in `seconds`: otherwise a
    client could guess without end and log in to an account of its own in between. Other answers do not count; nor do
    307 and 308, after which the request comes again. A request without an answer counts as a failure. While the store
    fails, every request needs a captcha. Raises ConfigError.
    """

    def __init__(
        self,
        limit: int = 3,
        *,
        seconds: float = 600,
        statuses: Iterable[int] = (401, 403),
        key: Key = client_address,
        store: Store | str | None = None,
    ) -> None:
        if isinstance(limit, bool) or not isinstance(limit, int) or not 1 <= limit <= _MOST_PLACES:
            raise ConfigError(f"AfterFailures(limit={limit!r}): give a number of failures, from 1 to {_MOST_PLACES}")
        if isinstance(seconds, bool) or not isinstance(seconds, int | float) or not 0 < seconds <= _LONGEST:
            raise ConfigError(f"AfterFailures(seconds={seconds!r}): give a positive number, {_LONGEST:g} at most")
        if _config.hook("key", key) is None:
            raise ConfigError("AfterFailures(key=None): give fn(scope), such as client_address")
        self._limit = limit
        self._seconds = float(seconds)
        self._statuses = _config.statuses("statuses", statuses)
        self._key = key
        self._store = None if store is None else as_store(store)

    def __repr__(self) -> str:
        return f"AfterFailures({self._limit}, seconds={self._seconds:g})"

    async def wanted(self, scope: Scope, store: Store) -> bool:
        """Return whether this request needs a captcha; if not, it takes one of its client's places. For the guard."""
        client = await call_key(self._key, scope)
        if client is None:
            return True
        place = await self._take_place(client, store)
        scope[_ATTEMPTS] = (*scope.get(_ATTEMPTS, ()), _Attempt(self, store, client, place))
        return place is None

    async def answered(self, scope: Scope, store: Store, status: int) -> None:
        """Count the app's answer to a request after `wanted`. For the guard."""
        for attempt in scope.get(_ATTEMPTS, ()):
            ours = attempt.counter is self and attempt.store is store  # not that of another guard in the stack
            if ours and not (attempt.failed or status in self._statuses):
                with suppress(StoreFailsError):  # the place stays taken
                    await self._settle(attempt, store, success=status < 400 and status not in REDIRECTS)

    async def needed(self, key: str) -> bool:
        """Return whether the next attempt with this key needs a captcha. For a handler.

        The attempt counts as failed until `clear` is called. Raises ConfigError without `store=`.
        """
        return await self._take_place(key, self._own_store()) is None

    async def clear(self, key: str) -> None:
        """Forget the failures of this key, after a success. For a handler. Raises ConfigError without `store=`."""
        with suppress(StoreFailsError):
            await _free(key, range(self._limit), self._own_store())

    def _own_store(self) -> Store:
        if self._store is None:
            raise ConfigError(
                "AfterFailures: a handler that counts by itself must say where; give store=, such as "
                "AfterFailures(3, store='redis://…'), or MemoryStore() for one process"
            )
        return self._store

    async def _take_place(self, client: str, store: Store) -> int | None:
        """Take the first free place and return it; None if all are taken, or if the store fails."""
        with suppress(StoreFailsError):
            for place in range(self._limit):
                if await _ask(store, client, place, lambda asked, key: asked.add(key, "", self._seconds)):
                    return place
        return None

    async def _settle(self, attempt: _Attempt, store: Store, *, success: bool) -> None:
        """Free all places of the client after a success, once in `seconds`; else, or if it has the first, this one."""
        if success and attempt.place != 0 and await self._may_clear(attempt.client, store):
            await _free(attempt.client, range(self._limit), store)
        elif attempt.place is not None:
            await _free(attempt.client, [attempt.place], store)

    async def _may_clear(self, client: str, store: Store) -> bool:
        return await _ask(store, client, "clear", lambda asked, key: asked.count(key, self._seconds)) == 1


def report_failure(request_or_scope: Any, /) -> None:
    """Count this request as a failure whatever the status of its answer, such as 200 for a form that is shown again.

    Call it in a handler or a view, synchronous or not, before the answer. It does nothing if the request is not
    counted, as in mode "off". Raises LookupError if no guard decided about the request, TypeError for an object that
    is no request.
    """
    scope = scope_of(request_or_scope)
    geetest_result(scope)
    for attempt in scope.get(_ATTEMPTS, ()):
        attempt.failed = True


async def _free(client: str, places: Iterable[int], store: Store) -> None:
    for place in places:
        await _ask(store, client, place, lambda asked, key: asked.delete(key))


async def _ask(store: Store, client: str, place: int | str, call: Callable[[Store, str], Coroutine[Any, Any, T]]) -> T:
    """Return the store's own value: the memory of FailSafe does not know which keys other processes have deleted."""
    key = _store_key(client, place)
    if isinstance(store, FailSafe):
        return await store.ask_store(lambda asked: call(asked, key), key)
    return await call(store, key)


def _store_key(client: str, place: int | str) -> str:
    """Addresses and account names are stored as digests only."""
    if not isinstance(client, str):
        raise TypeError(f"AfterFailures: the key must be a str or None, not {type(client).__name__}")
    return "failures:" + hashlib.sha256(json.dumps([client, place]).encode()).hexdigest()
