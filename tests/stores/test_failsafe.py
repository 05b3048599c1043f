"""A store that fails does not fail the site, is reported once, and lets no token in twice in one process."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import anyio
import pytest
from clocks import Clock

from geetest_asgi.stores import FailSafe, MemoryStore
from geetest_asgi.stores.failsafe import StoreFailsError
from geetest_asgi.stores.setting import as_store

each_backend = pytest.mark.anyio
Fault = Callable[[], Any]
T = TypeVar("T")


class Shaky(MemoryStore):
    """A store somewhere else, which fails when it is told to; `late`: after it has done what it was asked."""

    def __init__(self) -> None:
        super().__init__()
        self.fault: Fault | None = None
        self.late = False
        self.asked: list[str] = []

    async def add(self, key: str, value: str, seconds: float) -> bool:
        return await self._maybe_fail(f"add {key}", lambda: super(Shaky, self).add(key, value, seconds))

    async def pop(self, key: str) -> str | None:
        return await self._maybe_fail(f"pop {key}", lambda: super(Shaky, self).pop(key))

    async def delete(self, key: str) -> None:
        await self._maybe_fail(f"delete {key}", lambda: super(Shaky, self).delete(key))

    async def count(self, key: str, seconds: float) -> int:
        return await self._maybe_fail(f"count {key}", lambda: super(Shaky, self).count(key, seconds))

    async def _maybe_fail(self, what: str, work: Callable[[], Awaitable[T]]) -> T:
        self.asked.append(what)
        await anyio.lowlevel.checkpoint()
        done = [await work()] if self.late else []
        if self.fault is not None:
            await self.fault()
        return done[0] if done else await work()

    async def others_add(self, key: str, value: str = "") -> bool:
        """As another process does."""
        return await MemoryStore.add(self, key, value, 600)

    async def others_pop(self, key: str) -> str | None:
        return await MemoryStore.pop(self, key)

    async def forgets(self, *keys: str) -> None:
        for key in keys:
            await MemoryStore.delete(self, key)


async def broken() -> None:
    raise ConnectionError("no route to host")


@pytest.fixture
def shaky() -> Shaky:
    return Shaky()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def store(shaky: Shaky, clock: Clock) -> FailSafe:
    return FailSafe(shaky, clock=clock)


@pytest.fixture(autouse=True)
def _all_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "geetest_asgi")


async def adds(store: FailSafe, *keys: str) -> list[bool]:
    return [await store.add(key, "", 60) for key in keys]


@each_backend
async def test_what_is_taken_here_is_not_asked_about_there(store: FailSafe, shaky: Shaky) -> None:
    assert await adds(store, "a", "a", "a") == [True, False, False]
    assert shaky.asked == ["add a"]


@each_backend
async def test_while_the_store_fails_this_processs_memory_decides(store: FailSafe, shaky: Shaky) -> None:
    await adds(store, "before")
    shaky.fault = broken
    assert await adds(store, "a", "a", "before", "b") == [True, False, False, True]
    await store.delete("b")
    assert await adds(store, "b", "b") == [True, False]


@each_backend
async def test_a_value_added_while_the_store_fails_is_popped_here_once(
    store: FailSafe, shaky: Shaky, clock: Clock
) -> None:
    """A redirect works while the store is down; and when it is back, no second copy has come into being."""
    shaky.fault = broken
    await store.add("the store fails", "", 60)
    for key in ("popped amid", "popped after"):
        assert await store.add(key, "value", 60)
    assert [await store.pop("popped amid") for _ in range(2)] == ["value", None]
    shaky.fault, clock.now = None, clock.now + 2
    assert await store.add("it is back", "", 60)
    assert not store.failing
    assert await shaky.others_pop("popped after") is None
    assert [await store.pop("popped after") for _ in range(2)] == ["value", None]
    assert await store.pop("popped amid") is None


@each_backend
@pytest.mark.parametrize("late", [True, False], ids=["after it did it", "before it did it"])
async def test_a_value_whose_add_failed_is_popped_once_at_most(
    late: bool, store: FailSafe, shaky: Shaky, clock: Clock
) -> None:
    """The store may have it or not: two copies would let two in."""
    shaky.fault, shaky.late = broken, late
    assert await store.add("a", "value", 60)
    assert await store.pop("a") is None
    shaky.fault, clock.now = None, clock.now + 2
    assert [await store.pop("a") for _ in range(2)] == ["value" if late else None, None]


@each_backend
async def test_a_value_that_is_in_the_store_is_popped_there_or_not_at_all(
    store: FailSafe, shaky: Shaky, clock: Clock
) -> None:
    """Another process may have popped it before the store began to fail."""
    await store.add("a", "value", 60)
    assert await shaky.others_pop("a") == "value"
    shaky.fault = broken
    assert [await store.pop("a") for _ in range(2)] == [None, None]
    shaky.fault, clock.now = None, clock.now + 2
    assert await store.pop("a") is None


@each_backend
async def test_a_pop_whose_answer_was_lost_pops_nothing(store: FailSafe, shaky: Shaky, clock: Clock) -> None:
    await store.add("a", "value", 60)
    shaky.fault, shaky.late = broken, True
    assert await store.pop("a") is None
    shaky.fault, clock.now = None, clock.now + 2
    assert await store.pop("a") is None


@each_backend
async def test_what_was_let_in_during_a_failure_is_known_after_it(store: FailSafe, shaky: Shaky, clock: Clock) -> None:
    shaky.fault = broken
    assert await adds(store, "a", "b") == [True, True]
    shaky.fault, clock.now = None, clock.now + 2
    assert await adds(store, "c") == [True]
    assert not store.failing
    assert await adds(store, "a", "b") == [False, False]


@each_backend
async def test_what_others_have_taken_is_known_here_though_the_store_fails_later(store: FailSafe, shaky: Shaky) -> None:
    await shaky.others_add("theirs")
    assert await adds(store, "theirs") == [False]
    shaky.fault = broken
    assert await adds(store, "theirs", "theirs", "theirs") == [False] * 3


@each_backend
async def test_what_others_give_back_is_free_here_too(store: FailSafe, shaky: Shaky) -> None:
    await shaky.others_add("theirs")
    assert await adds(store, "theirs", "theirs") == [False] * 2
    await shaky.forgets("theirs")
    assert await adds(store, "theirs", "theirs") == [True, False]
    await store.delete("theirs")
    shaky.fault = broken
    assert await adds(store, "theirs") == [True], "it was ours by then, and given back"


@each_backend
async def test_a_store_that_forgets_everything_lets_nothing_in_twice_here(store: FailSafe, shaky: Shaky) -> None:
    await adds(store, "spent")
    await store.add("kept", "value", 60)
    await shaky.forgets("spent", "kept")
    assert await adds(store, "spent") == [False]
    assert await store.pop("kept") is None
    assert await adds(store, "kept") == [False]


@each_backend
async def test_a_delete_that_does_not_get_through_leaves_the_key_taken(
    store: FailSafe, shaky: Shaky, clock: Clock
) -> None:
    await adds(store, "a")
    shaky.fault = broken
    await store.delete("a")
    shaky.fault, clock.now = None, clock.now + 60
    assert await adds(store, "a") == [False]


@each_backend
@pytest.mark.parametrize("asked", [True, False], ids=["the add failed", "the store was not asked"])
async def test_what_was_added_without_an_answer_is_not_deleted_in_the_store(
    asked: bool, store: FailSafe, shaky: Shaky, clock: Clock
) -> None:
    """It may be another process's."""
    shaky.fault = broken
    if not asked:
        await adds(store, "the store fails")
    assert await adds(store, "a") == [True]
    shaky.fault, clock.now = None, clock.now + 2
    await shaky.others_add("a")
    await store.delete("a")
    assert "delete a" not in shaky.asked
    assert await adds(store, "a") == [False]


