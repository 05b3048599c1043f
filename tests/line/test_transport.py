"""Connections of our own: where they lead, whom they trust, and how long they are kept."""

import socket
import threading
import time
from collections.abc import Callable
from pathlib import Path

import anyio
import httpx
import pytest
from edges.servers import RawServer, replying, reset
from edges.visitors import until
from lines import FAIL, a_call

from geetest_asgi._line import transport
from geetest_asgi._line.blame import KeptConnectionError
from geetest_asgi._line.exchange import HEADERS
from geetest_asgi._line.transport import Transport, certificates

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize(
    ("url", "port"), [("http://a.test/v", 80), ("https://a.test/v", 443), ("https://a.test:8443/v", 8443)]
)
async def test_a_scheme_has_its_port(url: str, port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[str, int]] = []

    def getaddrinfo(host: str, port: int, **_: object) -> None:
        asked.append((host, port))
        raise socket.gaierror(socket.EAI_NONAME, "unknown")

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)  # no name of this machine's
    with pytest.raises(Exception, match=r"a\.test cannot be reached"):
        await Transport().post(url, b"", a_call())
    assert asked == [("a.test", port)]


async def test_a_connection_that_was_free_for_long_is_not_used_and_closed_by_any_call(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(transport, "UNUSED", -1.0)
    own = Transport()
    with RawServer(replying(FAIL)) as first, RawServer(replying(FAIL)) as second:
        for server in (first, first, second):
            await own.post(f"{server.url}/validate", b"x=y", a_call())
        assert first.accepted == 2
        await until(lambda: first.open == 0)
        await own.aclose()


def test_certificates_are_read_once_for_each_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SSL_CERT_FILE", raising=False)
    first = certificates(True)
    assert certificates(True) is first
    monkeypatch.setenv("SSL_CERT_DIR", str(tmp_path))
    assert certificates(True) is not first


async def test_what_is_sent_and_what_the_call_is_told() -> None:
    with RawServer(replying(FAIL)) as server:
        own = Transport()
        for kept in (False, True):
            call = a_call()
            reply = await own.post(f"{server.url}/validate?a=b", b"x=y", call)
            assert (reply.status, reply.body) == (200, b'{"result":"fail","reason":"x"}')
            assert (call.sent, call.kept) == (True, kept)
        await own.aclose()
    fields = "".join(f"{name}: {value}\r\n" for name, value in HEADERS.items())
    head = f"POST /validate?a=b HTTP/1.1\r\nHost: 127.0.0.1:{server.port}\r\n{fields}Content-Length: 3\r\n\r\n"
    assert server.requests == [head.encode() + b"x=y"] * 2


ENDED = {
    "closed": FAIL,
    "reset": FAIL,
    "connection: close": FAIL.replace(b"\r\n", b"\r\nconnection: close\r\n", 1),
    "no length": b"HTTP/1.1 200 OK\r\n\r\n{}",
}


@pytest.mark.parametrize("way", ENDED)
async def test_a_connection_that_has_ended_is_replaced_and_no_call_is_sent_twice(way: str) -> None:
    def answer(server: RawServer, connection: socket.socket) -> None:
        server.read_request(connection)
        connection.sendall(ENDED[way])
        time.sleep(0.02)  # what was sent must be on its way before RST throws it away
        if way == "reset":
            reset(connection)

    with RawServer(answer) as server:
        own = Transport()
        for _ in range(3):
            assert (await own.post(f"{server.url}/validate", b"", a_call())).body
            await until(lambda: server.open == 0)
        assert (len(server.requests), server.accepted) == (3, 3)
        await own.aclose()


async def test_the_connection_that_was_used_last_is_used_first() -> None:
    """So those that only a crowd needed become old and are closed."""
    used, both_there = list[int](), threading.Barrier(2)

    def answer(server: RawServer, connection: socket.socket) -> None:
        while server.read_request(connection):
            used.append(id(connection))
            if len(used) <= 2:
                both_there.wait(10)
            connection.sendall(FAIL)

    with RawServer(answer) as server:
        own, url = Transport(), f"{server.url}/validate"
        async with anyio.create_task_group() as group:
            for _ in range(2):
                group.start_soon(own.post, url, b"", a_call())
        for _ in range(2):
            await own.post(url, b"", a_call())
        await own.aclose()
    assert (server.accepted, used[2]) == (2, used[3])


def garbage(connection: socket.socket) -> None:
    connection.sendall(b"SSH-2.0-OpenSSH_9.6\r\n")


@pytest.mark.parametrize(("end", "error"), [(garbage, httpx.RemoteProtocolError), (reset, httpx.ReadError)])
@pytest.mark.parametrize("kept", [False, True])
async def test_an_answer_that_breaks_off(
    kept: bool, end: Callable[[socket.socket], None], error: type[Exception]
) -> None:
    """On a kept connection it says nothing about GeeTest."""

    def answer(server: RawServer, connection: socket.socket) -> None:
        for _ in range(kept):
            server.read_request(connection)
            connection.sendall(FAIL)
        server.read_request(connection)
        end(connection)

    with RawServer(answer) as server:
        own = Transport()
        for _ in range(kept):
            await own.post(f"{server.url}/validate", b"", a_call())
        with pytest.raises(KeptConnectionError if kept else error):
            await own.post(f"{server.url}/validate", b"", a_call())
        await until(lambda: server.open == 0)


async def test_a_connection_in_use_is_closed_when_its_call_ends_after_the_transport() -> None:
    go_on = threading.Event()

    def late(server: RawServer, connection: socket.socket) -> None:
        server.read_request(connection)
        go_on.wait(10)
        connection.sendall(FAIL)
        connection.recv(1)

    async def end() -> None:
        await until(lambda: server.requests)
        await own.aclose()
        go_on.set()

    with RawServer(late) as server:
        own = Transport()
        async with anyio.create_task_group() as group:
            group.start_soon(end)
            assert (await own.post(f"{server.url}/validate", b"", a_call())).status == 200
        await until(lambda: server.open == 0)
