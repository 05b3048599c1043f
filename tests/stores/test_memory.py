"""MemoryStore: its bounds, its clock, its threads; and any sequence of calls beside a slow and simple model."""

import threading
from collections.abc import Callable
from typing import Any

import anyio
import pytest
from clocks import Clock
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from geetest_asgi import ConfigError
from geetest_asgi.stores import MemoryStore

each_backend = pytest.mark.anyio


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def store(clock: Clock) -> MemoryStore:
    return MemoryStore(clock=clock)


@each_backend
async def test_a_key_is_kept_as_long_as_was_asked(store: MemoryStore, clock: Clock) -> None:
    await store.add("a", "", 60)
    clock.now += 59.99
    assert not await store.add("a", "", 60)
    assert "a" in store
    clock.now += 0.02
    assert "a" not in store
    assert await store.add("a", "", 60), "an add in vain does not make it longer"
    clock.now += 59
    assert not await store.add("a", "", 60), "added anew, for as long again"


@each_backend
async def test_a_value_that_has_ended_is_not_popped(store: MemoryStore, clock: Clock) -> None:
    await store.add("a", "value", 60)
    clock.now += 60
    assert await store.pop("a") is None


@each_backend
async def test_what_has_ended_is_forgotten_though_older_entries_last_longer(store: MemoryStore, clock: Clock) -> None:
    await store.add("long", "", 600)
    await store.add("short", "", 5)
    clock.now += 6
    await store.add("new", "", 5)
    assert len(store) == 2
    assert "long" in store


@each_backend
async def test_a_full_memory_drops_what_has_ended_before_what_has_not(clock: Clock) -> None:
    store = MemoryStore(3, clock=clock)
    for key, seconds in (("long", 600), ("short", 5), ("longer", 900)):
        await store.add(key, "", seconds)
    clock.now += 6
    await store.add("new", "", 60)
    assert [key in store for key in ("long", "short", "longer", "new")] == [True, False, True, True]


@each_backend
async def test_the_memory_is_bounded_and_what_ends_first_goes_first(clock: Clock) -> None:
    store = MemoryStore(3, clock=clock)
    for number in range(10):
        assert await store.add(str(number), "", 60)
        assert len(store) <= 3
    assert [str(number) in store for number in (6, 7, 8, 9)] == [False, True, True, True]
    await store.add("kept for less", "", 30)
    await store.add("another", "", 60)
    assert [each in store for each in ("8", "9", "kept for less", "another")] == [True, True, False, True]


@each_backend
async def test_a_full_memory_remembers_all_that_it_holds(clock: Clock) -> None:
    """Room is made for a new key, not for one that is there: else the oldest token could be spent again."""
    store = MemoryStore(3, clock=clock)
    assert [await store.add(key, "", 60) for key in "abcabccccc"] == [True] * 3 + [False] * 7
    assert len(store) == 3


@each_backend
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


@each_backend
async def test_a_counter_ends_after_its_first_count(store: MemoryStore, clock: Clock) -> None:
    for number in range(1, 60):
        assert await store.count("n", 60) == number
        clock.now += 1
    clock.now += 1
    assert await store.count("n", 60) == 1


@each_backend
async def test_a_key_that_comes_and_goes_leaves_nothing_behind(clock: Clock) -> None:
    """As while GeeTest is down and every token is given back: 200,000 entries would be some 40 MB."""
    import tracemalloc

    store = MemoryStore(clock=clock)
    tracemalloc.start()
    for _ in range(20_000):
        await store.add("a", "", 1200)
        await store.delete("a")
    held, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(store) == 0
    assert held < 100_000


@each_backend
@pytest.mark.parametrize("size", [100, 2])
async def test_a_key_that_was_deleted_and_added_again_lasts_as_long_as_its_new_entry(size: int, clock: Clock) -> None:
    store = MemoryStore(size, clock=clock)
    await store.add("a", "", 5)
    await store.delete("a")
    await store.add("a", "", 600)
    clock.now += 6
    for number in range(3):
        await store.add(f"b {number}", "", 60)
    assert "a" in store


@each_backend
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


@pytest.mark.parametrize("size", [0, -1])
def test_a_memory_that_keeps_nothing_is_refused(size: int) -> None:
    """Else every token could be spent again and again, or the first add would fail."""
    with pytest.raises(ConfigError, match=str(size)):
        MemoryStore(size)


