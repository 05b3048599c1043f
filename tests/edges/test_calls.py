"""The call to GeeTest: what is sent, over which connection, to which of several servers, and what is left behind."""

import gc
import hmac
import socket
import threading
import time
from contextlib import ExitStack, suppress
from urllib.parse import parse_qsl

import anyio
import pytest

from geetest_asgi import Limits, Outcome

from .faulty_servers import (
    NO_ANSWER,
    SHORT,
    SILENCE,
    close_mid_answer,
    close_without_an_answer,
    drip,
    endless,
    large,
    never_answer,
    no_http,
    reset_after_the_request,
    reset_at_once,
    reset_mid_answer,
    say,
)
from .servers import (
    CLIENTS,
    SECONDS,
    SUCCESS,
    Behave,
    GeeTest,
    RawServer,
    http_reply,
    never_accepting,
    refusing,
    reset,
)
from .site import App, Site, Told
from .visitors import crowd, until, visit

pytestmark = pytest.mark.anyio

# --- what is sent -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("client", CLIENTS)
async def test_the_call_on_the_wire(client: str, geetest: GeeTest) -> None:
    """Six parameters, once each; the id in the URL and no secret there; nothing of the visitor's own headers."""
    pair = {"captcha_id": "a" * 32, "captcha_key": "b" * 32}
    token = geetest.token()
    with RawServer(say("200 OK")) as server:
        site = Site(geetest, api_server=f"{server.url}/base/", client=CLIENTS[client], **pair)
        extra = {"captcha_id": "c" * 32, "sign_token": "d" * 64, "captcha_key": "e" * 32}
        headers = {"cookie": "session=1", "x-forwarded-for": "10.0.0.1", "authorization": "Bearer x"}
        assert (await visit({**extra, **token}, headers=headers).run(site.guard)).code == "in"
        await site.guard.aclose()
    head, _, body = server.requests[0].partition(b"\r\n\r\n")
    lines = head.decode().split("\r\n")
    assert lines[0] == f"POST /base/validate?captcha_id={'a' * 32} HTTP/1.1"
    sent = {line.partition(": ")[0].lower(): line.partition(": ")[2] for line in lines[1:]}
    assert sent["content-type"] == "application/x-www-form-urlencoded"
    assert sent["host"] == server.url.removeprefix("http://")
    assert sent["accept-encoding"] == "identity"
    assert not {"cookie", "x-forwarded-for", "authorization", "referer"} & sent.keys()
    signature = hmac.new(b"b" * 32, token["lot_number"].encode(), "sha256").hexdigest()
    pairs = parse_qsl(body.decode(), keep_blank_values=True)
    assert sorted(pairs) == sorted([*token.items(), ("sign_token", signature)])


async def test_cookies_of_geetests_are_not_sent_back(geetest: GeeTest) -> None:
    with RawServer(say("200 OK", SUCCESS, "set-cookie: visitor=1; path=/")) as server:
        await Site(geetest, api_server=server.url).come(2)
    assert len(server.requests) == 2
    assert b"cookie" not in server.requests[1].lower()


# --- connections ------------------------------------------------------------------------------------------------------


ANSWERS = {
    "close": http_reply(),
    "reset": http_reply(),
    "connection: close": http_reply(SUCCESS, "200 OK", "connection: close"),
    "HTTP/1.0": http_reply().replace(b"1.1", b"1.0", 1),
    "no length": b"HTTP/1.1 200 OK\r\n\r\n" + SUCCESS,
}


@pytest.mark.parametrize("way", ANSWERS)
async def test_a_connection_that_was_closed_under_us_is_replaced(way: str, geetest: GeeTest) -> None:
    """Between two calls, as every server does with an idle one: no call fails by it, and none is sent twice."""

    def once(server: RawServer, connection: socket.socket) -> None:
        server.read_request(connection)
        connection.sendall(ANSWERS[way])
        time.sleep(0.02)
        if way == "reset":
            reset(connection)

    with RawServer(once) as server:
        site = Site(geetest, api_server=server.url)
        for _ in range(4):
            assert await site.come() == "in"
            await until(lambda: server.open == 0)
        await site.guard.aclose()
    assert (len(server.requests), server.accepted) == (4, 4)


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


# --- several servers --------------------------------------------------------------------------------------------------


async def test_the_timeout_is_for_all_servers_together(geetest: GeeTest) -> None:
    with ExitStack() as stack:
        urls = [stack.enter_context(never_accepting()) for _ in range(3)]
        site = Site(geetest, api_server=urls, timeout=SILENCE)
        start = time.monotonic()
        assert await site.come() in ("captcha_unavailable", "captcha_busy"), "busy: the machine was late"
        assert 0.9 * SILENCE <= time.monotonic() - start < SILENCE + 1


