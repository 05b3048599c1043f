"""GeeTest's answer, with all that can go wrong on the wire: nothing but a clean success is taken for one."""

import gc
import time
from contextlib import AsyncExitStack

import anyio
import pytest

from geetest_asgi import Outcome

from .faulty_servers import OUTAGES, REFUSALS, SILENCE, SILENCES
from .servers import CLIENTS, GeeTest, RawServer
from .site import Site

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize("name", OUTAGES)
async def test_an_outage_is_unavailable(name: str, geetest: GeeTest) -> None:
    with RawServer(OUTAGES[name]) as server:
        for policy, code in (("allow", "in"), ("deny", "captcha_unavailable")):
            site = Site(geetest, api_server=server.url, on_unavailable=policy)
            assert await site.come() == code
            assert (site.result.outcome, site.result.verified) == (Outcome.UNAVAILABLE, False)
            assert len(site.app.seen) == (code == "in")
        assert server.accepted == 2
    gc.collect()  # an open socket, or an asynchronous generator that has not ended, is a warning, and so an error


@pytest.mark.parametrize("client", CLIENTS)
async def test_silence_is_unavailable_when_the_time_for_the_whole_call_is_over(client: str, geetest: GeeTest) -> None:
    """However it is filled: no single wait is long. Under a given client, a loop that is late has itself to blame."""
    wanted = {"captcha_unavailable"} if client == "own" else {"captcha_unavailable", "captcha_busy"}
    async with AsyncExitStack() as stack:
        make = CLIENTS[client]
        given = make and await stack.enter_async_context(make())

        async def one(name: str) -> None:
            server = stack.enter_context(RawServer(SILENCES[name]))
            url = server.url.replace("http:", "https:") if "TLS" in name else server.url
            site = Site(geetest, api_server=url, timeout=SILENCE, client=given)
            await site.guard.guard.line.prepare()
            start = time.monotonic()
            assert await site.come() in wanted, name
            assert SILENCE * 0.9 <= site.result.elapsed <= time.monotonic() - start
            assert server.accepted == 1

        async with anyio.create_task_group() as tasks:
            for name in SILENCES:
                tasks.start_soon(one, name)


@pytest.mark.parametrize("name", REFUSALS)
async def test_an_answer_that_is_no_success_is_a_refusal(name: str, geetest: GeeTest) -> None:
    with RawServer(REFUSALS[name]) as server:
        site = Site(geetest, api_server=server.url, on_unavailable="allow")
        assert (await site.come(), site.result.outcome) == ("captcha_refused", Outcome.REFUSED)
        assert site.app.seen == []
        assert len(server.requests) == 1
