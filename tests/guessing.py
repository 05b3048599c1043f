"""What the tests of `when` share: a login, a guard that asks when it is needed, and somebody who guesses passwords."""

from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send
from visits import Visitor

from geetest_asgi import AfterFailures, GeeTestMiddleware, geetest_result

PASSWORD = "correct"


async def login(scope: Scope, receive: Receive, send: Send) -> None:
    """403 for a wrong password, 200 for the right one, any status on request; and the guard's decision."""
    form = await Request(scope, receive).form()
    status = int(str(form.get("status", 200 if form.get("password") == PASSWORD else 403)))
    await answer(scope, receive, send, status)


async def answer(scope: Scope, receive: Receive, send: Send, status: int = 200) -> None:
    result = geetest_result(scope)
    await JSONResponse({"outcome": result.outcome, "reason": result.reason}, status)(scope, receive, send)


def guard(
    when: Any = None, app: ASGIApp = login, protect: Any = ("POST /login",), **settings: Any
) -> GeeTestMiddleware:
    when = AfterFailures() if when is None else when
    return GeeTestMiddleware(app, protect=protect, captcha_id="a" * 32, captcha_key="b", when=when, **settings)


class Guesser(Visitor):
    """Sends passwords. What it is told: "not needed yet", "passed" or "captcha_missing"."""

    async def fails(self, path: str = "/login", **fields: str) -> str:
        return await self.says(path, {"password": "wrong", **fields})

    async def succeeds(self, **fields: str) -> str:
        return await self.says("/login", {"password": PASSWORD, **fields})


FREE, ASKED = "not needed yet", "captcha_missing"
