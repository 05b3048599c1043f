"""A token is asked about once and is good for one act: claimed, given back, its verdict kept for one more request."""

import json
from typing import Any

import anyio
import pytest
from anyio.lowlevel import checkpoint
from clocks import Clock

from geetest_asgi import CaptchaFields, Outcome
from geetest_asgi._core.model import Evidence
from geetest_asgi._corridor.spent import KEPT, MOST_CHARACTERS, MOST_KEEPS, SPENT, Claim, claim
from geetest_asgi.stores import MemoryStore, Store

pytestmark = pytest.mark.anyio

LOT, TOKEN = "4dc3cfc2cdff448cad8d13107198d473", "3f" * 32
FIELDS = CaptchaFields(LOT, "aGk_", TOKEN, "1700000000")
RULE = "POST /login"
VERDICTS = (Outcome.PASSED, Outcome.FAILED)
PASSED = Evidence(Outcome.PASSED, "fine", "-1", captcha_args={"scene": "反爬虫", "n": [1, None], "lone": "\ud800"})


class Diary(MemoryStore):
    """A store that writes down what it is told."""

    def __init__(self, clock: Clock) -> None:
        super().__init__(clock=clock)
        self.told: list[tuple[str, ...]] = []
        self.seconds: list[float] = []

    async def add(self, key: str, value: str, seconds: float) -> bool:
        self.told.append(("add", key, value))
        self.seconds.append(seconds)
        return await super().add(key, value, seconds)

    async def pop(self, key: str) -> str | None:
        self.told.append(("pop", key))
        return await super().pop(key)

    async def delete(self, key: str) -> None:
        self.told.append(("delete", key))
        await super().delete(key)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def store(clock: Clock) -> Diary:
    return Diary(clock)


async def claimed(store: Store, fields: CaptchaFields = FIELDS, captcha_id: str = "id", rule: str = RULE) -> Claim:
    return await claim(store, captcha_id, rule, fields)


async def outcome(store: Store, **other: Any) -> Outcome | None:
    """What a request with the token comes to; None: GeeTest is asked, and the token given back."""
    held = await claimed(store, **other)
    await held.settle(None)
    return held.evidence.outcome if held.evidence else None


async def test_of_many_copies_at_once_one_may_be_asked_about(store: Diary) -> None:
    evidence = list[Evidence | None]()

    async def one() -> None:
        await checkpoint()
        evidence.append((await claimed(store)).evidence)

    async with anyio.create_task_group() as group:
        for _ in range(30):
            group.start_soon(one)
    evidence.remove(None)
    assert evidence == [Evidence(Outcome.REPLAYED, "this token was used before", lot_number=LOT)] * 29


@pytest.mark.parametrize("found", [*Outcome, None])
async def test_when_the_token_of_a_refused_request_stays_spent(store: Diary, found: Outcome | None) -> None:
    """Once GeeTest gave its verdict; else it is given back."""
    held = await claimed(store)
    await held.settle(Evidence(found) if found else None)
    assert await outcome(store) is (Outcome.REPLAYED if found in VERDICTS else None)


async def test_a_replay_gives_nothing_back_and_keeps_nothing(store: Diary) -> None:
    """The token is the first request's: the second must not free it, however it ends."""
    await claimed(store)
    for evidence in (None, Evidence(Outcome.REPLAYED), Evidence(Outcome.UNAVAILABLE)):
        replayed = await claimed(store)
        await replayed.settle(evidence)
        assert [await replayed.keep(each) for each in (PASSED, Evidence(Outcome.UNAVAILABLE))] == [False, False]
    assert await outcome(store) is Outcome.REPLAYED


@pytest.mark.parametrize("found", [Outcome.REFUSED, Outcome.BUSY, Outcome.UNAVAILABLE])
async def test_what_was_given_back_is_not_given_back_again(store: Diary, found: Outcome) -> None:
    """By then it may be another request's."""
    first = await claimed(store)
    await first.settle(Evidence(found))
    second = await claimed(store)
    assert second.evidence is None
    await first.settle(Evidence(found))
    assert [await first.keep(each) for each in (Evidence(found), PASSED)] == [False, False]
    assert await outcome(store) is Outcome.REPLAYED


async def test_a_token_is_known_by_its_number_its_pass_token_and_its_id(store: Diary) -> None:
    await claimed(store)
    again = CaptchaFields(LOT, "another", TOKEN, "1700000001")
    assert await outcome(store, fields=again) is Outcome.REPLAYED, "what is not signed is no key"
    assert await outcome(store, rule="POST /elsewhere") is Outcome.REPLAYED, "spent under every rule"
    assert await outcome(store, fields=CaptchaFields(LOT[::-1], "aGk_", TOKEN, "1700000000")) is None
    assert await outcome(store, fields=CaptchaFields(LOT, "aGk_", "4f" * 32, "1700000000")) is None
    assert await outcome(store, captcha_id="other") is None


async def test_the_constant_offline_token_is_nobodys_to_spend(store: Diary) -> None:
    offline = CaptchaFields("V000000cabf2f4f37bbb10c358b865c41", "1X_RK3ag_IklW15iHhSywQ==", TOKEN, "1623828054")
    for _ in range(3):
        held = await claimed(store, offline)
        assert held.evidence is None
        assert not await held.keep(Evidence(Outcome.UNAVAILABLE))
        await held.settle(None)
    assert store.told == []


