"""Behind the body an app finds the server's own `receive`, and its answer goes out as it says it."""

import asyncio
import contextvars
from collections.abc import AsyncIterator
from typing import Any

import anyio
import pytest
from starlette.applications import Starlette
from starlette.background import BackgroundTask
from starlette.middleware import Middleware
from starlette.middleware.base import BaseHTTPMiddleware, RequestResponseEndpoint
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from .servers import GeeTest
from .visitors import form, visit

pytestmark = pytest.mark.anyio


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


current_user = contextvars.ContextVar("current_user", default="nobody")
ran_behind: list[str] = []


async def count_up() -> AsyncIterator[bytes]:
    for number in range(5):
        yield b"data: %d\n\n" % number
        await anyio.sleep(0.01)


async def stream(request: Request) -> Response:
    await request.form()
    return StreamingResponse(count_up(), media_type="text/event-stream")


async def background(request: Request) -> Response:
    body, fields = await request.body(), await request.form()
    return PlainTextResponse("in", background=BackgroundTask(ran_behind.append, f"{fields['user']} {len(body)}"))


def on_a_thread(request: Request) -> Response:
    return PlainTextResponse(f"{request.state.geetest.outcome} {current_user.get()}")


async def pass_by(request: Request, call_next: RequestResponseEndpoint) -> Response:
    return await call_next(request)


@pytest.mark.parametrize("middleware", [[], [Middleware(BaseHTTPMiddleware, dispatch=pass_by)]], ids=["", "inside"])
async def test_starlettes_responses(middleware: list[Middleware], geetest: GeeTest) -> None:
    """Also inside a middleware that puts a `receive` and a task group of its own in between."""
    routes = [Route(f"/{each.__name__}", each, methods=["POST"]) for each in (stream, background, on_a_thread)]
    guard = geetest.guard(Starlette(routes=routes, middleware=middleware), protect=None)
    fields, answers = {"user": "ada", **geetest.token()}, list[str]()
    for path in ("/stream", "/on_a_thread", "/background"):
        fields |= geetest.token()
        answers.append((await visit(fields, path=path).run(guard)).body.decode())
    assert answers == ["".join(f"data: {number}\n\n" for number in range(5)), "passed nobody", "in"]
    assert ran_behind.pop() == f"ada {len(form(fields))}"


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
