"""One request from its rule to the decision: what the parts of the guard are told of it."""

import logging
from dataclasses import replace

import pytest
from clocks import Clock
from refusals import guard
from starlette.types import Message
from visits import Visitor

from geetest_asgi import Limits, Lockout
from geetest_asgi._bounds.lockouts import ENOUGH
from geetest_asgi._bounds.unverified import QUIET, Unverified
from geetest_asgi.stores import MemoryStore
from geetest_asgi.testing import GeeTest

pytestmark = pytest.mark.anyio


SCOPE = {"type": "http", "method": "POST", "path": "/", "client": ("203.0.113.7", 1)}


async def nobody() -> Message:
    return {"type": "http.disconnect"}


async def nowhere(message: object) -> None: ...


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
    assert middleware.guard.visit(policy, SCOPE, nobody).client == "203.0.113.7"
    with GeeTest():
        assert middleware.guard.visit(policy, SCOPE, nobody).client is None


async def test_a_lockout_of_nearly_all_clients_is_told() -> None:
    told: list[Lockout] = []
    middleware = guard(sources=["query"], on_lockout=told.append)
    for number in range(ENOUGH):
        scope = {**SCOPE, "query_string": b"lot_number=1", "client": (f"203.0.113.{number}", 1)}
        await middleware(scope, nobody, nowhere)
    assert [lockout.over for lockout in told] == [False]


@pytest.mark.parametrize("log_clients", [True, False])
async def test_a_decision_is_logged_with_its_address_or_without(
    log_clients: bool, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "geetest_asgi")
    await guard(sources=["query"], log_clients=log_clients)(SCOPE, nobody, nowhere)
    (record,) = [vars(each) for each in caplog.records]
    assert record["geetest_event"] == "decision"
    assert record["geetest_client"] == ("203.0.113.7" if log_clients else None)


async def test_a_denial_gives_the_memory_for_the_body_back() -> None:
    middleware = guard()
    memory = middleware.guard.memory
    before, held = memory.left, []

    async def receive() -> Message:
        return {"type": "http.request", "body": b"a=1"}

    async def send(message: object) -> None:
        held.append(before - memory.left)

    scope = {**SCOPE, "headers": [(b"content-type", b"application/x-www-form-urlencoded")]}
    await middleware(scope, receive, send)
    assert (held, memory.left) == ([3, 3], before)
