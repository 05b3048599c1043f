"""One object for each event loop, made when first needed and closed when its loop ends.

Sockets belong to the loop that opened them, and a process may run many loops: a test client runs one for each request.
Closing needs no lifespan: asyncio and trio finalise open asynchronous generators when a loop ends
(`loop.shutdown_asyncgens`, PEP 525), and the generator here closes the object then.
"""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import suppress
from typing import Any, Final, Generic, TypeVar

T = TypeVar("T")

_slots: Final[dict[Any, Any]] = {}
"""By event loop and `PerLoop`. anyio's RunVar does the same, and takes five times as long to read."""


def on_asyncio() -> bool:
    """Return whether the running task is one of asyncio's. trio may be a guest in its loop."""
    try:
        return asyncio.current_task() is not None
    except RuntimeError:
        return False


class PerLoop(Generic[T]):
    """`make()` for each event loop that asks; `close(it)` when that loop ends, or at `aclose()` in that loop."""

    def __init__(self, make: Callable[[], T], close: Callable[[T], Awaitable[None]]) -> None:
        self._make = make
        self._close = close

    def get(self) -> T:
        """Return the object of the running event loop. Call it in a task."""
        slot: tuple[T, AsyncGenerator[None, None]] | None = _slots.get(key := self._key())
        if slot is None:
            for other in list(_slots):
                if isinstance(other[0], asyncio.AbstractEventLoop) and other[0].is_closed():
                    _slots.pop(other, None)  # the loop was closed without `shutdown_asyncgens`
            made = self._make()
            holder = self._hold(key, made)
            _slots[key] = slot = made, holder
            with suppress(StopIteration):  # it never waits: the generator yields at once
                anext(holder).send(None)
        return slot[0]

    def _key(self) -> object:
        if on_asyncio():
            return asyncio.get_running_loop(), self
        import trio

        return trio.lowlevel.current_trio_token(), self

    async def aclose(self) -> None:
        """Close the object of the running event loop, if there is one. `get` makes another."""
        if (slot := _slots.get(self._key())) is not None:
            await slot[1].aclose()

    async def _hold(self, key: object, made: T) -> AsyncGenerator[None, None]:
        try:
            yield
        finally:
            del _slots[key]
            await self._close(made)
