"""A guard whose visitors are all refused says so in the log; single visitors' doings are no warnings."""

import logging
from typing import Any

import anyio
import httpx
import pytest

from geetest_asgi import GeeTestClient, GeeTestMiddleware, Limits, Lockout
from geetest_asgi.testing import Simulator, serve

pytestmark = pytest.mark.anyio


async def app(scope: Any, receive: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"in"})


async def post(guard: Any, fields: dict[str, str], client: str = "203.0.113.7") -> int:
    transport = httpx.ASGITransport(guard, client=(client, 1))
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as visitor:
        return (await visitor.post("/login", data=fields)).status_code


def guard_of(geetest: Simulator, url: str, **settings: Any) -> GeeTestMiddleware:
    pair = {"captcha_id": geetest.captcha_id, "captcha_key": geetest.captcha_key}
    return GeeTestMiddleware(app, **{"protect": ["POST /login"], "api_server": url, **pair, **settings})


def events(caplog: pytest.LogCaptureFixture, name: str) -> list[logging.LogRecord]:
    return [record for record in caplog.records if vars(record).get("geetest_event") == name]


def warnings(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [vars(record)["geetest_event"] for record in caplog.records if record.levelno > logging.INFO]


@pytest.mark.parametrize("status", [301, 403, 404, 407, 429])
async def test_a_lockout_by_geetests_edge_is_told_once(status: int, caplog: pytest.LogCaptureFixture) -> None:
    geetest, told = Simulator(), list[Lockout]()
    geetest.answers(status)
    with serve(geetest) as url:
        guard = guard_of(geetest, url, on_lockout=told.append)
        for number in range(40):
            assert await post(guard, geetest.token(), f"203.0.113.{number}") == 403
    assert [(each.over, each.reason) for each in told] == [(False, f"refused: HTTP {status}")]
    assert warnings(caplog) == ["lockout_begins"]


async def test_one_visitor_is_never_a_lockout(caplog: pytest.LogCaptureFixture) -> None:
    geetest = Simulator()
    with serve(geetest) as url:
        guard = guard_of(geetest, url)
        for _ in range(100):
            await post(guard, geetest.token(forged=True))
    assert warnings(caplog) == []


async def test_a_full_bound_is_two_warnings_at_most(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "geetest_asgi")
    geetest = Simulator()
    form = {**geetest.token(), "text": "x" * 20_000}
    with serve(geetest) as url:
        guard = guard_of(geetest, url, limits=Limits(max_buffered=1000))
        assert [await post(guard, form) for _ in range(30)] == [503] * 30
        assert warnings(caplog) == []  # of one client
        for number in range(30):
            assert await post(guard, form, f"203.0.113.{number}") == 503
    assert {record.levelname for record in events(caplog, "decision")} == {"INFO"}
    (begins,) = events(caplog, "busy_begins")
    assert "max_buffered" in begins.getMessage()
    assert warnings(caplog) == ["busy_begins"]


@pytest.mark.parametrize(("settings", "logged"), [({}, "203.0.113.7"), ({"log_clients": False}, None)])
async def test_the_address_is_logged_unless_it_is_switched_off(
    settings: dict[str, Any], logged: str | None, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "geetest_asgi")
    geetest = Simulator()
    with serve(geetest) as url:
        await post(guard_of(geetest, url, **settings), {})
        async with GeeTestClient(geetest.captcha_id, geetest.captcha_key, api_server=url, **settings) as client:
            await client.validate({}, {"type": "http", "client": ("203.0.113.7", 1)})
    records = events(caplog, "decision")
    assert [vars(record)["geetest_client"] for record in records] == [logged] * 2
    assert [("203.0.113.7" in record.getMessage()) for record in records] == [logged is not None] * 2


async def test_threads_and_loops_share_one_count(caplog: pytest.LogCaptureFixture) -> None:
    geetest = Simulator()
    geetest.answers(403)
    with serve(geetest) as url:
        guard = guard_of(geetest, url)

        async def visit(number: int) -> None:
            await anyio.to_thread.run_sync(anyio.run, post, guard, geetest.token(), f"203.0.113.{number}")

        async with anyio.create_task_group() as group:
            for number in range(30):
                group.start_soon(visit, number)
    assert warnings(caplog) == ["lockout_begins"]
