"""The clock of an event loop: what it wakes, in whose context, and what it forgets."""

import asyncio
import gc
import weakref
from contextvars import ContextVar, copy_context
from math import inf
from typing import Final

import anyio
import pytest
from edges.visitors import until
from loops import LOOPS, run_on
from own_time import START, OwnTime

from geetest_asgi._line.clock import AsyncioClock, clock

pytestmark = pytest.mark.anyio

WHO: Final[ContextVar[str]] = ContextVar("who", default="nobody")


class Bell:
    """Rings once, and hears in whose context."""

    def __init__(self) -> None:
        self.heard: list[str] = []

    def wake(self, now: float) -> float:
        self.heard.append(WHO.get())
        return inf


async def test_what_is_due_before_is_woken_before() -> None:
    first, late, soon = Bell(), Bell(), Bell()
    clock().watch(first, clock().time() + 0.05)
    clock().watch(late, clock().time() + 60)
    await until(lambda: first.heard)
    clock().watch(soon, clock().time() + 0.05)
    await until(lambda: soon.heard)
    assert (len(first.heard), late.heard) == (1, [])


def test_there_is_one_timer_however_often_an_earlier_one_is_needed() -> None:
    """Else each would be a tick of its own, and beget others."""

    class Counting(AsyncioClock):
        ticks = 0

        def tick(self, now: float) -> float:
            self.ticks += 1
            return super().tick(now)

    async def main() -> int:
        own = Counting()
        bells = [Bell() for _ in range(10)]
        for number, bell in enumerate(bells):
            own.watch(bell, own.time() + 0.3 - 0.02 * number)
        await until(lambda: bells[0].heard)
        return own.ticks

    assert asyncio.run(main()) < 20


def test_what_is_over_is_forgotten() -> None:
    own, bell = OwnTime(), Bell()
    known = weakref.ref(bell)
    own.watch(bell, START + 1)
    own.go_to(2)
    assert bell.heard
    del bell
    gc.collect()
    assert known() is None


async def test_a_clock_that_is_closed_wakes_nothing() -> None:
    own, bell = OwnTime(), Bell()
    own.watch(bell, START + 1)
    await own.aclose()
    own.go_to(2)
    assert bell.heard == []


@pytest.mark.parametrize("loop", LOOPS)
def test_what_is_woken_is_in_no_requests_context(loop: str) -> None:
    """The timer is set by whichever request comes first."""
    bell = Bell()

    async def main() -> None:
        clock().watch(bell, clock().time())
        await until(lambda: bell.heard)

    def request() -> None:
        WHO.set("ada")
        run_on(loop, main)

    copy_context().run(request)
    assert bell.heard == ["nobody"]


async def test_a_task_runs_in_the_context_that_it_is_given() -> None:
    found: list[str] = []

    async def look() -> None:
        found.append(WHO.get())

    WHO.set("ada")
    context = copy_context()
    WHO.set("somebody else")
    clock().run(look, context)
    await until(lambda: found)
    assert found == ["ada"]


async def test_a_task_that_is_stopped_has_ended_though_whoever_stops_it_is_cancelled() -> None:
    begun, ended = anyio.Event(), False

    async def end_slowly() -> None:
        nonlocal ended
        begun.set()
        try:
            await anyio.sleep(60)
        finally:
            with anyio.CancelScope(shield=True):
                await anyio.sleep(0.02)
            ended = True

    running = clock().run(end_slowly, copy_context())
    await begun.wait()
    with anyio.CancelScope() as scope:
        scope.cancel()
        await running.stop()
    assert ended