@each_backend
async def test_a_request_that_is_cancelled_learns_what_it_has_taken_and_gives_it_back(
    store: FailSafe, shaky: Shaky
) -> None:
    """An add that is cut short may have taken the token all the same, and nobody would give it back."""
    with anyio.CancelScope() as scope:
        scope.cancel()
        assert await store.add("a", "", 60)
        await store.delete("a")
    assert shaky.asked == ["add a", "delete a"]
    assert await adds(store, "a", "a") == [True, False]


@each_backend
async def test_while_the_store_fails_each_process_counts_by_itself(store: FailSafe, shaky: Shaky, clock: Clock) -> None:
    """Its own count goes on from where it was: a store that fails gives nobody a new start."""
    assert [await store.count("n", 60) for _ in range(2)] == [1, 2]
    for _ in range(5):
        await MemoryStore.count(shaky, "n", 60)
    assert await store.count("n", 60) == 8
    shaky.fault = broken
    assert [await store.count("n", 60) for _ in range(2)] == [4, 5]
    shaky.fault, clock.now = None, clock.now + 2
    assert await store.count("n", 60) == 9


@each_backend
async def test_the_store_can_be_asked_past_the_memory(store: FailSafe, shaky: Shaky) -> None:
    await adds(store, "a")
    await shaky.forgets("a")
    assert await store.ask_store(lambda asked: asked.add("a", "", 60), "a") is True
    shaky.fault = broken
    for said in (r"Shaky fails \(ConnectionError: 'no route to host'\)", "Shaky has just failed"):
        with pytest.raises(StoreFailsError, match=said):
            await store.ask_store(lambda asked: asked.pop("a"), "a")
    assert shaky.asked == ["add a", "add a", "pop a"]


