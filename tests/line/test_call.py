"""One question's time, on a clock of the tests' own: when a call is given up, and whose silence it was."""

from contextvars import ContextVar
from dataclasses import dataclass
from math import inf
from typing import Any, Final

import httpx
import pytest
from edges.servers import no_socket_to_spare
from own_time import START, OwnTime

from geetest_asgi._core.model import Evidence, Outcome
from geetest_asgi._line.call import CLIENT_LEFT, Call, Disconnected
from geetest_asgi._line.clock import GRAIN

pytestmark = pytest.mark.anyio

OURS: Final = (Outcome.BUSY, "too little of the time was GeeTest's")
NO_ANSWER: Final = (Outcome.UNAVAILABLE, "no answer in time")
NO_CONNECTION: Final = (Outcome.UNAVAILABLE, "no connection in time")


@dataclass
class Ear:
    """What a call asks of a socket."""

    since: float
    news: bool = False
    """Something has come that was not looked at."""

    def hears(self) -> bool:
        return self.news


class Asked(Call):
    """A call, and when its waiting was ended."""

    def __init__(
        self, clock: OwnTime, servers: int = 1, disconnected: Disconnected | None = None, **more: bool
    ) -> None:
        super().__init__(clock, 4.0, servers, disconnected, **more)
        self.clock, self.stops = clock, list[float]()
        self.asks(servers)

    def asks(self, servers: int) -> None:
        """Begin to ask one of the servers that are left."""
        self.begin(servers, lambda: self.stops.append(self.clock.now - START))

    @property
    def why(self) -> tuple[Outcome, str] | None:
        """Of being stopped."""
        return (self.stopped.outcome, self.stopped.reason) if self.stopped else None


@pytest.fixture
def clock() -> OwnTime:
    return OwnTime()


@pytest.fixture
def asked(clock: OwnTime) -> Asked:
    return Asked(clock)


def at(seconds: float) -> Any:
    """When a silence is seen the second time."""
    return pytest.approx(seconds + GRAIN)


def test_a_silent_server_is_an_outage_when_the_time_is_over_and_not_before(asked: Asked) -> None:
    asked.uses(Ear(START))
    asked.clock.go_to(3.9)
    assert (asked.stops, asked.ended, asked.stopped) == ([], None, None)
    asked.clock.go_to(4.1)
    assert (asked.stops, asked.why) == ([at(4.0)], NO_CONNECTION)
    assert asked.ended is asked.stopped
    asked.clock.go_to(60)
    assert len(asked.stops) == 1


@pytest.mark.parametrize(
    ("began", "sent", "why"), [(0.0, 1.0, NO_ANSWER), (0.0, 1.01, OURS), (2.0, 2.0, NO_ANSWER), (2.01, 2.01, OURS)]
)
def test_three_quarters_of_the_time_must_have_been_the_servers_and_half_of_what_each_server_has(
    began: float, sent: float, why: tuple[Outcome, str], asked: Asked
) -> None:
    """Whoever waited for a place has little time left, in which GeeTest need not answer."""
    asked.clock.go_to(began)
    asked.asks(1)
    asked.sends(Ear(START + sent), kept=False)
    asked.clock.go_to(4.1)
    assert asked.why == why


def test_of_two_servers_each_has_half(clock: OwnTime) -> None:
    asked = Asked(clock, servers=2)
    asked.uses(Ear(START))
    clock.go_to(1.9)
    assert asked.stops == []
    clock.go_to(2.5)
    assert (asked.stops, asked.why, asked.ended) == ([at(2.0)], NO_CONNECTION, None)
    asked.asks(1)
    assert asked.stopped is None, "the next one is not to blame"
    asked.uses(Ear(START + 2.5))
    clock.go_to(3.9)
    assert len(asked.stops) == 1
    clock.go_to(4.1)
    assert (asked.stops[1:], asked.why) == ([at(4.0)], NO_CONNECTION)


def test_what_was_sent_has_all_the_time_that_is_left(clock: OwnTime) -> None:
    asked = Asked(clock, servers=2)
    asked.sends(Ear(START), kept=False)
    clock.go_to(3.9)
    assert asked.stops == []
    clock.go_to(4.1)
    assert (asked.stops, asked.why) == ([at(4.0)], NO_ANSWER)


