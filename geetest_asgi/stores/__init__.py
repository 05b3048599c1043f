"""Stores of spent tokens, kept verdicts and counters. The default is a `MemoryStore`, for one process.

`SQLiteStore` and `RedisStore` are imported at their first use, so other stores need neither sqlite3 nor redis.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

from .failsafe import FailSafe
from .memory import MemoryStore
from .protocol import Store

if TYPE_CHECKING:
    from .redis import RedisStore
    from .sqlite import SQLiteStore

_HOMES: Final = {"RedisStore": "redis", "SQLiteStore": "sqlite"}

__all__ = ["FailSafe", "MemoryStore", "RedisStore", "SQLiteStore", "Store"]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f".{_HOMES[name]}", __name__), name)
