"""Sockets of our own: whether the other end was heard of, and what waiting and closing do."""

import asyncio
import gc
import os
import resource
import select
import selectors
import socket
import ssl
import threading
import time
import warnings
from contextlib import suppress
from typing import Any
from urllib.parse import urlsplit

import anyio
import pytest
import trustme
from edges.servers import Behave, RawServer, never_accepting, refusing, reset, secured
from edges.visitors import until
from lines import a_call, keep_open
from loops import LOOPS, run_on

from geetest_asgi._line.connecting import connect
from geetest_asgi._line.sockets import Socket

pytestmark = pytest.mark.anyio

HERE = "127.0.0.1"


async def connected_to(server: RawServer, address: str = HERE) -> Socket:
    made = Socket(address, server.port)
    await made.connected()
    return made


@pytest.mark.parametrize("poll", [True, False], ids=["poll", "select, as on Windows"])
async def test_a_socket_knows_whether_there_is_news(poll: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    if not poll:
        monkeypatch.delattr(select, "poll")
    go_on, hang_up = threading.Event(), threading.Event()

    def say_when_told(server: RawServer, connection: socket.socket) -> None:
        connection.recv(100)
        go_on.wait(10)
        connection.sendall(b"hello")
        hang_up.wait(10)

    with RawServer(say_when_told) as server:
        made = Socket(HERE, server.port)
        await until(made.hears)  # accepted
        await made.connected()
        assert made.hears(), "the other end waits for us"
        await made.send(b"x")
        began = time.monotonic()
        assert not any(made.hears() for _ in range(20_000))
        assert time.monotonic() - began < 15, "a thousandth of a second for each would be 20"
        go_on.set()
        await until(made.hears)  # said something
        assert await made.receive() == b"hello"
        assert not made.hears()
        hang_up.set()
        await until(made.hears)
        with pytest.raises(anyio.EndOfStream):
            await made.receive()
        made.close()


async def test_a_connection_is_there_once_somebody_accepts() -> None:
    with never_accepting() as busy, refusing() as nobody:
        made = Socket(HERE, urlsplit(busy).port or 0)
        with anyio.move_on_after(0.05) as waiting:
            await made.connected()
        assert waiting.cancelled_caught
        assert not made.hears()
        made.close()
        made = Socket(HERE, urlsplit(nobody).port or 0)
        with pytest.raises(ConnectionRefusedError):
            await made.connected()
        made.close()


async def test_a_process_may_have_many_files_open() -> None:
    """`select` knows the first 1024."""
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)
    if limit[1] < 4096:
        pytest.skip("this process may not open many files")
    resource.setrlimit(resource.RLIMIT_NOFILE, (4096, limit[1]))
    nowhere = os.open(os.devnull, os.O_RDONLY)
    many = [nowhere, *(os.dup(nowhere) for _ in range(1100))]
    try:
        with RawServer(keep_open) as server:
            made = await connected_to(server)
            await made.send(b"x")
            assert not made.hears()
            made.close()
    finally:
        for each in many:
            os.close(each)
        resource.setrlimit(resource.RLIMIT_NOFILE, limit)


async def test_an_address_of_version_six() -> None:
    with socket.socket(socket.AF_INET6) as listener:
        try:
            listener.bind(("::1", 0))
        except OSError:
            pytest.skip("this machine has no IPv6")
        listener.listen()
        made = Socket("::1", listener.getsockname()[1])
        await made.connected()
        made.close()


async def test_an_address_that_cannot_be_connected_to_leaves_no_socket_behind() -> None:
    gc.collect()  # what other tests have left
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        with pytest.raises(OSError, match="connecting"):
            Socket("255.255.255.255", 9)
        gc.collect()
    assert seen == []


async def test_silence_begins_anew_with_all_that_is_sent() -> None:
    def read(server: RawServer, connection: socket.socket) -> None:
        while connection.recv(100):
            pass

    with RawServer(read) as server:
        began = time.monotonic()
        made = await connected_to(server)
        first = made.since
        assert began <= first <= time.monotonic()
        await anyio.sleep(0.02)
        await made.send(b"x")
        assert made.since >= first + 0.02
        await made.aclose()
        await until(lambda: server.open == 0)
        made.close()  # once more does no harm


async def test_what_has_no_room_in_the_kernel_is_sent_bit_by_bit() -> None:
    go_on, length, received = threading.Event(), 20_000_000, list[int]()

    def read_late(server: RawServer, connection: socket.socket) -> None:
        go_on.wait(60)
        while data := connection.recv(1 << 20):
            received.append(len(data))

    async def tell() -> None:
        await anyio.sleep(0.02)
        go_on.set()

    with RawServer(read_late) as server:
        made = await connected_to(server)
        async with anyio.create_task_group() as group:
            group.start_soon(tell)
            await made.send(b"x" * length)
        await made.send_eof()
        await until(lambda: sum(received) == length)
        await until(lambda: server.open == 0)
        made.close()


