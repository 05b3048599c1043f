"""The line to GeeTest: who waits, what a silence is evidence of, and what a client of the user's is believed."""

import asyncio
import socket
import ssl
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import httpx
import httpx2
import pytest
import trustme
from edges.support import RawServer, http_reply, replying

from geetest_asgi import CaptchaFields, ConfigError, Limits, Outage, Outcome
from geetest_asgi._core.model import Evidence, Reply
from geetest_asgi._core.protocol import build_request
from geetest_asgi._line.call import CLIENT_LEFT, Call
from geetest_asgi._line.line import Line

pytestmark = pytest.mark.anyio
LOT = "4dc3cfc2cdff448cad8d13107198d473"
FIELDS = CaptchaFields(LOT, "a" * 128, "b" * 64, "1700000000")
REQUEST = build_request("a" * 32, "b" * 32, FIELDS)
FAIL = http_reply(b'{"result":"fail","reason":"x"}')
WRONG_KEY = http_reply(b'{"result":"fail","reason":"sign_token error"}')


def line_to(*urls: str, **settings: Any) -> Line:
    limits = settings.pop("limits", Limits(breaker_failures=1))
    return Line(urls, limits, **settings)


@asynccontextmanager
async def closing(line: Line) -> AsyncIterator[Line]:
    try:
        yield line
    finally:
        await line.aclose()


async def crowd(count: int, ask: Callable[[], Awaitable[Evidence]]) -> list[Evidence]:
    found: list[Evidence] = []

    async def one() -> None:
        found.append(await ask())

    async with anyio.create_task_group() as group:
        for _ in range(count):
            group.start_soon(one)
    return found


def after(seconds: float, reply: bytes = FAIL) -> Callable[[RawServer, socket.socket], None]:
    def behave(server: RawServer, connection: socket.socket) -> None:
        while server.read_request(connection):
            if server.ended.wait(seconds):
                return
            connection.sendall(reply)
            server.sent += 1

    return behave


# --- a call -----------------------------------------------------------------------------------------------------------


async def test_one_key_after_the_other_is_tried_in_one_time() -> None:
    def behave(server: RawServer, connection: socket.socket) -> None:
        while server.read_request(connection):
            connection.sendall(WRONG_KEY if len(server.requests) < 3 else FAIL)

    heard: list[Outcome] = []
    with RawServer(behave) as server:
        async with closing(line_to(server.url)) as line:
            requests = [build_request("a" * 32, key, FIELDS) for key in ("k1", "k2", "k3", "k4")]
            evidence = await line.ask(requests, 5.0, on_answer=lambda answer: heard.append(answer.outcome))
    assert (evidence.outcome, evidence.lot_number) == (Outcome.FAILED, LOT)
    assert heard == [Outcome.MISCONFIGURED] * 2 + [Outcome.FAILED]
    assert (len(server.requests), server.accepted) == (3, 1)


async def test_calls_past_max_in_flight_are_served_in_the_order_in_which_they_came() -> None:
    order: list[int] = []
    with RawServer(after(0.05)) as server:
        async with closing(line_to(server.url, limits=Limits(max_in_flight=1))) as line:

            async def one(number: int) -> None:
                assert (await line.ask([REQUEST], 10.0)).outcome is Outcome.FAILED
                order.append(number)

            async with anyio.create_task_group() as group:
                for number in range(6):
                    group.start_soon(one, number)
                    await anyio.sleep(0.005)
    assert order == sorted(order)
    assert server.accepted == 1


async def test_waiting_for_a_place_is_no_outage_however_short_the_rest_is() -> None:
    """GeeTest is asked when most of the time is over, and does not answer in what is left."""
    outages: list[Outage] = []
    limits = Limits(max_in_flight=1, breaker_failures=1)
    with RawServer(after(1.8)) as server:
        async with closing(line_to(server.url, limits=limits, on_outage=outages.append)) as line:
            found = await crowd(3, lambda: line.ask([REQUEST], 3.0))
    assert sorted(each.outcome for each in found) == [Outcome.BUSY, Outcome.BUSY, Outcome.FAILED]
    assert outages == []


@pytest.mark.parametrize("left", [True, False])
async def test_a_client_that_disconnects_ends_its_call_once_a_tenth_is_over(left: bool) -> None:
    asked: list[float] = []
    start = time.monotonic()

    async def disconnected() -> bool:
        asked.append(time.monotonic() - start)
        await anyio.sleep(0.1)
        return left

    with RawServer(after(1.5)) as server:
        async with closing(line_to(server.url)) as line:
            evidence = await line.ask([REQUEST], 3.0, disconnected=disconnected)
    assert asked[0] >= 0.29
    assert len(asked) == 1
    expected = (CLIENT_LEFT.outcome, CLIENT_LEFT.reason) if left else (Outcome.FAILED, "x")
    assert (evidence.outcome, evidence.reason) == expected


