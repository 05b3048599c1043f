"""One object for each event loop, made when first needed and closed when its loop ends.

Sockets belong to the loop that opened them, and loops come and go: a test client runs one for each request. No
lifespan is needed for closing: an open asynchronous generator is finalised by asyncio and trio when a loop ends
(`loop.shutdown_asyncgens`, PEP 525), and closing is what ours does then.
"""

from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import suppress
from itertools import count
from typing import Generic, TypeVar

from anyio.lowlevel import RunVar

T = TypeVar("T")
_numbers = count()  # anyio before 4.11 tells its variables apart by name


class PerLoop(Generic[T]):
    """`make()` for each event loop that asks; `close(it)` when that loop ends, or at `aclose()` in that loop."""

    def __init__(self, make: Callable[[], T], close: Callable[[T], Awaitable[None]]) -> None:
        self._make = make
        self._close = close
        self._slot: RunVar[tuple[T, AsyncGenerator[None, None]] | None] = RunVar(f"geetest_asgi.{next(_numbers)}", None)

    def get(self) -> T:
        """Return the running loop's own. To be called in a task."""
        if (slot := self._slot.get()) is None:
            made = self._make()
            holder = self._hold(made)
            self._slot.set(slot := (made, holder))
            with suppress(StopIteration):  # it never waits: the generator yields at once
                anext(holder).send(None)
        return slot[0]

    async def aclose(self) -> None:
        """Close the running loop's own, if there is one. `get` makes another."""
        if (slot := self._slot.get()) is not None:
            await slot[1].aclose()

    async def _hold(self, made: T) -> AsyncGenerator[None, None]:
        try:
            yield
        finally:
            self._slot.set(None)  # it may know its loop, which else is never collected
            await self._close(made)
