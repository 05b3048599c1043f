"""The call to GeeTest, with all that can go wrong on the wire: nothing but a clean success is taken for one."""

import gc
import gzip
import json
import socket
import threading
import time
from contextlib import AsyncExitStack, ExitStack, suppress
from typing import TYPE_CHECKING, Any

import anyio
import httpx
import httpx2
import pytest

from geetest_asgi import GeeTestMiddleware, GeeTestResult, Limits, Outcome

from .support import (
    SECONDS,
    SUCCESS,
    App,
    Behave,
    GeeTest,
    RawServer,
    http_reply,
    never_accepting,
    refusing,
    replying,
    reset,
    visit,
)

if TYPE_CHECKING:
    from collections.abc import Callable

each_backend = pytest.mark.anyio

SILENCE = 2.0
"""Seconds after which a silent server is given up here. Not less: on a busy machine the silence would be our own."""
SHORT = 0.5
"""Where it does not matter whose fault the silence was."""
NO_ANSWER = {Outcome.UNAVAILABLE, Outcome.BUSY}


# --- servers that misbehave -------------------------------------------------------------------------------------------


def reset_at_once(server: RawServer, connection: socket.socket) -> None:
    reset(connection)


def reset_after_the_request(server: RawServer, connection: socket.socket) -> None:
    server.read_request(connection)
    reset(connection)


def reset_mid_answer(server: RawServer, connection: socket.socket) -> None:
    server.read_request(connection)
    connection.sendall(http_reply()[:-20])
    time.sleep(0.02)  # what was sent must be on its way before RST throws it away
    reset(connection)


def close_without_an_answer(server: RawServer, connection: socket.socket) -> None:
    server.read_request(connection)


def close_mid_answer(server: RawServer, connection: socket.socket) -> None:
    server.read_request(connection)
    connection.sendall(http_reply()[:-20])


def no_http(server: RawServer, connection: socket.socket) -> None:
    server.read_request(connection)
    connection.sendall(b"SSH-2.0-OpenSSH_9.6\r\n")


def never_answer(server: RawServer, connection: socket.socket) -> None:
    server.read_request(connection)
    server.ended.wait(20)


def drip(server: RawServer, connection: socket.socket) -> None:
    """A byte now and then: no single wait is ever long."""
    server.read_request(connection)
    for byte in http_reply():
        connection.sendall(bytes([byte]))
        if server.ended.wait(0.02):
            return


def drip_head(server: RawServer, connection: socket.socket) -> None:
    server.read_request(connection)
    connection.sendall(b"HTTP/1.1 200 OK\r\n")
    while not server.ended.wait(0.02):
        connection.sendall(b"x: y\r\n")


def continue_for_ever(server: RawServer, connection: socket.socket) -> None:
    server.read_request(connection)
    while not server.ended.wait(0.02):
        connection.sendall(b"HTTP/1.1 103 Early Hints\r\n\r\n")


