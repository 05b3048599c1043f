"""One request from its rule to the decision: what the parts of the guard are told of it."""

import logging
from dataclasses import replace
from typing import Any

import pytest
from clocks import Clock
from refusals import guard
from starlette.types import Message
from visits import Visitor

from geetest_asgi import CaptchaFields, GeeTestMiddleware, Limits, Outcome
from geetest_asgi._bounds.unverified import QUIET, Unverified
from geetest_asgi._core.model import Evidence
from geetest_asgi._corridor.body import VisitorLeft
from geetest_asgi._corridor.steps import CLIENT_STEPS, ask_geetest
from geetest_asgi._corridor.visit import Visit
from geetest_asgi._line.call import CLIENT_LEFT
from geetest_asgi.stores import MemoryStore
from geetest_asgi.testing import GeeTest

pytestmark = pytest.mark.anyio


async def nobody() -> Message:
    return {"type": "http.disconnect"}


async def test_an_answer_of_geetest_ends_an_outage(geetest: GeeTest, caplog: pytest.LogCaptureFixture) -> None:
    """Also one that refuses the token."""
    clock = Clock()
    middleware = guard(protect=["POST /login"], on_unavailable="deny")
    middleware.guard = replace(middleware.guard, unverified=Unverified(Limits(), MemoryStore().count, clock))
    async with Visitor(middleware) as visitor:
        assert await visitor.says("/login", geetest.token(forged=True)) == "captcha_failed"
        assert caplog.records == []
        geetest.down()
        await visitor.says("/login", geetest.token())
        geetest.up()
        clock.now += QUIET
        for code in ("captcha_missing", "captcha_failed"):
            assert len(caplog.records) == 1
            assert await visitor.says("/login", geetest.token(forged=True) if code == "captcha_failed" else {}) == code
    assert [record.levelno for record in caplog.records] == [logging.WARNING] * 2
    assert [vars(record)["geetest_event"] for record in caplog.records] == ["outage_begins", "outage_ends"]


def to_visit(middleware: GeeTestMiddleware) -> Visit:
    policy = middleware.table.match("POST", "/", b"/", "")
    assert policy is not None
    scope = {"type": "http", "method": "POST", "path": "/", "client": ("203.0.113.7", 1)}
    visit: Visit = middleware.guard.visit(policy, scope, nobody)
    return visit


async def test_an_address_counts_but_for_the_requests_of_a_test() -> None:
    """They all have one."""
    middleware = guard()
    assert to_visit(middleware).client == "203.0.113.7"
    with GeeTest():
        assert to_visit(middleware).client is None


PASSED = Evidence(Outcome.PASSED)


class Line:
    """It has an answer, and knows what it was told with the requests."""

    told: dict[str, Any]

    async def ask(self, requests: object, seconds: float, **told: Any) -> Evidence:
        self.told = {"seconds": seconds, **told}
        return PASSED


def with_token(middleware: GeeTestMiddleware, line: Any) -> Visit:
    asked = to_visit(middleware)
    asked.line, asked.captcha_id, asked.keys = line, "id", ("key",)
    asked.fields = CaptchaFields("4dc3cfc2cdff448cad8d13107198d473", "aGk_", "3f" * 32, "1700000000")
    return asked


class LineOfALeaver(Line):
    """The client disconnects when the answer has just come."""

    async def ask(self, requests: object, seconds: float, **told: Any) -> Evidence:
        told["on_answer"](PASSED)
        return CLIENT_LEFT


async def test_a_token_is_used_up_from_its_answer_on() -> None:
    middleware = guard()
    with pytest.raises(VisitorLeft):
        await middleware.guard.decide(with_token(middleware, LineOfALeaver()), CLIENT_STEPS)
    result = await middleware.guard.decide(with_token(middleware, Line()), CLIENT_STEPS)
    assert result.outcome is Outcome.REPLAYED


@pytest.mark.parametrize("complete", [True, False])
async def test_a_call_is_told_of_its_client_who_is_watched_once_the_body_is_read(complete: bool) -> None:
    """Before that, `receive` would take a piece of the body."""
    line: Any = Line()
    asked = with_token(guard(timeout=2.5), line)
    asked.body.complete = complete
    assert await ask_geetest(asked) is PASSED
    assert line.told == {
        "seconds": 2.5,
        "client": "203.0.113.7",
        "disconnected": asked.body.wait_for_disconnect if complete else None,
        "on_answer": asked.note_answer,
    }
