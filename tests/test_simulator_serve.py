"""`serve`, which runs any ASGI app on a socket, and the simulator on the command line."""

import gc
import socket
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
import pytest
from commands import until
from simulators import signed
from starlette.applications import Starlette
from starlette.types import Receive, Scope, Send

from geetest_asgi.testing import GeeTestServer, Simulator, run_simulator, serve

CALL = b"GET /validate HTTP/1.1\r\nHost: gcaptcha4.geetest.com\r\n\r\n"


def test_serve_gives_a_url_that_answers_and_takes_orders_from_this_thread(simulator: Simulator) -> None:
    with serve(simulator) as url, httpx.Client(base_url=url, trust_env=False) as http:
        forwarded = {"x-forwarded-for": "203.0.113.9"}
        answer = http.post("/validate", data=signed(simulator.token()), headers=forwarded).json()
        assert answer["captcha_args"]["user_ip"] == "127.0.0.1", "a forwarded address is not believed"
        simulator.down()
        assert http.post("/validate").status_code == 503
        assert http.post("/validate", content=b"x" * 2_000_000).status_code == 413, "and it can be read"
        assert url in http.get("/").text


def test_serve_ends_soon_and_cleanly_with_a_call_under_way(
    simulator: Simulator, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    simulator.hanging()
    before = set(threading.enumerate())
    with socket.socket() as visitor:
        with serve(simulator) as url:
            visitor.connect(address(url))
            visitor.sendall(CALL)
            until(lambda: simulator.calls)
        assert set(threading.enumerate()) <= before, "the server's thread has ended, though its call has not"
        visitor.settimeout(5)
        assert visitor.recv(1000) == b"", "the connection was hung up without an answer"
    gc.collect()  # an unclosed socket would warn now, and a warning fails the test
    assert not [entry for entry in caplog.records if entry.levelname in ("WARNING", "ERROR")]
    assert capfd.readouterr() == ("", "")


def address(url: str) -> tuple[str, int]:
    return httpx.URL(url).host, httpx.URL(url).port or 0


def test_serve_frees_its_port_and_raises_at_once_on_a_taken_one(simulator: Simulator) -> None:
    with serve(simulator) as url:
        port = address(url)[1]
        with pytest.raises(OSError, match="in use"), serve(simulator, port=port):
            pytest.fail("the block must not run")
    with serve(simulator, port=port) as again:
        assert again == url
        httpx.get(url, headers={"connection": "close"}, trust_env=False)  # the server's end of it stays a minute
    with serve(simulator, port=port):
        pass
    with pytest.raises(httpx.ConnectError):
        httpx.get(url)


def test_serve_runs_any_apps_lifespan_and_lets_an_exception_of_the_block_through() -> None:
    seen: list[str] = []

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        seen.append("started")
        yield
        seen.append("ended")

    with pytest.raises(KeyError, match="started"), serve(Starlette(lifespan=lifespan)):
        raise KeyError(*seen)
    assert seen == ["started", "ended"]


def test_serve_says_so_if_the_app_does_not_start() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        await send({"type": "lifespan.startup.failed", "message": "no database"})

    with pytest.raises(RuntimeError, match="failed to start"), serve(app):
        pytest.fail("the block must not run")


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "", "localhost.example.org"])
def test_the_command_refuses_to_listen_beyond_loopback(
    host: str, geetest_server: GeeTestServer, capsys: pytest.CaptureFixture[str]
) -> None:
    taken = address(geetest_server.url)[1]  # should it try to listen, it does not succeed
    assert run_simulator(host, taken) == 2
    assert f"Refused to listen on {host!r}" in capsys.readouterr().err


def test_the_command_that_cannot_listen_says_so(simulator: Simulator, capsys: pytest.CaptureFixture[str]) -> None:
    with serve(simulator) as url:
        assert run_simulator(port=address(url)[1]) == 1
    assert "cannot start" in capsys.readouterr().err
