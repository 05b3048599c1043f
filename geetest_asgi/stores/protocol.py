"""Store: four methods that every key-value store has."""

from typing import Protocol


class Store(Protocol):
    """Keeps short texts and counters for some time, for all processes that use the store.

    Keys are ASCII, 150 characters at most; values are ASCII, 8 KiB at most, and may be empty. A key names a value or a
    counter, never both. A store must bound its size and must not block the event loop. Exceptions and delays never
    reach the client: see `FailSafe`.
    """

    async def add(self, key: str, value: str, seconds: float) -> bool:
        """Set the value for `seconds` if the key is free; return whether it was.

        Exactly one of several simultaneous calls gets True.
        """

    async def pop(self, key: str) -> str | None:
        """Remove the value and return it, or None. Only one of several simultaneous calls gets it."""

    async def delete(self, key: str) -> None:
        """Remove the value, if there is one."""

    async def count(self, key: str, seconds: float) -> int:
        """Add one to a counter and return its new value. The counter ends `seconds` after its first count."""
