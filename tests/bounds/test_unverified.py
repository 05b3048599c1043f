"""Who is let in unverified, how many of them, and what the log says of it, by a clock of our own."""

import logging

import pytest
from clocks import Clock
from policies import policy

from geetest_asgi import Limits, Outcome
from geetest_asgi._bounds.unverified import QUIET, Unverified
from geetest_asgi._core.model import Evidence
from geetest_asgi.stores import MemoryStore

pytestmark = pytest.mark.anyio

DOWN = Evidence(Outcome.UNAVAILABLE, "HTTP 503")
UP = Evidence(Outcome.PASSED)


@pytest.fixture
def clock() -> Clock:
    return Clock()


ALLOW, DENY = policy(), policy(on_unavailable="deny")


def unverified(limits: Limits, clock: Clock, store: MemoryStore | None = None) -> Unverified:
    store = MemoryStore(clock=clock) if store is None else store
    return Unverified(limits, store.count, clock)


async def let_in(admissions: Unverified, *clients: str | None) -> list[bool]:
    """Whether each of these is let in, one after the other."""
    return [(await admissions.consider(ALLOW, DOWN, "id", client))[1] for client in clients]


async def test_each_client_has_so_many_in_each_minute(clock: Clock) -> None:
    admissions = unverified(Limits(unverified_per_client=3, unverified_per_second=1000), clock)
    for _ in range(3):
        for client in "ab":
            assert await let_in(admissions, *[client] * 5) == [True] * 3 + [False] * 2
        clock.now += 59.9
        assert await let_in(admissions, "a", "b") == [False, False]
        clock.now += 0.1


async def test_the_reason_says_which_limit_is_used_up(clock: Clock) -> None:
    admissions = unverified(Limits(unverified_per_client=1, unverified_per_second=2), clock)
    assert await admissions.consider(ALLOW, DOWN, "id", "a") == (DOWN, True)
    for client, name in (("a", "unverified_per_client"), ("b", ""), ("c", "unverified_per_second")):
        evidence, room = await admissions.consider(ALLOW, DOWN, "id", client)
        assert room is not bool(name)
        assert evidence.reason == (f"HTTP 503; {name} is used up" if name else "HTTP 503")
        assert evidence.outcome is Outcome.UNAVAILABLE


async def test_where_an_outage_is_denied_it_takes_no_room(clock: Clock, caplog: pytest.LogCaptureFixture) -> None:
    admissions = unverified(Limits(unverified_per_second=1), clock)
    for _ in range(5):
        assert await admissions.consider(DENY, DOWN, "id", "a") == (DOWN, False)
    assert "'deny'" in caplog.text
    assert await let_in(admissions, "a") == [True]
    clock.now += QUIET
    admissions.note_answer(UP)
    sums = vars(caplog.records[-1])
    assert (sums["geetest_let_in"], sums["geetest_refused"]) == (1, 5)


async def test_all_who_share_a_store_and_a_captcha_id_share_both_caps(clock: Clock) -> None:
    limits, store = Limits(unverified_per_client=3, unverified_per_second=5), MemoryStore(clock=clock)
    one, other = unverified(limits, clock, store), unverified(limits, clock, store)
    assert [*await let_in(one, "a", "a"), *await let_in(other, "a", "a")] == [True, True, True, False]
    assert [*await let_in(one, "b"), *await let_in(other, "c", "d")] == [True, True, False]
    assert (await other.consider(ALLOW, DOWN, "another id", "a"))[1], "another tenant"


async def test_a_store_that_forgets_lets_a_process_pass_no_cap_for_all_and_is_told_no_address(clock: Clock) -> None:
    asked: list[tuple[str, float]] = []

    async def forget(key: str, seconds: float) -> int:
        asked.append((key, seconds))
        return 1

    admissions = Unverified(Limits(unverified_per_second=5), forget, clock)
    assert (await let_in(admissions, *["192.0.2.7"] * 20)).count(True) == 5
    assert [seconds for _, seconds in asked[:2]] == [60, 1]
    assert not [key for key, _ in asked if "192" in key or not key.startswith("unverified:") or len(key) > 150]


async def test_the_log_has_one_warning_when_it_begins_and_one_with_the_sum(
    clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    admissions = unverified(Limits(unverified_per_second=2), clock)
    for _ in range(2):
        caplog.clear()
        for _ in range(30):
            for _ in range(5):
                await let_in(admissions, None)
            clock.now += 1
        assert [record.levelno for record in caplog.records] == [logging.WARNING]
        assert "HTTP 503" in caplog.text
        clock.now += QUIET
        for _ in range(3):
            admissions.note_answer(UP)
        assert [record.levelno for record in caplog.records] == [logging.WARNING] * 2
        sums = caplog.records[1]
        assert (sums.geetest_let_in, sums.geetest_refused, sums.geetest_seconds) == (60, 90, 29.0)  # type: ignore[attr-defined]


async def test_while_every_other_call_fails_there_is_one_warning(
    clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    admissions = unverified(Limits(), clock)
    for _ in range(100):
        await let_in(admissions, None)
        clock.now += QUIET - 0.01
        admissions.note_answer(UP)
    assert len(caplog.records) == 1
    clock.now += QUIET
    admissions.note_answer(UP)
    assert len(caplog.records) == 2


@pytest.mark.parametrize("outcome", [Outcome.UNAVAILABLE, Outcome.BUSY, Outcome.MISCONFIGURED])
async def test_what_is_no_answer_about_a_token_ends_nothing(
    outcome: Outcome, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    admissions = unverified(Limits(), clock)
    await let_in(admissions, None)
    clock.now += QUIET
    admissions.note_answer(Evidence(outcome))
    assert len(caplog.records) == 1
