"""The line to GeeTest: who waits, what a silence is evidence of, and what a client of the user's is believed."""

import asyncio
from contextlib import aclosing

import anyio
import httpx
import pytest
from anyio import wait_all_tasks_blocked
from clocks import Clock as Time
from edges.servers import RawServer, never_accepting, refusing
from lines import REQUEST, a_call, after, in_place, line_to
from own_time import OwnTime

from geetest_asgi import Limits, Outage, Outcome
from geetest_asgi._bounds.breaker import Breaker
from geetest_asgi._core.model import Evidence, Reply
from geetest_asgi._line.call import CLIENT_LEFT, Call
from geetest_asgi._line.clock import clock
from geetest_asgi._line.line import ALL_SERVERS_SKIPPED, Lane, Server

pytestmark = pytest.mark.anyio


async def test_waiting_for_a_place_is_no_outage_however_short_the_rest_is() -> None:
    """GeeTest is asked when most of the time is over, and does not answer in what is left."""
    outages, found = list[Outage](), list[Evidence]()
    limits = Limits(max_in_flight=1, breaker_failures=1)

    async def ask() -> None:
        found.append(await line.ask([REQUEST], 3.0))

    with RawServer(after(1.8)) as server:
        line = line_to(server.url, limits=limits, on_outage=outages.append)
        async with aclosing(line), anyio.create_task_group() as group:
            for _ in range(3):
                group.start_soon(ask)
    assert sorted(each.outcome for each in found) == [Outcome.BUSY, Outcome.BUSY, Outcome.FAILED]
    assert outages == []


@pytest.mark.parametrize("end", [True, False, ZeroDivisionError()], ids=repr)
async def test_a_client_that_disconnects_ends_its_call(end: bool | Exception) -> None:
    async def disconnected() -> bool:
        await anyio.sleep(0.3)
        if isinstance(end, Exception):
            raise end
        return end

    with RawServer(after(1.0)) as server:
        async with aclosing(line_to(server.url)) as line:
            evidence = await line.ask([REQUEST], 3.0, disconnected=disconnected)
    if end is True:
        assert evidence is CLIENT_LEFT
    else:
        assert evidence.outcome is Outcome.FAILED


async def test_who_watches_the_client_has_ended_when_the_call_has() -> None:
    """Else two would `receive` at once."""
    running = begun = 0

    async def disconnected() -> bool:
        nonlocal running, begun
        running, begun = running + 1, begun + 1
        try:
            await anyio.sleep(10)
        finally:
            running -= 1
        return True

    with RawServer(after(0.4)) as server:
        async with aclosing(line_to(server.url)) as line:
            await line.ask([REQUEST], 2.0, disconnected=disconnected)
            assert (running, begun) == (0, 1)
            with anyio.move_on_after(0.3):
                await line.ask([REQUEST], 2.0, disconnected=disconnected)
            assert (running, begun) == (0, 2)


class Wire:
    """A stand-in's: it answers, or never does."""

    closed = False

    def __init__(self, reply: Reply | None) -> None:
        self.reply = reply

    async def post(self, url: str, form: bytes, call: Call) -> Reply:
        if self.reply is None:
            await anyio.sleep_forever()
        assert self.reply is not None
        return self.reply

    async def aclose(self) -> None:
        self.closed = True


async def test_a_stand_in_is_one_server_without_a_breaker_whose_silence_is_meant() -> None:
    with in_place(Wire(None)) as line:
        assert [url for url, _ in line.each()] == ["https://gcaptcha4.geetest.com"]
        evidence = await line.ask([REQUEST], 0.05)
        assert (evidence.outcome, evidence.reason) == (Outcome.UNAVAILABLE, "no connection in time")
    with in_place(Wire(Reply(503, None))) as line:
        assert {(await line.ask([REQUEST], 5.0)).reason for _ in range(20)} == {"HTTP 503"}


def test_a_loop_that_ends_in_the_middle_of_a_call_leaves_nothing_behind() -> None:
    """Whoever watches the client may not even have begun."""

    async def disconnected() -> bool:
        await anyio.sleep(10)
        return True

    async def main(wait: float) -> None:
        line = line_to(server.url)
        task = asyncio.create_task(line.ask([REQUEST], 0.5, disconnected=disconnected))
        await asyncio.sleep(wait)
        task.add_done_callback(lambda _: None)

    with RawServer(after(30)) as server:
        for wait in (0.0, 0.03, 0.05, 0.051, 0.06, 0.2):
            asyncio.run(main(wait))