def endless(server: RawServer, connection: socket.socket) -> None:
    """An answer without an end, as fast as it is taken."""
    server.read_request(connection)
    connection.sendall(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n\r\n" + SUCCESS)
    while not server.ended.is_set():
        connection.sendall(b" " * 65536)
        server.sent += 65536


def large(server: RawServer, connection: socket.socket) -> None:
    """A success in 70 KiB: true, but no answer of /validate is that long."""
    replying(http_reply(SUCCESS + b" " * 70 * 1024))(server, connection)


BOMB = gzip.compress(SUCCESS + b" " * 2**26)


def compressed(server: RawServer, connection: socket.socket) -> None:
    """Encoded though we asked for none; it would unpack to 64 MiB."""
    replying(http_reply(BOMB, "200 OK", "content-encoding: gzip"))(server, connection)


def small_but_compressed(server: RawServer, connection: socket.socket) -> None:
    replying(http_reply(gzip.compress(SUCCESS), "200 OK", "content-encoding: gzip"))(server, connection)


def say(status: str, body: bytes = SUCCESS, *headers: str) -> Behave:
    return replying(http_reply(body, status, *headers))


def answer(**answer: Any) -> Behave:
    return say("200 OK", json.dumps(answer).encode())


OTHER_LOT = {"status": "success", "result": "success", "reason": "", "captcha_args": {"lot_number": "0" * 32}}

OUTAGES: dict[str, Behave] = {
    "reset at once": reset_at_once,
    "reset after the request": reset_after_the_request,
    "reset mid answer": reset_mid_answer,
    "closed without an answer": close_without_an_answer,
    "closed mid answer": close_mid_answer,
    "not HTTP": no_http,
    "an endless answer": endless,
    "70 KiB": large,
    "HTTP 500": say("500 Internal Server Error"),
    "HTTP 502": say("502 Bad Gateway"),
    "HTTP 503": say("503 Service Unavailable", SUCCESS, "retry-after: 1"),
    "HTTP 599": say("599 Who Knows"),
    "HTML": say("200 OK", b"<!doctype html><title>success</title>"),
    "nothing": say("200 OK", b""),
    "a list": say("200 OK", b"[" + SUCCESS + b"]"),
    "a string": say("200 OK", b'"success"'),
    "null": say("200 OK", b"null"),
    "true": say("200 OK", b"true"),
    "JSON and more": say("200 OK", SUCCESS + SUCCESS),
    "half of it": say("200 OK", SUCCESS[:-1]),
    "nested without end": say("200 OK", b'{"a":' * 10_000),
    "a number of 5000 digits": say("200 OK", b'{"a":' + b"1" * 5000 + b"}"),
    "JSONP": say("200 OK", b"callback(" + SUCCESS + b")"),
}

SILENCES: dict[str, Behave] = {
    "no answer": never_answer,
    "a byte now and then": drip,
    "a header now and then": drip_head,
    "early hints for ever": continue_for_ever,
}

REFUSALS: dict[str, Behave] = {
    **{f"HTTP {code}": say(f"{code} Status") for code in (201, 202, 203, 206, 300, 305, 400, 401, 403, 404, 405, 413)},
    **{f"HTTP {code}": say(f"{code} Status") for code in (414, 418, 422, 429, 431, 451, 499)},
    "gzip bomb": compressed,
    "gzip": small_but_compressed,
    "called gzip": say("200 OK", SUCCESS, "content-encoding: gzip"),
    "not UTF-8": say("200 OK", SUCCESS.replace(b"reason", b"rea\xffon")),
    "GBK": say("200 OK", '{"result":"success","captcha_args":{"scene":"反爬虫"}}'.encode("gbk")),
    "NaN": say("200 OK", b'{"result":"success","captcha_args":{"model_probability":NaN}}'),
    "-Infinity": say("200 OK", b'{"result":"success","x":-Infinity}'),
    "HTTP 204": replying(b"HTTP/1.1 204 No Content\r\n\r\n"),
    "HTTP 304": replying(b"HTTP/1.1 304 Not Modified\r\n\r\n"),
    "HTTP 999": say("999 Who Knows"),
    "result: Success": answer(status="success", result="Success", reason=""),
    "result: SUCCESS": answer(status="success", result="SUCCESS", reason=""),
    "result with a space": answer(status="success", result="success ", reason=""),
    "result: true": answer(status="success", result=True, reason=""),
    "result: a list": answer(status="success", result=["success"], reason=""),
    "result: null": answer(status="success", result=None, reason=""),
    "result: 1": answer(status="success", result=1, reason=""),
    "no result": answer(status="success", reason=""),
    "no result, but a message": answer(message="success"),
    "empty object": answer(),
    "status: fail": answer(status="fail", result="success", reason=""),
    "status: error": answer(status="error", code="-50005", msg="illegal gen_time", desc={"type": "defined error"}),
    "status: error and result: success": answer(status="error", code="-50005", result="success", reason=""),
    "status: null": answer(status=None, result="success", reason=""),
    "status: True": answer(status=True, result="success", reason=""),
    "status: Success": answer(status="Success", result="success", reason=""),
    "lot_number of another token": answer(**OTHER_LOT),
    "lot_number: a number": answer(status="success", result="success", reason="", captcha_args={"lot_number": 0}),
    "captcha_args: a list": answer(status="success", result="success", reason="", captcha_args=[]),
    "captcha_args: a string": answer(status="success", result="success", reason="", captcha_args="x"),
}


def verdict_of(
    server: str | list[str], timeout: float, *, allow: bool, **settings: Any
) -> tuple[GeeTestMiddleware, App, list[Any]]:
    app, told = App(), []
    guard = GeeTestMiddleware(
        app,
        protect=["/login"],
        captcha_id="a" * 32,
        captcha_key="b" * 32,
        api_server=server,
        timeout=timeout,
        on_unavailable="allow" if allow else "deny",
        on_result=lambda result, scope: told.append(result),
        **settings,
    )
    return guard, app, told


async def judged(
    guard: GeeTestMiddleware, told: list[GeeTestResult], fields: dict[str, str]
) -> tuple[str, GeeTestResult]:
    asked = await visit(fields).run(guard)
    await guard.aclose()
    return asked.code, told[-1]


@pytest.mark.parametrize("name", OUTAGES)
@each_backend
async def test_an_outage_is_unavailable(name: str, geetest: GeeTest) -> None:
    """By policy let in or not, and never verified."""
    with RawServer(OUTAGES[name]) as server:
        for allow, code in ((True, "in"), (False, "captcha_unavailable")):
            guard, app, told = verdict_of(server.url, 5, allow=allow)
            got, result = await judged(guard, told, geetest.token())
            assert (got, result.outcome, result.verified) == (code, Outcome.UNAVAILABLE, False)
            assert len(app.seen) == allow
        assert server.accepted == 2


MADE: dict[str, Any] = {"own": None, "httpx": httpx.AsyncClient, "httpx2": httpx2.AsyncClient}


@each_backend
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
        clients: dict[str, Any] = {"own": None}
        for kit in (httpx, httpx2):
            clients[kit.__name__] = await stack.enter_async_context(kit.AsyncClient())
        servers = {name: stack.enter_context(RawServer(behave)) for name, behave in SILENCES.items()}
        with RawServer(say("200 OK")) as good:  # loads what is loaded once
            guard, _, told = verdict_of(good.url, 60, allow=False)
            await judged(guard, told, geetest.token())

        async def one(name: str, client: str, allow: bool) -> None:
            guard, app, told = verdict_of(servers[name].url, SILENCE, allow=allow, client=clients[client])
            start = time.monotonic()
            code, result = await judged(guard, told, geetest.token())
            took = time.monotonic() - start
            found, wanted = (code, result.outcome), ("in" if allow else "captcha_unavailable", Outcome.UNAVAILABLE)
            if client == "own" or late < SILENCE / 20:
                assert found == wanted, (name, client)
            assert found in (wanted, ("captcha_busy", Outcome.BUSY)), (name, client)
            assert len(app.seen) == (code == "in")
            assert SILENCE * 0.9 <= took < SILENCE + 1 + late, (name, client)
            assert SILENCE * 0.9 <= result.elapsed <= took, (name, client)

        async with anyio.create_task_group() as watching:
            watching.start_soon(watch)
            for client in clients:
                late = 0.0
                async with anyio.create_task_group() as tasks:
                    for name in SILENCES:
                        for allow in (True, False):
                            tasks.start_soon(one, name, client, allow)
            watching.cancel_scope.cancel()
        assert {name: server.accepted for name, server in servers.items()} == dict.fromkeys(SILENCES, 6)


@pytest.mark.parametrize("name", REFUSALS)
@each_backend
async def test_an_answer_that_is_no_success_is_a_refusal(name: str, geetest: GeeTest) -> None:
    """And no outage: `on_unavailable="allow"` has nothing to say about it."""
    with RawServer(REFUSALS[name]) as server:
        guard, app, told = verdict_of(server.url, 5, allow=True)
        code, result = await judged(guard, told, geetest.token())
        assert (code, result.outcome) == ("captcha_refused", Outcome.REFUSED)
        assert app.seen == []
        assert len(server.requests) == 1


@pytest.mark.parametrize(
    "reply",
    [
        SUCCESS,
        b"\xef\xbb\xbf" + SUCCESS,
        SUCCESS.decode().encode("utf-16"),
        b'{"result":"success"}',
        b'{"result":"success","captcha_args":null}',
        b'{"result":"success","captcha_args":{"lot_number":null}}',
        b' \r\n{"result":"success","reason":"","captcha_args":{"scene":"\xe5\x8f\x8d"}}\n',
        b'{"status":"success","result":"success","unheard_of":[1,2,{}]}',
    ],
)
@each_backend
async def test_every_shape_of_a_clean_success_passes(reply: bytes, geetest: GeeTest) -> None:
    with RawServer(say("200 OK", reply)) as server:
        guard, _, told = verdict_of(server.url, 5, allow=False)
        code, result = await judged(guard, told, geetest.token())
        assert (code, result.outcome) == ("in", Outcome.PASSED)


@pytest.mark.parametrize("framing", ["chunked", "until close", "HTTP/1.0", "after 103"])
@each_backend
async def test_every_framing_of_an_answer_is_read(framing: str, geetest: GeeTest) -> None:
    replies = {
        "chunked": b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"
        + b"".join(b"1\r\n%c\r\n" % byte for byte in SUCCESS)
        + b"0\r\n\r\n",
        "until close": b"HTTP/1.1 200 OK\r\n\r\n" + SUCCESS,
        "HTTP/1.0": b"HTTP/1.0 200 OK\r\n\r\n" + SUCCESS,
        "after 103": b"HTTP/1.1 103 Early Hints\r\n\r\n" + http_reply(),
    }

    def once(server: RawServer, connection: socket.socket) -> None:
        server.read_request(connection)
        connection.sendall(replies[framing])

    with RawServer(once) as server:
        guard, _, told = verdict_of(server.url, 5, allow=False)
        assert (await judged(guard, told, geetest.token()))[0] == "in"


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("client", ["own", "httpx", "httpx2"])
@each_backend
async def test_a_redirect_is_not_followed(client: str, status: int, geetest: GeeTest) -> None:
    """Whoever is named in it would be handed the token, and could say success."""
    with (
        RawServer(say("200 OK")) as elsewhere,
        RawServer(say(f"{status} Away", b"", f"location: {elsewhere.url}/validate")) as server,
    ):
        made: dict[str, Callable[[], Any]] = {
            "httpx": lambda: httpx.AsyncClient(follow_redirects=True),
            "httpx2": lambda: httpx2.AsyncClient(follow_redirects=True),
        }
        guard, _, told = verdict_of(server.url, 5, allow=True, client=made.get(client))
        code, result = await judged(guard, told, geetest.token())
        assert (code, result.outcome) == ("captcha_refused", Outcome.REFUSED)
        assert elsewhere.accepted == 0


# --- what is sent -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("client", ["own", "httpx", "httpx2"])
@each_backend
async def test_the_call_on_the_wire(client: str, geetest: GeeTest) -> None:
    """Six parameters, once each; the id in the URL and no secret there; nothing of the visitor's own headers."""
    from urllib.parse import parse_qsl

    with RawServer(say("200 OK")) as server:
        guard, _, told = verdict_of(f"{server.url}/base/", 5, allow=False, client=MADE[client])
        token = geetest.token()
        extra = {"captcha_id": "c" * 32, "sign_token": "d" * 64, "captcha_key": "e" * 32}
        headers = {"cookie": "session=1", "x-forwarded-for": "10.0.0.1", "authorization": "Bearer x"}
        assert (await visit({**extra, **token}, headers=headers).run(guard)).code == "in"
        await guard.aclose()
    head, _, body = server.requests[0].partition(b"\r\n\r\n")
    lines = head.decode().split("\r\n")
    assert lines[0] == f"POST /base/validate?captcha_id={'a' * 32} HTTP/1.1"
    sent = {line.partition(": ")[0].lower(): line.partition(": ")[2] for line in lines[1:]}
    assert sent["content-type"] == "application/x-www-form-urlencoded"
    assert sent["host"] == server.url.removeprefix("http://")
    assert sent["accept-encoding"] == "identity"
    assert not {"cookie", "x-forwarded-for", "authorization", "referer"} & sent.keys()
    pairs = parse_qsl(body.decode(), keep_blank_values=True)
    assert len(pairs) == 5
    assert {name: value for name, value in pairs if name != "sign_token"} == token
    signature = dict(pairs)["sign_token"]
    import hmac

    assert signature == hmac.new(b"b" * 32, token["lot_number"].encode(), "sha256").hexdigest()
    assert told[0].outcome is Outcome.PASSED


@each_backend
async def test_cookies_of_geetests_are_not_sent_back(geetest: GeeTest) -> None:
    with RawServer(say("200 OK", SUCCESS, "set-cookie: visitor=1; path=/")) as server:
        guard, _, _ = verdict_of(server.url, 5, allow=False)
        for _ in range(2):
            await visit(geetest.token()).run(guard)
        await guard.aclose()
    assert len(server.requests) == 2
    assert b"cookie" not in server.requests[1].lower()


# --- connections ------------------------------------------------------------------------------------------------------


@each_backend
async def test_a_connection_is_used_again(geetest: GeeTest) -> None:
    with RawServer(say("200 OK")) as server:
        guard, app, _ = verdict_of(server.url, 5, allow=False)
        for _ in range(10):
            assert (await visit(geetest.token()).run(guard)).code == "in"
        await guard.aclose()
    assert (len(server.requests), server.accepted, len(app.seen)) == (10, 1, 10)


@pytest.mark.parametrize("way", ["close", "reset", "connection: close", "HTTP/1.0"])
@each_backend
async def test_a_connection_that_was_closed_under_us_is_replaced(way: str, geetest: GeeTest) -> None:
    """Between two calls, as every server does with an idle one: no call fails by it, and none is sent twice."""

    def once(server: RawServer, connection: socket.socket) -> None:
        server.read_request(connection)
        extra = ["connection: close"] if way == "connection: close" else []
        connection.sendall(http_reply(SUCCESS, "200 OK", *extra).replace(b"1.1", b"1.0" if "1.0" in way else b"1.1", 1))
        time.sleep(0.02)
        if way == "reset":
            reset(connection)

    with RawServer(once) as server:
        guard, _, told = verdict_of(server.url, 5, allow=False)
        for _ in range(4):
            assert (await visit(geetest.token()).run(guard)).code == "in"
            await anyio.sleep(0.05)
        await guard.aclose()
    assert (len(server.requests), server.accepted) == (4, 4)
    assert {result.outcome for result in told} == {Outcome.PASSED}


@each_backend
async def test_a_connection_is_not_used_again_after_an_answer_that_was_not_read_to_its_end(geetest: GeeTest) -> None:
    """What is left of it would be taken for the next token's answer."""

    def confusing(server: RawServer, connection: socket.socket) -> None:
        if server.accepted == 1:
            server.read_request(connection)
            connection.sendall(http_reply(b"{" + b" " * 100_000 + b"}")[:-10] + http_reply())
            server.read_request(connection)
            connection.sendall(http_reply())
        else:
            replying(http_reply(b'{"result":"fail","reason":"x"}'))(server, connection)

    with RawServer(confusing) as server:
        guard, _, told = verdict_of(server.url, 3, allow=False)
        for _ in range(3):
            await visit(geetest.token()).run(guard)
        await guard.aclose()
    assert [result.outcome for result in told] == [Outcome.UNAVAILABLE, Outcome.FAILED, Outcome.FAILED]


@pytest.mark.parametrize("client", MADE)
@each_backend
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
        guard, _, told = verdict_of(server.url, SHORT, allow=False, client=MADE[client])
        await visit(geetest.token()).run(guard)
        over.set()
        await anyio.sleep(0.1)
        await visit(geetest.token()).run(guard)
        await guard.aclose()
    assert told[0].outcome in NO_ANSWER
    assert told[1].outcome is Outcome.FAILED


# --- time and number --------------------------------------------------------------------------------------------------


@each_backend
async def test_the_timeout_is_for_all_servers_together(geetest: GeeTest) -> None:
    with ExitStack() as stack:
        urls = [stack.enter_context(never_accepting()) for _ in range(3)]
        guard, _, told = verdict_of(urls, SILENCE, allow=False)
        start = time.monotonic()
        _, result = await judged(guard, told, geetest.token())
        assert 0.9 * SILENCE <= time.monotonic() - start < SILENCE + 1
    assert result.outcome is Outcome.UNAVAILABLE


@each_backend
async def test_a_host_that_does_not_answer_leaves_time_for_the_next(geetest: GeeTest) -> None:
    with never_accepting() as silent, RawServer(say("200 OK")) as server:
        guard, _, told = verdict_of([silent, server.url], 3.0, allow=False)
        code, result = await judged(guard, told, geetest.token())
        assert (code, result.outcome) == ("in", Outcome.PASSED)
        assert 1.2 < result.elapsed < 3.0


@each_backend
async def test_a_clients_own_times_are_not_relied_on(geetest: GeeTest) -> None:
    """That a call's time is over is for our own clock to say, except where the client's own pool is waited for."""
    asked: list[tuple[float | None, ...]] = []

    class Nobody:
        def stream(self, *_: object, timeout: tuple[float | None, ...], **__: object) -> None:
            asked.append(timeout)
            raise ConnectionRefusedError

    guard, _, told = verdict_of([f"http://127.0.0.1:{port}" for port in (1, 2, 3)], 60, allow=False, client=Nobody())
    _, result = await judged(guard, told, geetest.token())
    assert result.outcome is Outcome.UNAVAILABLE
    assert len(asked) == 1, "that nothing was sent is only its word"
    connect, read, write, pool = asked[0]
    assert (connect, read, write) == (None, None, None)
    assert pool == pytest.approx(60 / 24, rel=0.1)


@pytest.mark.parametrize("client", ["own", "httpx", "httpx2"])
@each_backend
async def test_the_next_server_is_asked_where_no_connection_was_made(client: str, geetest: GeeTest) -> None:
    with refusing() as nobody, RawServer(say("200 OK")) as server, RawServer(say("200 OK")) as third:
        urls: Any = [nobody, nobody, server.url, third.url]
        guard, _, told = verdict_of(urls, 5, allow=False, client=MADE[client])
        code, result = await judged(guard, told, geetest.token())
        assert (code, result.outcome) == ("in", Outcome.PASSED)
        assert (len(server.requests), third.accepted) == (1, 0)


@each_backend
async def test_a_name_that_is_not_known_is_no_connection(geetest: GeeTest) -> None:
    """`.invalid` is nobody's, by RFC 6761."""
    with RawServer(say("200 OK")) as server:
        urls: Any = ["https://geetest.invalid", server.url]
        guard, _, told = verdict_of(urls, 5, allow=False)
        assert (await judged(guard, told, geetest.token()))[0] == "in"


@pytest.mark.parametrize("client", ["own", "httpx", "httpx2"])
@pytest.mark.parametrize(
    "behave",
    [
        reset_after_the_request,
        close_without_an_answer,
        reset_mid_answer,
        no_http,
        say("503 No"),
        say("200 OK", b"<html>"),
        say("404 No"),
    ],
)
@each_backend
async def test_the_next_server_is_never_asked_once_the_call_was_sent(
    behave: Behave, client: str, geetest: GeeTest
) -> None:
    """The token may be spent by then, and the second answer would be `pass_token used`."""
    with RawServer(behave) as server, RawServer(say("200 OK")) as other:
        urls: Any = [server.url, other.url]
        guard, _, told = verdict_of(urls, 5, allow=False, client=MADE[client])
        _, result = await judged(guard, told, geetest.token())
        assert result.outcome in (*NO_ANSWER, Outcome.REFUSED)
        assert (len(server.requests), server.accepted, other.accepted) == (1, 1, 0)


@each_backend
async def test_the_next_server_is_not_asked_when_the_first_is_silent(geetest: GeeTest) -> None:
    with RawServer(never_answer) as server, RawServer(say("200 OK")) as other:
        guard, _, told = verdict_of([server.url, other.url], SHORT, allow=False)
        assert (await judged(guard, told, geetest.token()))[1].outcome in NO_ANSWER
        assert (len(server.requests), other.accepted) == (1, 0)


@each_backend
async def test_where_nobody_listens_it_is_an_outage(geetest: GeeTest) -> None:
    with refusing() as nobody:
        for servers in (nobody, [nobody] * 3):
            for allow, code in ((True, "in"), (False, "captcha_unavailable")):
                guard, _, told = verdict_of(servers, 5, allow=allow)
                got, result = await judged(guard, told, geetest.token())
                assert (got, result.outcome) == (code, Outcome.UNAVAILABLE)
                assert result.elapsed < 1


@each_backend
async def test_calls_past_max_in_flight_wait_and_are_busy_where_their_time_ends(geetest: GeeTest, app: App) -> None:
    geetest.simulator.slow(1.4)
    told: list[GeeTestResult] = []
    limits, hear = Limits(max_in_flight=5), lambda result, _: told.append(result)
    guard = geetest.guard(app, limits=limits, timeout=2.0, on_result=hear)
    tokens = [geetest.token() for _ in range(30)]
    crowd = [visit(token, client=(f"192.0.2.{number}", 1)) for number, token in enumerate(tokens)]
    async with anyio.create_task_group() as tasks:
        for each in crowd:
            tasks.start_soon(each.run, guard)
    codes = [each.code for each in crowd]
    assert (codes.count("in"), codes.count("captcha_busy")) == (5, 25)
    assert {each.lot_number for each in told} == {token["lot_number"] for token in tokens}
    assert all(each.reason for each in told if each.outcome is Outcome.BUSY)
    geetest.simulator.up()
    for _ in range(10):  # and all of it was given back
        assert (await visit(geetest.token()).run(guard)).code == "in"


@pytest.mark.parametrize("fault", ["cancelled", "reset", "hanging", "raising"])
@each_backend
async def test_a_place_in_flight_is_given_back_on_every_way_out(fault: str, geetest: GeeTest, app: App) -> None:
    def broken_client() -> Any:
        raise ZeroDivisionError

    behave = {"reset": reset_at_once, "raising": say("200 OK")}.get(fault, never_answer)
    told: list[GeeTestResult] = []
    with RawServer(behave) as server:
        guard = geetest.guard(
            app,
            on_result=lambda result, _: told.append(result),
            api_server=server.url,
            on_unavailable="deny",
            timeout=SHORT if fault == "hanging" else 5,
            client=broken_client if fault == "raising" else None,
            limits=Limits(max_in_flight=1),
        )
        codes = set()
        for _ in range(2 if fault == "hanging" else 5):
            asked = visit(geetest.token())
            with anyio.move_on_after(0.05 if fault == "cancelled" else 5) as scope:
                await asked.run(guard)
            codes.add("cancelled" if scope.cancelled_caught else asked.code)
        await guard.aclose()
    expected = {"cancelled": "cancelled", "raising": "captcha_misconfigured"}
    assert codes <= {expected.get(fault, "captcha_unavailable"), *(["captcha_busy"] if fault == "hanging" else [])}
    assert not [each.reason for each in told if "max_in_flight" in each.reason]


def test_five_hundred_at_once_are_all_asked_about(geetest: GeeTest, app: App) -> None:
    """In process and over real connections. What each costs is measured by `python -m benchmarks call`."""
    guard = geetest.guard(app, timeout=60, limits=Limits(max_in_flight=600))

    async def crowd(size: int) -> None:
        visits = [visit(geetest.token()) for _ in range(size)]
        async with anyio.create_task_group() as tasks:
            for each in visits:
                tasks.start_soon(each.run, guard, 120)
        assert {each.code for each in visits} == {"in"}

    anyio.run(crowd, 500)


# --- proxies ----------------------------------------------------------------------------------------------------------


@pytest.fixture
def proxy(monkeypatch: pytest.MonkeyPatch) -> Any:
    """A proxy that the environment names for everything; it answers by itself, and remembers who asked."""
    with RawServer(say("200 OK", b'{"result":"fail","reason":"asked a proxy"}')) as server:
        for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"):
            monkeypatch.setenv(name, server.url)
        for name in ("NO_PROXY", "no_proxy", "REQUEST_METHOD"):
            monkeypatch.delenv(name, raising=False)
        yield server


@each_backend
async def test_the_environments_proxies_are_not_used(proxy: RawServer, geetest: GeeTest, app: App) -> None:
    guard = geetest.guard(app)
    assert (await visit(geetest.token()).run(guard)).code == "in"
    assert (proxy.accepted, len(geetest.calls)) == (0, 1)


@each_backend
async def test_the_environments_proxies_are_used_with_trust_env(
    proxy: RawServer, geetest: GeeTest, app: App, monkeypatch: pytest.MonkeyPatch
) -> None:
    guard = geetest.guard(app, trust_env=True)
    assert (await visit(geetest.token()).run(guard)).code == "captcha_failed"
    assert (proxy.accepted, len(geetest.calls)) == (1, 0)
    assert proxy.requests[0].startswith(f"POST {geetest.url}/validate?".encode())  # the absolute form, for a proxy
    await guard.aclose()
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    assert (await visit(geetest.token()).run(geetest.guard(app, trust_env=True))).code == "in"
    assert (proxy.accepted, len(geetest.calls)) == (1, 1)


@each_backend
async def test_a_proxy_that_is_down_is_an_outage(geetest: GeeTest, app: App, monkeypatch: pytest.MonkeyPatch) -> None:
    with refusing() as nobody:
        for name in ("HTTP_PROXY", "http_proxy"):
            monkeypatch.setenv(name, nobody)
        monkeypatch.delenv("NO_PROXY", raising=False)
        monkeypatch.delenv("no_proxy", raising=False)
        guard = geetest.guard(app, trust_env=True, on_unavailable="deny")
        assert (await visit(geetest.token()).run(guard)).code == "captcha_unavailable"
    assert geetest.calls == []


@pytest.mark.parametrize("client", MADE)
@each_backend
async def test_no_more_of_an_answer_is_read_than_an_answer_can_have(client: str, geetest: GeeTest) -> None:
    """What is in the sockets' buffers counts as sent here: a few MiB, of any number that a second would bring."""
    with RawServer(endless) as server:
        guard, _, told = verdict_of(server.url, 5, allow=False, client=MADE[client])
        start = time.monotonic()
        await judged(guard, told, geetest.token())
        assert time.monotonic() - start < 2
        await anyio.sleep(0.05)
        assert server.sent < 16 * 2**20


# --- leftovers --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("client", MADE)
@pytest.mark.parametrize("behave", [never_answer, endless, drip, reset_mid_answer])
@each_backend
async def test_a_call_that_failed_leaves_no_connection_open(behave: Behave, client: str, geetest: GeeTest) -> None:
    """The server sees us hang up, not at the end of the loop, but at once."""
    hung_up = threading.Event()

    def watched(server: RawServer, connection: socket.socket) -> None:
        with suppress(OSError):
            behave_until_hung_up(server, connection, behave)
        hung_up.set()

    with RawServer(watched) as server:
        guard, _, told = verdict_of(server.url, 0.2, allow=False, client=MADE[client])
        await visit(geetest.token()).run(guard)
        assert await anyio.to_thread.run_sync(hung_up.wait, 3)
        assert not told[0].allowed


@pytest.mark.parametrize("behave", [reset_at_once, reset_mid_answer, close_mid_answer, large, endless, no_http])
@each_backend
async def test_calls_that_fail_half_way_leave_nothing_to_the_garbage_collector(
    behave: Behave, geetest: GeeTest
) -> None:
    """An open socket, or an asynchronous generator that has not ended: either is a warning, and so an error, here."""
    with RawServer(behave) as server:
        guard, _, told = verdict_of(server.url, 3, allow=False)
        for _ in range(20):
            await visit(geetest.token()).run(guard)
        assert {result.outcome for result in told} == {Outcome.UNAVAILABLE}
        gc.collect()


def behave_until_hung_up(server: RawServer, connection: socket.socket, behave: Behave) -> None:
    if behave is never_answer:
        server.read_request(connection)
        assert connection.recv(1) == b""
    else:
        behave(server, connection)
