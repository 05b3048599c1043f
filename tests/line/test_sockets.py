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
from collections.abc import Callable
from contextlib import suppress
from typing import Any, cast
from urllib.parse import urlsplit

import anyio
import pytest
import trustme
from edges.servers import Behave, RawServer, never_accepting, refusing, reset
from edges.visitors import until
from lines import a_call, keep_open
from loops import LOOPS, run_on

from geetest_asgi._line.connecting import connect
from geetest_asgi._line.sockets import Socket

pytestmark = pytest.mark.anyio

HERE = "127.0.0.1"


def say_when_told(go_on: threading.Event, hang_up: threading.Event) -> Behave:
    def behave(server: RawServer, connection: socket.socket) -> None:
        connection.recv(100)
        go_on.wait(10)
        connection.sendall(b"hello")
        hang_up.wait(10)

    return behave


def echo(server: RawServer, connection: socket.socket) -> None:
    while data := connection.recv(100):
        connection.sendall(data)


async def connected_to(server: RawServer, address: str = HERE) -> Socket:
    made = Socket(address, server.port)
    await made.connected()
    return made


@pytest.mark.parametrize("poll", [True, False], ids=["poll", "select, as on Windows"])
async def test_a_socket_knows_whether_there_is_news(poll: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    if not poll:
        monkeypatch.delattr(select, "poll")
    go_on, hang_up = threading.Event(), threading.Event()
    with RawServer(say_when_told(go_on, hang_up)) as server:
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
    gc.collect()
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        with pytest.raises(OSError, match="connecting"):
            Socket("255.255.255.255", 9)
        gc.collect()
    assert seen == []


async def test_silence_begins_anew_with_all_that_is_sent() -> None:
    with RawServer(keep_open) as server:
        began = time.monotonic()
        made = await connected_to(server)
        first = made.since
        assert began <= first <= time.monotonic()
        await anyio.sleep(0.02)
        await made.send(b"x")
        assert made.since >= first + 0.02
        made.close()


async def test_what_has_no_room_in_the_kernel_is_sent_bit_by_bit() -> None:
    """The loop goes on meanwhile."""
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


async def test_a_socket_may_be_closed_twice() -> None:
    with RawServer(echo) as server:
        made = await connected_to(server)
        await made.send(b"x")
        assert await made.receive() == b"x"
        await made.aclose()
        await until(lambda: server.open == 0)
        made.close()


class Loop(asyncio.SelectorEventLoop):
    """It counts."""

    def __init__(self) -> None:
        super().__init__(selector := Counting())
        self.selector = selector
        self.added = 0

    def add_reader(self, fd: Any, callback: Any, *arguments: Any) -> None:  # type: ignore[override]
        self.added += 1
        super().add_reader(fd, callback, *arguments)


class Counting(selectors.DefaultSelector):
    looked = 0

    def select(self, timeout: float | None = None) -> Any:
        self.looked += 1
        return super().select(timeout)


def test_on_asyncio_one_reader_does_and_what_nobody_reads_does_not_keep_the_loop_busy() -> None:
    """On a free connection to which something is sent, or whose other end hangs up."""
    go_on, hang_up = threading.Event(), threading.Event()

    def talk(server: RawServer, connection: socket.socket) -> None:
        for _ in range(10):
            connection.sendall(connection.recv(100))
        say_when_told(go_on, hang_up)(server, connection)

    async def main(server: RawServer) -> None:
        made = await connected_to(server)
        before = loop.added
        for _ in range(10):
            await made.send(b"x")
            assert await made.receive() == b"x"
        assert loop.added == before + 1
        await made.send(b"x")
        go_on.set()
        await until(made.hears)
        before = loop.selector.looked
        await asyncio.sleep(0.2)
        assert loop.selector.looked < before + 20
        assert await made.receive() == b"hello"
        hang_up.set()
        made.close()

    with RawServer(talk) as server, asyncio.Runner(loop_factory=Loop) as runner:
        loop = cast("Loop", runner.get_loop())
        runner.run(main(server))


# --- TLS --------------------------------------------------------------------------------------------------------------


FAREWELL = b"close_notify"


def in_one_piece(certificate: trustme.LeafCert, *records: bytes, then: bytes) -> Behave:
    """A server that sends all of this at once, each in a record of its own."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    certificate.configure_cert(context)

    def behave(server: RawServer, connection: socket.socket) -> None:
        behind = b"" if then == FAREWELL else then
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        secure = context.wrap_bio(incoming, outgoing, server_side=True)

        def until_done(step: Callable[[], object]) -> None:
            while True:
                try:
                    step()
                except ssl.SSLWantReadError:
                    connection.sendall(outgoing.read())
                    incoming.write(connection.recv(65536))
                else:
                    return

        until_done(secure.do_handshake)
        for record in records:
            secure.write(record)
        if then == FAREWELL:
            with suppress(ssl.SSLWantReadError):
                secure.unwrap()
        connection.sendall(outgoing.read() + behind)
        server.ended.wait()

    return behave


@pytest.mark.parametrize(
    ("records", "then", "unused"),
    [((b"a",), b"", True), ((b"a", b"b"), b"", False), ((b"a",), FAREWELL, False), ((b"a",), b"garbage", False)],
)
async def test_a_connection_is_free_when_tls_has_nothing_left_either(
    records: tuple[bytes, ...], then: bytes, unused: bool
) -> None:
    """What came with the answer was taken from the socket together with it."""
    authority, context = trustme.CA(), ssl.create_default_context()
    authority.configure_trust(context)
    with RawServer(in_one_piece(authority.issue_cert(HERE), *records, then=then)) as server:
        connection = await connect([HERE], server.port, HERE, context, a_call())
        assert connection.free_since == 0.0
        assert await connection.stream.receive() == b"a"
        assert not connection.socket.hears()
        assert connection.is_unused() is unused
        connection.socket.close()
