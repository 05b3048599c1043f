"""Outside of tests, a middleware that asks somebody other than GeeTest says so, once."""

import logging
import subprocess
import sys
from typing import Any

import pytest

from geetest_asgi import GeeTestClient, GeeTestMiddleware

from .servers import CLIENTS, GeeTest, RawServer, http_reply, replying
from .site import App
from .visitors import visit

pytestmark = pytest.mark.anyio

NEAR = "is this machine, not GeeTest"
PRETENDS = "a simulator answers"
PAIR: dict[str, Any] = {"captcha_id": "a" * 32, "captcha_key": "b" * 32}


@pytest.fixture
def no_test_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PYTEST_VERSION", raising=False)


def warnings(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]


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
