"""Check the `store=` of the middleware and of GeeTestClient."""

from typing import Any, Final, cast

from .._core.errors import ConfigError
from .failsafe import FailSafe
from .memory import MemoryStore
from .protocol import Store
from .urls import from_url

_VERBS: Final = ("add", "pop", "delete", "count")


def as_store(given: Any) -> Store:
    """Return the given store, in a FailSafe if it may fail, or a new MemoryStore for None. Raises ConfigError."""
    if given is None:
        return MemoryStore()
    if isinstance(given, str):
        given = from_url(given)
    _check_store(given)
    never_fails = type(given) is MemoryStore or isinstance(given, FailSafe)
    return cast("Store", given if never_fails else FailSafe(given))


def _check_store(given: object) -> None:
    wanted = "give an object with async add, pop, delete and count (geetest_asgi.stores.Store), a URL, or None"
    if isinstance(given, type):
        raise ConfigError(f"store={given!r} is a class: {wanted}")
    missing = [verb for verb in _VERBS if not callable(getattr(given, verb, None))]
    if missing:
        raise ConfigError(f"store={given!r} has no {', '.join(missing)}: {wanted}")
