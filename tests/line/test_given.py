"""A client or a transport of the user's: what it is told, and what it tells."""

from typing import Any

import anyio
import httpx
import httpx2
import pytest
from anyio.lowlevel import checkpoint
from lines import REQUEST, line_to
from own_time import START, OwnTime

from geetest_asgi import Outcome
from geetest_asgi._line.call import Call
from geetest_asgi._line.given import GivenWire, Trace

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize("as_client", [False, True], ids=["transport", "client"])
@pytest.mark.parametrize("kit", [httpx, httpx2])
async def test_it_is_handed_a_post_without_a_time_out_but_for_its_own_pool(kit: Any, as_client: bool) -> None:
    """Our own deadline ends the call."""
    requests: list[Any] = []

    def answer(request: Any) -> Any:
        requests.append(request)
        return kit.Response(200, content=b'{"result":"fail","reason":"x"}')

    transport = kit.MockTransport(answer)
    given = kit.AsyncClient(transport=transport) if as_client else transport
    line = line_to("http://geetest.test", client=given)
    assert (await line.ask([REQUEST], 4.0)).outcome is Outcome.FAILED
    (request,) = requests
    assert isinstance(request, kit.Request)
    assert (request.method, str(request.url)) == ("POST", f"http://geetest.test/validate?{REQUEST.query}")
    assert request.content == REQUEST.form
    assert request.headers["content-type"] == "application/x-www-form-urlencoded"
    assert request.headers["user-agent"] == "geetest_asgi"
    limits = request.extensions["timeout"]
    assert 0.0 < limits.pop("pool") <= 0.5
    assert limits == {"connect": None, "read": None, "write": None}
    assert callable(request.extensions["trace"])


CONNECT, TLS = "connection.connect_tcp", "connection.start_tls"
HEADERS, BODY = "http11.send_request_headers", "http11.send_request_body"


@pytest.fixture
def clock() -> OwnTime:
    return OwnTime()


@pytest.fixture
def call(clock: OwnTime) -> Call:
    made = Call(clock, 4.0, 1, None)
    made.begin(1, lambda: None)
    made.hand_over()
    return made


async def tell(call: Call, *events: str) -> Trace:
    trace = Trace(call)
    for event in events:
        await trace.note(event, {"return_value": None})
    return trace


STARTED = [f"{CONNECT}.started", f"{TLS}.started"]
SENT = [f"{HEADERS}.started", f"{BODY}.complete"]


@pytest.mark.parametrize("event", STARTED + SENT)
async def test_silence_counts_from_what_was_asked_of_the_other_end_last(event: str, clock: OwnTime, call: Call) -> None:
    """And it is known when something of the request may have been sent; before any event it may have been."""
    assert call.sent
    clock.now += 1.0
    await tell(call, event)
    clock.now += 1.0
    await tell(call, f"{HEADERS}.complete", f"{BODY}.started", "http11.receive_response_headers.started")
    assert (call.since, call.sent) == (START + 1.0, event in SENT)


@pytest.mark.parametrize("before", [CONNECT, TLS])
async def test_a_connection_is_a_kept_one_unless_it_was_opened_for_this_call(before: str, call: Call) -> None:
    await tell(call, f"{HEADERS}.started")
    assert call.kept
    await tell(call, f"{before}.started", f"{HEADERS}.started")
    assert not call.kept


class Stream:
    closed = False

    async def aclose(self) -> None:
        await checkpoint()
        self.closed = True


async def test_a_given_client_is_not_closed_and_one_that_was_made_for_us_is() -> None:
    given = httpx.AsyncClient()
    await GivenWire(given, ours=False).aclose()
    assert not given.is_closed
    await GivenWire(given, ours=True).aclose()
    assert given.is_closed
    await GivenWire(object(), ours=True).aclose()


def noting(events: dict[str, Any], error: type[httpx.TransportError] | None) -> httpx.MockTransport:
    """A transport that gets so far, and then hangs or fails."""

    async def get_so_far(request: httpx.Request) -> httpx.Response:
        for event, value in events.items():
            await request.extensions["trace"](event, {"return_value": value})
        await anyio.sleep(0 if error else 60)
        raise (error or AssertionError)("x")

    return httpx.MockTransport(get_so_far)


async def test_the_end_of_a_kept_connection_is_no_outage() -> None:
    kept = noting({f"{HEADERS}.started": None}, httpx.ReadError)
    evidence = await line_to("http://geetest.test", client=kept).ask([REQUEST], 5.0)
    assert (evidence.outcome, evidence.reason) == (Outcome.BUSY, "a kept connection had ended")
    opened = noting({f"{CONNECT}.started": None, f"{HEADERS}.started": None}, httpx.ReadError)
    assert (await line_to("http://geetest.test", client=opened).ask([REQUEST], 5.0)).reason == "no answer (ReadError)"


async def test_a_call_that_is_cancelled_during_the_handshake_closes_its_connection(call: Call) -> None:
    stream = Stream()
    opening = noting({f"{CONNECT}.started": None, f"{CONNECT}.complete": stream}, None)
    async with anyio.create_task_group() as group:
        group.start_soon(GivenWire(opening, ours=False).post, "http://geetest.test", b"", call)
        await anyio.wait_all_tasks_blocked()
        group.cancel_scope.cancel()
    assert stream.closed


@pytest.mark.parametrize("kit", [httpx, httpx2])
async def test_a_redirect_is_not_followed_though_the_client_follows_them(kit: Any) -> None:
    """Whoever is named in it would be handed the token, and could say success."""
    asked: list[str] = []

    def answer(request: Any) -> Any:
        asked.append(request.url.host)
        return kit.Response(307, headers={"location": "http://elsewhere.test/"})

    async with kit.AsyncClient(transport=kit.MockTransport(answer), follow_redirects=True) as client:
        assert (await line_to("http://geetest.test", client=client).ask([REQUEST], 5.0)).outcome is Outcome.REFUSED
    assert asked == ["geetest.test"]


@pytest.mark.parametrize(
    ("then", "opening"),
    [((), True), ((f"{TLS}.started",), True), ((f"{TLS}.failed",), True), ((f"{TLS}.complete",), False)],
)
async def test_a_connection_whose_handshake_is_not_over_is_known(
    then: tuple[str, ...], opening: bool, call: Call
) -> None:
    trace, stream = Trace(call), Stream()
    await trace.note(f"{CONNECT}.complete", {"return_value": stream})
    for event in then:
        await trace.note(event, {})
    assert (trace.opening is stream) is opening