def test_what_is_waited_for_at_our_own_end_is_no_outage(clock: OwnTime) -> None:
    waiting, connecting, sent, handed_over = calls = [Asked(clock) for _ in range(4)]
    for each in calls:
        each.ours = "a place"
    connecting.uses(Ear(START))
    sent.sends(Ear(START), kept=False)
    handed_over.waits()
    clock.go_to(4.1)
    assert waiting.why == (Outcome.BUSY, "a place")
    assert [each.why for each in calls[1:]] == [NO_CONNECTION, NO_ANSWER, NO_CONNECTION]


def test_a_silence_that_is_meant_is_an_outage_whatever_was_waited_for_before(clock: OwnTime) -> None:
    asked = Asked(clock, deliberate=True)
    asked.ours = "a place"
    clock.go_to(3.9)
    asked.asks(1)
    clock.go_to(4.1)
    assert asked.why == NO_CONNECTION


@pytest.mark.parametrize("kept", [False, True])
def test_a_new_connection_is_no_outage_where_there_is_no_socket_for_it(kept: bool, asked: Asked) -> None:
    """Many visitors at once can bring it about. A connection that was open before needs none."""
    asked.sends(Ear(START), kept=kept)
    with no_socket_to_spare():
        asked.clock.go_to(4.1)
    assert asked.why == (NO_ANSWER if kept else (Outcome.BUSY, "no connection to spare"))


def test_a_call_goes_on_while_its_socket_has_something_to_read(clock: OwnTime) -> None:
    asked, ear = Asked(clock), Ear(START, news=True)
    asked.sends(ear, kept=False)
    clock.go_to(4.05)
    assert asked.stops == []
    ear.news = False
    clock.go_to(4.1)
    assert asked.why == NO_ANSWER
    assert asked.stops == [pytest.approx(4.05, abs=GRAIN)]


def test_a_silence_counts_once_it_was_seen_twice(clock: OwnTime) -> None:
    """Between the two looks the loop has a turn: this process may have stood still since it sent something."""
    asked, ear = Asked(clock), Ear(START)
    asked.sends(ear, kept=False)
    clock.jump_to(4.0)
    ear.since, ear.news = START + 3.9, True
    clock.jump_to(4.01)
    ear.since, ear.news = START + 4.01, False
    clock.jump_to(4.02)
    assert asked.stops == []
    clock.jump_to(4.03)
    assert asked.why == OURS


def test_it_does_not_go_on_for_ever_and_each_server_has_this_patience(clock: OwnTime) -> None:
    """A server that drips always has something there."""
    asked, ear = Asked(clock, servers=2), Ear(START, news=True)
    asked.uses(ear)
    clock.go_to(2.5)
    assert asked.stops == [pytest.approx(2.0 + 20 * GRAIN)]
    asked.asks(1)
    asked.uses(ear)
    clock.go_to(5.0)
    assert asked.stops[1:] == [pytest.approx(4.0 + 20 * GRAIN)]


def test_a_silent_server_is_an_outage_there_too_after_a_moment(asked: Asked) -> None:
    """Nobody can ask the socket, so the loop has a few turns."""
    assert asked.hand_over() == 0.5, "for which its pool may make the call wait"
    asked.clock.go_to(4.1)
    assert asked.why == NO_ANSWER
    assert asked.stops == [pytest.approx(4.0 + 3 * GRAIN)]


@pytest.mark.parametrize(("held", "why"), [(0.9, NO_ANSWER), (1.2, OURS)])
def test_the_time_in_which_the_loop_was_held_was_not_the_servers(
    held: float, why: tuple[Outcome, str], asked: Asked
) -> None:
    asked.hand_over()
    asked.clock.go_to(1.0)
    asked.clock.jump_to(1.0 + held)
    asked.clock.go_to(4.1)
    assert asked.why == why


