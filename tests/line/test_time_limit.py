"""One timer for many blocks: which are cancelled, and when."""

import socket
import time

import anyio
import pytest
from loops import LOOPS, run_on
from own_time import OwnTime

from geetest_asgi._line.clock import TimeLimit, clock

pytestmark = pytest.mark.anyio


async def block(limit: TimeLimit, seconds: float) -> bool:
    """Whether a block of this length was cancelled."""
    with limit.begin() as scope:
        try:
            await anyio.sleep(seconds)
        finally:
            limit.end(scope)
    return scope.cancelled_caught


async def test_a_block_is_cancelled_when_its_time_is_over() -> None:
    began = time.monotonic()
    assert await block(clock().limit(0.05), 60)
    assert 0.05 <= time.monotonic() - began < 30


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


async def test_a_limit_is_made_once_for_each_length() -> None:
    assert clock().limit(1.5) is clock().limit(1.5)
    assert clock().limit(1.5) is not clock().limit(2.5)


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
