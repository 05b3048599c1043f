"""A store that fails does not fail the site, is reported once, and lets no token in twice in one process."""

import logging
from collections.abc import Callable
from typing import Any

import anyio
import pytest

from geetest_asgi import _config
from geetest_asgi.stores import FailSafe, MemoryStore

each_backend = pytest.mark.anyio
Fault = Callable[[], Any]


class Clock:
    """A clock that moves when it is told to."""

    now = 1000.0

    def __call__(self) -> float:
        return self.now


class Shaky(MemoryStore):
    """A store somewhere else, which fails when it is told to."""

    def __init__(self) -> None:
        super().__init__()
        self.fault: Fault | None = None
        self.asked: list[str] = []

    async def claim(self, key: str, seconds: float) -> str | None:
        self.asked.append(f"claim {key}")
        await self._fail_if_told()
        return await super().claim(key, seconds)

    async def release(self, key: str, note: str | None = None) -> None:
        self.asked.append(f"release {key}")
        await self._fail_if_told()
        await super().release(key, note)

    async def _fail_if_told(self) -> None:
        await anyio.lowlevel.checkpoint()
        if self.fault is not None:
            await self.fault()


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


@each_backend
async def test_what_is_taken_here_is_not_asked_about_there(store: FailSafe, shaky: Shaky) -> None:
    assert [await store.claim("a", 60) for _ in range(3)] == [None, "", ""]
    assert shaky.asked == ["claim a"]


@each_backend
async def test_while_the_store_fails_this_processs_memory_decides(store: FailSafe, shaky: Shaky) -> None:
    await store.claim("before", 60)
    shaky.fault = broken
    assert [await store.claim(key, 60) for key in ("a", "a", "before", "b")] == [None, "", "", None]
    await store.release("b")
    assert [await store.claim("b", 60) for _ in range(2)] == [None, ""]
    await store.release("a", "note")
    assert [await store.claim("a", 60) for _ in range(2)] == ["note", ""]


@each_backend
async def test_what_was_let_in_during_a_failure_is_known_after_it(store: FailSafe, shaky: Shaky, clock: Clock) -> None:
    shaky.fault = broken
    assert await store.claim("a", 60) is None
    shaky.fault, clock.now = None, clock.now + 60
    assert await store.claim("b", 60) is None
    assert not store.failing
    assert await store.claim("a", 60) == ""


@each_backend
async def test_what_others_have_spent_is_known_here_though_the_store_fails_later(store: FailSafe, shaky: Shaky) -> None:
    await MemoryStore.claim(shaky, "theirs", 60)
    assert await store.claim("theirs", 60) == ""
    shaky.fault = broken
    assert [await store.claim("theirs", 60) for _ in range(3)] == ["", "", ""]


@each_backend
async def test_what_others_give_back_is_free_here_too(store: FailSafe, shaky: Shaky) -> None:
    await MemoryStore.claim(shaky, "theirs", 60)
    assert [await store.claim("theirs", 60) for _ in range(3)] == ["", "", ""]
    await MemoryStore.release(shaky, "theirs")
    assert [await store.claim("theirs", 60) for _ in range(3)] == [None, "", ""]


@each_backend
async def test_a_store_that_forgets_everything_lets_nothing_in_twice_here(store: FailSafe, shaky: Shaky) -> None:
    await store.claim("spent", 60)
    await store.claim("redirected", 60)
    await store.release("redirected", "note")
    shaky._kept.clear()
    assert await store.claim("spent", 60) == ""
    assert [await store.claim("redirected", 60) for _ in range(2)] == ["note", ""]


@each_backend
async def test_a_note_that_another_process_took_is_not_handed_out_here(store: FailSafe, shaky: Shaky) -> None:
    await store.claim("a", 60)
    await store.release("a", "note")
    assert await MemoryStore.claim(shaky, "a", 60) == "note"
    assert await store.claim("a", 60) == ""
    shaky._kept.clear()
    assert await store.claim("a", 60) == "", "let in here before, and so spent here for good"


@each_backend
async def test_a_release_that_does_not_get_through_leaves_the_token_spent(
    store: FailSafe, shaky: Shaky, clock: Clock
) -> None:
    await store.claim("a", 60)
    shaky.fault = broken
    await store.release("a")
    shaky.fault, clock.now = None, clock.now + 60
    assert await store.claim("a", 60) == ""


@each_backend
async def test_a_store_that_hangs_holds_a_visitor_up_for_a_moment(shaky: Shaky) -> None:
    store = FailSafe(shaky)
    shaky.fault = anyio.sleep_forever
    with anyio.fail_after(20):
        assert await store.claim("a", 60) is None
        for number in range(100):
            assert await store.claim(str(number), 60) is None
    assert len(shaky.asked) < 20, "one by one, and none of the others waits"
    assert store.failing


FAULTS: dict[str, type[Exception]] = {each.__name__: each for each in (OSError, KeyError, ValueError, Exception)}


@each_backend
@pytest.mark.parametrize("fault", FAULTS)
async def test_whatever_a_store_raises_is_a_failure(fault: str, store: FailSafe, shaky: Shaky) -> None:
    async def fail() -> None:
        raise FAULTS[fault]

    shaky.fault = fail
    assert await store.claim("a", 60) is None
    assert (store.failing, store.failures) == (True, 1)


