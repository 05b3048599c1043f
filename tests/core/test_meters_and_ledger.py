"""What requests share: budgets, the cap on unverified admissions, the memory of spent tokens.

Threads are real ones.
"""

import threading
import time
from collections.abc import Callable
from typing import Any

import anyio
import pytest

from geetest_asgi import CaptchaFields, Outcome
from geetest_asgi._bounds.counters import Budget, RateCap
from geetest_asgi._core.model import Evidence
from geetest_asgi._corridor.spent import KEEP, Claim, claim
from geetest_asgi.stores import MemoryStore, Store

LOT, TOKEN = "4dc3cfc2cdff448cad8d13107198d473", "3f" * 32
FIELDS = CaptchaFields(LOT, "aGk_", TOKEN, "1700000000")


class Clock:
    """A clock that moves when it is told to."""

    def __init__(self, now: float = 1000.0) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


def in_threads(count: int, work: Callable[[], Any]) -> list[Any]:
    """What `count` threads get that all start at the same moment."""
    barrier, results = threading.Barrier(count), list[Any]()

    def run() -> None:
        barrier.wait()
        results.append(work())

    threads = [threading.Thread(target=run) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results


class SlowNumber(int):
    """A number whose comparison gives every other thread its turn, as bad luck would do once in a million."""

    def __gt__(self, other: int) -> bool:
        found = int(self) > other
        time.sleep(0.002)
        return found


class SlowKey(str):
    """A key that is slow to look up, for the same reason."""

    __slots__ = ()

    def __hash__(self) -> int:
        found = super().__hash__()
        time.sleep(0.002)
        return found

    __eq__ = str.__eq__


# Budget


def test_a_budget_gives_what_it_has_and_no_more() -> None:
    budget = Budget(10)
    assert budget.take(7)
    assert not budget.take(4), "all or nothing"
    assert budget.take(3)
    assert not budget.take()
    budget.give(2)
    assert budget.take()
    assert budget.take()
    assert not budget.take()
    assert budget.take(0)


def test_a_budget_of_nothing_gives_nothing() -> None:
    assert not Budget(0).take()


def test_a_budget_holds_across_threads() -> None:
    budget = Budget(3)
    assert sum(in_threads(12, lambda: budget.take(SlowNumber(1)))) == 3
    for _ in range(3):
        budget.give()
    assert sum(in_threads(12, lambda: budget.take(SlowNumber(1)))) == 3


# RateCap


def test_a_rate_cap_counts_within_each_second() -> None:
    clock = Clock(50.0)
    cap = RateCap(2, clock)
    for now, expected in ((50.0, 1), (50.5, 1), (50.999, 0), (51.0, 1), (51.0, 1), (51.9, 0), (99.0, 1)):
        clock.now = now
        assert cap.take() is bool(expected), now


def test_a_rate_cap_starts_full_whatever_the_clock_says() -> None:
    for start in (0.0, 0.5, 1e9):
        cap = RateCap(2, Clock(start))
        assert [cap.take() for _ in range(4)] == [True, True, False, False]


def test_a_rate_cap_of_none_lets_nobody_in() -> None:
    clock = Clock(0.0)
    cap = RateCap(0, clock)
    for clock.now in (0.0, 0.5, 1.0, 60.0):
        assert not cap.take()


def test_a_rate_cap_goes_by_the_real_clock() -> None:
    cap = RateCap(1)
    start = time.monotonic()
    taken = 0
    while time.monotonic() - start < 1.2:
        taken += cap.take()
        time.sleep(0.01)
    assert 2 <= taken <= 3, "one in each second that was touched"


def test_a_rate_cap_holds_across_threads() -> None:
    assert sum(in_threads(12, RateCap(5, Clock()).take)) == 5


def test_a_thread_that_reads_the_clock_and_sleeps_does_not_turn_it_back() -> None:
    """Else each such thread would make the second start anew, with room for more."""
    readings = iter([5.9, 6.0, 6.1, 6.2])
    asleep = threading.Event()

    def clock() -> float:
        now = next(readings)
        if now == 5.9:
            asleep.set()
            time.sleep(0.1)
        return now

    cap, admitted = RateCap(1, clock), list[bool]()
    first = threading.Thread(target=lambda: admitted.append(cap.take()))
    first.start()
    assert asleep.wait(5)
    admitted.append(cap.take())
    first.join()
    admitted += [cap.take(), cap.take()]
    assert sum(admitted) == 2, "one in second 5, one in second 6"


# MemoryStore


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def store(clock: Clock) -> MemoryStore:
    return MemoryStore(clock=clock)


@pytest.mark.anyio
async def test_a_key_is_claimed_once(store: MemoryStore) -> None:
    assert await store.claim("a", 60) is None
    assert await store.claim("a", 60) == ""
    assert await store.claim("b", 60) is None
    assert await store.claim("a", 60) == ""


@pytest.mark.anyio
async def test_a_key_that_is_given_back_is_free(store: MemoryStore) -> None:
    await store.claim("a", 60)
    await store.release("a")
    assert await store.claim("a", 60) is None
    assert await store.claim("a", 60) == ""
    await store.release("never claimed")


@pytest.mark.anyio
async def test_a_note_is_handed_out_once(store: MemoryStore) -> None:
    await store.claim("a", 60)
    await store.release("a", "a note")
    assert await store.claim("a", 60) == "a note"
    assert await store.claim("a", 60) == ""


@pytest.mark.anyio
async def test_a_note_may_be_left_again_and_replaced(store: MemoryStore) -> None:
    await store.claim("a", 60)
    await store.release("a", "one")
    await store.release("a", "two")
    assert await store.claim("a", 60) == "two"
    await store.release("a", "three")
    await store.release("a")
    assert await store.claim("a", 60) is None


@pytest.mark.anyio
async def test_no_note_is_left_for_a_key_that_nobody_holds(store: MemoryStore, clock: Clock) -> None:
    await store.release("a", "forged")
    assert await store.claim("a", 60) is None


@pytest.mark.anyio
async def test_a_key_is_kept_as_long_as_was_asked(store: MemoryStore, clock: Clock) -> None:
    await store.claim("a", 60)
    clock.now += 59.99
    assert await store.claim("a", 60) == ""
    clock.now += 0.02
    assert await store.claim("a", 60) is None, "a claim in vain does not make it longer"
    clock.now += 59
    assert await store.claim("a", 60) == "", "taken anew, for as long again"


@pytest.mark.anyio
async def test_a_note_does_not_make_it_longer(store: MemoryStore, clock: Clock) -> None:
    await store.claim("a", 60)
    clock.now += 50
    await store.release("a", "note")
    clock.now += 11
    assert await store.claim("a", 60) is None


@pytest.mark.anyio
async def test_what_has_ended_is_forgotten_even_behind_what_has_not(store: MemoryStore, clock: Clock) -> None:
    await store.claim("long", 600)
    await store.claim("short", 5)
    clock.now += 6
    assert await store.claim("short", 5) is None
    assert await store.claim("long", 600) == ""
    assert len(store) == 2
    clock.now += 600
    assert await store.claim("new", 5) is None
    assert len(store) == 1


@pytest.mark.anyio
async def test_the_memory_is_bounded_and_the_oldest_goes_first(clock: Clock) -> None:
    store = MemoryStore(3, clock=clock)
    for number in range(10):
        assert await store.claim(str(number), 60) is None
        assert len(store) <= 3
    assert [await store.claim(each, 60) for each in ("9", "8", "7")] == ["", "", ""]
    assert await store.claim("6", 60) is None


@pytest.mark.anyio
async def test_a_full_memory_remembers_all_that_it_holds(clock: Clock) -> None:
    """Room is made for a new key, not for one that is there: else the oldest token could be spent again."""
    store = MemoryStore(3, clock=clock)
    for key in "abc":
        assert await store.claim(key, 60) is None
    assert [await store.claim(key, 60) for key in "abcabc"] == [""] * 6
    assert len(store) == 3


@pytest.mark.anyio
async def test_a_flood_of_claims_in_vain_pushes_nothing_out(clock: Clock) -> None:
    store = MemoryStore(3, clock=clock)
    for key in "abc":
        await store.claim(key, 60)
    for _ in range(20):
        assert await store.claim("c", 60) == ""
    assert await store.claim("a", 60) == ""


@pytest.mark.anyio
async def test_a_key_that_is_taken_anew_counts_as_new(clock: Clock) -> None:
    store = MemoryStore(2, clock=clock)
    await store.claim("a", 5)
    await store.claim("b", 60)
    clock.now += 6
    assert await store.claim("a", 60) is None
    assert await store.claim("c", 60) is None
    assert await store.claim("a", 60) == "", "b was older"


@pytest.mark.anyio
async def test_a_key_that_is_taken_anew_pushes_nothing_out(clock: Clock) -> None:
    store = MemoryStore(2, clock=clock)
    await store.claim("long", 600)
    await store.claim("short", 5)
    clock.now += 6
    assert await store.claim("short", 5) is None
    assert await store.claim("long", 600) == ""


@pytest.mark.parametrize("size", [0, -1])
def test_a_memory_that_keeps_nothing_is_refused(size: int) -> None:
    """Else every token could be spent again and again, or the first claim would fail."""
    with pytest.raises(ValueError, match=str(size)):
        MemoryStore(size)


@pytest.mark.anyio
async def test_a_memory_of_one_is_a_memory() -> None:
    store = MemoryStore(1)
    assert [await store.claim(key, 60) for key in ("a", "a", "b", "b")] == [None, "", None, ""]


def test_of_many_threads_one_gets_the_key() -> None:
    store = MemoryStore()
    answers = in_threads(16, lambda: anyio.run(store.claim, SlowKey("a"), 60.0))
    assert sorted(answers, key=str) == [""] * 15 + [None]


def test_of_many_threads_one_gets_the_note() -> None:
    store = MemoryStore()

    async def leave() -> None:
        await store.claim("a", 60)
        await store.release("a", "note")

    anyio.run(leave)
    answers = in_threads(16, lambda: anyio.run(store.claim, SlowKey("a"), 60.0))
    assert sorted(answers) == [""] * 15 + ["note"]


def test_many_threads_do_not_overfill_the_memory() -> None:
    store = MemoryStore(8)
    counter = iter(range(1000))
    in_threads(16, lambda: [anyio.run(store.claim, SlowKey(f"key {next(counter)}"), 60.0) for _ in range(4)])
    assert len(store) == 8


@pytest.mark.anyio
async def test_of_many_tasks_one_gets_the_key(store: MemoryStore) -> None:
    answers = list[str | None]()

    async def ask() -> None:
        await anyio.lowlevel.checkpoint()
        answers.append(await store.claim("a", 60))

    async with anyio.create_task_group() as group:
        for _ in range(50):
            group.start_soon(ask)
    assert answers.count(None) == 1


# The ledger: a token is asked about once

VERDICTS = (Outcome.PASSED, Outcome.FAILED)


async def is_free(store: Store, fields: CaptchaFields = FIELDS, captcha_id: str = "id") -> bool:
    again = await claim(store, captcha_id, fields)
    if again.evidence is None:
        await again.settle(None, let_in=False)
    return again.evidence is None


@pytest.mark.anyio
async def test_of_two_copies_in_flight_one_may_be_asked_about(store: MemoryStore) -> None:
    first, second = await claim(store, "id", FIELDS), await claim(store, "id", FIELDS)
    assert first.evidence is None
    assert second.evidence == Evidence(Outcome.REPLAYED, "this token was used before", lot_number=LOT)


@pytest.mark.anyio
@pytest.mark.parametrize("let_in", [True, False])
@pytest.mark.parametrize("outcome", Outcome)
async def test_when_a_token_stays_spent(store: MemoryStore, outcome: Outcome, let_in: bool) -> None:
    """Once GeeTest gave its verdict or the request was let in; else it is given back."""
    held = await claim(store, "id", FIELDS)
    await held.settle(Evidence(outcome), let_in=let_in)
    assert await is_free(store) is (outcome not in VERDICTS and not let_in)


@pytest.mark.anyio
async def test_a_request_that_ended_without_an_answer_gives_its_token_back(store: MemoryStore) -> None:
    await (await claim(store, "id", FIELDS)).settle(None, let_in=False)
    assert await is_free(store)
    await (await claim(store, "id", FIELDS)).settle(None, let_in=True)
    assert not await is_free(store), "monitored: let in, and so spent, whatever was found"


@pytest.mark.anyio
async def test_a_replay_gives_nothing_back(store: MemoryStore) -> None:
    """The token is the first request's: the second must not free it, however it ends."""
    await claim(store, "id", FIELDS)
    for evidence in (None, Evidence(Outcome.REPLAYED), Evidence(Outcome.UNAVAILABLE)):
        replayed = await claim(store, "id", FIELDS)
        await replayed.settle(evidence, let_in=False)
        await replayed.carry_over(Evidence(Outcome.PASSED))
    assert not await is_free(store)
    last = (await claim(store, "id", FIELDS)).evidence
    assert last is not None
    assert last.outcome is Outcome.REPLAYED


@pytest.mark.anyio
async def test_a_token_is_known_by_its_number_its_pass_token_and_its_id(store: MemoryStore) -> None:
    await claim(store, "id", FIELDS)
    assert not await is_free(store, CaptchaFields(LOT, "another", TOKEN, "1700000001")), "what is not signed is no key"
    assert await is_free(store, CaptchaFields(LOT[::-1], "aGk_", TOKEN, "1700000000"))
    assert await is_free(store, CaptchaFields(LOT, "aGk_", "4f" * 32, "1700000000"))
    assert await is_free(store, captcha_id="other")


@pytest.mark.anyio
async def test_a_forged_copy_does_not_spend_a_token(store: MemoryStore) -> None:
    """Whoever saw a lot number must not be able to lock its owner out."""
    forged = await claim(store, "id", CaptchaFields(LOT, "x", "00" * 32, "1700000000"))
    await forged.settle(Evidence(Outcome.FAILED, "pass_token error"), let_in=False)
    assert await is_free(store)


@pytest.mark.anyio
async def test_the_constant_offline_token_is_nobodys_to_spend(store: MemoryStore) -> None:
    offline = CaptchaFields("V000000cabf2f4f37bbb10c358b865c41", "1X_RK3ag_IklW15iHhSywQ==", TOKEN, "1623828054")
    for _ in range(3):
        held = await claim(store, "id", offline)
        assert held.evidence is None
        await held.settle(Evidence(Outcome.UNAVAILABLE), let_in=True)
        await held.carry_over(Evidence(Outcome.UNAVAILABLE))
    assert len(store) == 0


@pytest.mark.anyio
async def test_a_token_is_remembered_twice_as_long_as_it_lives(store: MemoryStore, clock: Clock) -> None:
    assert KEEP == 2 * 600
    await (await claim(store, "id", FIELDS)).settle(Evidence(Outcome.PASSED), let_in=True)
    clock.now += 1199
    assert not await is_free(store)
    clock.now += 2
    assert await is_free(store)


FOUND = Evidence(Outcome.PASSED, "fine", "-1", captcha_args={"scene": "反爬虫", "n": [1, None], "lone": "\ud800"})


@pytest.mark.anyio
@pytest.mark.parametrize("outcome", [each for each in Outcome if each is not Outcome.UNAVAILABLE])
async def test_a_redirect_carries_the_finding_over_once(store: MemoryStore, outcome: Outcome) -> None:
    held = await claim(store, "id", FIELDS)
    found = Evidence(outcome, FOUND.reason, FOUND.code, LOT, FOUND.captcha_args, elapsed=0.5)
    await held.settle(found, let_in=True)
    await held.carry_over(found)
    second = await claim(store, "id", FIELDS)
    assert second.evidence == Evidence(outcome, FOUND.reason, FOUND.code, LOT, FOUND.captcha_args)
    assert second.evidence.elapsed == 0.0, "GeeTest was not asked again"
    third = await claim(store, "id", FIELDS)
    assert third.evidence is not None
    assert third.evidence.outcome is Outcome.REPLAYED


@pytest.mark.anyio
async def test_an_outage_is_not_carried_over_and_the_token_is_free(store: MemoryStore) -> None:
    held = await claim(store, "id", FIELDS)
    await held.settle(Evidence(Outcome.UNAVAILABLE), let_in=True)
    await held.carry_over(Evidence(Outcome.UNAVAILABLE))
    assert (await claim(store, "id", FIELDS)).evidence is None


@pytest.mark.anyio
async def test_a_finding_that_was_carried_over_is_not_carried_on(store: MemoryStore) -> None:
    held = await claim(store, "id", FIELDS)
    await held.settle(FOUND, let_in=True)
    await held.carry_over(FOUND)
    second = await claim(store, "id", FIELDS)
    await second.settle(second.evidence, let_in=True)
    await second.carry_over(FOUND)
    third = await claim(store, "id", FIELDS)
    assert third.evidence is not None
    assert third.evidence.outcome is Outcome.REPLAYED
    await third.settle(third.evidence, let_in=False)
    assert not await is_free(store)


@pytest.mark.anyio
async def test_a_finding_is_carried_over_under_the_same_id_only(store: MemoryStore) -> None:
    held = await claim(store, "id", FIELDS)
    await held.carry_over(FOUND)
    assert (await claim(store, "other", FIELDS)).evidence is None


class Diary(MemoryStore):
    """A store that writes down what it is told."""

    def __init__(self) -> None:
        super().__init__()
        self.told = list[object]()

    async def claim(self, key: str, seconds: float) -> str | None:
        self.told += [key, seconds]
        return await super().claim(key, seconds)

    async def release(self, key: str, note: str | None = None) -> None:
        self.told += [key, note]
        await super().release(key, note)


@pytest.mark.anyio
async def test_raw_tokens_are_stored_nowhere() -> None:
    diary = Diary()
    held: Claim = await claim(diary, "id", FIELDS)
    await held.carry_over(Evidence(Outcome.PASSED, lot_number=LOT, captcha_args={"scene": "x"}))
    await (await claim(diary, "other", FIELDS)).settle(None, let_in=False)
    told = repr(diary.told)
    assert len(diary.told) == 8
    assert not [part for part in (LOT, TOKEN, TOKEN[:16], FIELDS.captcha_output, FIELDS.gen_time) if part in told]
    assert isinstance(diary.told[0], str)
    assert len(diary.told[0]) == 64
    assert diary.told[1] == KEEP


@pytest.mark.anyio
@pytest.mark.parametrize("outcome", [Outcome.REFUSED, Outcome.BUSY, Outcome.UNAVAILABLE])
async def test_what_was_given_back_is_not_given_back_again(store: MemoryStore, outcome: Outcome) -> None:
    """By then it may be another request's. A handler that asked in vain (`after=True`) may still answer 307."""
    first = await claim(store, "id", FIELDS)
    await first.settle(Evidence(outcome), let_in=False)
    second = await claim(store, "id", FIELDS)
    assert second.evidence is None
    await first.carry_over(Evidence(outcome, "about the first"))
    await first.settle(Evidence(outcome), let_in=False)
    third = await claim(store, "id", FIELDS)
    assert third.evidence is not None
    assert third.evidence.outcome is Outcome.REPLAYED
