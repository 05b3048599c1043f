"""One request from its rule to the decision: what the parts of the guard are told of it."""

import logging
from dataclasses import replace

import pytest
from clocks import Clock
from refusals import guard
from starlette.types import Message
from visits import Visitor

from geetest_asgi import Limits
from geetest_asgi._bounds.unverified import QUIET, Unverified
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


async def test_an_address_counts_but_for_the_requests_of_a_test() -> None:
    """They all have one."""
    middleware = guard()
    policy = middleware.table.match("POST", "/", b"/", "")
    scope = {"type": "http", "method": "POST", "path": "/", "client": ("203.0.113.7", 1)}
    assert middleware.guard.visit(policy, scope, nobody).client == "203.0.113.7"
    with GeeTest():
        assert middleware.guard.visit(policy, scope, nobody).client is None
