"""A visitor cannot fake an outage: nothing that many requests do together opens the door."""

import asyncio
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import anyio
import httpx
import httpx2
import pytest
import trustme
from loops import LOOPS, run_on

from geetest_asgi import Limits
from geetest_asgi.testing import Simulator

from .door import Door
from .prompt import Prompt
from .servers import CLIENTS, GeeTest, RawServer, http_reply, replying, reset
from .visitors import cut, unfinished, visit

pytestmark = pytest.mark.anyio

# --- many at once -----------------------------------------------------------------------------------------------------


async def test_a_visitor_cannot_fake_an_outage_by_filling_the_memory_for_bodies(geetest: GeeTest) -> None:
    door = Door(geetest, limits=Limits(max_buffered=3000, unverified_per_second=10**6))
    holding = [unfinished(b"x" * 1400) for _ in range(2)]
    async with anyio.create_task_group() as tasks:
        for each in holding:
            tasks.start_soon(each.run, door.guard)
        await anyio.sleep(0.02)
        assert set(await door.crowd(20, forged=True)) == {"captcha_busy"}
        for each in holding:
            each.leave()
    assert door.is_shut()


@pytest.mark.parametrize("kit", [httpx, httpx2])
async def test_a_visitor_cannot_fake_an_outage_by_using_up_a_given_clients_pool(kit: Any, geetest: GeeTest) -> None:
    """A developer's client has a pool of its own, and whoever waits for it waits for us, not for GeeTest."""
    geetest.simulator.slow(0.3)
    async with kit.AsyncClient(limits=kit.Limits(max_connections=2)) as client:
        door = Door(geetest, client=client, timeout=1.2)
        codes = await door.crowd(30, forged=True)
    assert door.is_shut()
    assert codes.count("captcha_failed") >= 2
    assert set(codes) == {"captcha_failed", "captcha_busy"}


async def test_a_visitor_cannot_fake_an_outage_by_using_up_the_apps_threads(geetest: GeeTest) -> None:
    """Forty slow requests to plain `def` endpoints, which Starlette and FastAPI run on anyio's forty threads."""
    door, release = Door(geetest, timeout=0.3), threading.Event()

    async def on_a_thread() -> None:
        await anyio.to_thread.run_sync(release.wait)

    async with anyio.create_task_group() as tasks:
        for _ in range(60):
            tasks.start_soon(on_a_thread)
        await anyio.sleep(0.05)
        codes = await door.crowd(3, forged=True)
        release.set()
    assert door.is_shut(), codes


@pytest.mark.parametrize(("servers", "hold"), [(1, 1.0), (3, 1.0), (1, 0.52), (1, 0.6), (1, 0.7)])
def test_a_visitor_cannot_fake_an_outage_by_using_up_the_loops_threads(
    servers: int, hold: float, geetest: GeeTest
) -> None:
    """asyncio looks up the names of hosts on the threads that an app's own `asyncio.to_thread` keeps busy.

    Also where they are given back in time for a look at them when the call is over.
    """
    named = [geetest.url.replace("127.0.0.1", "localhost")] * servers
    door = Door(geetest, timeout=0.5, api_server=named)

    async def main() -> None:
        asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(4))
        busy = [asyncio.create_task(asyncio.to_thread(time.sleep, hold)) for _ in range(4)]
        await asyncio.sleep(0.02)
        await door.crowd(3, forged=True)
        await asyncio.gather(*busy)

    asyncio.run(main())
    assert door.is_shut(), door.told.reasons


@pytest.mark.parametrize("abrupt", [False, True])
@pytest.mark.parametrize("client", CLIENTS)
async def test_a_visitor_cannot_fake_an_outage_by_timing_the_end_of_a_kept_connection(
    client: str, abrupt: bool, geetest: GeeTest
) -> None:
    """Servers end idle connections, and a call that crosses the end on its way gets no answer: one can aim at that."""

    def end_at_the_second(server: RawServer, connection: socket.socket) -> None:
        server.read_request(connection)
        connection.sendall(http_reply(b'{"status":"success","result":"fail","reason":"pass_token error"}'))
        server.read_request(connection)
        if abrupt:
            reset(connection)

    with RawServer(end_at_the_second) as server:
        door = Door(geetest, api_server=server.url, client=CLIENTS[client])
        codes = [await door.crowd(1, forged=True) for _ in range(4)]
        await door.guard.aclose()
    assert codes == [["captcha_failed"], ["captcha_busy"]] * 2
    assert door.is_shut()
    assert server.accepted == 2


Stall = Callable[[float], Iterator[float]]
"""Yields how long the loop is held, again and again; it may compute meanwhile."""


