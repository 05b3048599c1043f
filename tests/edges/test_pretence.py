"""Outside of tests, a middleware that asks somebody other than GeeTest says so, once."""

import logging
import socket
import subprocess
import sys
from typing import Any

import httpx
import httpx2
import pytest

from geetest_asgi import GeeTestClient, GeeTestMiddleware
from geetest_asgi.testing import Simulator, serve

from .support import App, GeeTest, RawServer, http_reply, visit

pytestmark = pytest.mark.anyio

NEAR = "is this machine, not GeeTest"
PRETENDS = "a simulator answers in GeeTest's place"


@pytest.fixture
def no_test_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PYTEST_VERSION", raising=False)


def one_success(server: RawServer, connection: socket.socket) -> None:
    server.read_request(connection)
    connection.sendall(http_reply())


def warnings(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]


def guard(server: str | list[str], **settings: object) -> GeeTestMiddleware:
    pair = {"captcha_id": "a" * 32, "captcha_key": "b" * 32}
    return GeeTestMiddleware(App(), protect=["/login"], api_server=server, **{**pair, **settings})  # type: ignore[arg-type]


@pytest.mark.usefixtures("no_test_run")
@pytest.mark.parametrize(
    "server", ["http://127.0.0.1:8077", "https://[::1]/x", "http://LOCALHOST:1", "http://127.9.9.9"]
)
def test_a_loopback_server_is_pointed_out_while_the_app_is_built(server: str, caplog: pytest.LogCaptureFixture) -> None:
    guard(["https://example.org", server])
    assert warnings(caplog) == [f"{server} {NEAR}: whatever listens there says who gets in"]


@pytest.mark.usefixtures("no_test_run")
def test_so_it_is_for_a_client(caplog: pytest.LogCaptureFixture) -> None:
    GeeTestClient("a" * 32, "b" * 32, api_server="http://localhost:1")
    assert [NEAR in each for each in warnings(caplog)] == [True]


@pytest.mark.usefixtures("no_test_run")
@pytest.mark.parametrize("server", [None, "https://localhost.example.org", "https://127.0.0.1.example.org"])
def test_other_servers_are_not(server: str | None, caplog: pytest.LogCaptureFixture) -> None:
    GeeTestMiddleware(App(), captcha_id="a" * 32, captcha_key="b" * 32, api_server=server)
    assert warnings(caplog) == []


@pytest.mark.usefixtures("no_test_run")
@pytest.mark.parametrize("client", [None, httpx.AsyncClient, httpx2.AsyncClient], ids=["own", "httpx", "httpx2"])
async def test_a_simulator_is_pointed_out_once(client: Any, geetest: GeeTest, caplog: pytest.LogCaptureFixture) -> None:
    simulator = Simulator()
    with serve(simulator) as url:
        guarded = guard(url, client=client)
        for _ in range(3):
            asked = await visit(simulator.token(captcha_id="a" * 32)).run(guarded)
            assert asked.code == "in"
        await guarded.aclose()
    assert [PRETENDS in each for each in warnings(caplog)] == [False, True]


@pytest.mark.usefixtures("no_test_run")
async def test_a_server_that_does_not_call_itself_one_is_not(caplog: pytest.LogCaptureFixture) -> None:
    with RawServer(one_success) as server:
        guarded = guard(server.url)
        assert (await visit(Simulator().token()).run(guarded)).code == "in"
        await guarded.aclose()
    assert [PRETENDS in each for each in warnings(caplog)] == [False]


async def test_nothing_is_said_in_a_test_run(caplog: pytest.LogCaptureFixture) -> None:
    simulator = Simulator()
    with serve(simulator) as url:
        guarded = guard(url)
        assert (await visit(simulator.token(captcha_id="a" * 32)).run(guarded)).code == "in"
        await guarded.aclose()
    assert warnings(caplog) == []


@pytest.mark.usefixtures("no_test_run")
def test_it_is_seen_on_standard_error_without_any_logging_set_up() -> None:
    code = "from geetest_asgi import GeeTestClient; GeeTestClient('a', 'b', api_server='http://127.0.0.1:1')"
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stderr
    assert NEAR in said