# Threads


class SlowKey(str):
    """A key whose comparison gives every other thread its turn, as bad luck would do once in a million."""

    __slots__ = ()

    def __hash__(self) -> int:
        threading.Event().wait(0.001)
        return hash(str(self))

    def __eq__(self, other: object) -> bool:
        threading.Event().wait(0.001)
        return str(self) == str(other)


def in_threads(number: int, work: Callable[[], Any]) -> list[Any]:
    """What so many threads get that all start at the same moment."""
    barrier, results = threading.Barrier(number), list[Any]()

    def run() -> None:
        barrier.wait()
        results.append(work())

    threads = [threading.Thread(target=run) for _ in range(number)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results


def test_of_many_threads_one_adds_one_pops_and_each_counts() -> None:
    store = MemoryStore()
    added = in_threads(16, lambda: anyio.run(store.add, SlowKey("a"), "value", 60.0))
    assert sorted(added) == [False] * 15 + [True]
    popped = in_threads(16, lambda: anyio.run(store.pop, SlowKey("a")))
    assert sorted(map(str, popped)) == ["None"] * 15 + ["value"]
    counted = in_threads(16, lambda: anyio.run(store.count, SlowKey("n"), 60.0))
    assert sorted(counted) == [*range(1, 17)]


def test_many_threads_do_not_overfill_the_memory() -> None:
    store = MemoryStore(8)
    numbers = iter(range(1000))
    in_threads(16, lambda: [anyio.run(store.add, SlowKey(f"key {next(numbers)}"), "", 60.0) for _ in range(4)])
    assert len(store) == 8


# Any sequence of calls


class Slow:
    """The same, by looking at everything each time."""

    def __init__(self, size: int, clock: Clock) -> None:
        self.size, self.clock = size, clock
        self.values: list[tuple[float, str, str]] = []
        self.counters: list[tuple[float, str, int]] = []

    def add(self, key: str, value: str, seconds: float) -> bool:
        self._forget()
        if any(each[1] == key for each in self.values):
            return False
        self.values = [*self._with_room(self.values), (self.clock.now + seconds, key, value)]
        return True

    def pop(self, key: str) -> str | None:
        self._forget()
        found = [each for each in self.values if each[1] == key]
        self.values = [each for each in self.values if each[1] != key]
        return found[0][2] if found else None

    def delete(self, key: str) -> None:
        self.pop(key)

    def count(self, key: str, seconds: float) -> int:
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
        """Without the one that ends first, the oldest of several, where there are too many."""
        first = min(rows, key=lambda each: each[0]) if len(rows) >= self.size else None
        return [each for each in rows if each is not first]


class AsTheModel(RuleBasedStateMachine):
    """MemoryStore does what the model does, whichever lifetimes the keys have."""

    keys = st.sampled_from("abcdef")
    seconds = st.sampled_from([1.0, 5.0, 60.0])

    @initialize(size=st.integers(1, 5))
    def make(self, size: int) -> None:
        self.clock = Clock()
        self.size = size
        self.model = Slow(size, self.clock)
        self.store = MemoryStore(size, clock=self.clock)

    @rule(key=keys, value=st.text(max_size=3), seconds=seconds)
    def add(self, key: str, value: str, seconds: float) -> None:
        assert anyio.run(self.store.add, key, value, seconds) == self.model.add(key, value, seconds)

    @rule(key=keys)
    def pop(self, key: str) -> None:
        assert anyio.run(self.store.pop, key) == self.model.pop(key)

    @rule(key=keys)
    def delete(self, key: str) -> None:
        anyio.run(self.store.delete, key)
        self.model.delete(key)

    @rule(key=keys, seconds=seconds)
    def count(self, key: str, seconds: float) -> None:
        assert anyio.run(self.store.count, key, seconds) == self.model.count(key, seconds)

    @rule(seconds=st.sampled_from([0.5, 1.0, 5.0, 61.0]))
    def wait(self, seconds: float) -> None:
        self.clock.now += seconds

    @invariant()
    def is_bounded(self) -> None:
        assert len(self.store) <= 2 * self.size


TestAsTheModel = AsTheModel.TestCase
TestAsTheModel.settings = settings(max_examples=40, stateful_step_count=30)
