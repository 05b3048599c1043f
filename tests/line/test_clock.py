"""The clock of an event loop: what it wakes, in whose context, what it forgets, and which blocks it cancels."""

import gc
import socket
import time
import weakref
from contextvars import ContextVar, copy_context
from math import inf
from typing import Final

import anyio
import pytest
from edges.visitors import until
from loops import LOOPS, run_on
from own_time import START, OwnTime

from geetest_asgi._line.clock import clock

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


async def test_a_clock_ticks_as_soon_as_it_must() -> None:
    class Often:
        left = 20

        def wake(self, now: float) -> float:
            self.left -= 1
            return now + 0.01 if self.left else inf

    clock().watch(often := Often(), clock().time())
    with anyio.fail_after(15):  # 20 s, were each tick a second late
        await until(lambda: not often.left)


async def test_there_is_one_timer_however_often_an_earlier_one_is_needed() -> None:
    """Else each would be a tick of its own, and beget others."""

    class Counting(type(clock())):  # type: ignore[misc]  # of this kind of loop
        ticks = 0

        def tick(self, now: float) -> float:
            self.ticks += 1
            found: float = super().tick(now)
            return found

    own = Counting()
    bells = [Bell() for _ in range(10)]
    for number, bell in enumerate(bells):
        own.watch(bell, own.time() + 0.3 - 0.02 * number)
    await until(lambda: bells[0].heard)
    assert own.ticks < 20


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


@pytest.mark.parametrize("loop", LOOPS)
def test_what_has_come_while_the_loop_was_held_past_the_time_is_taken(loop: str) -> None:
    async def hold(theirs: socket.socket) -> None:
        theirs.send(b"the rest of a body")
        time.sleep(0.3)

    async def main() -> bool:
        limit = clock().limit(0.1)
        ours, theirs = socket.socketpair()
        with ours, theirs:
            async with anyio.create_task_group() as group:
                group.start_soon(hold, theirs)
                with limit.begin() as scope:
                    try:
                        await anyio.wait_readable(ours)
                    finally:
                        limit.end(scope)
        return scope.cancelled_caught

    assert not run_on(loop, main)


async def test_each_block_has_the_whole_time_and_one_that_has_ended_is_left_alone() -> None:
    own = OwnTime()
    limit = own.limit(1.5)
    first, ended = limit.begin(), limit.begin()
    limit.end(ended)
    own.go_to(1.0)
    later = limit.begin()
    own.go_to(1.4)
    assert not first.cancel_called
    own.go_to(1.5)
    assert (first.cancel_called, ended.cancel_called, later.cancel_called) == (True, False, False)
    own.go_to(2.5)
    assert later.cancel_called
    for each in (first, later):
        limit.end(each)
    again = limit.begin()
    own.go_to(4.0)
    assert again.cancel_called


async def test_blocks_that_end_in_time_cost_one_tick_together() -> None:
    own = OwnTime()
    limit = own.limit(1.5)
    for number in range(10):
        own.go_to(number / 10)
        limit.end(limit.begin())
    own.go_to(60)
    assert own.ticks == 1


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