def by_host(**errors: type[Exception]) -> httpx.MockTransport:
    """A transport to hosts to which no connection is made, for some reason; every other host answers."""

    async def connect(request: httpx.Request) -> httpx.Response:
        await request.extensions["trace"]("connection.connect_tcp.started", {})
        if error := errors.get(request.url.host):
            raise error("x")
        return httpx.Response(200, content=b'{"result":"fail","reason":"x"}')

    return httpx.MockTransport(connect)


@pytest.mark.parametrize(
    ("hosts", "outcome", "reason"),
    [
        ("down", Outcome.UNAVAILABLE, "no connection (ConnectError)"),
        ("down shut", Outcome.UNAVAILABLE, "no connection (ProxyError)"),
        ("full down", Outcome.BUSY, "no connection to spare"),
        ("down full down", Outcome.BUSY, "no connection to spare"),
        ("down good", Outcome.FAILED, "x"),
        ("full good", Outcome.FAILED, "x"),
    ],
)
async def test_the_next_server_is_asked_where_nothing_was_sent(hosts: str, outcome: Outcome, reason: str) -> None:
    """If one could not be reached through our own fault, it is no outage that the others are down."""
    given = by_host(down=httpx.ConnectError, shut=httpx.ProxyError, full=httpx.PoolTimeout)
    line = line_to(*[f"http://{host}" for host in hosts.split()], client=given, limits=Limits(breaker_failures=0))
    evidence = await line.ask([REQUEST], 5.0)
    assert (evidence.outcome, evidence.reason) == (outcome, reason)
    assert evidence.lot_number == REQUEST.lot_number
    assert 0.0 <= evidence.elapsed < 5.0


async def test_nobody_waits_for_a_place_while_a_single_call_tries_whether_an_outage_is_over() -> None:
    tried: list[httpx.Request] = []

    async def fail_and_then_hang(request: httpx.Request) -> httpx.Response:
        tried.append(request)
        if len(tried) > 1:
            await anyio.sleep_forever()
        raise httpx.ConnectError("x")

    limits = Limits(max_in_flight=1, breaker_failures=1, breaker_pause=0.01, breaker_longest_pause=0.01)
    line = line_to("http://down", client=httpx.MockTransport(fail_and_then_hang), limits=limits)
    await line.ask([REQUEST], 10.0)
    await anyio.sleep(0.05)
    async with anyio.create_task_group() as group:
        group.start_soon(line.ask, [REQUEST], 10.0)
        await wait_all_tasks_blocked()
        assert (await line.ask([REQUEST], 10.0)).reason == ALL_SERVERS_SKIPPED.reason
        group.cancel_scope.cancel()


async def test_each_server_can_be_asked_alone() -> None:
    line = line_to("http://down", "http://good", client=by_host(down=httpx.ConnectError))
    found = [(url, (await alone.ask([REQUEST], 5.0)).outcome) for url, alone in line.each()]
    assert found == [("http://down", Outcome.UNAVAILABLE), ("http://good", Outcome.FAILED)]


@pytest.mark.parametrize(
    ("outcome", "answered", "opens"),
    [
        (Outcome.UNAVAILABLE, True, True),  # HTTP 503
        (Outcome.UNAVAILABLE, False, True),
        (Outcome.BUSY, False, False),
        (Outcome.MISCONFIGURED, True, False),
    ],
)
def test_only_an_outage_opens_a_breaker_and_only_an_answer_closes_it(
    outcome: Outcome, answered: bool, opens: bool
) -> None:
    time = Time()
    closed, opened = (Server("http://a", Breaker(1, 1.0, 1.0, time), None) for _ in range(2))
    opened.breaker.failed(opened.breaker.take(1.0) or 0)
    time.now += 1.0
    for server in (closed, opened):
        server.report(server.breaker.take(1.0) or 0, Evidence(outcome), answered=answered)
    assert closed.breaker.is_open is opens
    assert opened.breaker.is_open is not (answered and not opens)
    assert opened.breaker.ready() is not opens, "a probe that is given up makes room for others"