async def test_a_host_that_does_not_answer_leaves_time_for_the_next(geetest: GeeTest) -> None:
    with never_accepting() as silent, RawServer(say("200 OK")) as server:
        site = Site(geetest, api_server=[silent, server.url], timeout=3.0)
        assert await site.come() == "in"
        assert 1.2 < site.result.elapsed < 3.0


async def test_a_clients_own_times_are_not_relied_on(geetest: GeeTest) -> None:
    """That a call's time is over is for our own clock to say, except where the client's own pool is waited for."""
    asked: list[tuple[float | None, ...]] = []

    class Nobody:
        def stream(self, *_: object, timeout: tuple[float | None, ...], **__: object) -> None:
            asked.append(timeout)
            raise ConnectionRefusedError

    servers = [f"http://127.0.0.1:{port}" for port in (1, 2, 3)]
    assert await Site(geetest, api_server=servers, timeout=60, client=Nobody()).come() == "captcha_unavailable"
    assert len(asked) == 1, "that nothing was sent is only its word"
    connect, read, write, pool = asked[0]
    assert (connect, read, write) == (None, None, None)
    assert pool == pytest.approx(60 / 24, rel=0.1)


@pytest.mark.parametrize("client", CLIENTS)
async def test_the_next_server_is_asked_where_no_connection_was_made(client: str, geetest: GeeTest) -> None:
    """Where nobody listens, and where a name is not known: `.invalid` is nobody's, by RFC 6761."""
    with refusing() as nobody, RawServer(say("200 OK")) as server, RawServer(say("200 OK")) as third:
        servers = [nobody, "https://geetest.invalid", server.url, third.url]
        assert await Site(geetest, api_server=servers, client=CLIENTS[client]).come() == "in"
        assert (len(server.requests), third.accepted) == (1, 0)


@pytest.mark.parametrize("client", CLIENTS)
@pytest.mark.parametrize(
    "behave",
    [
        reset_after_the_request,
        close_without_an_answer,
        reset_mid_answer,
        no_http,
        never_answer,
        say("503 No"),
        say("200 OK", b"<html>"),
        say("404 No"),
    ],
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


# --- how many at once -------------------------------------------------------------------------------------------------


async def test_calls_past_max_in_flight_wait_and_are_busy_where_their_time_ends(geetest: GeeTest, app: App) -> None:
    geetest.simulator.slow(1.4)
    told = Told()
    guard = geetest.guard(app, limits=Limits(max_in_flight=5), timeout=2.0, on_result=told)
    tokens = [geetest.token() for _ in range(30)]
    codes = await crowd(guard, *(visit(token, client=(f"192.0.2.{number}", 1)) for number, token in enumerate(tokens)))
    assert (codes.count("in"), codes.count("captcha_busy")) == (5, 25)
    assert {each.lot_number for each in told.results} == {token["lot_number"] for token in tokens}
    assert all(each.reason for each in told.results if each.outcome is Outcome.BUSY)
    geetest.simulator.up()
    for _ in range(10):  # and all of it was given back
        assert (await visit(geetest.token()).run(guard)).code == "in"


# --- leftovers --------------------------------------------------------------------------------------------------------


def hang_up_on(server: RawServer, connection: socket.socket) -> None:
    server.read_request(connection)
    assert connection.recv(1) == b""


@pytest.mark.parametrize("client", CLIENTS)
@pytest.mark.parametrize("behave", [hang_up_on, endless, drip, reset_mid_answer])
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
        site = Site(geetest, api_server=server.url, timeout=0.2, client=CLIENTS[client])
        await site.come()
        assert await anyio.to_thread.run_sync(hung_up.wait, 3)
        assert not site.result.allowed
        assert server.sent < 16 * 2**20


@pytest.mark.parametrize("behave", [reset_at_once, reset_mid_answer, close_mid_answer, large, endless, no_http])
async def test_calls_that_fail_half_way_leave_nothing_to_the_garbage_collector(
    behave: Behave, geetest: GeeTest
) -> None:
    """An open socket, or an asynchronous generator that has not ended: either is a warning, and so an error, here."""
    with RawServer(behave) as server:
        site = Site(geetest, api_server=server.url, timeout=3)
        for _ in range(20):
            await site.come()
        assert set(site.told.outcomes) == {Outcome.UNAVAILABLE}
        gc.collect()