async def test_between_two_pieces_the_event_loop_goes_on() -> None:
    told = threading.Event()

    def in_pieces(server: RawServer, connection: socket.socket) -> None:
        connection.sendall(connection.recv(100))
        told.wait(10)
        connection.sendall(b"y")

    async def tell() -> None:
        told.set()

    with RawServer(in_pieces) as server:
        made = await connected_to(server)
        await made.send(b"x")
        assert await made.receive() == b"x"
        async with anyio.create_task_group() as group:
            group.start_soon(tell)
            assert await made.receive() == b"y"
            assert told.is_set()
        made.close()


@pytest.mark.parametrize("loop", LOOPS)
def test_an_end_that_came_with_the_last_bytes_is_noticed(loop: str) -> None:
    """The event loop may tell of both at once, and never again."""
    over = threading.Event()

    def say_and_reset(server: RawServer, connection: socket.socket) -> None:
        connection.recv(100)
        connection.sendall(b"hello")
        reset(connection)
        over.set()

    async def main() -> None:
        with RawServer(say_and_reset) as server:
            made = await connected_to(server)
            await made.send(b"x")
            over.wait(10)
            assert await made.receive() == b"hello"
            with anyio.fail_after(10), pytest.raises(ConnectionResetError):
                await made.receive()
            made.close()

    run_on(loop, main)


class Counting(selectors.DefaultSelector):
    """Counts how often an event loop looks for news, and of how many sockets it has asked for them."""

    looked = registered = 0

    def register(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        self.registered += 1
        return super().register(fileobj, events, data)

    def modify(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        self.registered += 1
        return super().modify(fileobj, events, data)

    def select(self, timeout: float | None = None) -> Any:
        self.looked += 1
        return super().select(timeout)


def test_what_nobody_reads_does_not_keep_the_loop_busy() -> None:
    """On a free connection to which something is sent."""
    selector = Counting()

    def echo(server: RawServer, connection: socket.socket) -> None:
        while data := connection.recv(100):
            connection.sendall(data)

    async def main(server: RawServer) -> None:
        made = await connected_to(server)
        await made.send(b"x")
        assert await made.receive() == b"x"
        before = selector.registered
        await made.send(b"y")
        assert await made.receive() == b"y"
        assert selector.registered == before, "one reader does"
        await made.send(b"z")
        await until(made.hears)
        before = selector.looked
        await asyncio.sleep(0.2)
        assert selector.looked < before + 20
        assert await made.receive() == b"z"
        made.close()

    with (
        RawServer(echo) as server,
        asyncio.Runner(loop_factory=lambda: asyncio.SelectorEventLoop(selector)) as runner,
    ):
        runner.run(main(server))


def in_one_piece(*records: bytes, then: bytes) -> Behave:
    """A server that sends these records of TLS and then raw bytes, or TLS's farewell, all at once."""

    def behave(server: RawServer, secure: socket.socket) -> None:
        assert isinstance(secure, ssl.SSLSocket)
        secure.setsockopt(socket.IPPROTO_TCP, socket.TCP_CORK, True)
        for record in records:
            secure.sendall(record)
        if then == b"farewell":
            secure.settimeout(0)
            with suppress(ssl.SSLWantReadError):
                secure.unwrap()
        else:
            os.write(secure.fileno(), then)
        secure.setsockopt(socket.IPPROTO_TCP, socket.TCP_CORK, False)
        server.ended.wait()

    return behave


@pytest.mark.parametrize(
    ("records", "then", "unused"),
    [((b"a",), b"", True), ((b"a", b"b"), b"", False), ((b"a",), b"farewell", False), ((b"a",), b"garbage", False)],
)
async def test_a_connection_is_free_when_tls_has_nothing_left_either(
    records: tuple[bytes, ...], then: bytes, unused: bool
) -> None:
    """What came with the answer was taken from the socket together with it."""
    authority, context = trustme.CA(), ssl.create_default_context()
    authority.configure_trust(context)
    with RawServer(secured(authority.issue_cert(HERE), in_one_piece(*records, then=then))) as server:
        connection = await connect([HERE], server.port, HERE, context, a_call())
        assert connection.free_since == 0.0
        assert await connection.stream.receive() == b"a"
        assert not connection.socket.hears()
        assert connection.is_unused() is unused
        connection.socket.close()
