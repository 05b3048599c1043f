"""A visitor cannot fake an outage: nothing that many requests do together opens the door."""

import socket
import time
from collections.abc import Callable, Iterator
from math import inf
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
from .servers import CLIENTS, GeeTest, RawServer, http_reply, no_socket_to_spare, replying, reset
from .visitors import cut, unfinished, visit

pytestmark = pytest.mark.anyio


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


@pytest.fixture(scope="module", params=["plain", "TLSv1_2", "TLSv1_3"])
def answering(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prompt]:
    authority, folder = trustme.CA(), tmp_path_factory.mktemp("tls")
    authority.cert_pem.write_to_path(str(folder / "authority.pem"))
    certificate = authority.issue_cert("127.0.0.1", "localhost")
    certificate.private_key_and_cert_chain_pem.write_to_path(str(folder / "geetest.pem"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SSL_CERT_FILE", str(folder / "authority.pem"))
        with Prompt() if request.param == "plain" else Prompt(folder / "geetest.pem", request.param) as served:
            yield served


DEADLINE = 0.25
UNTIL_THE_END = inf
"""A stall that is as long as what is left until just before the deadline: at that moment all looks well."""

STALLS: list[tuple[str, str, list[float]]] = [
    # what is held up; at which start; for how many seconds at each turn of the loop
    ("long", "open connections", [0.6]),
    ("by waiting", "open connections", [0.12, 0.12, UNTIL_THE_END]),
    ("often", "no connections", [0.07] * 8),
    ("shortly", "no connections", [*[0.02] * 10, UNTIL_THE_END]),
    ("by waiting", "no connections", [0.12, 0.12, UNTIL_THE_END]),
    ("in a look-up, a connect or a handshake", "no connections", [*[0.0] * 6, 0.6]),
    ("in an answer", "open connections", [*[0.0] * 6, 0.6]),
    ("long", "three servers", [0.6]),
    ("shortly", "three servers", [*[0.02] * 10, UNTIL_THE_END]),
    ("while connections are made, and then at each turn", "two addresses", [*[0.0] * 20, 0.3, *[0.01] * 30]),
]


def two_addresses(host: str, port: int, **_: object) -> list[tuple[Any, ...]]:
    """What a resolver returns for a host such as GeeTest's."""
    addresses = [(each, port) for each in ("127.0.0.1", "127.0.0.2")]
    return [(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", each) for each in addresses]


@pytest.mark.slow_except("plain-asyncio-*", "TLSv1_3-trio-by waiting-*")
@pytest.mark.parametrize(("start", "stalls"), [each[1:] for each in STALLS], ids=[f"{a}-{b}" for a, b, _ in STALLS])
@pytest.mark.parametrize("loop", LOOPS)
def test_a_visitor_cannot_fake_an_outage_by_holding_up_the_event_loop(
    loop: str, start: str, stalls: list[float], answering: Prompt, geetest: GeeTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Visitors call an endpoint that does not let go of the loop; then GeeTest's answers lie there and wait for us."""
    urls = [answering.url] * (3 if start == "three servers" else 1)
    if start == "two addresses":
        monkeypatch.setattr(socket, "getaddrinfo", two_addresses)
        urls = [answering.url.replace("127.0.0.1", "localhost")]
    door, codes = Door(geetest, timeout=DEADLINE, api_server=urls, trust_env=True), []

    async def hold(stalls: Iterator[float]) -> None:
        """The loop; GeeTest answers meanwhile all that it was sent, however busy the machine is."""
        nearly = time.monotonic() + DEADLINE - 0.005
        while True:
            seconds = next(stalls, 0.0)
            time.sleep(seconds if seconds < UNTIL_THE_END else max(0.0, nearly - time.monotonic()))
            answering.settle()
            await anyio.sleep(0)

    async def held_crowd(stalls: list[float]) -> None:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(hold, iter(stalls))
            codes.extend(await door.crowd(50, forged=True))
            tasks.cancel_scope.cancel()

    async def main() -> None:
        await door.guard.guard.line.prepare()
        if start == "open connections":
            await held_crowd([])
        await held_crowd(stalls)
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


@pytest.mark.parametrize("free", [0, 3])
@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
async def test_a_visitor_cannot_fake_an_outage_by_using_up_the_file_descriptors(
    host: str, free: int, geetest: GeeTest
) -> None:
    """Many open connections do it. Without one a host cannot be looked up either, and the error does not say why."""
    with Prompt() as server:
        door = Door(geetest, timeout=0.3, api_server=server.url.replace("127.0.0.1", host))
        await door.guard.guard.line.prepare()
        with no_socket_to_spare(but=free):
            codes = await door.crowd(20, forged=True)
        await door.guard.aclose()
    assert "captcha_busy" in codes
    assert door.is_shut(), door.told.reasons


async def test_a_real_outage_lets_in_as_many_as_the_cap_says(geetest: GeeTest) -> None:
    """Else the tests above would prove nothing."""
    fault: Callable[[Simulator], None]
    for fault in (Simulator.down, Simulator.garbled, Simulator.hanging):
        fault(geetest.simulator)
        door = Door(geetest, timeout=2.5)
        codes = await door.crowd(5, forged=True)
        assert "in" in codes
        assert set(codes) <= {"in", "captcha_busy"}, "busy: where the machine stood still"
    with RawServer(replying(http_reply(b"", "502 Bad Gateway"))) as server:
        door = Door(geetest, api_server=server.url)
        assert set(await door.crowd(1, forged=True)) == {"in"}
        await door.guard.aclose()
