"""Whatever a visitor sends, and however much of it: bytes, calls, tasks and sockets are bounded."""

import asyncio
import socket
import threading
import tracemalloc
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from typing import Any

import anyio
import pytest
from starlette.responses import PlainTextResponse
from starlette.types import Receive, Scope, Send

from geetest_asgi import Limits
from geetest_asgi.stores import MemoryStore

from .servers import SECONDS, SUCCESS, GeeTest, RawServer, http_reply, peers, read_message, settles
from .site import Front, Site, raw_request, read_all
from .visitors import FORM, HEADER_VALUES, form, until, visit

pytestmark = pytest.mark.anyio

MIB = 1024 * 1024


class Watched(Site):
    """A guard that lets in on an outage, its store, and how many tasks its event loop has."""

    def __init__(self, geetest: GeeTest, **settings: Any) -> None:
        self.store = MemoryStore()
        super().__init__(geetest, **{"on_unavailable": "allow", "store": self.store, **settings})
        self.app.headers = [(b"content-length", b"2")]

    @property
    def outcomes(self) -> Counter[str]:
        return Counter(map(str, self.told.outcomes))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["path"] == "/tasks":
            return await PlainTextResponse(str(len(asyncio.all_tasks())))(scope, receive, send)
        return await self.guard(scope, receive, send)


def tasks_on(front: Front) -> int:
    reply = front.talk(raw_request(b"", "Connection: close", method="GET", target="/tasks"))
    return int(reply.rpartition(b"\r\n\r\n")[2])


@contextmanager
def leaves_nothing(front: Front, *, but: int = 0) -> Iterator[None]:
    """Tasks and sockets are as many afterwards as before, but for so many sockets."""
    tasks, sockets = tasks_on(front), len(peers())
    yield
    assert settles(lambda: tasks_on(front) <= tasks)
    assert settles(lambda: len(peers()) <= sockets + but)


def test_slow_bodies_hold_no_more_than_the_bound_and_leave_nothing(geetest: GeeTest, front: Front) -> None:
    """Sixty visitors with 30 KB each, where there is room for 1 MB: the others are turned away at once."""
    watched = Watched(geetest, limits=Limits(max_buffered=MIB, body_timeout=1.0))
    front.app = watched
    begun = raw_request(b"x" * 60_000, f"Content-Type: {FORM}", "Connection: close")[:-30_000]
    with leaves_nothing(front), ExitStack() as stack:
        wires = [stack.enter_context(front.connect()) for _ in range(60)]
        for wire in wires:
            wire.sendall(begun)
        statuses = Counter(read_all(wire)[9:12] for wire in wires)
    assert set(statuses) == {b"408", b"503"}
    assert 10 <= statuses[b"408"] <= MIB // 2 // 29_000  # one address has half of it
    assert (geetest.calls, watched.app.seen) == ([], [])
    rest = form(geetest.token())
    body = b"x" * 500_000 + b"&" + rest  # all of the room is there again
    assert front.talk(raw_request(body, f"Content-Type: {FORM}", "Connection: close")).endswith(b"\r\n\r\nin")


LONG = 10 * MIB
NAMES = ["x-geetest", "x-geetest-lot-number", "content-type", "content-length", "content-encoding", "accept", "cookie"]