def test_a_server_tells_of_an_outage_when_it_begins_and_when_it_is_over() -> None:
    told: list[Outage] = []
    server = Server("http://a", Breaker(1, 60.0, 60.0), told.append)
    ticket = server.breaker.take(1.0)
    assert ticket is not None
    server.report(ticket, Evidence(Outcome.BUSY, "ours"), answered=False)
    assert told == []
    server.report(ticket, Evidence(Outcome.UNAVAILABLE, "down"), answered=False)
    assert told == [Outage("http://a", over=False, reason="down")]
    server.report(ticket, Evidence(Outcome.FAILED, "x"), answered=True)
    assert told[1:] == [Outage("http://a", over=True, reason="x", seconds=told[1].seconds)]


class Making:
    """Makes wires, once it may."""

    def __init__(self) -> None:
        self.may = anyio.Event()
        self.made: list[Wire] = []

    async def __call__(self) -> Wire:
        await self.may.wait()
        self.made.append(Wire(Reply(503, None)))
        return self.made[-1]


async def test_a_wire_is_made_once_and_a_call_that_waits_for_it_waits_for_us() -> None:
    making, calls = Making(), [a_call() for _ in range(3)]
    lane = Lane(making, 1)
    async with anyio.create_task_group() as group:
        for call in calls:
            group.start_soon(lane.prepare_for, call)
        await wait_all_tasks_blocked()
        assert {call.ours for call in calls} == {"the first call was being prepared"}
        making.may.set()
    assert {call.ours for call in calls} == {""}
    assert making.made == [lane.wire]
    assert not making.made[0].closed
    await lane.aclose()
    assert making.made[0].closed


async def test_a_wire_that_is_made_after_the_end_is_closed() -> None:
    making = Making()
    lane = Lane(making, 1)
    async with anyio.create_task_group() as group:
        group.start_soon(lane.prepare)
        await wait_all_tasks_blocked()
        await lane.aclose()
        making.may.set()
    assert making.made[0].closed


@pytest.mark.parametrize("given", [True, False])
async def test_a_call_waits_for_a_place_in_all_of_its_time(given: bool) -> None:
    own, entered = OwnTime(), list[bool]()
    lane, call = Lane(Making(), 1), Call(own, 4.0, 2, None)
    assert lane.places.take("ada")

    async def enter() -> None:
        entered.append(await lane.enter("bob", call))

    async with anyio.create_task_group() as group:
        group.start_soon(enter)
        await wait_all_tasks_blocked()
        own.go_to(3.9)
        await wait_all_tasks_blocked()
        assert entered == []
        if given:
            lane.places.give_back("ada")
        else:
            own.go_to(4.1)
    assert entered == [given]
    reason = call.stopped and call.stopped.reason
    assert reason == (None if given else "too many calls to GeeTest under way (max_in_flight)")


async def test_a_place_is_given_back() -> None:
    line, answers = line_to("http://good", client=by_host(), limits=Limits(max_in_flight=1)), list[Evidence]()
    for _ in range(3):
        await line.ask([REQUEST], 2.0, on_answer=answers.append)
    assert [each.outcome for each in answers] == [Outcome.FAILED] * 3


async def test_a_client_that_cannot_be_made_is_an_error_at_the_start() -> None:
    line = line_to("http://good", client=lambda: int("no client"))
    with pytest.raises(ValueError, match="no client"):
        await line.prepare()


async def test_all_lines_of_an_event_loop_have_one_clock() -> None:
    async def make() -> Wire:
        return Wire(None)

    assert Lane(make, 1).clock is Lane(make, 1).clock is clock()


async def test_the_last_server_has_all_the_time_that_is_left() -> None:
    with refusing() as nobody, never_accepting() as silent:
        async with aclosing(line_to(nobody, silent)) as line:
            evidence = await line.ask([REQUEST], 0.6)
    assert evidence.outcome in (Outcome.UNAVAILABLE, Outcome.BUSY)  # BUSY on a busy machine
    assert evidence.elapsed >= 0.55