def stall_once(until: float) -> Iterator[float]:
    """Far beyond the time that GeeTest has."""
    yield 0.6


def stall_later(until: float) -> Iterator[float]:
    """Some turns on, in the middle of a look-up, a connect or a handshake."""
    yield from [0.0] * 6
    yield 0.6


def stall_at_each_turn(until: float) -> Iterator[float]:
    """While hosts are looked up and connections made; then so much follows that each turn of the loop is late."""
    yield from [0.0] * 20
    yield 0.3
    yield from [0.01] * 30


def stall_often(until: float) -> Iterator[float]:
    for _ in range(8):
        yield 0.07


def stall_shortly(until: float) -> Iterator[float]:
    """A little at each turn of the loop, and none of it when the time is up: at that moment all looks well."""
    while (left := until - 0.005 - time.monotonic()) > 0:
        yield min(0.02, left)


def stall_by_waiting(until: float) -> Iterator[float]:
    """A database that is asked without `await`: much time goes by, and nothing is computed."""
    while (left := until - 0.005 - time.monotonic()) > 0:
        yield min(0.12, left)


def stall_by_computing(until: float) -> Iterator[float]:
    """bcrypt takes 0.3 s."""
    for _ in range(4):
        end = time.monotonic() + 0.12
        while time.monotonic() < end:
            pass
        yield 0.0


@pytest.fixture(scope="module")
def certified(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A certificate, and its authority."""
    made, folder = trustme.CA(), tmp_path_factory.mktemp("tls")
    made.cert_pem.write_to_path(str(folder / "authority.pem"))
    made.issue_cert("127.0.0.1", "localhost").private_key_and_cert_chain_pem.write_to_path(str(folder / "geetest.pem"))
    return folder / "geetest.pem", folder / "authority.pem"


@pytest.fixture(scope="module", params=["plain", "TLSv1_2", "TLSv1_3"])
def answering(request: pytest.FixtureRequest, certified: tuple[Path, Path]) -> Iterator[Prompt]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SSL_CERT_FILE", str(certified[1]))
        with Prompt() if request.param == "plain" else Prompt(certified[0], request.param) as served:
            yield served


STALLS: list[tuple[Stall, str]] = [
    (stall_once, "open connections"),
    (stall_by_waiting, "open connections"),
    (stall_by_computing, "open connections"),
    (stall_often, "no connections"),
    (stall_shortly, "no connections"),
    (stall_by_waiting, "no connections"),
    (stall_later, "no connections"),
    (stall_later, "open connections"),
    (stall_once, "three servers"),
    (stall_shortly, "three servers"),
    (stall_at_each_turn, "two addresses"),
]


def two_addresses(host: str, port: int, **_: object) -> list[tuple[Any, ...]]:
    """What a resolver returns for a host such as GeeTest's."""
    addresses = [(each, port) for each in ("127.0.0.1", "127.0.0.2")]
    return [(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", each) for each in addresses]


@pytest.mark.slow_except("plain-asyncio-*", "TLSv1_3-trio-stall_by_waiting-*")
@pytest.mark.parametrize(("stall", "start"), STALLS)
@pytest.mark.parametrize("loop", LOOPS)
def test_a_visitor_cannot_fake_an_outage_by_holding_up_the_event_loop(
    loop: str, stall: Stall, start: str, answering: Prompt, geetest: GeeTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Visitors call an endpoint that does not let go of the loop; then GeeTest's answers lie there and wait for us."""
    urls = [answering.url] * (3 if start == "three servers" else 1)
    if start == "two addresses":
        monkeypatch.setattr(socket, "getaddrinfo", two_addresses)
        urls = [answering.url.replace("127.0.0.1", "localhost")]
    door, codes = Door(geetest, timeout=0.25, api_server=urls, trust_env=True), []

    async def hold(stalls: Iterator[float]) -> None:
        """The loop; GeeTest answers meanwhile all that it was sent, however busy the machine is."""
        while True:
            time.sleep(next(stalls, 0.0))
            answering.settle()
            await anyio.sleep(0)

    async def held_crowd(stalls: Iterator[float]) -> None:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(hold, stalls)
            codes.extend(await door.crowd(50, forged=True))
            tasks.cancel_scope.cancel()

    async def main() -> None:
        await door.guard.guard.line.prepare()
        if start == "open connections":
            await held_crowd(iter(()))
        await held_crowd(stall(time.monotonic() + 0.25))
        await door.guard.aclose()

    run_on(loop, main)
    assert door.is_shut(), (codes.count("in"), set(door.told.reasons))
    assert start != "open connections" or "captcha_failed" in codes[50:], "what lies there is read"


async def test_a_visitor_cannot_fake_an_outage_by_bodies_that_are_hard_to_read(geetest: GeeTest) -> None:
    """The same without any endpoint: what the guard itself does with large bodies at once. Scaled down threefold."""
    door = Door(geetest, timeout=0.3, sources=("body",))
    hard = (b"{" + b'"\\u0061":1,' * 30_000)[:131_072]
    async with anyio.create_task_group() as tasks:
        for _ in range(10):
            tasks.start_soon(visit(body=cut(hard, 65536), content_type="application/json").run, door.guard)
        codes = await door.crowd(5, forged=True)
    assert door.is_shut(), codes


# --- file descriptors: in a process of its own, since its limit is lowered --------------------------------------------

EXHAUSTED = """
import collections, os, random, resource, sys, threading, time
import anyio
from edges.servers import GeeTest
from edges.site import App
from edges.visitors import visit
from geetest_asgi import Limits
from geetest_asgi.testing import Simulator

url, backend, seconds = sys.argv[1], sys.argv[2], float(sys.argv[3])
outcomes, held, over = collections.Counter(), [], threading.Event()

def fill():
    try:
        while True:
            held.append(os.open("/dev/null", os.O_RDONLY))
    except OSError:
        pass

def come_and_go():
    while not over.is_set():
        if held:
            os.close(held.pop())
        for _ in range(random.randrange(50)):
            pass
        fill()

async def main():
    geetest = GeeTest(Simulator(), url)
    guard = geetest.guard(App(), limits=Limits(unverified_per_second=10**6), timeout=0.3,
                          on_result=lambda result, scope: outcomes.update([str(result.outcome)]))
    async def ask():
        await visit(geetest.token(forged=True)).run(guard)
        await guard.aclose()  # a kept connection would need no file descriptor
    await ask()
    outcomes.clear()
    resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))
    for free in range(8):
        fill()
        for _ in range(free):
            os.close(held.pop())
        await ask()
    crowd = threading.Thread(target=come_and_go)
    crowd.start()
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        await ask()
    over.set()
    crowd.join()
    print(*sorted(outcomes), sum(outcomes.values()) > 7)

anyio.run(main, backend=backend)
"""


def outcomes_without_file_descriptors(url: str, backend: str, seconds: str) -> list[str]:
    root = Path(__file__).parents[2]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(root), str(root / "tests")])}
    command = [sys.executable, "-W", "ignore", "-c", EXHAUSTED, url, backend, seconds]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=60)
    *outcomes, enough = done.stdout.split() or [""]
    assert enough == "True", done.stderr
    return outcomes


