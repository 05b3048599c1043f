"""Behind the body an app finds the server's own `receive`, and its answer goes out as it says it."""

import asyncio
import contextvars
from typing import Any

import anyio
import pytest
from starlette.responses import PlainTextResponse
from starlette.types import Receive, Scope, Send

from .servers import GeeTest
from .visitors import visit

pytestmark = pytest.mark.anyio


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
    out: list[dict[str, Any]] = [
        {"type": "http.response.early_hint", "links": [b"</style.css>"]},
        {"type": "http.response.start", "status": 200, "headers": [(b"a", b"b")], "trailers": True},
        {"type": "http.response.zerocopysend", "file": 3},
        {"type": "http.response.trailers", "headers": []},
    ]

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        for message in out:
            await send(message)

    asked = await visit(geetest.token()).run(geetest.guard(app))
    assert list(map(id, asked.sent)) == list(map(id, out))
