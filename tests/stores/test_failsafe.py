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

pytestmark = pytest.mark.anyio
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

    async def others(self, verb: str, *arguments: Any) -> Any:
        """What another process is answered."""
        return await getattr(MemoryStore, verb)(self, *arguments)


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


STORIES = {
    # calls of this process and of another with their answers, and what happens to the store
    "while the store fails this process's memory decides": """
        add before: True; fails; add a: True; add a: False; add before: False; add b: True;
        delete b; pop b: None; add b: True; add b: False""",
    "what was let in during a failure is known after it": """
        fails; add a: True; add b: True; recovers; add c: True; add a: False; add b: False""",
    "what others have taken is known here though the store fails later": """
        others add a: True; add a: False; fails; add a: False; add a: False""",
    "what others give back is free here too, and what we have given back since": """
        others add a: True; add a: False; add a: False; others delete a; add a: True; add a: False;
        delete a; fails; add a: True""",
    "a store that forgets everything lets nothing in twice here": """
        add spent: True; add kept: True; others delete spent; others delete kept;
        add spent: False; pop kept: None; add kept: False""",
    "nobody deletes what another process has added": """
        others add a: True; delete a; add a: False; delete a; others pop a: value""",
    "a value goes back and forth": """
        add a: True; others pop a: value; pop a: None; others add a: True; pop a: value; others pop a: None;
        add a: True""",
    "a delete that does not get through leaves the key taken": """
        add a: True; fails; delete a; recovers; add a: False""",
    "a key whose add failed may be another process's: it is not deleted in the store": """
        fails; add a: True; recovers; others add a: True; delete a; add a: False""",
    "a value that was added without the store is popped here once": """
        fails; add first: True; add amid: True; add after: True; pop amid: value; pop amid: None;
        recovers; add back: True; others pop after: None; pop after: value; pop after: None; pop amid: None""",
    "a value whose add failed early is nowhere: two copies would let two in": """
        fails; add a: True; pop a: None; recovers; pop a: None""",
    "a value that is in the store is popped there or not at all: another process may have popped it": """
        add a: True; others pop a: value; fails; pop a: None; pop a: None; recovers; pop a: None""",
    "a pop whose answer was lost pops nothing": """
        add a: True; fails late; pop a: None; recovers; pop a: None""",
    "a store that fails gives nobody a new start: this process's own count goes on": """
        count n: 1; count n: 2; others count n: 3; others count n: 4; count n: 5;
        fails; count n: 4; count n: 5; recovers; count n: 6""",
}
ARGUMENTS: dict[str, tuple[Any, ...]] = {"add": ("value", 60), "count": (60,)}


async def play(step: str, store: FailSafe, shaky: Shaky, clock: Clock) -> object:
    """Take a step; return the answer to a call."""
    match step.split():
        case ["fails", *late]:
            shaky.fault, shaky.late = broken, late == ["late"]
            return None
        case ["recovers"]:
            shaky.fault, clock.now = None, clock.now + 2
            return None
        case ["others", verb, key]:
            return await shaky.others(verb, key, *ARGUMENTS.get(verb, ()))
        case [verb, key]:
            return await getattr(store, verb)(key, *ARGUMENTS.get(verb, ()))
    raise ValueError(step)


@pytest.mark.parametrize("story", STORIES)
async def test_what_is_known_of_a_key(story: str, store: FailSafe, shaky: Shaky, clock: Clock) -> None:
    for step in STORIES[story].split(";"):
        action, _, expected = step.strip().partition(": ")
        assert str(await play(action, store, shaky, clock)) == (expected or "None"), action


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


async def test_the_store_can_be_asked_past_the_memory(store: FailSafe, shaky: Shaky) -> None:
    await adds(store, "a")
    await shaky.others("delete", "a")
    assert await store.ask_store(lambda asked: asked.add("a", "", 60), "a") is True
    shaky.fault = broken
    for said in (r"Shaky fails \(ConnectionError: 'no route to host'\)", "Shaky has just failed"):
        with pytest.raises(StoreFailsError, match=said):
            await store.ask_store(lambda asked: asked.pop("a"), "a")
    assert shaky.asked == ["add a", "add a", "pop a"]


async def test_a_store_that_hangs_holds_a_request_up_for_a_moment(shaky: Shaky) -> None:
    store = FailSafe(shaky)
    shaky.fault = anyio.sleep_forever
    with anyio.fail_after(20):
        for number in range(100):
            assert await adds(store, str(number)) == [True]
    assert len(shaky.asked) < 20, "one by one, and none of the others waits"
    assert store.failing


@pytest.mark.parametrize(("verb", "answer"), [("add", None), ("add", 1), ("pop", b"value"), ("count", True)])
async def test_an_answer_of_another_kind_is_a_failure(verb: str, answer: Any) -> None:
    async def answers(*_: object) -> Any:
        return answer

    odd = MemoryStore()
    setattr(odd, verb, answers)
    store = FailSafe(odd)
    await getattr(store, verb)("a", *ARGUMENTS.get(verb, ()))
    assert store.failing


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


@pytest.mark.parametrize("verb", ["add", "pop", "delete", "count"])
async def test_no_key_and_no_value_gets_into_the_log(verb: str, store: FailSafe, shaky: Shaky, caplog: Any) -> None:
    async def tells_all() -> None:
        raise KeyError("about a visitor, " * 100 + "digest-of-a-token", "verdict-on-a-visitor")

    await adds(store, "digest-of-a-token")
    shaky.fault = tells_all
    given = {"add": ("another", "verdict-on-a-visitor", 60.0), "count": ("digest-of-a-token", 60.0)}
    await getattr(store, verb)(*given.get(verb, ("digest-of-a-token",)))
    assert [each.getMessage()[:23] for each in caplog.records] == ["Shaky fails (KeyError):"]


def test_every_store_but_this_processs_memory_is_made_fail_safe(shaky: Shaky) -> None:
    memory, safe = MemoryStore(), FailSafe(shaky)
    assert as_store(memory) is memory
    assert as_store(None) is not as_store(None)
    assert as_store(safe) is safe
    assert isinstance(as_store(shaky), FailSafe)


async def test_what_one_guard_has_let_in_another_with_the_same_store_knows(shaky: Shaky) -> None:
    """Two guards of one app: one process."""
    first, second = FailSafe(shaky), FailSafe(shaky)
    shaky.fault = broken
    assert [*await adds(first, "a"), *await adds(second, "a")] == [True, False]


async def test_a_store_that_cannot_be_hashed_is_a_store() -> None:
    async def fails(*_: object) -> Any:
        raise OSError

    class Slots:
        __slots__ = ()
        add = pop = delete = count = fails

    assert await adds(FailSafe(Slots()), "a", "a") == [True, False]