@pytest.mark.parametrize(("held", "held_up"), [(0.42, False), (0.46, True)])
def test_its_exception_is_believed_while_the_loop_was_not_held_for_a_tenth_of_the_time(
    held: float, held_up: bool, asked: Asked
) -> None:
    asked.hand_over()
    asked.clock.go_to(1.0)
    asked.clock.now += held
    evidence = asked.blame(httpx.ReadError("x"))
    assert evidence.outcome is (Outcome.BUSY if held_up else Outcome.UNAVAILABLE)
    assert (evidence.reason == "the event loop was held up") is held_up


def test_of_a_socket_of_ours_it_is_known_whose_doing_it_was_however_late_the_loop_is(asked: Asked) -> None:
    asked.sends(Ear(START), kept=False)
    asked.clock.jump_to(2.0)
    assert asked.blame(httpx.ReadError("x")) == Evidence(Outcome.UNAVAILABLE, "no answer (ReadError)")


def test_a_loop_that_is_a_little_late_is_not_held_up(asked: Asked) -> None:
    asked.hand_over()
    while asked.clock.now < START + 3:
        asked.clock.jump_to(asked.clock.now - START + 0.08 + 0.004)
    assert asked.blame(httpx.ReadError("x")).outcome is Outcome.UNAVAILABLE


@pytest.mark.parametrize(
    ("seconds", "error", "evidence"),
    [
        (1.0, httpx.ReadError("x"), Evidence(Outcome.UNAVAILABLE, "no answer (ReadError)")),
        (1.0, TimeoutError(), Evidence(*OURS)),  # its own time-out, after little time
        (1.0, httpx.ReadTimeout("x"), Evidence(*OURS)),
        (3.9, TimeoutError(), Evidence(*NO_ANSWER)),
        (4.0, httpx.ReadError("x"), Evidence(*NO_ANSWER)),  # by then it is our own doing that it broke off
        (1.0, ValueError(), Evidence(Outcome.MISCONFIGURED, "the call could not be made (ValueError)")),
    ],
)
def test_an_exception_is_evidence_of_what_it_says_or_of_silence(
    seconds: float, error: Exception, evidence: Evidence, asked: Asked
) -> None:
    asked.sends(Ear(START), kept=False)
    asked.clock.now += seconds
    assert asked.blame(error) == evidence


WHO: Final[ContextVar[str]] = ContextVar("who")


async def left() -> bool:
    return True


async def test_it_is_watched_after_a_tenth_of_the_time_in_the_context_of_its_request(clock: OwnTime) -> None:
    WHO.set("ada")
    asked = Asked(clock, disconnected=left)
    asked.sends(Ear(START), kept=False)
    WHO.set("somebody else")
    clock.go_to(0.39)
    assert clock.tasks == []
    clock.go_to(0.5)
    watch, context = clock.tasks[0]
    assert context[WHO] == "ada"
    await watch()
    assert asked.ended is CLIENT_LEFT
    assert asked.stopped is CLIENT_LEFT
    assert asked.stops == [pytest.approx(0.5)]
    clock.go_to(60)
    assert (len(clock.tasks), len(asked.stops)) == (1, 1)


async def test_a_share_that_is_over_before_does_not_put_it_off(clock: OwnTime) -> None:
    asked = Asked(clock, servers=20, disconnected=left)
    asked.uses(Ear(START))
    clock.go_to(0.5)
    assert (len(asked.stops), len(clock.tasks)) == (1, 1)


@pytest.mark.parametrize("at_once", [True, False])
async def test_a_disconnect_counts_neither_at_once_nor_after_the_call(at_once: bool, clock: OwnTime) -> None:
    """Test clients send one as soon as the body is exhausted."""
    asked = Asked(clock, disconnected=left)
    asked.sends(Ear(START), kept=False)
    clock.go_to(0.45)
    if not at_once:
        clock.go_to(0.5)
        asked.over = True
    await clock.tasks[0][0]()
    assert (asked.ended, asked.stops) == (None, [])


def test_a_call_that_nobody_watches_wakes_the_clock_three_times(asked: Asked) -> None:
    asked.sends(Ear(START), kept=False)
    asked.clock.go_to(60)
    assert asked.clock.ticks == 3, "a tenth of its time, all of it, and once more"
    assert asked.clock.tick(asked.clock.now) == inf
