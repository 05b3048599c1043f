"""What the guard asks of a store: four verbs that every key-value store has."""

from typing import Protocol


class Store(Protocol):
    """Keeps short texts and counters for a while, shared by all who use the same store.

    Keys are ASCII, 150 characters at most; values are ASCII, 8 KiB at most, and may be empty. A key names a value or a
    counter, never both. A store is bounded and must not block the event loop. Exceptions and delays never reach the
    client: see `FailSafe`.
    """

    async def add(self, key: str, value: str, seconds: float) -> bool:
        """Set the value for `seconds` if the key is free. True: it was. Of many simultaneous calls one gets True."""

    async def pop(self, key: str) -> str | None:
        """Remove the value and return it; None if there is none. Of many simultaneous calls one gets the value."""

    async def delete(self, key: str) -> None:
        """Remove the value, if there is one."""

    async def count(self, key: str, seconds: float) -> int:
        """Add one to a counter and return its new value. The counter ends `seconds` after its first count."""