@each_backend
@pytest.mark.parametrize("answer", [True, False, b"", 0, {}])
async def test_an_answer_that_is_none_is_a_failure(answer: object) -> None:
    class Odd:
        async def claim(self, key: str, seconds: float) -> Any:
            return answer

        async def release(self, key: str, note: str | None = None) -> None:
            raise AssertionError

    store = FailSafe(Odd())
    assert [await store.claim("a", 60) for _ in range(2)] == [None, ""]
    assert store.failing


@each_backend
async def test_a_failed_store_is_left_alone_for_a_second_and_then_tried_once(
    store: FailSafe, shaky: Shaky, clock: Clock
) -> None:
    shaky.fault = broken
    for number in range(10):
        await store.claim(str(number), 60)
        await store.release(str(number))
    assert shaky.asked == ["claim 0"]
    clock.now += 1.01
    entered, go_on = anyio.Event(), anyio.Event()

    async def waits() -> None:
        entered.set()
        await go_on.wait()

    shaky.fault = waits
    async with anyio.create_task_group() as group:
        group.start_soon(store.claim, "probe", 60)
        await entered.wait()
        assert [await store.claim(key, 60) for key in ("x", "x")] == [None, ""]
        assert shaky.asked == ["claim 0", "claim probe"]
        assert store.failing
        shaky.fault = None
        go_on.set()
    assert not store.failing
    await store.claim("y", 60)
    assert shaky.asked[2:] == ["claim y"]


@each_backend
async def test_a_probe_that_is_cancelled_does_not_stop_the_trying(store: FailSafe, shaky: Shaky, clock: Clock) -> None:
    shaky.fault = broken
    await store.claim("a", 60)
    clock.now += 1.01
    shaky.fault = anyio.sleep_forever
    with anyio.move_on_after(0.05):
        await store.claim("b", 60)
    assert await store.claim("b", 60) == "", "it may have been taken"
    shaky.fault, clock.now = None, clock.now + 3.01
    await store.claim("c", 60)
    assert not store.failing


@each_backend
async def test_an_answer_to_an_older_question_does_not_end_a_failure(
    store: FailSafe, shaky: Shaky, clock: Clock
) -> None:
    """Else each of many calls in flight would turn it round and round, a record for each."""
    go_on = anyio.Event()
    shaky.fault = go_on.wait
    async with anyio.create_task_group() as group:
        group.start_soon(store.claim, "slow", 60)
        await anyio.wait_all_tasks_blocked()
        clock.now += 0.5
        shaky.fault = broken
        await store.claim("fails", 60)
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
            await store.claim(f"{clock.now} {number}", 60)
            clock.now += 2
        shaky.fault = None
        for number in range(5, 10):
            await store.claim(f"{clock.now} {number}", 60)
    assert [(each.levelname, each.getMessage()) for each in caplog.records] == [
        ("WARNING", f"Shaky fails (ConnectionError: 'no route to host'): {consequence}"),
        ("WARNING", "Shaky answers again, after 10.0 seconds"),
    ] * 2
    assert [vars(each)["geetest_event"] for each in caplog.records] == ["store_fails", "store_answers"] * 2
    assert store.failures == 10


@each_backend
async def test_no_key_and_no_note_gets_into_the_log(store: FailSafe, shaky: Shaky, caplog: Any, clock: Clock) -> None:
    async def tells_all() -> None:
        raise KeyError("digest-of-a-token", "note-about-a-visitor")

    await store.claim("digest-of-a-token", 60)
    shaky.fault = tells_all
    await store.release("digest-of-a-token", "note-about-a-visitor")
    shaky.fault, clock.now = None, clock.now + 2
    await store.claim("other", 60)
    shaky.fault = tells_all
    await store.claim("digest-of-a-token", 60)
    assert [each.getMessage()[:22] for each in caplog.records if "fails" in each.getMessage()]
    assert "digest-of-a-token" not in caplog.text
    assert "note-about" not in caplog.text


@each_backend
async def test_what_one_guard_has_let_in_another_with_the_same_store_knows(shaky: Shaky) -> None:
    """Two guards of one app: one process."""
    first, second = FailSafe(shaky), FailSafe(shaky)
    shaky.fault = broken
    assert [await first.claim("a", 60), await second.claim("a", 60)] == [None, ""]


@each_backend
async def test_a_store_that_cannot_be_hashed_is_a_store() -> None:
    class Slots:
        __slots__ = ()

        async def claim(self, key: str, seconds: float) -> str | None:
            raise OSError

        async def release(self, key: str, note: str | None = None) -> None:
            raise OSError

    assert [await FailSafe(Slots()).claim("a", 60)] == [None]


def test_every_store_but_this_processs_memory_is_made_fail_safe(shaky: Shaky) -> None:
    memory, safe = MemoryStore(), FailSafe(shaky)
    assert _config.store(memory) is memory
    assert _config.store(safe) is safe
    assert isinstance(_config.store(shaky), FailSafe)
