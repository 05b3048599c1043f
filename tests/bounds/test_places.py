"""Places in flight: who gets the next one, and that none is lost."""

import tracemalloc
from collections import Counter

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st

from geetest_asgi._bounds.places import Places

pytestmark = pytest.mark.anyio


async def test_a_client_has_half_of_the_places_and_one_without_an_address_all() -> None:
    places = Places(4)
    assert [places.take("a") for _ in range(3)] == [True, True, False]
    assert [places.take("b") for _ in range(3)] == [True, True, False]
    assert not places.take(None)
    places.give_back("a")
    assert places.take(None)
    assert [Places(1).take("a"), Places(3).take("a")] == [True, True]
    unknown = Places(3)
    assert [unknown.take(None) for _ in range(4)] == [True, True, True, False]


async def test_lines_take_turns_and_each_keeps_its_order() -> None:
    places, served = Places(2), list[tuple[str, int]]()

    async def wait(client: str, number: int) -> None:
        assert await places.wait(client, places.join_line(client))
        served.append((client, number))
        places.give_back(client)

    assert places.take("a")
    assert places.take("b")
    async with anyio.create_task_group() as tasks:
        for client, number in [(client, number) for client in "ac" for number in range(3)]:
            tasks.start_soon(wait, client, number)
            await anyio.wait_all_tasks_blocked()
        places.give_back("b")
        await anyio.wait_all_tasks_blocked()
        assert [client for client, _ in served] == ["c", "c", "c"], "a has its half"
        places.give_back("a")
    assert served[3:] == [("a", 0), ("a", 1), ("a", 2)]
    assert places.take("b")


async def test_a_place_is_given_to_one_that_stopped_waiting_and_goes_on() -> None:
    """Cancelled, or woken by somebody else, before the place was given."""
    places = Places(1)
    assert places.take("a")
    woken, cancelled = places.join_line("b"), places.join_line("b")
    woken.set()
    assert not await places.wait("b", woken)
    with anyio.move_on_after(0.01) as scope:
        await places.wait("b", cancelled)
    assert scope.cancelled_caught
    places.give_back("a")
    assert places.take("d")


async def test_a_place_that_is_given_to_one_that_is_cancelled_goes_on() -> None:
    places = Places(1)
    assert places.take("a")
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(places.wait, "c", places.join_line("c"))
        await anyio.wait_all_tasks_blocked()
        tasks.cancel_scope.cancel()
        places.give_back("a")
    assert places.take("d")


async def test_lines_with_room_take_turns() -> None:
    places, served, holder = Places(1), list[str](), "x"
    assert places.take(holder)
    waiting = [(client, places.join_line(client)) for client in "aabb"]
    while waiting:
        places.give_back(holder)
        (turn,) = [each for each in waiting if each[1].is_set()]
        waiting.remove(turn)
        holder = turn[0]
        served.append(holder)
    assert served == ["a", "b", "a", "b"]


async def test_a_client_that_holds_nothing_is_forgotten() -> None:
    places = Places(2)
    tracemalloc.start()
    for number in range(10_000):
        assert places.take(f"client {number}")
        places.give_back(f"client {number}")
    held, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert held < 100_000


@given(st.integers(1, 6), st.lists(st.tuples(st.sampled_from("abcd"), st.booleans()), max_size=60))
def test_no_place_is_lost_and_none_is_free_while_somebody_may_have_it(size: int, steps: list[tuple[str, bool]]) -> None:
    async def main() -> None:
        places, held, waiting = Places(size), Counter[str](), list[tuple[str, anyio.Event]]()
        for client, comes in steps:
            if comes and places.take(client):
                held[client] += 1
            elif comes:
                waiting.append((client, places.join_line(client)))
            elif held[client]:
                held[client] -= 1
                places.give_back(client)
            for each, place in [pair for pair in waiting if pair[1].is_set()]:
                waiting.remove((each, place))
                held[each] += 1
            assert sum(held.values()) <= size
            assert max(held.values(), default=0) <= (size + 1) // 2
            if sum(held.values()) < size:
                assert all(held[each] == (size + 1) // 2 for each, _ in waiting)

    anyio.run(main)
