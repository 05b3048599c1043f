"""GeeTestClient: its settings reach the guard, and it closes what it has opened."""

from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest

from geetest_asgi import CaptchaFields, GeeTestClient, Limits, Outcome
from geetest_asgi.testing import Simulator

pytestmark = pytest.mark.anyio


@dataclass
class Maker:
    simulator: Simulator = field(default_factory=Simulator)
    made: list[httpx.AsyncClient] = field(default_factory=list)

    def __call__(self) -> httpx.AsyncClient:
        self.made.append(httpx.AsyncClient(transport=httpx.ASGITransport(self.simulator)))
        return self.made[-1]

    def client(self, **settings: Any) -> GeeTestClient:
        return GeeTestClient(self.simulator.captcha_id, self.simulator.captcha_key, client=self, **settings)


@pytest.fixture
def maker() -> Maker:
    return Maker()


async def test_the_fields_may_be_a_mapping_or_captcha_fields(maker: Maker) -> None:
    async with maker.client() as client:
        for make in (dict, lambda token: CaptchaFields(**token)):
            result = await client.validate(make(maker.simulator.token()))
            assert (result.outcome, result.verified, result.rule) == (Outcome.PASSED, True, "GeeTestClient")


async def test_its_limits_hold(maker: Maker) -> None:
    token = maker.simulator.token()
    longest = max(map(len, token.values()))
    for max_field, outcome in ((longest - 1, Outcome.MALFORMED), (longest, Outcome.PASSED)):
        async with maker.client(limits=Limits(max_field=max_field)) as client:
            assert (await client.validate(token)).outcome is outcome


@pytest.mark.parametrize("leaves", ["a block", "aclose"])
async def test_it_closes_its_connections(leaves: str, maker: Maker) -> None:
    client = maker.client()
    if leaves == "a block":
        async with client as entered:
            assert entered is client
            await client.validate(maker.simulator.token())
            assert not maker.made[0].is_closed
    else:
        await client.validate(maker.simulator.token())
        await client.aclose()
    assert [each.is_closed for each in maker.made] == [True]
