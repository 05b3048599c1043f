"""The body goes on untouched: the same bytes, then the server's own `receive`; and every bound on it holds."""

import asyncio
import contextvars
import json
import random
import socket
import threading
import time
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import anyio
import httpx
import pytest
from starlette.applications import Starlette
from starlette.background import BackgroundTask
from starlette.middleware import Middleware
from starlette.middleware.base import BaseHTTPMiddleware, RequestResponseEndpoint
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from geetest_asgi import GeeTestResult, Limits

from .support import (
    FORM,
    SECONDS,
    App,
    Front,
    GeeTest,
    Visit,
    cut,
    form,
    http_scope,
    messages,
    raw_request,
    read_all,
    visit,
)

pytestmark = pytest.mark.anyio

MIB = 1024 * 1024


# --- the same bytes ---------------------------------------------------------------------------------------------------


def urlencoded(token: dict[str, str], noise: bytes) -> tuple[str, bytes]:
    escaped = "".join(f"%{byte:02x}" for byte in noise).encode()
    return FORM, b"user=ada&&=&x=" + escaped + b"&" + form(token) + b"&y=%zz%&;" + escaped


def as_json(token: dict[str, str], noise: bytes) -> tuple[str, bytes]:
    text = json.dumps({"user": noise.decode("latin-1"), **token, "deep": [[{}], None], "é": "\ud83d"}, indent=1)
    return "application/json; charset=utf-8", b"\xef\xbb\xbf \r\n" + text.encode() + b"\n \n"


def multipart(token: dict[str, str], noise: bytes) -> tuple[str, bytes]:
    parts = [f'--cut-here\r\nContent-Disposition: form-data; name="{k}"\r\n\r\n{v}\r\n' for k, v in token.items()]
    file = b'--cut-here\r\nContent-Disposition: form-data; name="f"; filename="a\xff.bin"\r\n\r\n' + noise
    # The noise may hold anything but the boundary; a line of its own that nearly is one is a fine trap.
    trap = b"\r\n--cut-her\r\n\r\n--cut-here-not\r\n"
    body = file + trap + b"\r\n" + "".join(parts).encode() + file + b"\r\n--cut-here--\r\nepilogue"
    return "multipart/form-data; boundary=cut-here", body


KINDS: dict[str, Callable[[dict[str, str], bytes], tuple[str, bytes]]] = {
    "urlencoded": urlencoded,
    "JSON": as_json,
    "multipart": multipart,
}


@pytest.mark.parametrize("size", [1, 7, 64, 1000, 10**9])
@pytest.mark.parametrize("kind", KINDS)
async def test_the_app_gets_the_same_bytes_however_they_are_cut(
    kind: str, size: int, geetest: GeeTest, app: App
) -> None:
    noise = random.Random(size).randbytes(3000).replace(b"\r\n--", b"")
    content_type, body = KINDS[kind](geetest.token(), noise)
    answered = await visit(body=cut(body, size), content_type=content_type).run(geetest.guard(app))
    assert answered.code == "in"
    assert app.seen[0].body == body


@pytest.mark.parametrize("kind", KINDS)
async def test_a_body_cut_in_two_anywhere_is_the_same(kind: str, geetest: GeeTest, app: App) -> None:
    """Every place near the fields, and some elsewhere; empty pieces in between mean nothing."""
    content_type, body = KINDS[kind](geetest.token(), b"noise" * 5)
    guard = geetest.guard(app, limits=Limits(max_in_flight=1000))
    places = [0, 1, *range(10, len(body) - 10, 23), len(body) - 1, len(body)]
    for at in places:
        content_type, body = KINDS[kind](geetest.token(), b"noise" * 5)
        pieces = [body[:at], b"", body[at:], b""]
        assert (await visit(body=pieces, content_type=content_type).run(guard)).code == "in"
        assert app.seen[-1].body == body


@pytest.mark.parametrize("size", [1, MIB - 1, MIB, MIB + 1, 3 * MIB + 17])
@pytest.mark.parametrize("piece", [65536, 10**9])
async def test_a_body_past_a_mebibyte_is_the_same(piece: int, size: int, geetest: GeeTest, app: App) -> None:
    body = b"x=" + random.Random(size).randbytes(size).translate(None, b"&=%+") + b"&" + form(geetest.token())
    guard = geetest.guard(app, limits=Limits(max_body=5 * MIB))
    assert (await visit(body=cut(body, piece)).run(guard)).code == "in"
    assert app.seen[0].body == body


