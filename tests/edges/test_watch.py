"""What a guard warns of: that all of its clients are refused, and that somebody other than GeeTest is asked."""

import logging
import subprocess
import sys
from functools import partial
from typing import Any

import anyio
import pytest
from starlette.types import ASGIApp
from threads import in_threads

from geetest_asgi import GeeTestClient, GeeTestMiddleware, Lockout

from .servers import CLIENTS, GeeTest, RawServer, http_reply, replying
from .site import App
from .visitors import visit

pytestmark = pytest.mark.anyio


async def come(guard: ASGIApp, fields: dict[str, str], address: str = "203.0.113.7") -> str:
    return (await visit(fields, client=(address, 1)).run(guard)).code


def warnings(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.levelno > logging.INFO]


def test_a_lockout_by_geetests_edge_is_told_once(geetest: GeeTest, app: App, caplog: pytest.LogCaptureFixture) -> None:
    """On whichever threads and event loops the clients come; and no lockout of one client alone."""
    told = list[Lockout]()
    geetest.simulator.answers(403)
    guard = geetest.guard(app, on_lockout=told.append)
    for _ in range(40):
        anyio.run(come, guard, geetest.token())
    assert warnings(caplog) == []
    in_threads(*(partial(anyio.run, come, guard, geetest.token(), f"203.0.113.{number}") for number in range(40)))
    assert [(each.over, each.reason) for each in told] == [(False, "refused: HTTP 403")]
    assert len(warnings(caplog)) == 1


@pytest.mark.parametrize(("settings", "logged"), [({}, "203.0.113.7"), ({"log_clients": False}, None)])
async def test_the_address_is_logged_unless_it_is_switched_off(
    settings: dict[str, Any], logged: str | None, geetest: GeeTest, app: App, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "geetest_asgi")
    await come(geetest.guard(app, **settings), {})
    async with GeeTestClient("a" * 32, "b" * 32, api_server=geetest.url, **settings) as client:
        await client.validate({}, {"type": "http", "client": ("203.0.113.7", 1)})
    records = [record for record in caplog.records if vars(record).get("geetest_event") == "decision"]
    assert [vars(record)["geetest_client"] for record in records] == [logged] * 2
    assert [("203.0.113.7" in record.getMessage()) for record in records] == [logged is not None] * 2


NEAR = "is this machine, not GeeTest"
PRETENDS = "a simulator answers"
PAIR: dict[str, Any] = {"captcha_id": "a" * 32, "captcha_key": "b" * 32}


@pytest.fixture
def no_test_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PYTEST_VERSION", raising=False)


@pytest.mark.usefixtures("no_test_run")
@pytest.mark.parametrize(
    "server", ["http://127.0.0.1:8077", "https://[::1]/x", "http://LOCALHOST:1", "http://127.9.9.9"]
)
def test_a_loopback_server_is_pointed_out_while_the_app_is_built(server: str, caplog: pytest.LogCaptureFixture) -> None:
    GeeTestMiddleware(App(), **PAIR)
    others = ["https://localhost.example.org", "https://127.0.0.1.example.org"]
    GeeTestMiddleware(App(), **PAIR, api_server=[*others, server])
    GeeTestClient(**PAIR, api_server=server)
    assert warnings(caplog) == [f"{server} {NEAR}: whatever listens there says who gets in"] * 2


@pytest.mark.usefixtures("no_test_run")
@pytest.mark.parametrize("simulated", [True, False])
@pytest.mark.parametrize("client", CLIENTS)
async def test_a_simulator_is_pointed_out_once_and_another_server_is_not(
    client: str, simulated: bool, geetest: GeeTest, app: App, caplog: pytest.LogCaptureFixture
) -> None:
    with RawServer(replying(http_reply())) as server:
        url = geetest.url if simulated else server.url
        guard = geetest.guard(app, client=CLIENTS[client], api_server=url)
        for _ in range(3):
            assert (await visit(geetest.token()).run(guard)).code == "in"
        await guard.aclose()
    assert [PRETENDS in each for each in warnings(caplog)] == [False, True][: 1 + simulated]


async def test_nothing_is_said_in_a_test_run(geetest: GeeTest, app: App, caplog: pytest.LogCaptureFixture) -> None:
    assert (await visit(geetest.token()).run(geetest.guard(app))).code == "in"
    assert warnings(caplog) == []


@pytest.mark.usefixtures("no_test_run")
def test_it_is_seen_on_standard_error_without_any_logging_set_up() -> None:
    code = "from geetest_asgi import GeeTestClient; GeeTestClient('a', 'b', api_server='http://127.0.0.1:1')"
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stderr
    assert NEAR in said