@pytest.mark.parametrize("turns", [0, 10])
async def test_a_disconnect_that_was_queued_before_is_no_news(turns: int) -> None:
    """Test clients send one as soon as the body is exhausted, and middleware hands it on within some turns."""

    async def disconnected() -> bool:
        for _ in range(turns):
            await anyio.sleep(0)
        return True

    with RawServer(after(0.4)) as server:
        async with closing(line_to(server.url)) as line:
            evidence = await line.ask([REQUEST], 3.0, disconnected=disconnected)
    assert (evidence.outcome, evidence.reason) == (Outcome.FAILED, "x")


async def test_who_watches_the_client_has_ended_when_the_call_has() -> None:
    """Else two would `receive` at once. It is not begun for a call that is answered soon."""
    running = begun = 0

    async def disconnected() -> bool:
        nonlocal running, begun
        running, begun = running + 1, begun + 1
        try:
            await anyio.sleep(10)
        finally:
            running -= 1
        return True

    with RawServer(after(0.4)) as slow, RawServer(after(0)) as quick:
        async with closing(line_to(slow.url)) as line:
            await line.ask([REQUEST], 2.0, disconnected=disconnected)
            assert (running, begun) == (0, 1)
            with anyio.move_on_after(0.3):
                await line.ask([REQUEST], 2.0, disconnected=disconnected)
            assert (running, begun) == (0, 2)
        async with closing(line_to(quick.url)) as line:
            await line.ask([REQUEST], 5.0, disconnected=disconnected)
            assert begun == 2


async def test_a_fault_in_disconnected_does_not_matter() -> None:
    async def disconnected() -> bool:
        raise ZeroDivisionError

    with RawServer(after(0.3)) as server:
        async with closing(line_to(server.url)) as line:
            assert (await line.ask([REQUEST], 1.5, disconnected=disconnected)).outcome is Outcome.FAILED


class Wire:
    """A stand-in's: it answers, or never does."""

    def __init__(self, reply: Reply | None) -> None:
        self.reply = reply

    async def post(self, url: str, form: bytes, call: Call) -> Reply:
        if self.reply is None:
            await anyio.sleep_forever()
        assert self.reply is not None
        return self.reply

    async def aclose(self) -> None:
        pass


async def test_a_line_over_a_wire_has_no_breaker_and_its_silence_is_always_an_outage() -> None:
    line = Line.over(Wire(Reply(503, None)))
    assert {(await line.ask([REQUEST], 5.0)).reason for _ in range(20)} == {"HTTP 503"}
    silent = Line.over(Wire(None))

    async def hold_the_loop() -> Evidence:
        await anyio.sleep(0)
        time.sleep(0.3)
        return Evidence(Outcome.SKIPPED)

    async with anyio.create_task_group() as group:
        group.start_soon(hold_the_loop)
        assert (await silent.ask([REQUEST], 0.2)).outcome is Outcome.UNAVAILABLE


# --- a silence --------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> tuple[trustme.CA, str]:
    made = trustme.CA()
    made.cert_pem.write_to_path(file := str(tmp_path_factory.mktemp("tls") / "authority.pem"))
    return made, file


def secured(authority: trustme.CA, behave: Callable[[RawServer, Any], None], version: ssl.TLSVersion) -> Any:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.maximum_version = version
    authority.issue_cert("127.0.0.1").configure_cert(context)

    def behave_securely(server: RawServer, connection: socket.socket) -> None:
        with context.wrap_socket(connection, server_side=True) as secure:
            behave(server, secure)

    return behave_securely


LOOPS: dict[str, tuple[str, Mapping[str, Any]]] = {
    "asyncio": ("asyncio", {}),
    "uvloop": ("asyncio", {"use_uvloop": True}),
    "trio": ("trio", {}),
}


