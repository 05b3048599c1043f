"""Opening a connection: which address is taken, and whom a look-up waits for. The names are looked up by the tests."""

import socket
import ssl
import threading
import time
from collections.abc import Iterator
from math import inf
from typing import Any

import anyio
import pytest
import trustme
from anyio.lowlevel import checkpoint
from edges.servers import RawServer, http_reply, never_accepting, secured
from edges.visitors import until
from lines import a_call, keep_open

from geetest_asgi._line.call import Call
from geetest_asgi._line.connecting import Attempts, Lookup, connect, look_up

pytestmark = pytest.mark.anyio


HERE = "127.0.0.1"


@pytest.fixture
def other() -> str:
    """An address that refuses connections to a port at which the tests' server has another."""
    with socket.socket() as held:
        try:
            held.bind(("127.0.0.2", 0))
        except OSError:
            pytest.skip("this machine has one local address")
    return "127.0.0.2"


async def test_the_first_address_that_accepts_is_taken(other: str) -> None:
    with RawServer(keep_open) as server:
        for addresses in ([HERE], [HERE, HERE], [other, HERE], [HERE, other], [other, other, HERE]):
            call = a_call()
            connection = await connect(addresses, server.port, "geetest.test", None, call)
            assert connection.socket is call.socket
            connection.socket.close()


async def test_an_address_that_does_not_answer_holds_up_no_other(other: str) -> None:
    with never_accepting() as silent:
        port = int(silent.rpartition(":")[2])
        with socket.create_server((other, port)), anyio.fail_after(10):
            connection = await connect([HERE, other], port, "geetest.test", None, a_call())
            connection.socket.close()


async def test_no_other_address_is_tried_once_one_has_accepted() -> None:
    with RawServer(keep_open) as server:
        connection = await connect([HERE] * 50, server.port, "geetest.test", None, a_call())
        connection.socket.close()
    assert server.accepted < 50, "one, or some more where the event loop was late"


async def test_where_no_address_accepts_each_has_its_error_at_once() -> None:
    with socket.create_server((HERE, 0)) as held:
        port = held.getsockname()[1]
    with pytest.raises(OSError, match="no address accepts") as caught, anyio.fail_after(10):
        await connect([HERE] * 60, port, "geetest.test", None, a_call())  # 15 s, if each waited for its moment
    assert isinstance(caught.value.__cause__, ExceptionGroup)
    assert len(caught.value.__cause__.exceptions) == 60


async def test_what_one_of_several_attempts_hears_all_of_them_hear(other: str) -> None:
    with RawServer(keep_open) as server:
        attempts = Attempts()
        assert (attempts.since, attempts.hears()) == (inf, False)
        with pytest.raises(ConnectionRefusedError):
            await attempts.connect(other, server.port)
        assert (attempts.since, attempts.hears()) == (inf, False)
        first = await attempts.connect(HERE, server.port)
        assert attempts.hears(), "the other end waits for us"
        await first.send(b"x")
        assert not attempts.hears()
        second = await attempts.connect(HERE, server.port)
        assert attempts.hears()
        assert attempts.since == min(first.since, second.since)
        for made in (first, second):
            made.close()


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def context(authority: trustme.CA) -> ssl.SSLContext:
    made = ssl.create_default_context()
    authority.configure_trust(made)
    return made


async def test_the_end_of_a_connection_is_the_end_of_tls(authority: trustme.CA, context: ssl.SSLContext) -> None:
    """Many servers leave out the farewell that TLS has for it. An answer that is cut short is no JSON."""

    def speak(server: RawServer, connection: socket.socket) -> None:
        connection.sendall(b"hello")

    with RawServer(secured(authority.issue_cert(HERE), speak)) as server:
        connection = await connect([HERE], server.port, HERE, context, a_call())
        assert await connection.stream.receive() == b"hello"
        with pytest.raises(anyio.EndOfStream):
            await connection.stream.receive()
        connection.socket.close()


async def test_a_handshake_that_fails_leaves_no_connection(context: ssl.SSLContext) -> None:
    def speak_plainly(server: RawServer, connection: socket.socket) -> None:
        connection.sendall(http_reply())
        while connection.recv(65536):
            pass

    with RawServer(speak_plainly) as server:
        with pytest.raises(ssl.SSLError) as caught:
            await connect([HERE], server.port, HERE, context, a_call())
        await until(lambda: server.accepted == 1 and server.open == 0)
        assert caught.traceback, "which keeps what was not closed"


class Names:
    """A resolver that hangs until it is told to go on."""

    def __init__(self) -> None:
        self.asked = self.answered = 0
        self.go_on = threading.Event()

    def getaddrinfo(self, host: str, port: int, **_: object) -> list[Any]:
        self.asked += host in ("geetest.test", "unknown.test")  # and no late thread of another test
        self.go_on.wait(10)
        self.answered += 1
        if host == "unknown.test":
            raise socket.gaierror(socket.EAI_NONAME, "unknown")
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in ("192.0.2.1", "192.0.2.2")]


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> Iterator[Names]:
    """No name of this machine's hangs."""
    names = Names()
    monkeypatch.setattr(socket, "getaddrinfo", names.getaddrinfo)
    yield names
    names.go_on.set()


async def test_calls_wait_for_one_look_up_and_the_silence_is_the_resolvers(names: Names) -> None:
    """A resolver that hangs is an outage for all of them: none waits for a thread, which would be our own fault."""
    calls, found, under_way = [a_call() for _ in range(20)], list[object](), dict[str, Lookup]()
    assert (Lookup().since, Lookup().hears()) == (inf, False)

    async def find(call: Call) -> None:
        found.append(await look_up("geetest.test", 443, call, under_way))

    with anyio.fail_after(10):
        async with anyio.create_task_group() as group:
            start = time.monotonic()
            for call in calls:
                group.start_soon(find, call)
            await until(lambda: names.asked)
            [heard] = {call.socket for call in calls}
            assert heard is not None
            assert start <= heard.since <= time.monotonic()
            assert not heard.hears()
            assert {call.ours for call in calls} == {""}
            names.go_on.set()
            await until(heard.hears)
    assert found == [["192.0.2.1", "192.0.2.2"]] * 20
    assert (names.asked, under_way) == (1, {})


async def test_who_began_a_look_up_may_leave_and_what_it_raises_all_others_raise(names: Names) -> None:
    under_way, raised = dict[str, Lookup](), list[int]()

    async def find() -> None:
        with pytest.raises(socket.gaierror):
            await look_up("unknown.test", 443, a_call(), under_way)
        raised.append(names.asked)

    async with anyio.create_task_group() as first:
        first.start_soon(look_up, "unknown.test", 443, a_call(), under_way)
        await until(lambda: names.asked)
        first.cancel_scope.cancel()
    with anyio.fail_after(10):
        async with anyio.create_task_group() as others:
            others.start_soon(find)
            others.start_soon(find)
            await checkpoint()
            names.go_on.set()
        await find()
    assert raised == [1, 1, 2]


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_no_event_loop_waits_at_its_end_for_a_resolver(backend: str, names: Names) -> None:
    async def main() -> None:
        async with anyio.create_task_group() as group:
            group.start_soon(look_up, "geetest.test", 443, a_call(), {})
            await until(lambda: names.asked)
            group.cancel_scope.cancel()

    anyio.run(main, backend=backend)
    assert names.answered == 0
