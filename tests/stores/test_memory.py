"""MemoryStore: its bounds, its clock, its threads; and any sequence of calls beside a slow and simple model."""

import threading
import weakref
from typing import Any

import anyio
import pytest
from clocks import Clock
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import initialize, invariant
from threads import in_threads

from geetest_asgi.stores import MemoryStore

from .machine import StoreMachine

pytestmark = pytest.mark.anyio


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def store(clock: Clock) -> MemoryStore:
    return MemoryStore(clock=clock)


async def test_counters_push_no_values_out_and_are_bounded_themselves(clock: Clock) -> None:
    """Each client address may have a counter: a client with many must not make the store forget spent tokens."""
    store = MemoryStore(2, clock=clock)
    await store.add("a", "", 60)
    for number in range(20):
        assert await store.count(f"n {number}", 600) == 1
    assert "a" in store
    assert len(store) == 3
    assert await store.count("n 19", 600) == 2
    assert await store.count("n 0", 600) == 1, "the one that ended first was dropped"


class Value(str):
    """A value that can be seen to be forgotten."""


@pytest.mark.parametrize("others", [0, 1000])
async def test_a_key_that_comes_and_goes_leaves_little_behind(others: int, clock: Clock) -> None:
    """As while GeeTest is down and every token is given back: 200,000 entries would be some 30 MB."""
    store = MemoryStore(clock=clock)
    for number in range(others):
        await store.add(str(number), "", 1200)
    values = []
    for _ in range(1500):
        value = Value()
        values.append(weakref.ref(value))
        await store.add("a", value, 1200)
        await store.delete("a")
    del value
    assert len(store) == others
    assert sum(each() is not None for each in values) <= others + 100


async def test_no_single_call_removes_all_that_has_ended(store: MemoryStore, clock: Clock) -> None:
    """100,000 at once would hold up the event loop."""
    for number in range(1000):
        await store.add(str(number), "", 60)
    clock.now += 61
    await store.add("new", "", 60)
    assert 900 < len(store) < 1000
    for number in range(100):
        await store.add(f"new {number}", "", 60)
    assert len(store) == 101


class SlowKey(str):
    """A key whose comparison gives every other thread its turn, as bad luck would do once in a million."""

    __slots__ = ()

    def __hash__(self) -> int:
        threading.Event().wait(0.001)
        return hash(str(self))

    def __eq__(self, other: object) -> bool:
        threading.Event().wait(0.001)
        return str(self) == str(other)


def test_of_many_threads_one_adds_one_pops_and_each_counts() -> None:
    store = MemoryStore()
    added = in_threads(*[lambda: anyio.run(store.add, SlowKey("a"), "value", 60.0)] * 16)
    assert sorted(added) == [False] * 15 + [True]
    popped = in_threads(*[lambda: anyio.run(store.pop, SlowKey("a"))] * 16)
    assert sorted(map(str, popped)) == ["None"] * 15 + ["value"]
    counted = in_threads(*[lambda: anyio.run(store.count, SlowKey("n"), 60.0)] * 16)
    assert sorted(counted) == [*range(1, 17)]


def test_many_threads_do_not_overfill_the_memory() -> None:
    store = MemoryStore(8)
    numbers = iter(range(1000))
    in_threads(*[lambda: [anyio.run(store.add, SlowKey(f"key {next(numbers)}"), "", 60.0) for _ in range(4)]] * 16)
    assert len(store) == 8


class Slow:
    """The same, by looking at everything each time."""

    def __init__(self, size: int, clock: Clock) -> None:
        self.size, self.clock = size, clock
        self.values: list[tuple[float, str, str]] = []
        self.counters: list[tuple[float, str, int]] = []

    async def add(self, key: str, value: str, seconds: float) -> bool:
        self._forget()
        if any(each[1] == key for each in self.values):
            return False
        self.values = [*self._with_room(self.values), (self.clock.now + seconds, key, value)]
        return True

    async def pop(self, key: str) -> str | None:
        self._forget()
        found = [each for each in self.values if each[1] == key]
        self.values = [each for each in self.values if each[1] != key]
        return found[0][2] if found else None

    async def delete(self, key: str) -> None:
        await self.pop(key)

    async def count(self, key: str, seconds: float) -> int:
        self._forget()
        for place, (ends, each, number) in enumerate(self.counters):
            if each == key:
                self.counters[place] = (ends, key, number + 1)
                return number + 1
        self.counters = [*self._with_room(self.counters), (self.clock.now + seconds, key, 1)]
        return 1

    def _forget(self) -> None:
        self.values = [each for each in self.values if each[0] > self.clock.now]
        self.counters = [each for each in self.counters if each[0] > self.clock.now]

    def _with_room(self, rows: list[Any]) -> list[Any]:
        """Without the oldest, where there are too many."""
        return rows[1:] if len(rows) >= self.size else rows


class AsTheModel(StoreMachine):
    """MemoryStore does what the model does."""

    @initialize(size=st.integers(1, 5))
    def make(self, size: int) -> None:
        self.clock = Clock()
        self.size = size
        self.model = Slow(size, self.clock)
        self.memory = self.store = MemoryStore(size, clock=self.clock)

    @invariant()
    def is_bounded(self) -> None:
        assert len(self.memory) <= 2 * self.size


TestAsTheModel = AsTheModel.TestCase
TestAsTheModel.settings = settings(max_examples=60, stateful_step_count=30)


async def test_a_key_is_free_at_the_moment_at_which_it_ends(store: MemoryStore, clock: Clock) -> None:
    for key in "ab":
        await store.add(key, "", 5)
    clock.now += 5
    assert "a" not in store
    assert await store.add("a", "", 5)
    assert len(store) == 1


async def test_a_key_that_has_ended_and_is_added_again_is_the_newest(clock: Clock) -> None:
    store = MemoryStore(200, clock=clock)
    await store.add("again", "", 61)
    for number in range(199):
        await store.add(str(number), "", 60 if number < 100 else 600)
    clock.now += 62
    await store.add("again", "", 60)  # so many have ended that this call does not remove all
    for number in range(101):
        await store.add(f"new {number}", "", 60)
    assert ("again" in store, "100" in store) == (True, False)