@pytest.mark.slow_except("asyncio-plain")
@pytest.mark.parametrize("tls", ["plain", "TLS 1.2", "TLS 1.3"])
@pytest.mark.parametrize("loop", LOOPS)
def test_a_held_up_loop_is_no_outage(
    loop: str, tls: str, authority: tuple[trustme.CA, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The loop is held past the call's time at every step of it, while GeeTest's answers lie in the kernel.

    The server is a thread of this process, so on a busy machine it may be silent itself: for that the times are long.
    """
    if loop == "uvloop":
        pytest.importorskip("uvloop")
    monkeypatch.setenv("SSL_CERT_FILE", authority[1])
    version = ssl.TLSVersion.TLSv1_2 if tls.endswith("2") else ssl.TLSVersion.TLSv1_3
    behave = after(0.01) if tls == "plain" else secured(authority[0], after(0.01), version)
    found: dict[tuple[str, int], Evidence] = {}
    outages: list[Outage] = []

    async def hold(turns: int) -> None:
        for _ in range(turns):
            await anyio.sleep(0)
        time.sleep(1.0)

    async def one(url: str, kept: bool, turns: int) -> None:
        async with closing(line_to(url, trust_env=True, on_outage=outages.append)) as line:
            await line.prepare()
            if kept:
                assert (await line.ask([REQUEST], 10.0)).outcome is Outcome.FAILED
            async with anyio.create_task_group() as group:
                group.start_soon(hold, turns)
                found["kept" if kept else "new", turns] = await line.ask([REQUEST], 0.8)

    async def main(url: str) -> None:
        for turns in (0, 2):
            await one(url, True, turns)
        for turns in (0, 6, 16):
            await one(url, False, turns)

    with RawServer(behave) as server:
        url = server.url if tls == "plain" else server.url.replace("http:", "https:")
        backend, options = LOOPS[loop]
        anyio.run(main, url, backend=backend, backend_options=dict(options))
    wrong = {key: each.reason for key, each in found.items() if each.outcome not in (Outcome.FAILED, Outcome.BUSY)}
    assert (wrong, outages) == ({}, [])
    assert any(each.outcome is Outcome.FAILED for key, each in found.items() if key[0] == "kept")


@pytest.mark.slow_except("asyncio")
@pytest.mark.parametrize("loop", LOOPS)
def test_a_silent_server_is_an_outage_though_the_loop_is_held_up_now_and_then(loop: str) -> None:
    """Else whoever holds it a little would keep `on_unavailable` from doing its work."""
    if loop == "uvloop":
        pytest.importorskip("uvloop")

    async def hold_often() -> None:
        for _ in range(10):
            await anyio.sleep(0.05)
            time.sleep(0.05)

    async def main() -> Evidence:
        async with closing(line_to(server.url)) as line, anyio.create_task_group() as group:
            group.start_soon(hold_often)
            return await line.ask([REQUEST], 4.0)
        raise AssertionError("it was cancelled")

    with RawServer(after(30)) as server:
        backend, options = LOOPS[loop]
        evidence = anyio.run(main, backend=backend, backend_options=dict(options))
    assert (evidence.outcome, evidence.reason) == (Outcome.UNAVAILABLE, "no answer in time")


def test_a_loop_that_ends_in_the_middle_of_a_call_leaves_nothing_behind() -> None:
    """Whoever watches the client may not even have begun."""

    async def disconnected() -> bool:
        await anyio.sleep(10)
        return True

    async def main(wait: float) -> None:
        line = line_to(server.url)
        task = asyncio.create_task(line.ask([REQUEST], 0.5, disconnected=disconnected))
        await asyncio.sleep(wait)
        task.add_done_callback(lambda _: None)

    with RawServer(after(30)) as server:
        for wait in (0.0, 0.03, 0.05, 0.051, 0.06, 0.2):
            asyncio.run(main(wait))


# --- a client or a transport of the user's ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "client",
    [httpx.AsyncHTTPTransport, httpx2.AsyncHTTPTransport, httpx.AsyncClient, httpx2.AsyncClient],
    ids=lambda client: f"{client.__module__}.{client.__name__}",
)
@pytest.mark.parametrize("made", [True, False], ids=["made for each loop", "given"])
async def test_a_client_and_a_transport_are_taken(client: Any, made: bool) -> None:
    with RawServer(replying(FAIL)) as server:
        given = client if made else client()
        async with closing(line_to(server.url, client=given)) as line:
            for _ in range(3):
                assert (await line.ask([REQUEST], 5.0)).outcome is Outcome.FAILED
        if not made:
            await given.aclose()
    assert len(server.requests) == 3
    assert server.accepted == 1


def held_client(seconds: float) -> Any:
    """A transport that meets a dead connection after the loop was held up: GeeTest had enough of waiting for us."""

    class Held(httpx.AsyncBaseTransport):
        async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
            time.sleep(seconds)
            raise httpx.ReadError("reset", request=request)

    return Held()


@pytest.mark.parametrize(("held", "outcome"), [(0.5, Outcome.BUSY), (0.0, Outcome.UNAVAILABLE)])
async def test_a_given_clients_exception_proves_no_outage_while_the_loop_was_held_up(
    held: float, outcome: Outcome
) -> None:
    line = line_to("http://127.0.0.1:1", client=held_client(held))
    assert (await line.ask([REQUEST], 3.0)).outcome is outcome


@pytest.mark.slow_except("asyncio-httpx")
@pytest.mark.parametrize("kit", [httpx, httpx2])
async def test_a_loop_that_is_held_for_seconds_under_a_given_client_is_no_outage(kit: Any) -> None:
    async def hold(turns: int) -> None:
        for _ in range(turns):
            await anyio.sleep(0)
        time.sleep(1.2)

    with RawServer(after(0.01)) as server:
        async with kit.AsyncClient() as client:
            line = line_to(server.url, client=client)
            for turns in (0, 5, 15):
                async with anyio.create_task_group() as group:
                    group.start_soon(hold, turns)
                    evidence = await line.ask([REQUEST], 1.0)
                assert evidence.outcome in (Outcome.BUSY, Outcome.FAILED), evidence


async def test_a_given_client_that_says_no_connection_is_not_believed() -> None:
    """httpx-aiohttp calls a connection that was lost after sending a ConnectTimeout: the token may be spent."""

    class Lost(httpx.AsyncBaseTransport):
        calls = 0

        async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
            self.calls += 1
            raise httpx.ConnectTimeout("lost", request=request)

    lost = Lost()
    line = line_to("http://127.0.0.1:1", "http://127.0.0.1:2", client=lost)
    await line.ask([REQUEST], 3.0)
    assert lost.calls == 1


def test_httpx_aiohttp_never_takes_a_token_to_two_servers() -> None:
    httpx_aiohttp = pytest.importorskip("httpx_aiohttp")

    def hang_up(server: RawServer, connection: socket.socket) -> None:
        server.read_request(connection)

    async def main() -> Evidence:
        async with closing(line_to(first.url, second.url, client=httpx_aiohttp.HttpxAiohttpClient)) as line:
            return await line.ask([REQUEST], 3.0)

    with RawServer(hang_up) as first, RawServer(replying(FAIL)) as second:
        evidence = asyncio.run(main())
    assert (len(first.requests), second.accepted) == (1, 0)
    assert evidence.outcome in (Outcome.BUSY, Outcome.UNAVAILABLE)


# --- the transport ----------------------------------------------------------------------------------------------------


async def test_an_error_page_that_comes_whole_costs_no_new_connection() -> None:
    with RawServer(replying(http_reply(b"<html>", "503 Service Unavailable"))) as server:
        async with closing(line_to(server.url, limits=Limits(breaker_failures=0))) as line:
            assert [(await line.ask([REQUEST], 5.0)).reason for _ in range(3)] == ["HTTP 503"] * 3
        assert (len(server.requests), server.accepted) == (3, 1)


async def test_calls_that_end_while_a_name_is_looked_up_leave_room_for_others() -> None:
    """However far the look-up has come; it is done on one of a few threads."""
    with RawServer(replying(FAIL)) as server:
        async with closing(line_to(server.url.replace("127.0.0.1", "localhost"))) as line:
            await line.prepare()
            for turns in range(12):
                async with anyio.create_task_group() as tasks:
                    tasks.start_soon(line.ask, [REQUEST], 5.0)
                    for _ in range(turns):
                        await anyio.sleep(0)
                    tasks.cancel_scope.cancel()
            assert (await line.ask([REQUEST], 5.0)).outcome is Outcome.FAILED


@pytest.mark.parametrize("late", [0.0, 0.05])
@pytest.mark.parametrize("tls", [False, True], ids=["plain", "TLS"])
async def test_a_second_answer_is_never_the_next_calls(
    tls: bool, late: float, authority: tuple[trustme.CA, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """However it arrives: with the first, in a TLS record of its own, or while the connection is free."""
    monkeypatch.setenv("SSL_CERT_FILE", authority[1])
    success = http_reply()

    def twice(server: RawServer, connection: Any) -> None:
        while server.read_request(connection):
            connection.sendall(FAIL if late else FAIL + success)
            if late:
                time.sleep(late)
                connection.sendall(success)
            server.sent += 1

    behave = secured(authority[0], twice, ssl.TLSVersion.TLSv1_3) if tls else twice
    with RawServer(behave) as server:
        url = server.url.replace("http:", "https:") if tls else server.url
        async with closing(line_to(url, trust_env=True)) as line:
            for number in range(10):
                assert (await line.ask([REQUEST], 5.0)).outcome is Outcome.FAILED
                while server.sent <= number:
                    await anyio.sleep(0.01)


async def test_a_look_up_that_hangs_costs_no_more_than_the_time_and_few_threads(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The resolver is not ours, so here it is one that hangs."""
    before, over = threading.active_count(), threading.Event()
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: over.wait(10) and [])
    try:
        line = line_to("http://geetest.test")
        start = time.monotonic()
        found = await crowd(20, lambda: line.ask([REQUEST], 0.5))
        assert time.monotonic() - start < 3
        assert threading.active_count() - before < 10
        assert {each.outcome for each in found} <= {Outcome.BUSY, Outcome.UNAVAILABLE}
        assert [each.outcome for each in found].count(Outcome.BUSY) >= 16, "they waited for us"
    finally:
        over.set()


# --- proxies ----------------------------------------------------------------------------------------------------------


@pytest.fixture
def proxies(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "REQUEST_METHOD"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
    return monkeypatch


@pytest.mark.parametrize("scheme", ["http://", ""])
async def test_a_proxy_may_be_named_without_a_scheme(scheme: str, proxies: pytest.MonkeyPatch) -> None:
    with RawServer(replying(FAIL)) as proxy, RawServer(replying(http_reply())) as server:
        proxies.setenv("HTTP_PROXY", scheme + proxy.url.removeprefix("http://"))
        async with closing(line_to(server.url, trust_env=True)) as line:
            assert (await line.ask([REQUEST], 5.0)).outcome is Outcome.FAILED
        assert (len(proxy.requests), server.accepted) == (1, 0)
        proxies.setenv("NO_PROXY", "127.0.0.1")
        async with closing(line_to(server.url, trust_env=True)) as line:
            assert (await line.ask([REQUEST], 5.0)).outcome is Outcome.PASSED


@pytest.mark.parametrize("proxy", ["ftp://127.0.0.1:1", "socks4://127.0.0.1:1"])
def test_a_proxy_that_cannot_be_used_is_an_error_at_start(proxy: str, proxies: pytest.MonkeyPatch) -> None:
    proxies.setenv("HTTPS_PROXY", proxy)
    with pytest.raises(ConfigError, match="trust_env: a proxy with the scheme"):
        line_to("https://example.org", trust_env=True)
    line_to("https://example.org")


def test_a_socks_proxy_without_socksio_is_an_error_that_says_so(proxies: pytest.MonkeyPatch) -> None:
    from importlib.util import find_spec

    proxies.setenv("HTTPS_PROXY", "socks5://user:secret@127.0.0.1:1")
    if find_spec("socksio") is not None:
        line_to("https://example.org", trust_env=True)
        return
    with pytest.raises(ConfigError, match="socksio") as caught:
        line_to("https://example.org", trust_env=True)
    assert "secret" not in str(caught.value)


def test_certificates_are_read_when_the_line_is_prepared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A first call then reads no file, however large the bundle is."""
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(tmp_path / "authority.pem"))
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "authority.pem"))

    async def main() -> Outcome:
        async with closing(line_to(server.url.replace("http:", "https:"), trust_env=True)) as line:
            await line.prepare()
            (tmp_path / "authority.pem").unlink()
            return (await line.ask([REQUEST], 5.0)).outcome

    with RawServer(secured(authority, replying(FAIL), ssl.TLSVersion.TLSv1_3)) as server:
        assert anyio.run(main) is Outcome.FAILED


async def read_it(response: Any) -> None:
    """As a hook does that logs answers."""
    await response.aread()


@pytest.mark.parametrize("kit", [httpx, httpx2])
async def test_a_given_clients_answer_may_have_been_read_before_us(kit: Any) -> None:
    """By an event hook; and a mock transport's has its content from the start."""
    with RawServer(after(0.0)) as server:
        async with kit.AsyncClient(event_hooks={"response": [read_it]}, trust_env=False) as client:
            assert (await line_to(server.url, client=client).ask([REQUEST], 3.0)).outcome is Outcome.FAILED
    mocked = kit.MockTransport(lambda request: kit.Response(200, json={"result": "fail", "reason": "x"}))
    async with kit.AsyncClient(transport=mocked) as client:
        assert (await line_to("http://127.0.0.1:9", client=client).ask([REQUEST], 3.0)).outcome is Outcome.FAILED


async def test_what_was_read_before_us_is_bounded_all_the_same() -> None:
    mocked = httpx.MockTransport(lambda request: httpx.Response(200, content=b" " * 65537 + b'{"result":"fail"}'))
    async with httpx.AsyncClient(transport=mocked) as client:
        assert (await line_to("http://127.0.0.1:9", client=client).ask([REQUEST], 3.0)).outcome is Outcome.UNAVAILABLE
