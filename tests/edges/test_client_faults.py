"""GeeTest's answer, with all that can go wrong on the wire: nothing but a clean success is taken for one."""

import time
from contextlib import AsyncExitStack

import anyio
import httpx
import httpx2
import pytest

from geetest_asgi import Outcome

from .faulty_servers import OUTAGES, REFUSALS, SILENCE, SILENCES, say
from .servers import CLIENTS, GeeTest, RawServer
from .site import Site

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize("name", OUTAGES)
async def test_an_outage_is_unavailable(name: str, geetest: GeeTest) -> None:
    """By policy let in or not, and never verified."""
    with RawServer(OUTAGES[name]) as server:
        for policy, code in (("allow", "in"), ("deny", "captcha_unavailable")):
            site = Site(geetest, api_server=server.url, on_unavailable=policy)
            assert await site.come() == code
            assert (site.result.outcome, site.result.verified) == (Outcome.UNAVAILABLE, False)
            assert len(site.app.seen) == (code == "in")
        assert server.accepted == 2


async def test_silence_is_unavailable_when_the_time_for_the_whole_call_is_over(geetest: GeeTest) -> None:
    """However it is filled: no single wait is long. With every client, by both policies.

    Under a client that is not ours a loop that is late by a tenth of the time has itself to blame, and rightly says so.
    """
    late = 0.0

    async def watch() -> None:
        nonlocal late
        while True:
            start = time.monotonic()
            await anyio.sleep(0.01)
            late += time.monotonic() - start - 0.01

    async with AsyncExitStack() as stack:
        # One of each kind, since the making reads certificates, and that is not what is timed here.
        given = {name: make and await stack.enter_async_context(make()) for name, make in CLIENTS.items()}
        servers = {name: stack.enter_context(RawServer(behave)) for name, behave in SILENCES.items()}
        with RawServer(say("200 OK")) as good:  # loads what is loaded once
            await Site(geetest, api_server=good.url).come()

        async def one(name: str, client: str, policy: str) -> None:
            url = servers[name].url
            site = Site(geetest, api_server=url, timeout=SILENCE, on_unavailable=policy, client=given[client])
            start = time.monotonic()
            code = await site.come()
            took = time.monotonic() - start
            found = (code, site.result.outcome)
            wanted = ("in" if policy == "allow" else "captcha_unavailable", Outcome.UNAVAILABLE)
            if client == "own" or late < SILENCE / 20:
                assert found == wanted, (name, client)
            assert found in (wanted, ("captcha_busy", Outcome.BUSY)), (name, client)
            assert len(site.app.seen) == (code == "in")
            assert SILENCE * 0.9 <= took < SILENCE + 1 + late, (name, client)
            assert SILENCE * 0.9 <= site.result.elapsed <= took, (name, client)

        async with anyio.create_task_group() as watching:
            watching.start_soon(watch)
            for client in CLIENTS:
                late = 0.0
                async with anyio.create_task_group() as tasks:
                    for name in SILENCES:
                        for policy in ("allow", "deny"):
                            tasks.start_soon(one, name, client, policy)
            watching.cancel_scope.cancel()
        assert {name: server.accepted for name, server in servers.items()} == dict.fromkeys(SILENCES, 6)


@pytest.mark.parametrize("name", REFUSALS)
async def test_an_answer_that_is_no_success_is_a_refusal(name: str, geetest: GeeTest) -> None:
    """And no outage: `on_unavailable="allow"` has nothing to say about it."""
    with RawServer(REFUSALS[name]) as server:
        site = Site(geetest, api_server=server.url, on_unavailable="allow")
        assert (await site.come(), site.result.outcome) == ("captcha_refused", Outcome.REFUSED)
        assert site.app.seen == []
        assert len(server.requests) == 1


FOLLOWING = {
    "own": None,
    "httpx": lambda: httpx.AsyncClient(follow_redirects=True),
    "httpx2": lambda: httpx2.AsyncClient(follow_redirects=True),
}


@pytest.mark.parametrize("status", [302, 307])
@pytest.mark.parametrize("client", FOLLOWING)
async def test_a_redirect_is_not_followed(client: str, status: int, geetest: GeeTest) -> None:
    """Whoever is named in it would be handed the token, and could say success."""
    with (
        RawServer(say("200 OK")) as elsewhere,
        RawServer(say(f"{status} Away", b"", f"location: {elsewhere.url}/validate")) as server,
    ):
        site = Site(geetest, api_server=server.url, client=FOLLOWING[client], on_unavailable="allow")
        assert await site.come() == "captcha_refused"
        assert elsewhere.accepted == 0
