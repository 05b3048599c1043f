"""What an outage costs once it is known, and how its end is noticed: the breaker in the guard, on real sockets."""

from typing import Any

import anyio
import pytest

from geetest_asgi import GeeTestClient, Limits, Outage, Outcome
from geetest_asgi._line.line import ALL_SERVERS_SKIPPED

from .faulty_servers import never_answer
from .servers import SECONDS, GeeTest, RawServer, refusing
from .site import Site
from .visitors import until, visit

pytestmark = pytest.mark.anyio
LONG = Limits(breaker_pause=3600, breaker_longest_pause=3600, unverified_per_second=10**6)
"""Once it is open it stays so."""
SHORT = Limits(breaker_pause=0.05, breaker_longest_pause=0.05, unverified_per_second=10**6)
"""It is tried again at once, by each call that comes."""


class Guarded(Site):
    """A site whose breakers, once open, stay so."""

    def __init__(self, geetest: GeeTest, **settings: Any) -> None:
        super().__init__(geetest, **{"limits": LONG, **settings})

    async def come_until_asked_no_more(self, *, at_once: int = 1) -> list[str]:
        """What the visitors got. A busy machine may make some of them `busy`, which counts for nothing."""
        codes: list[str] = []
        with anyio.fail_after(6 * SECONDS):
            while not self.outages or self.outages[-1].over:
                codes += await self.crowd(at_once)
        return codes


@pytest.mark.parametrize("fault", ["down", "garbled", "hanging", "refusing"])
async def test_after_five_outages_in_a_row_geetest_is_not_asked(fault: str, geetest: GeeTest) -> None:
    """And it costs no time: a hundred visitors, each of whom would wait for GeeTest's whole time."""
    with refusing() as nobody:
        if fault != "refusing":
            getattr(geetest.simulator, fault)()
        url = nobody if fault == "refusing" else geetest.url
        site = Guarded(geetest, api_server=url, timeout=0.2)
        await site.come_until_asked_no_more()
        asked, told = len(geetest.calls), len(site.told.results)
        failures = [each for each in site.told.results if each.outcome is Outcome.UNAVAILABLE and each.elapsed]
        assert len(failures) == 5
        assert site.outages == [Outage(url, over=False, reason=site.told.reasons[-1])]
        assert [await site.come() for _ in range(100)] == ["captcha_unavailable"] * 100
    assert len(geetest.calls) == asked
    assert {(each.reason, each.elapsed) for each in site.told.results[told:]} == {(ALL_SERVERS_SKIPPED.reason, 0.0)}
    assert all(each.lot_number for each in site.told.results)


async def test_an_answer_of_any_kind_is_the_end_of_it(geetest: GeeTest) -> None:
    geetest.simulator.down()
    site = Guarded(geetest, limits=SHORT)
    await site.come_until_asked_no_more()
    geetest.simulator.error("-50005")
    await anyio.sleep(0.1)
    assert await site.come() == "captcha_refused"
    begun, ended = site.outages
    assert (begun.over, ended.over, ended.server) == (False, True, geetest.url)
    assert 0.05 <= ended.seconds < SECONDS
    asked = len(geetest.calls)
    await site.come(2)
    assert len(geetest.calls) == asked + 2


async def test_a_visitor_cannot_fake_an_outage_by_leaving_again_and_again(geetest: GeeTest) -> None:
    with RawServer(never_answer) as server:
        site = Guarded(geetest, api_server=server.url, timeout=2)
        for number in range(7):
            leaver = visit(geetest.token())
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(leaver.run, site.guard)
                await leaver.leave_during_the_call()
            assert server.accepted == number + 1
        assert site.outages == []


async def test_a_request_that_is_cancelled_while_trying_it_makes_room_for_others(geetest: GeeTest) -> None:
    with RawServer(never_answer) as server:
        site = Guarded(geetest, api_server=server.url, timeout=3, limits=SHORT)
        await site.come_until_asked_no_more(at_once=5)
        await anyio.sleep(0.1)
        before = server.accepted
        for number in range(3):
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(site.come)
                await until(lambda number=number: server.accepted > before + number)  # type: ignore[misc]
                tasks.cancel_scope.cancel()
            assert server.accepted == before + number + 1, "each of them was let through, at once"


async def test_a_silent_server_is_passed_over_and_the_next_is_asked(geetest: GeeTest) -> None:
    """Failover proper needs a connection that was not made; this is what helps against a server that hangs."""
    with RawServer(never_answer) as server:
        site = Guarded(geetest, api_server=[server.url, geetest.url], timeout=0.3)
        before = await site.come_until_asked_no_more(at_once=5)
        assert before.count("captcha_unavailable") >= 5
        assert set(before) <= {"captcha_unavailable", "captcha_busy", "in"}, "in: who came last"
        after = [await site.come() for _ in range(7)]
        assert "in" in after, "each of them, on a machine that has nothing else to do"
        assert server.accepted <= len(before), "no more after that"
    assert len(geetest.calls) == 7 + before.count("in")
    assert site.outages[0].server == server.url


async def test_the_client_has_it_too(geetest: GeeTest) -> None:
    geetest.simulator.down()
    outages: list[Outage] = []
    async with GeeTestClient("id", "key", api_server=geetest.url, limits=LONG, on_outage=outages.append) as client:
        results = [await client.validate(geetest.token()) for _ in range(8)]
    assert [bool(result.elapsed) for result in results] == [True] * 5 + [False] * 3
    assert len(outages) == 1
