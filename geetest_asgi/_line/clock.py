"""One clock for each event loop wakes calls and time limits, so that none needs a timer, task or thread of its own."""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Callable, Coroutine
from contextvars import Context
from heapq import heappop, heappush
from itertools import count
from math import inf
from time import monotonic
from typing import Any, Final, Protocol

import anyio

from .._bounds.per_loop import PerLoop, on_asyncio

GRAIN: Final = 0.005
"""Shortest time between two ticks, in seconds."""


class Watched(Protocol):
    """An object that the clock wakes."""

    def wake(self, now: float) -> float:
        """Return when to be woken again, inf for never. A time in the past means the next tick."""


class Clock(ABC):
    """The clock of one event loop. A subclass for each kind of loop sets the timer and runs tasks."""

    time: Callable[[], float] = staticmethod(monotonic)

    def __init__(self) -> None:
        self._heap: list[tuple[float, int, Watched]] = []
        self._numbers = count()
        self._armed = inf
        self._limits: dict[float, TimeLimit] = {}
        self.scope: type[anyio.CancelScope] = anyio.CancelScope

    def limit(self, seconds: float) -> "TimeLimit":
        """Return the time limit of this length. All blocks that may take so long share it."""
        return self._limits.get(seconds) or self._limits.setdefault(seconds, TimeLimit(self, seconds))

    def watch(self, watched: Watched, when: float) -> None:
        """Wake `watched` at `when`, by `time`."""
        heappush(self._heap, (when, next(self._numbers), watched))
        if when < self._armed:
            self._arm(when)

    def tick(self, now: float) -> float:
        """Wake all that are due, each once. Return when to tick again, inf for never."""
        due: dict[Watched, None] = {}
        while self._heap and self._heap[0][0] <= now:
            due[heappop(self._heap)[2]] = None
        for watched in due:
            if (again := watched.wake(now)) < inf:
                heappush(self._heap, (again, next(self._numbers), watched))
        return max(self._heap[0][0], now + GRAIN) if self._heap else inf

    async def aclose(self) -> None:
        """The event loop ends: nothing is woken any more."""
        self._heap.clear()

    @abstractmethod
    def _arm(self, when: float) -> None:
        """Set the timer."""

    @abstractmethod
    def run(self, function: Callable[[], Coroutine[Any, Any, None]], context: Context) -> "Running":
        """Run `function`, which must not raise, in a task of its own."""


class TimeLimit:
    """Cancels blocks after the same number of seconds each, as `anyio.move_on_after` would.

    One timer of the event loop for each block would cost more than the block itself: asyncio keeps a timer until it is
    due, even if the block ends at once. All blocks have the same length, so one timer is enough.
    """

    def __init__(self, clock: "Clock", seconds: float) -> None:
        self._clock, self._seconds = clock, seconds
        self._ends: dict[anyio.CancelScope, float] = {}
        self._watched = False

    def begin(self) -> anyio.CancelScope:
        """Return the scope of a block that begins now."""
        scope = self._clock.scope()
        self._ends[scope] = ends = self._clock.time() + self._seconds
        if not self._watched:
            self._watched = True
            self._clock.watch(self, ends)
        return scope

    def end(self, scope: anyio.CancelScope) -> None:
        """The block is over."""
        del self._ends[scope]

    def wake(self, now: float) -> float:
        """See `Watched`."""
        for scope, ends in self._ends.items():
            if ends > now:
                return ends
            scope.cancel()
        self._watched = False
        return inf


class Running(Protocol):
    """A task that a clock runs."""

    async def stop(self) -> None:
        """Cancel it, and return when it has ended."""


class AsyncioClock(Clock):
    """Uses one timer of the event loop, which does not keep the loop from ending."""

    def __init__(self) -> None:
        super().__init__()
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None
        self._context = Context()  # of no request

    def _arm(self, when: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._armed = when
        self._timer = self._loop.call_later(max(0.0, when - self.time()), self._tick, context=self._context)

    def _tick(self) -> None:
        self._armed, self._timer = inf, None
        if (when := self.tick(self.time())) < inf:
            self._arm(when)

    def run(self, function: Callable[[], Coroutine[Any, Any, None]], context: Context) -> "Running":
        """Run `function` in a task of its own."""
        return AsyncioRunning(self._loop.create_task(function(), context=context))


class AsyncioRunning:
    """A task of asyncio's."""

    def __init__(self, task: "asyncio.Task[None]") -> None:
        self._task = task

    async def stop(self) -> None:
        """Cancel it, and return when it has ended."""
        self._task.cancel()
        with anyio.CancelScope(shield=True):
            await asyncio.wait([self._task])


class TrioClock(Clock):
    """Uses a system task, which ends with the loop."""

    def __init__(self) -> None:
        super().__init__()
        import trio

        self._trio = trio
        self._news = trio.Event()
        trio.lowlevel.spawn_system_task(self._tick, context=Context())

    def _arm(self, when: float) -> None:
        self._news.set()

    async def _tick(self) -> None:
        while True:
            with self._trio.move_on_after(max(0.0, self._armed - self.time())):
                await self._news.wait()
            self._news = self._trio.Event()
            self._armed = self.tick(self.time())

    def run(self, function: Callable[[], Coroutine[Any, Any, None]], context: Context) -> "Running":
        """Run `function` in a task of its own."""
        running = TrioRunning(self._trio)
        self._trio.lowlevel.spawn_system_task(running.run, function, context=context)
        return running


class TrioRunning:
    """A system task of trio's."""

    def __init__(self, trio: Any) -> None:
        self._scope, self._ended = trio.CancelScope(), trio.Event()

    async def run(self, function: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """The task."""
        with self._scope:
            await function()
        self._ended.set()

    async def stop(self) -> None:
        """Cancel it, and return when it has ended."""
        self._scope.cancel()
        with anyio.CancelScope(shield=True):
            await self._ended.wait()


def _make() -> Clock:
    made = AsyncioClock() if on_asyncio() else TrioClock()
    made.scope = type(anyio.CancelScope())  # anyio looks it up each time, which costs more than the scope
    return made


clock: Final = PerLoop(_make, Clock.aclose).get
"""`clock()` returns the running event loop's clock."""