@each_backend
async def test_a_store_that_hangs_holds_a_request_up_for_a_moment(shaky: Shaky) -> None:
    store = FailSafe(shaky)
    shaky.fault = anyio.sleep_forever
    with anyio.fail_after(20):
        for number in range(100):
            assert await adds(store, str(number)) == [True]
    assert len(shaky.asked) < 20, "one by one, and none of the others waits"
    assert store.failing


FAULTS: dict[str, type[Exception]] = {each.__name__: each for each in (OSError, KeyError, ValueError, Exception)}


@each_backend
@pytest.mark.parametrize("fault", FAULTS)
async def test_whatever_a_store_raises_is_a_failure(fault: str, store: FailSafe, shaky: Shaky) -> None:
    async def fail() -> None:
        raise FAULTS[fault]

    shaky.fault = fail
    assert await adds(store, "a") == [True]
    assert (store.failing, store.failures) == (True, 1)


ODD: dict[str, list[object]] = {
    "add": [None, 1, 0, b"", "yes"],
    "pop": [False, b"value", 0, {}],
    "count": [None, True, "1", 1.0],
}


@each_backend
@pytest.mark.parametrize(("verb", "answer"), [(verb, answer) for verb, answers in ODD.items() for answer in answers])
async def test_an_answer_of_another_kind_is_a_failure(verb: str, answer: Any) -> None:
    async def answers(*_: object) -> Any:
        return answer

    odd = MemoryStore()
    setattr(odd, verb, answers)
    store = FailSafe(odd)
    here = {"add": lambda: store.add("a", "", 60), "pop": lambda: store.pop("a"), "count": lambda: store.count("n", 60)}
    assert await here[verb]() == {"add": True, "pop": None, "count": 1}[verb]  # type: ignore[no-untyped-call]
    assert store.failing


@each_backend
async def test_a_failed_store_is_left_alone_for_a_second_and_then_tried_once(
    store: FailSafe, shaky: Shaky, clock: Clock
) -> None:
    shaky.fault = broken
    for number in range(10):
        await adds(store, str(number))
        await store.delete(str(number))
        await store.pop(str(number))
        await store.count("n", 60)
    assert shaky.asked == ["add 0"]
    clock.now += 1.01
    entered, go_on = anyio.Event(), anyio.Event()

    async def waits() -> None:
        entered.set()
        await go_on.wait()

    shaky.fault = waits
    async with anyio.create_task_group() as group:
        group.start_soon(adds, store, "probe")
        await entered.wait()
        assert await adds(store, "x", "x") == [True, False]
        assert shaky.asked == ["add 0", "add probe"]
        assert store.failing
        shaky.fault = None
        go_on.set()
    assert not store.failing
    await adds(store, "y")
    assert shaky.asked[2:] == ["add y"]


