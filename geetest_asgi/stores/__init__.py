"""Who remembers which tokens were spent. `MemoryStore`, the default, speaks for one process."""

from .memory import MemoryStore, Store

__all__ = ["MemoryStore", "Store"]