@pytest.mark.slow_except("127.0.0.1-asyncio")
@pytest.mark.parametrize("backend", ["asyncio", "trio"])
@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_a_visitor_cannot_fake_an_outage_by_using_up_the_file_descriptors(
    host: str, backend: str, geetest: GeeTest
) -> None:
    """Many open connections do it. None left, a few left, and as it is in life: one now and then.

    Without one a host cannot be looked up either, and the resolver's error does not say why. It cannot read the
    list of hosts, and asks the network instead: where that does not answer, a lookup lasts longer than the call.
    """
    url, seconds = geetest.url.replace("127.0.0.1", host), "1.2" if host == "localhost" else "0.3"
    outcomes = outcomes_without_file_descriptors(url, backend, seconds)
    assert "busy" in outcomes
    assert "unavailable" not in outcomes


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_silence_while_no_file_descriptor_is_to_spare_is_no_outage(backend: str, geetest: GeeTest) -> None:
    """Nothing says whether it was GeeTest's, or the resolver's that could not read its files."""
    geetest.simulator.hanging()
    assert outcomes_without_file_descriptors(geetest.url, backend, "0") == ["busy"]


# --- and the other way round: a real outage is one --------------------------------------------------------------------


async def test_a_real_outage_lets_in_as_many_as_the_cap_says(geetest: GeeTest) -> None:
    """Else the tests above would prove nothing."""
    fault: Callable[[Simulator], None]
    for fault in (Simulator.down, Simulator.garbled, Simulator.hanging):
        fault(geetest.simulator)
        door = Door(geetest, timeout=2.5)
        assert set(await door.crowd(5, forged=True)) == {"in"}
    with RawServer(replying(http_reply(b"", "502 Bad Gateway"))) as server:
        door = Door(geetest, api_server=server.url)
        assert set(await door.crowd(1, forged=True)) == {"in"}
        await door.guard.aclose()