@each_backend
async def test_a_probe_that_is_cancelled_does_not_stop_the_trying(store: FailSafe, shaky: Shaky, clock: Clock) -> None:
    shaky.fault = broken
    await adds(store, "a")
    clock.now += 1.01
    shaky.fault = anyio.sleep_forever
    with anyio.move_on_after(0.05):
        await adds(store, "b")
    assert await adds(store, "b") == [False], "it may have been taken"
    shaky.fault, clock.now = None, clock.now + 3.01
    await adds(store, "c")
    assert not store.failing


@pytest.mark.anyio
@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_a_probe_that_asyncio_cancels_makes_room_for_another(store: FailSafe, shaky: Shaky, clock: Clock) -> None:
    """Task.cancel() goes through every shield: then nothing is known of the store, and the next request tries it."""
    shaky.fault = broken
    await adds(store, "a")
    clock.now += 1.01
    shaky.fault = anyio.sleep_forever
    probe = asyncio.create_task(adds(store, "b"))
    while shaky.asked[-1] != "add b":
        await asyncio.sleep(0)
    probe.cancel()
    await asyncio.wait([probe])
    assert probe.cancelled()
    shaky.fault = None
    assert await adds(store, "b") == [False], "it may have been taken"
    assert await adds(store, "c") == [True]
    assert not store.failing


@each_backend
async def test_an_answer_to_an_older_question_does_not_end_a_failure(
    store: FailSafe, shaky: Shaky, clock: Clock
) -> None:
    """Else each of many calls in flight would turn it round and round, a record for each."""
    go_on = anyio.Event()
    shaky.fault = go_on.wait
    async with anyio.create_task_group() as group:
        group.start_soon(adds, store, "slow")
        await anyio.wait_all_tasks_blocked()
        clock.now += 0.5
        shaky.fault = broken
        await adds(store, "fails")
        shaky.fault = None
        go_on.set()
    assert store.failing


@each_backend
async def test_each_change_is_one_warning(
    store: FailSafe, shaky: Shaky, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    consequence = "until it answers, each process knows the tokens that it has seen itself"
    for _ in range(2):
        shaky.fault = broken
        for number in range(5):
            await adds(store, f"{clock.now} {number}")
            clock.now += 2
        shaky.fault = None
        for number in range(5, 10):
            await adds(store, f"{clock.now} {number}")
    assert [(each.levelname, each.getMessage()) for each in caplog.records] == [
        ("WARNING", f"Shaky fails (ConnectionError: 'no route to host'): {consequence}"),
        ("WARNING", "Shaky answers again, after 10.0 seconds"),
    ] * 2
    assert [vars(each).get("geetest_event") for each in caplog.records] == ["store_fails", "store_answers"] * 2
    assert store.failures == 10


@each_backend
@pytest.mark.parametrize("verb", ["add", "pop", "delete", "count"])
async def test_no_key_and_no_value_gets_into_the_log(verb: str, store: FailSafe, shaky: Shaky, caplog: Any) -> None:
    async def tells_all() -> None:
        raise KeyError("about a visitor, " * 100 + "digest-of-a-token", "verdict-on-a-visitor")

    await adds(store, "digest-of-a-token")
    shaky.fault = tells_all
    given = {"add": ("another", "verdict-on-a-visitor", 60.0), "count": ("digest-of-a-token", 60.0)}
    await getattr(store, verb)(*given.get(verb, ("digest-of-a-token",)))
    assert [each.getMessage()[:23] for each in caplog.records] == ["Shaky fails (KeyError):"]


@each_backend
async def test_what_one_guard_has_let_in_another_with_the_same_store_knows(shaky: Shaky) -> None:
    """Two guards of one app: one process."""
    first, second = FailSafe(shaky), FailSafe(shaky)
    shaky.fault = broken
    assert [*await adds(first, "a"), *await adds(second, "a")] == [True, False]


@each_backend
async def test_a_store_that_cannot_be_hashed_is_a_store() -> None:
    async def fails(*_: object) -> Any:
        raise OSError

    class Slots:
        __slots__ = ()
        add = pop = delete = count = fails

    assert await adds(FailSafe(Slots()), "a", "a") == [True, False]


def test_every_store_but_this_processs_memory_is_made_fail_safe(shaky: Shaky) -> None:
    memory, safe = MemoryStore(), FailSafe(shaky)
    assert as_store(memory) is memory
    assert as_store(safe) is safe
    assert isinstance(as_store(shaky), FailSafe)
