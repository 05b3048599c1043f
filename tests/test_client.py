"""GeeTestClient: its settings reach the guard, and it closes what it has opened."""

import httpx
import pytest

from geetest_asgi import CaptchaFields, GeeTestClient, Limits, Outcome
from geetest_asgi.testing import GeeTest, Simulator

pytestmark = pytest.mark.anyio


async def test_the_fields_may_be_a_mapping_or_captcha_fields(geetest: GeeTest) -> None:
    for make in (dict, lambda token: CaptchaFields(**token)):
        result = await GeeTestClient().validate(make(geetest.token()))
        assert (result.outcome, result.verified, result.rule) == (Outcome.PASSED, True, "GeeTestClient")


async def test_its_limits_hold(geetest: GeeTest) -> None:
    token = geetest.token()
    longest = max(map(len, token.values()))
    for max_field, outcome in ((longest - 1, Outcome.MALFORMED), (longest, Outcome.PASSED)):
        assert (await GeeTestClient(limits=Limits(max_field=max_field)).validate(token)).outcome is outcome


async def test_it_asks_about_a_token_once(geetest: GeeTest) -> None:
    client, token = GeeTestClient(), geetest.token()
    assert [(await client.validate(token)).outcome for _ in range(2)] == [Outcome.PASSED, Outcome.REPLAYED]
    assert len(geetest.calls) == 1


async def test_it_caps_what_it_allows_during_an_outage(simulator: Simulator) -> None:
    """By the address of the request that it is given."""
    simulator.down()
    limits = Limits(unverified_per_client=2, breaker_failures=0)
    pair = simulator.captcha_id, simulator.captcha_key
    client = GeeTestClient(*pair, client=httpx.ASGITransport(simulator), limits=limits)
    for address, allowed in (("192.0.2.1", True), ("192.0.2.1", True), ("192.0.2.1", False), ("192.0.2.2", True)):
        result = await client.validate(simulator.token(), {"client": (address, 1)})
        assert (result.outcome, result.unverified) == (Outcome.UNAVAILABLE, allowed)


async def test_it_closes_its_connections(simulator: Simulator) -> None:
    made: list[httpx.AsyncClient] = []

    def make() -> httpx.AsyncClient:
        made.append(httpx.AsyncClient(transport=httpx.ASGITransport(simulator)))
        return made[-1]

    async with GeeTestClient(simulator.captcha_id, simulator.captcha_key, client=make) as client:
        await client.validate(simulator.token())
        assert not made[0].is_closed
    assert [each.is_closed for each in made] == [True]
