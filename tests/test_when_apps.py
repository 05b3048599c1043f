"""Captchas only when they are needed, and the app's part in it: what it reports, how it answers, objects of its own."""

import logging
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest
from guessing import ASKED, FREE, Guesser, answer, guard, login
from starlette.requests import Request
from starlette.testclient import TestClient
from starlette.types import ASGIApp, Receive, Scope, Send
from starlette.websockets import WebSocket, WebSocketDisconnect

from geetest_asgi import AfterFailures, ConfigError, GeeTestMiddleware, Rule, client_address, report_failure
from geetest_asgi.stores import MemoryStore
from geetest_asgi.testing import GeeTest

pytestmark = pytest.mark.anyio


def says_it(view: Callable[[Scope], None]) -> ASGIApp:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        view(scope)
        await answer(scope, receive, send)

    return app


@pytest.mark.parametrize("copy", [lambda scope: scope, lambda scope: Request(dict(scope))])
async def test_an_app_that_answers_failures_with_200_reports_it(copy: Callable[[Scope], Any], geetest: GeeTest) -> None:
    """By a request too, and by a copy of the scope, which frameworks make when they mount an app."""
    async with Guesser(guard(app=says_it(lambda scope: report_failure(copy(scope))))) as visitor:
        assert [await visitor.fails() for _ in range(4)] == [FREE] * 3 + [ASKED]
        await visitor.says("/login", geetest.token())
        assert await visitor.fails() == ASKED, "that was no success"


@pytest.mark.parametrize("settings", [{"mode": "off"}, {"skip": lambda scope: "a friend"}], ids=["off", "skip"])
async def test_a_report_where_nobody_counts_does_nothing(settings: dict[str, Any], geetest: GeeTest) -> None:
    async with Guesser(guard(app=says_it(report_failure), **settings)) as visitor:
        for _ in range(5):
            assert await visitor.fails() in ("mode is off", "a friend")


async def test_a_report_where_no_guard_is_says_so(geetest: GeeTest) -> None:
    with pytest.raises(LookupError, match="not protected by GeeTest"):
        report_failure({"type": "http", "path": "/login"})
    with pytest.raises(TypeError):
        report_failure("a request")


async def test_a_handler_counts_under_a_key_of_its_own_in_the_store_that_it_names(geetest: GeeTest) -> None:
    store = MemoryStore()
    failures = AfterFailures(2, store=store)
    assert [await failures.needed("ada") for _ in range(3)] == [False, False, True]
    assert not await failures.needed("bob")
    await failures.clear("ada")
    assert [await failures.needed("ada") for _ in range(3)] == [False, False, True]
    async with Guesser(guard(failures, store=store)) as visitor:
        await visitor.fails()
        assert not await failures.needed("192.0.2.1")
        assert await visitor.fails() == ASKED, "a guard with this store counts together with it"
        await failures.clear("192.0.2.1")
        assert await visitor.fails() == FREE
    for call in (AfterFailures().needed("ada"), AfterFailures().clear("ada")):
        with pytest.raises(ConfigError, match="give store="):
            await call


async def test_an_app_that_raises_or_a_client_that_leaves_counts_as_a_failure(geetest: GeeTest) -> None:
    async def breaks(scope: Scope, receive: Receive, send: Send) -> None:
        raise RuntimeError("boom")

    store = MemoryStore()
    async with Guesser(guard(app=breaks, store=store)) as visitor:
        for _ in range(3):
            with pytest.raises(RuntimeError):
                await visitor.fails()
    async with Guesser(guard(store=store)) as visitor:
        assert await visitor.fails() == ASKED


async def refuses(scope: Scope, receive: Receive, send: Send) -> None:
    await WebSocket(scope, receive, send).close()


async def accepts(scope: Scope, receive: Receive, send: Send) -> None:
    websocket = WebSocket(scope, receive, send)
    await websocket.accept()
    await websocket.close()


@pytest.mark.parametrize(("app", "said"), [(accepts, [FREE] * 4), (refuses, [FREE] * 3 + ["missing"])])
def test_a_websockets_handshake_is_an_attempt(app: ASGIApp, said: list[str], geetest: GeeTest) -> None:
    seen: list[str] = []

    def note(result: Any, scope: Scope) -> None:
        seen.append(result.reason if result.allowed else result.outcome)

    visitor = TestClient(guard(app=app, protect="WEBSOCKET /chat", on_result=note))
    for _ in range(4):
        with suppress(WebSocketDisconnect), visitor.websocket_connect("/chat"):
            pass
    assert seen == said


class Abroad:
    def __init__(self, fails: bool = False) -> None:
        self.told: list[tuple[str, int]] = []
        self.fails = fails

    async def wanted(self, scope: Scope, store: Any) -> bool:
        return client_address(scope) != "192.0.2.1"

    async def answered(self, scope: Scope, store: Any, status: int) -> None:
        self.told.append((scope["path"], status))
        if self.fails:
            raise RuntimeError("boom")


async def test_one_of_your_own_is_asked_and_told_and_may_raise(
    geetest: GeeTest, caplog: pytest.LogCaptureFixture
) -> None:
    when = Abroad()
    async with Guesser(guard(when)) as here, Guesser(guard(when), "192.0.2.2") as abroad:
        assert await here.fails() == FREE
        assert await abroad.fails() == ASKED
        assert when.told == [("/login", 403)], "not of a denial of the guard's own"
        assert await abroad.succeeds(**geetest.token()) == "passed"
        assert when.told == [("/login", 403), ("/login", 200)]
    async with Guesser(guard(Abroad(fails=True))) as visitor:
        assert await visitor.succeeds() == FREE, "the answer stands"
    (record,) = [each for each in caplog.records if each.levelno == logging.ERROR]
    assert record.__dict__["geetest_hook"] == "when"


async def test_a_rule_may_have_it_alone_and_another_rule_or_guard_asks(geetest: GeeTest) -> None:
    rules = [Rule("POST /login", when=AfterFailures(1)), "POST /transfer"]
    app = GeeTestMiddleware(login, protect=rules)
    async with Guesser(app) as visitor:
        assert await visitor.fails() == FREE
        assert await visitor.fails(path="/transfer") == ASKED
    inner = GeeTestMiddleware(login, protect="POST /login", captcha_id="a" * 32, captcha_key="b")
    async with Guesser(guard(app=inner)) as visitor:
        assert await visitor.fails() == ASKED
        assert await visitor.fails(**geetest.token()) == "passed"