async def test_the_app_reads_on_from_the_server_where_the_guard_stopped(geetest: GeeTest) -> None:
    """The fields are in the first piece: the app has answered before the last one was sent."""
    body = [form(geetest.token()) + b"&", b"x=" + b"1" * 5000, b"&y=2"]
    slow = Visit(http_scope(headers={"content-type": FORM}), *messages(*body, ends=False))
    reads: list[tuple[bytes, bool]] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        assert slow.received == 1
        for number in range(4):
            if number == 3:
                slow.say(*messages(b"&z=3"))
            message = await receive()
            reads.append((message["body"], message["more_body"]))
        await PlainTextResponse("in")(scope, receive, send)

    await slow.run(geetest.guard(app))
    assert reads == [(body[0], True), (body[1], True), (body[2], True), (b"&z=3", False)]


# --- bounds -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("content_type", [FORM, "application/json"])
async def test_a_length_past_the_limit_is_refused_before_reading(content_type: str, geetest: GeeTest, app: App) -> None:
    told: list[GeeTestResult] = []
    guard = geetest.guard(app, limits=Limits(max_body=1000), on_result=lambda result, _: told.append(result))
    large = visit(geetest.token(), headers={"content-length": "1001"}, content_type=content_type)
    assert (await large.run(guard)).code == "captcha_too_large"
    assert (app.seen, geetest.calls) == ([], [])
    assert "1000 bytes" in told[0].reason


async def test_a_length_at_the_limit_is_read(geetest: GeeTest, app: App) -> None:
    body = form(geetest.token())
    just = visit(body=body, headers={"content-length": str(len(body))})
    assert (await just.run(geetest.guard(app, limits=Limits(max_body=len(body))))).code == "in"


@pytest.mark.parametrize("length", ["0", "5", "-1", "+5", "1_0", "0x10", "abc", "", "٣", "5, 5", "9" * 20, "9" * 5000])
async def test_a_length_is_never_trusted_and_never_raises(length: str, geetest: GeeTest, app: App) -> None:
    """Short of the truth, it changes nothing; and no server vouches for its being a number."""
    body = form(geetest.token())
    answered = await visit(body=body, headers={"content-length": length}).run(geetest.guard(app))
    if length.startswith("9"):
        assert answered.code == "captcha_too_large"
    else:
        assert answered.code == "in"
        assert app.seen[0].body == body


@pytest.mark.parametrize("size", [1, 100, 10**9])
async def test_fields_past_the_limit_are_too_large_and_just_within_are_not(
    size: int, geetest: GeeTest, app: App
) -> None:
    """However the body is cut. The limit counts to the end of the last field, which is the `&` behind it, if any."""
    for end in (b"", b"&", b"&y=1&z=2"):
        told: list[str] = []
        for short in (1, 0):
            fields = b"x=1&" + form(geetest.token())
            guard = geetest.guard(app, limits=Limits(max_body=len(fields + end[:1]) - short))
            told.append((await visit(body=cut(fields + end, size)).run(guard)).code)
        assert told == ["captcha_too_large", "in"]


