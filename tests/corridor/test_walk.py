"""One request from its rule to the decision: what the parts of the guard are told of it."""

import logging
from dataclasses import replace

import pytest
from clocks import Clock
from refusals import guard
from visits import Visitor

from geetest_asgi import Limits
from geetest_asgi._bounds.unverified import QUIET, Unverified
from geetest_asgi.stores import MemoryStore
from geetest_asgi.testing import GeeTest

pytestmark = pytest.mark.anyio


async def test_an_answer_of_geetest_ends_an_outage(geetest: GeeTest, caplog: pytest.LogCaptureFixture) -> None:
    """Also one that refuses the token."""
    clock = Clock()
    middleware = guard(protect=["POST /login"], on_unavailable="deny")
    middleware.guard = replace(middleware.guard, unverified=Unverified(Limits(), MemoryStore().count, clock))
    async with Visitor(middleware) as visitor:
        geetest.down()
        await visitor.says("/login", geetest.token())
        geetest.up()
        clock.now += QUIET
        for code in ("captcha_missing", "captcha_failed"):
            assert len(caplog.records) == 1
            assert await visitor.says("/login", geetest.token(forged=True) if code == "captcha_failed" else {}) == code
    assert [record.levelno for record in caplog.records] == [logging.WARNING] * 2
    assert [vars(record)["geetest_event"] for record in caplog.records] == ["outage_begins", "outage_ends"]