@pytest.mark.parametrize("name", NAMES)
async def test_a_header_value_of_ten_megabytes_is_refused(name: str, geetest: GeeTest) -> None:
    """By a server that lets it through. In a few copies of it at most; where it bears on the fields, without a call."""
    watched = Watched(geetest, sources=("header", "query", "body"))
    for unit in HEADER_VALUES:
        long = visit(geetest.token(forged=True), headers=[], content_type=None if name == "content-type" else FORM)
        long.scope["headers"].append((name.encode(), unit * (LONG // len(unit))))
        tracemalloc.start()
        await long.run(watched)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert 400 <= long.status < 500
        assert peak < 3 * LONG
    asked = {"accept": 7, "cookie": 7, "content-length": 6, "content-encoding": 1}  # where the value says nothing
    assert (len(geetest.calls), watched.app.seen) == (asked.get(name, 0), [])


def junk(token: dict[str, str]) -> list[bytes]:
    wrong = [{**token, name: value} for name in token for value in ("", "a b", "\0" * 32, "0" * 9000)]
    return [b"", b"a=b", b"%" * 3000, *map(form, wrong), *(form({name: token[name]}) for name in token)]


def flood(front: Front, wanted: list[bytes], wires: int) -> Counter[bytes]:
    """The statuses of these requests, over so many connections at once that are kept."""

    def one(number: int) -> list[bytes]:
        with front.connect() as wire:
            statuses = []
            for body in wanted[number::wires]:
                wire.sendall(raw_request(body, f"Content-Type: {FORM}"))
                statuses.append(read_message(wire)[9:12])
            return statuses

    with ThreadPoolExecutor(wires) as threads:
        return Counter(status for statuses in threads.map(one, range(wires)) for status in statuses)


def test_a_flood_of_junk_makes_no_call(geetest: GeeTest, front: Front) -> None:
    limits = Limits(max_in_flight=1, max_buffered=200_000, unverified_per_second=1)
    with RawServer(lambda server, connection: None) as nobody:
        watched = Watched(geetest, api_server=nobody.url, limits=limits)
        front.app = watched
        bodies = junk(geetest.token()) * 60
        with leaves_nothing(front):
            assert flood(front, bodies, wires=16) == {b"403": len(bodies)}
        assert (nobody.accepted, len(watched.store), watched.app.seen) == (0, 0, [])
    assert set(watched.outcomes) == {"missing", "malformed"}


@pytest.mark.parametrize("fault", ["slow", "hanging"])
def test_a_flood_of_tokens_leaves_nothing_behind(fault: str, geetest: GeeTest, front: Front) -> None:
    """Forged but well-formed, three hundred over fifty connections: who finds it full is refused, and never let in."""
    if fault == "slow":
        geetest.simulator.slow(0.05)
    else:
        geetest.simulator.hanging()
    limits = Limits(max_in_flight=6, breaker_failures=0)  # an outage of which every call has to find out by itself
    seconds = 0.3 if fault == "hanging" else 5.0
    watched = Watched(geetest, limits=limits, timeout=seconds, on_unavailable="deny")
    front.app = watched
    forged = [form(geetest.token(forged=True)) for _ in range(300)]
    with leaves_nothing(front, but=2 * 6):  # connections to GeeTest are kept, at both ends
        assert set(flood(front, forged, wires=50)) <= {b"403", b"503"}
    assert watched.outcomes["busy"] >= 250 or fault == "slow"  # then there is time for all, one after the other
    assert watched.app.seen == []

    assert len(watched.store) == watched.outcomes["failed"]
    geetest.simulator.up()
    assert flood(front, [form(geetest.token()) for _ in range(12)], wires=6) == {b"200": 12}


async def test_one_address_has_half_of_the_places_in_flight_and_all_together_have_no_more(geetest: GeeTest) -> None:
    """Twenty calls of one address, and GeeTest takes its time: another address is asked about without a wait."""
    under_way, answer = 0, threading.Event()

    def behave(server: RawServer, connection: socket.socket) -> None:
        nonlocal under_way
        while server.read_request(connection):
            under_way += 1
            answer.wait(SECONDS)
            connection.sendall(http_reply(SUCCESS))

    with RawServer(behave) as server:
        watched = Watched(geetest, api_server=server.url, limits=Limits(max_in_flight=4), timeout=SECONDS)
        bots = [visit(geetest.token(), client=("192.0.2.1", number)) for number in range(20)]
        others = [visit(geetest.token(), client=(f"192.0.2.{number}", 1)) for number in range(2, 9)]
        async with anyio.create_task_group() as tasks:
            for crowd, places in ((bots, 2), (others, 4)):
                for each in crowd:
                    tasks.start_soon(each.run, watched)
                await until(lambda places=places: under_way >= places)  # type: ignore[misc]
                await anyio.sleep(0.1)
                assert under_way == places
            answer.set()
        assert {each.code for each in bots + others} == {"in"}
        await watched.guard.aclose()