def file_and_fields(geetest: GeeTest, size: int, *, fields_first: bool) -> tuple[str, bytes]:
    token = geetest.token()
    parts = "".join(
        f'--b\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n' for name, value in token.items()
    ).encode()
    file = (
        b'--b\r\nContent-Disposition: form-data; name="f"; filename="f"\r\n\r\n' + b"\xff\x00" * (size // 2) + b"\r\n"
    )
    body = (parts + file if fields_first else file + parts) + b"--b--\r\n"
    return "multipart/form-data; boundary=b", body


def test_a_long_upload_with_its_fields_first_passes_and_streams(geetest: GeeTest, front: Front) -> None:
    """10 MiB past a limit of 64 KiB; the app is running before the upload has ended."""
    content_type, body = file_and_fields(geetest, 10 * MIB, fields_first=True)
    started, total = threading.Event(), 0

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        nonlocal total
        started.set()
        async for chunk in Request(scope, receive).stream():
            total += len(chunk)
        await PlainTextResponse("in")(scope, receive, send)

    def upload() -> Any:
        yield body[: 5 * MIB]
        assert started.wait(SECONDS), "the app waits for the whole upload"
        yield body[5 * MIB :]

    url = front.put_on(geetest.guard(app, limits=Limits(max_body=65536)))
    headers = {"content-type": content_type, "content-length": str(len(body))}
    reply = httpx.post(f"{url}/login", content=upload(), headers=headers, trust_env=False)
    assert (reply.text, total) == ("in", len(body))


async def test_a_slow_body_is_408_in_time_and_not_before(geetest: GeeTest, app: App) -> None:
    """The deadline is for the whole body: a byte now and then does not put it off."""
    dripping = Visit(http_scope(headers={"content-type": FORM}))

    async def drip() -> None:
        for byte in form(geetest.token()):
            dripping.say(*messages(bytes([byte]), ends=False))
            await anyio.sleep(0.01)

    start = time.monotonic()
    with anyio.fail_after(5):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(drip)
            await dripping.run(geetest.guard(app, limits=Limits(body_timeout=0.3)))
            tasks.cancel_scope.cancel()
    assert dripping.status == 408
    assert 0.3 <= time.monotonic() - start < 1.5
    assert (app.seen, geetest.calls) == ([], [])


async def test_the_time_that_the_app_takes_does_not_count(geetest: GeeTest) -> None:
    """Once the fields are there, the rest of the body may take as long as the app likes."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        more = True
        while more:
            more = (await receive())["more_body"]
        await PlainTextResponse("in")(scope, receive, send)

    slow = Visit(http_scope(headers={"content-type": FORM}), *messages(form(geetest.token()) + b"&", ends=False))
    with anyio.fail_after(5):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(slow.run, geetest.guard(app, limits=Limits(body_timeout=0.1)))
            await anyio.sleep(0.3)
            slow.say(*messages(b"late=1"))
    assert slow.status == 200


def test_two_hundred_slow_bodies_at_once_over_sockets(geetest: GeeTest, app: App, front: Front) -> None:
    url = front.put_on(geetest.guard(app, limits=Limits(body_timeout=0.6)))
    slow = [front.connect() for _ in range(200)]
    try:
        head = raw_request(b"", f"Content-Type: {FORM}", "Connection: close").replace(b": 0\r", b": 500\r")
        for wire in slow:
            wire.sendall(head + b"a=b&")
        assert httpx.post(f"{url}/login", data=geetest.token(), trust_env=False).text == "in"
        assert all(read_all(wire).startswith(b"HTTP/1.1 408 ") for wire in slow)
    finally:
        for wire in slow:
            wire.close()
    assert len(geetest.calls) == len(app.seen) == 1


# --- the visitor leaves -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", ["enforce", "monitor"])
@pytest.mark.parametrize("so_far", [b"", b"lot_number=", None])
async def test_a_visitor_who_leaves_mid_body_costs_nothing(
    so_far: bytes | None, mode: str, geetest: GeeTest, app: App
) -> None:
    """The app is not run, GeeTest is not asked, and no decision is told; the answer reaches nobody."""
    body = form(geetest.token())[:-1] if so_far is None else so_far
    leaving = Visit(http_scope(headers={"content-type": FORM}), *messages(body, ends=False))
    leaving.leave()
    guard = geetest.guard(app, mode=mode, on_result=lambda *_: pytest.fail("judged"))
    await leaving.run(guard)
    assert (leaving.status, leaving.body, app.seen, geetest.calls) == (400, b"", [], [])


async def test_a_server_that_raises_for_an_answer_to_nobody_is_no_fault(geetest: GeeTest, app: App) -> None:
    """ASGI 2.4: `send` raises OSError once the client has disconnected."""
    leaving = Visit(http_scope(headers={"content-type": FORM}), *messages(b"lot", ends=False))
    leaving.leave()

    async def send(message: Any) -> None:
        raise ConnectionResetError

    await geetest.guard(app)(leaving.scope, leaving.receive, send)
    assert (leaving.received, app.seen) == (2, [])


@pytest.mark.parametrize("outside", ["nothing", "BaseHTTPMiddleware"])
@pytest.mark.parametrize("how", ["close", "half close", "reset"])
def test_a_visitor_who_leaves_mid_body_over_a_socket(
    how: str, outside: str, geetest: GeeTest, app: App, front: Front, caplog: pytest.LogCaptureFixture
) -> None:
    """Middleware of that kind raises where nothing is answered."""
    entered, over = threading.Event(), threading.Event()

    async def watched(scope: Scope, receive: Receive, send: Send) -> None:
        entered.set()
        try:
            await guard(scope, receive, send)
        finally:
            over.set()

    guard: ASGIApp = geetest.guard(app)
    if outside == "BaseHTTPMiddleware":
        guard = BaseHTTPMiddleware(guard, dispatch=pass_by)
    front.put_on(watched)
    body = form(geetest.token())
    with front.connect() as wire:
        wire.sendall(raw_request(body, f"Content-Type: {FORM}")[:-10])
        assert entered.wait(SECONDS)
        if how == "reset":
            wire.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        elif how == "half close":
            wire.shutdown(socket.SHUT_WR)
            assert over.wait(SECONDS)
    assert over.wait(SECONDS)
    assert (app.seen, geetest.calls) == ([], [])
    assert not [record for record in caplog.records if record.levelname == "ERROR"]


# --- after the replay: the server's own receive -----------------------------------------------------------------------


async def test_after_the_body_receive_waits_for_the_servers_own_disconnect(geetest: GeeTest) -> None:
    """None is invented, none is lost, and the body does not come twice."""
    heard: list[str] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        for _ in range(2):  # a cancelled receive loses nothing
            with anyio.move_on_after(0.05) as waiting:
                heard.append((await receive())["type"])
            assert waiting.cancelled_caught
        assert heard == []
        staying.leave()
        heard.append((await receive())["type"])
        heard.append((await receive())["type"])

    staying = visit(geetest.token())
    await staying.run(geetest.guard(app))
    assert heard == ["http.disconnect", "http.disconnect"]


async def test_a_visitor_who_leaves_after_the_fields_is_the_apps_to_notice(geetest: GeeTest) -> None:
    heard: list[str] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        for _ in range(3):
            heard.append((await receive())["type"])

    leaving = Visit(
        http_scope(headers={"content-type": FORM}), *messages(form(geetest.token()) + b"&", b"x", ends=False)
    )
    leaving.leave()
    await leaving.run(geetest.guard(app))
    assert heard == ["http.request", "http.request", "http.disconnect"]


@pytest.mark.parametrize("slow", [0, 0.3])
async def test_a_disconnect_that_comes_while_geetest_is_asked_reaches_the_app_once(
    slow: float, geetest: GeeTest
) -> None:
    """A server may say it once only. Here it is there before anybody listens, and so is the app's to hear."""
    geetest.simulator.slow(slow)
    heard: list[str] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        for _ in range(2):
            heard.append((await receive())["type"])
        with anyio.move_on_after(0.05):
            heard.append((await receive())["type"])

    asked = visit(geetest.token())
    asked.say({"type": "http.disconnect"})
    await asked.run(geetest.guard(app, timeout=1))
    assert heard == ["http.request", "http.disconnect"]


async def test_a_receive_that_is_cancelled_gives_the_same_piece_again(geetest: GeeTest) -> None:
    body = random.Random(1).randbytes(3 * MIB).translate(None, b"&=%+") + b"&" + form(geetest.token())
    got = bytearray()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        more = True
        while more:
            with anyio.CancelScope() as impatient:
                impatient.cancel()
                message = await receive()
                got.extend(message["body"])
                more = message["more_body"]
            if impatient.cancelled_caught:
                message = await receive()
                got.extend(message["body"])
                more = message["more_body"]
        await PlainTextResponse("in")(scope, receive, send)

    answered = await visit(body=cut(body, 65536)).run(geetest.guard(app, limits=Limits(max_body=8 * MIB)))
    assert answered.status == 200
    assert bytes(got) == body


async def count_up() -> AsyncIterator[bytes]:
    for number in range(5):
        yield b"data: %d\n\n" % number
        await anyio.sleep(0.01)


class Log:
    """What ran behind the response."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.done = threading.Event()

    def add(self, line: str) -> None:
        self.lines.append(line)
        self.done.set()


current_user = contextvars.ContextVar("current_user", default="nobody")


def starlette(log: Log) -> Starlette:
    async def stream(request: Request) -> Response:
        await request.form()
        return StreamingResponse(count_up(), media_type="text/event-stream")

    async def stream_unread(request: Request) -> Response:
        return StreamingResponse(count_up(), media_type="text/event-stream")

    async def events(request: Request) -> Response:
        """Ends when the visitor leaves, which Starlette listens for."""
        await request.body()

        async def until_gone() -> AsyncIterator[bytes]:
            try:
                yield b"data: hello\n\n"
                await anyio.sleep(SECONDS)
            finally:
                log.add("gone")

        return StreamingResponse(until_gone(), media_type="text/event-stream")

    async def background(request: Request) -> Response:
        form_data = await request.form()
        return PlainTextResponse("in", background=BackgroundTask(log.add, f"for {form_data['user']}"))

    async def is_disconnected(request: Request) -> Response:
        await request.body()
        return JSONResponse([await request.is_disconnected() for _ in range(3)])

    async def twice(request: Request) -> Response:
        return JSONResponse([len(await request.body()), (await request.form())["user"], len(await request.body())])

    async def context(request: Request) -> Response:
        return PlainTextResponse(current_user.get())

    def plain(request: Request) -> Response:  # runs on a thread
        return PlainTextResponse(f"{request.state.geetest.outcome} {current_user.get()}")

    return Starlette(
        routes=[
            Route(f"/{each.__name__}", each, methods=["POST"])
            for each in (stream, stream_unread, events, background, is_disconnected, twice, context, plain)
        ]
    )


async def pass_by(request: Request, call_next: RequestResponseEndpoint) -> Response:
    return await call_next(request)


def wrapped(app: Starlette, how: str) -> ASGIApp:
    """Alone, or inside a middleware that puts a `receive` and a task group of its own in between."""
    if how == "plain":
        return app
    return Starlette(routes=app.routes, middleware=[Middleware(BaseHTTPMiddleware, dispatch=pass_by)])


@pytest.fixture(params=["plain", "BaseHTTPMiddleware"])
def stack(request: pytest.FixtureRequest) -> str:
    how: str = request.param
    return how


EVENTS = "".join(f"data: {number}\n\n" for number in range(5))
ANSWERS = {
    "stream": EVENTS,
    "stream_unread": EVENTS,
    "background": "in",
    "is_disconnected": "[false,false,false]",
    "plain": "passed nobody",
}


@pytest.mark.parametrize("path", ANSWERS)
def test_starlettes_responses_over_a_socket(path: str, stack: str, geetest: GeeTest, front: Front) -> None:
    log = Log()
    url = front.put_on(geetest.guard(wrapped(starlette(log), stack), protect=["/**"]))
    fields = {"user": "ada", **geetest.token()}
    reply = httpx.post(f"{url}/{path}", data=fields, trust_env=False)
    assert reply.text == ANSWERS[path]
    if path == "background":
        assert log.done.wait(SECONDS)
        assert log.lines == ["for ada"]


def test_a_context_variable_set_outside_is_seen_inside_and_set_inside_is_seen_outside(geetest: GeeTest) -> None:
    """The guard runs the app in the caller's own task and context."""
    seen: list[object] = []

    async def inside(scope: Scope, receive: Receive, send: Send) -> None:
        seen.append((current_user.get(), asyncio.current_task()))
        current_user.set("grace")
        await PlainTextResponse("in")(scope, receive, send)

    async def main() -> None:
        current_user.set("ada")
        guard = geetest.guard(inside)
        await visit(geetest.token()).run(guard)
        seen.append((current_user.get(), asyncio.current_task()))

    asyncio.run(main())
    assert [pair[0] for pair in seen if isinstance(pair, tuple)] == ["ada", "grace"]
    assert seen[0] == ("ada", seen[1][1] if isinstance(seen[1], tuple) else None)


async def test_what_the_app_raises_goes_through(geetest: GeeTest) -> None:
    class AppError(Exception):
        pass

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        raise AppError

    asked = visit(geetest.token())
    with pytest.raises(AppError):
        await asked.run(geetest.guard(app))
    assert asked.sent == []


async def test_every_message_that_the_app_sends_goes_through(geetest: GeeTest) -> None:
    """Extensions, trailers and early hints among them."""
    out: list[dict[str, Any]] = [
        {"type": "http.response.early_hint", "links": [b"</style.css>"]},
        {"type": "http.response.debug", "info": {}},
        {"type": "http.response.start", "status": 200, "headers": [(b"a", b"b")], "trailers": True},
        {"type": "http.response.zerocopysend", "file": 3},
        {"type": "http.response.body", "body": b"x", "more_body": True},
        {"type": "http.response.body"},
        {"type": "http.response.trailers", "headers": []},
    ]

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        for message in out:
            await send(message)

    asked = await visit(geetest.token()).run(geetest.guard(app))
    assert asked.sent == out
    assert all(sent is given for sent, given in zip(asked.sent, out, strict=True))


def test_many_requests_at_once_do_not_mix_their_bodies(geetest: GeeTest, front: Front) -> None:
    async def echo(scope: Scope, receive: Receive, send: Send) -> None:
        body = await Request(scope, receive).body()
        result: GeeTestResult = scope["state"]["geetest"]
        await JSONResponse([len(body), result.lot_number])(scope, receive, send)

    url = front.put_on(geetest.guard(echo, limits=Limits(max_body=3 * MIB)))

    def one(number: int) -> bool:
        token = geetest.token()
        body = b"n=" + b"1" * (number * 70_000) + b"&" + form(token)
        reply = httpx.post(f"{url}/login", content=body, headers={"content-type": FORM}, timeout=20, trust_env=False)
        answer: list[Any] = reply.json()
        return answer == [len(body), token["lot_number"]]

    with ThreadPoolExecutor(20) as threads:
        assert all(threads.map(one, range(40)))
