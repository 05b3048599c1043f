"""The call to GeeTest: to which server, what a failure on the wire counts as, and what is left behind."""

import gc
import socket
import threading
import time
from contextlib import AsyncExitStack, suppress

import anyio
import pytest

from geetest_asgi import Outcome

from .faulty_servers import (
    NO_ANSWER,
    OUTAGES,
    SHORT,
    SILENCE,
    SILENCES,
    endless,
    never_answer,
    no_http,
    say,
)
from .servers import CLIENTS, SECONDS, Behave, GeeTest, RawServer, http_reply, never_accepting, refusing
from .site import Site

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize("client", CLIENTS)
async def test_an_answer_that_comes_after_its_time_is_not_taken_for_the_next_ones(
    client: str, geetest: GeeTest
) -> None:
    """The late success to a first token must not serve a second, forged one."""
    over = threading.Event()

    def late(server: RawServer, connection: socket.socket) -> None:
        server.read_request(connection)
        if server.accepted == 1:
            over.wait(SECONDS)
            connection.sendall(http_reply())
            server.read_request(connection)
        connection.sendall(http_reply(b'{"result":"fail","reason":"x"}'))

    with RawServer(late) as server:
        site = Site(geetest, api_server=server.url, timeout=SHORT, client=CLIENTS[client])
        await site.come()
        over.set()
        await anyio.sleep(0.1)
        await site.come()
    assert site.told.outcomes[0] in NO_ANSWER
    assert site.told.outcomes[1] is Outcome.FAILED


async def test_a_host_that_does_not_answer_leaves_time_for_the_next(geetest: GeeTest) -> None:
    with never_accepting() as silent, RawServer(say("200 OK")) as server:
        site = Site(geetest, api_server=[silent, server.url], timeout=3.0)
        assert await site.come() == "in"
        assert 1.2 < site.result.elapsed < 3.0


@pytest.mark.parametrize("client", CLIENTS)
async def test_the_next_server_is_asked_where_no_connection_was_made(client: str, geetest: GeeTest) -> None:
    """Where nobody listens, and where a name is not known: `.invalid` is nobody's, by RFC 6761."""
    with refusing() as nobody, RawServer(say("200 OK")) as server, RawServer(say("200 OK")) as third:
        servers = [nobody, "https://geetest.invalid", server.url, third.url]
        assert await Site(geetest, api_server=servers, client=CLIENTS[client]).come() == "in"
        assert (len(server.requests), third.accepted) == (1, 0)


@pytest.mark.parametrize("client", CLIENTS)
@pytest.mark.parametrize(
    "behave", [OUTAGES["reset after the request"], no_http, never_answer, say("503 No"), say("404 No")]
)
async def test_the_next_server_is_never_asked_once_the_call_was_sent(
    behave: Behave, client: str, geetest: GeeTest
) -> None:
    """The token may be spent by then, and the second answer would be `pass_token used`."""
    with RawServer(behave) as server, RawServer(say("200 OK")) as other:
        timeout = 1.5 if behave is never_answer else 5
        site = Site(geetest, api_server=[server.url, other.url], client=CLIENTS[client], timeout=timeout)
        await site.come()
        assert site.result.outcome in (*NO_ANSWER, Outcome.REFUSED)
        assert (len(server.requests), server.accepted, other.accepted) == (1, 1, 0)


def hang_up_on(server: RawServer, connection: socket.socket) -> None:
    server.read_request(connection)
    assert connection.recv(1) == b""


@pytest.mark.parametrize("client", CLIENTS)
@pytest.mark.parametrize("behave", [hang_up_on, endless, SILENCES["a byte now and then"], OUTAGES["reset mid answer"]])
async def test_a_call_that_failed_leaves_no_connection_open(behave: Behave, client: str, geetest: GeeTest) -> None:
    """The server sees us hang up at once, and not at the end of the loop. No more is read than an answer can have.

    What is in the sockets' buffers counts as sent here: a few MiB, of any number that a second would bring.
    """
    hung_up = threading.Event()

    def watched(server: RawServer, connection: socket.socket) -> None:
        with suppress(OSError):
            behave(server, connection)
        hung_up.set()

    with RawServer(watched) as server:
        site = Site(geetest, api_server=server.url, timeout=SHORT, client=CLIENTS[client])
        await site.guard.guard.line.prepare()
        await site.come()
        assert await anyio.to_thread.run_sync(hung_up.wait, 3)
        assert not site.result.allowed
        assert server.sent < 16 * 2**20


@pytest.mark.parametrize("name", OUTAGES)
async def test_an_outage_is_unavailable(name: str, geetest: GeeTest) -> None:
    with RawServer(OUTAGES[name]) as server:
        site = Site(geetest, api_server=server.url)
        assert await site.come() == "captcha_unavailable"
        assert site.result.outcome is Outcome.UNAVAILABLE
        assert server.accepted == 1
    gc.collect()  # an open socket, or an asynchronous generator that has not ended, is a warning, and so an error


@pytest.mark.parametrize("client", CLIENTS)
async def test_silence_is_unavailable_when_the_time_for_the_whole_call_is_over(client: str, geetest: GeeTest) -> None:
    """However it is filled: no single wait is long. A machine that stands still meanwhile has itself to blame."""
    codes: list[str] = []
    async with AsyncExitStack() as stack:
        make = CLIENTS[client]
        given = make and await stack.enter_async_context(make())

        async def one(name: str) -> None:
            server = stack.enter_context(RawServer(SILENCES[name]))
            url = server.url.replace("http:", "https:") if "TLS" in name else server.url
            site = Site(geetest, api_server=url, timeout=SILENCE, client=given)
            await site.guard.guard.line.prepare()
            start = time.monotonic()
            codes.append(await site.come())
            assert SILENCE * 0.9 <= site.result.elapsed <= time.monotonic() - start
            assert server.accepted == 1

        async with anyio.create_task_group() as tasks:
            for name in SILENCES:
                tasks.start_soon(one, name)
    assert set(codes) <= {"captcha_unavailable", "captcha_busy"}
    assert client != "own" or codes.count("captcha_unavailable") > len(codes) / 2
