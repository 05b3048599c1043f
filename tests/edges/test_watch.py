"""A guard whose visitors are all refused says so in the log; single visitors' doings are no warnings."""

import logging
from functools import partial
from typing import Any

import anyio
import pytest
from starlette.types import ASGIApp
from threads import in_threads

from geetest_asgi import GeeTestClient, Lockout

from .servers import GeeTest
from .site import App
from .visitors import visit

pytestmark = pytest.mark.anyio


async def come(guard: ASGIApp, fields: dict[str, str], address: str = "203.0.113.7") -> str:
    return (await visit(fields, client=(address, 1)).run(guard)).code


def events(caplog: pytest.LogCaptureFixture, name: str) -> list[logging.LogRecord]:
    return [record for record in caplog.records if vars(record).get("geetest_event") == name]


def warnings(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [vars(record)["geetest_event"] for record in caplog.records if record.levelno > logging.INFO]


@pytest.mark.parametrize("status", [301, 403])
async def test_a_lockout_by_geetests_edge_is_told_once(
    status: int, geetest: GeeTest, app: App, caplog: pytest.LogCaptureFixture
) -> None:
    told = list[Lockout]()
    geetest.simulator.answers(status)
    guard = geetest.guard(app, on_lockout=told.append)
    for _ in range(40):
        await come(guard, geetest.token())
    assert warnings(caplog) == []
    for number in range(40):
        assert await come(guard, geetest.token(), f"203.0.113.{number}") == "captcha_refused"
    assert [(each.over, each.reason) for each in told] == [(False, f"refused: HTTP {status}")]
    assert warnings(caplog) == ["lockout_begins"]


@pytest.mark.parametrize(("settings", "logged"), [({}, "203.0.113.7"), ({"log_clients": False}, None)])
async def test_the_address_is_logged_unless_it_is_switched_off(
    settings: dict[str, Any], logged: str | None, geetest: GeeTest, app: App, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "geetest_asgi")
    await come(geetest.guard(app, **settings), {})
    async with GeeTestClient("a" * 32, "b" * 32, api_server=geetest.url, **settings) as client:
        await client.validate({}, {"type": "http", "client": ("203.0.113.7", 1)})
    records = events(caplog, "decision")
    assert [vars(record)["geetest_client"] for record in records] == [logged] * 2
    assert [("203.0.113.7" in record.getMessage()) for record in records] == [logged is not None] * 2


def test_threads_and_loops_share_one_count(geetest: GeeTest, app: App, caplog: pytest.LogCaptureFixture) -> None:
    geetest.simulator.answers(403)
    guard = geetest.guard(app)
    in_threads(*(partial(anyio.run, come, guard, geetest.token(), f"203.0.113.{number}") for number in range(30)))
    assert warnings(caplog) == ["lockout_begins"]
