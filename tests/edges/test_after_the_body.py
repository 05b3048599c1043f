"""Behind the body an app finds the server's own `receive`, and its answer goes out as it says it."""

import asyncio
import contextvars
import random
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
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
from starlette.types import Message, Receive, Scope, Send

from geetest_asgi import GeeTestResult, Limits

from .servers import SECONDS, GeeTest
from .site import Front, raw_request
from .visitors import FORM, cut, form, unfinished, until, visit

pytestmark = pytest.mark.anyio

MIB = 1024 * 1024


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

    leaving = unfinished(form(geetest.token()) + b"&", b"x")
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
        message: Message = {"more_body": True}
        while message["more_body"]:
            with anyio.CancelScope() as impatient:
                impatient.cancel()
                message = await receive()
            if impatient.cancelled_caught:
                message = await receive()
            got.extend(message["body"])
        await PlainTextResponse("in")(scope, receive, send)

    answered = await visit(body=cut(body, 65536)).run(geetest.guard(app, limits=Limits(max_body=8 * MIB)))
    assert answered.status == 200
    assert bytes(got) == body


async def count_up() -> AsyncIterator[bytes]:
    for number in range(5):
        yield b"data: %d\n\n" % number
        await anyio.sleep(0.01)


ran_behind: list[str] = []
"""What ran behind the response."""

current_user = contextvars.ContextVar("current_user", default="nobody")


async def stream(request: Request) -> Response:
    await request.form()
    return StreamingResponse(count_up(), media_type="text/event-stream")


async def stream_unread(request: Request) -> Response:
    return StreamingResponse(count_up(), media_type="text/event-stream")


async def background(request: Request) -> Response:
    body, fields = await request.body(), await request.form()
    behind = BackgroundTask(ran_behind.append, f"for {fields['user']}, {len(body)} bytes")
    return PlainTextResponse("in", background=behind)


async def is_disconnected(request: Request) -> Response:
    await request.body()
    return JSONResponse([await request.is_disconnected() for _ in range(3)])


def plain(request: Request) -> Response:  # runs on a thread
    return PlainTextResponse(f"{request.state.geetest.outcome} {current_user.get()}")


async def pass_by(request: Request, call_next: RequestResponseEndpoint) -> Response:
    return await call_next(request)


EVENTS = "".join(f"data: {number}\n\n" for number in range(5))
ANSWERS: dict[Callable[[Request], Any], str] = {
    stream: EVENTS,
    stream_unread: EVENTS,
    background: "in",
    is_disconnected: "[false,false,false]",
    plain: "passed nobody",
}


@pytest.mark.parametrize("inside", ["nothing", "BaseHTTPMiddleware"])
@pytest.mark.parametrize("endpoint", ANSWERS, ids=lambda endpoint: endpoint.__name__)
async def test_starlettes_responses(
    endpoint: Callable[[Request], Any], inside: str, geetest: GeeTest, front: Front
) -> None:
    """Alone, or inside a middleware that puts a `receive` and a task group of its own in between."""
    middleware = [Middleware(BaseHTTPMiddleware, dispatch=pass_by)] if inside == "BaseHTTPMiddleware" else []
    guard = geetest.guard(Starlette(routes=[Route("/login", endpoint, methods=["POST"])], middleware=middleware))
    fields, more = {"user": "ada", **geetest.token()}, {"user": "ada", **geetest.token()}
    ran_behind.clear()
    assert (await visit(fields).run(guard)).body.decode() == ANSWERS[endpoint]
    reply = await anyio.to_thread.run_sync(
        partial(httpx.post, f"{front.put_on(guard)}/login", data=more, trust_env=False)
    )
    assert reply.text == ANSWERS[endpoint]
    if endpoint is background:
        await until(lambda: len(ran_behind) == 2)
        assert ran_behind == [f"for ada, {len(form(each))} bytes" for each in (fields, more)]


async def endless() -> AsyncIterator[bytes]:
    try:
        yield b"data: hello\n\n"
        await anyio.sleep(SECONDS)
    finally:
        ran_behind.append("gone")


async def test_an_endless_stream_ends_when_the_visitor_leaves(geetest: GeeTest, front: Front) -> None:
    """Starlette listens for it, here through a middleware with a `receive` of its own."""

    async def events(request: Request) -> Response:
        await request.body()
        return StreamingResponse(endless(), media_type="text/event-stream")

    middleware = [Middleware(BaseHTTPMiddleware, dispatch=pass_by)]
    front.put_on(geetest.guard(Starlette(routes=[Route("/login", events, methods=["POST"])], middleware=middleware)))
    ran_behind.clear()
    with front.connect() as wire:
        wire.sendall(raw_request(form(geetest.token()), f"Content-Type: {FORM}"))
        got = b""
        while b"hello" not in got:
            got += await anyio.to_thread.run_sync(wire.recv, 65536)
        assert ran_behind == []
    await until(lambda: ran_behind == ["gone"])


def test_a_context_variable_set_outside_is_seen_inside_and_set_inside_is_seen_outside(geetest: GeeTest) -> None:
    """The guard runs the app in the caller's own task and context."""
    seen: list[tuple[str, object]] = []

    async def inside(scope: Scope, receive: Receive, send: Send) -> None:
        seen.append((current_user.get(), asyncio.current_task()))
        current_user.set("grace")
        await PlainTextResponse("in")(scope, receive, send)

    async def main() -> None:
        current_user.set("ada")
        await visit(geetest.token()).run(geetest.guard(inside))
        seen.append((current_user.get(), asyncio.current_task()))

    asyncio.run(main())
    assert [user for user, _ in seen] == ["ada", "grace"]
    assert seen[0][1] is seen[1][1]


async def test_what_the_app_raises_goes_through(geetest: GeeTest) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        raise ZeroDivisionError

    asked = visit(geetest.token())
    with pytest.raises(ZeroDivisionError):
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

    limits = Limits(max_body=3 * MIB, max_buffered=512 * MIB)  # room for all of one address, however slowly they come
    url = front.put_on(geetest.guard(echo, limits=limits, timeout=20))

    def one(number: int) -> bool:
        token = geetest.token()
        body = b"n=" + b"1" * (number * 70_000) + b"&" + form(token)
        reply = httpx.post(f"{url}/login", content=body, headers={"content-type": FORM}, timeout=20, trust_env=False)
        answer: list[Any] = reply.json()
        return answer == [len(body), token["lot_number"]]

    with ThreadPoolExecutor(20) as threads:
        assert all(threads.map(one, range(40)))
