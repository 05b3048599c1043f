"""Who remembers which tokens were spent. `MemoryStore`, the default, speaks for one process.

The others are loaded when they are first used: who does not use them needs neither sqlite3 nor redis.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

from .failsafe import FailSafe
from .memory import MemoryStore, Store

if TYPE_CHECKING:
    from .redis import RedisStore as RedisStore
    from .sqlite import SQLiteStore as SQLiteStore

_HOMES: Final = {"RedisStore": "redis", "SQLiteStore": "sqlite"}

__all__ = ["FailSafe", "MemoryStore", "RedisStore", "SQLiteStore", "Store"]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f".{_HOMES[name]}", __name__), name)