async def test_a_token_is_remembered_twice_as_long_as_it_lives_and_a_kept_verdict_shorter(
    store: Diary, clock: Clock
) -> None:
    await (await claimed(store)).keep(PASSED)
    clock.now += KEPT + 1
    assert await outcome(store) is Outcome.REPLAYED
    clock.now += 1199 - KEPT - 1
    assert await outcome(store) is Outcome.REPLAYED
    clock.now += 2
    assert await outcome(store) is None
    assert (MOST_KEEPS + 1) * KEPT <= SPENT


@pytest.mark.parametrize("found", VERDICTS)
async def test_a_kept_verdict_is_good_for_one_request(store: Diary, found: Outcome) -> None:
    held = await claimed(store)
    verdict = Evidence(found, PASSED.reason, PASSED.code, LOT, PASSED.captcha_args, elapsed=0.5)
    assert await held.keep(verdict)
    second = await claimed(store)
    assert second.evidence == Evidence(found, PASSED.reason, PASSED.code, LOT, PASSED.captcha_args)
    assert second.evidence.elapsed == 0.0, "GeeTest was not asked again"
    assert await outcome(store) is Outcome.REPLAYED


async def test_a_verdict_that_the_store_refuses_is_not_kept(clock: Clock) -> None:
    class Full(Diary):
        async def add(self, key: str, value: str, seconds: float) -> bool:
            return not value and await super().add(key, value, seconds)

    assert not await (await claimed(Full(clock))).keep(PASSED)


async def test_a_verdict_is_kept_three_times_at_most(store: Diary) -> None:
    held = await claimed(store)
    for _ in range(MOST_KEEPS):
        assert await held.keep(PASSED)
        held = await claimed(store)
        assert held.evidence is not None
        assert held.evidence.outcome is Outcome.PASSED
    assert MOST_KEEPS == 3
    assert not await held.keep(PASSED)
    assert await outcome(store) is Outcome.REPLAYED


async def test_a_verdict_is_kept_under_its_own_rule_and_id_only(store: Diary) -> None:
    await (await claimed(store)).keep(PASSED)
    assert await outcome(store, rule="POST /elsewhere") is Outcome.REPLAYED
    assert await outcome(store, rule="") is Outcome.REPLAYED
    assert await outcome(store, captcha_id="other") is None
    assert await outcome(store) is Outcome.PASSED, "the others have not used it up"


async def test_a_claim_keeps_once_and_what_it_has_kept_is_not_given_back(store: Diary) -> None:
    """A server may cancel the request after the keep, before the response has left."""
    held = await claimed(store)
    assert [await held.keep(PASSED), await held.keep(PASSED)] == [True, False]
    await held.settle(None)
    assert [await outcome(store), await outcome(store)] == [Outcome.PASSED, Outcome.REPLAYED]


@pytest.mark.parametrize("found", [each for each in Outcome if each not in VERDICTS])
async def test_what_is_no_verdict_is_not_kept_and_the_token_is_free(store: Diary, found: Outcome) -> None:
    """Let in while GeeTest could not be reached, or monitored: the next request asks again."""
    held = await claimed(store)
    assert await held.keep(Evidence(found)), "the token is good for one more request"
    assert await outcome(store) is None
    assert [told[0] for told in store.told] == ["add", "delete", "add", "delete"]


async def test_captcha_args_that_are_too_much_are_not_kept(store: Diary) -> None:
    held = await claimed(store)
    assert not await held.keep(Evidence(Outcome.PASSED, captcha_args={"a": "x" * MOST_CHARACTERS}))
    assert await outcome(store) is Outcome.REPLAYED


def kept_as(**other: object) -> str:
    """A kept verdict as it is written, but for what is given."""
    return json.dumps([*{"keeps": 1, "outcome": "passed", "reason": "", "code": "", "args": {}, **other}.values()])


UNREADABLE = {
    "no JSON": "passed",
    "very deep": "[" * 100_000,
    "an outage": kept_as(outcome="unavailable"),
    "an odd reason": kept_as(reason=None),
    "odd args": kept_as(args=[]),
    "kept four times": kept_as(keeps=4),
}


@pytest.mark.parametrize("value", [kept_as(), *UNREADABLE.values()], ids=["as it is written", *UNREADABLE])
async def test_an_unreadable_kept_verdict_counts_as_spent(store: Diary, value: str) -> None:
    await (await claimed(store)).keep(PASSED)
    (key,) = {told[1] for told in store.told if told[0] == "add" and told[2]}
    await store.pop(key)
    await store.add(key, value, 60)
    assert await outcome(store) is (Outcome.PASSED if value == kept_as() else Outcome.REPLAYED)
    assert await outcome(store) is Outcome.REPLAYED


async def test_raw_tokens_are_stored_nowhere(store: Diary) -> None:
    held = await claimed(store)
    await held.keep(Evidence(Outcome.PASSED, lot_number=LOT, captcha_args={"scene": "x"}))
    await claimed(store)
    told = repr(store.told)
    assert [each[0] for each in store.told] == ["add", "add", "add", "pop"]
    assert not [part for part in (LOT, TOKEN, TOKEN[:16], FIELDS.captcha_output, FIELDS.gen_time) if part in told]
    assert [len(each[1]) for each in store.told] == [64, 81, 64, 81]
    assert store.seconds == [SPENT, KEPT, SPENT]
