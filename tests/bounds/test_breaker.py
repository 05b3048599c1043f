"""The breaker: by hand where a story is told, and by a machine that compares it with a slow and simple one."""

from dataclasses import dataclass

import pytest
from clocks import Clock
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, precondition, rule
from threads import in_threads

from geetest_asgi._bounds.breaker import GRACE, Breaker

CALL = 3.0
"""Seconds that a call may take."""


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def breaker(clock: Clock) -> Breaker:
    """Three in a row; a second, two, four, four."""
    return Breaker(3, 1.0, 4.0, clock)


def take(breaker: Breaker) -> int:
    ticket = breaker.take(CALL)
    assert ticket is not None
    return ticket


def trip(breaker: Breaker) -> None:
    for number in (1, 2, 3):
        assert breaker.ready()
        assert not breaker.is_open
        assert breaker.failed(take(breaker)) is (number == 3)
    assert breaker.take(CALL) is None
    assert breaker.is_open
    assert not breaker.ready()


def test_none_at_all_never_opens_it(clock: Clock) -> None:
    breaker = Breaker(0, 1.0, 4.0, clock)
    for _ in range(1000):
        assert breaker.failed(take(breaker)) is False


def test_an_answer_begins_the_count_anew(breaker: Breaker) -> None:
    for _ in range(5):
        assert [breaker.failed(take(breaker)), breaker.failed(take(breaker))] == [False, False]
        assert breaker.answered() is None
    assert not breaker.is_open


def test_pauses_grow_to_the_longest_and_begin_anew_after_an_answer(breaker: Breaker, clock: Clock) -> None:
    for _ in range(2):
        trip(breaker)
        for pause in (1.0, 2.0, 4.0, 4.0):
            clock.now += pause - 0.001
            assert not breaker.ready()
            clock.now += 0.001
            assert breaker.is_open
            assert breaker.ready()
            assert breaker.failed(take(breaker)) is False, "it was not asked before: no news"
        clock.now += 4.0
        take(breaker)
        assert breaker.answered() == pytest.approx(15.0), "the seconds since it opened"
        assert not breaker.is_open


def test_a_probe_that_is_given_up_makes_room_for_two(breaker: Breaker, clock: Clock) -> None:
    """Else visitors who come and leave at once could be the only ones who ever ask, and an outage would never end."""
    trip(breaker)
    clock.now += 1.0
    breaker.given_up(take(breaker))
    take(breaker)
    ticket = take(breaker)
    assert breaker.take(CALL) is None
    for _ in range(50):  # a crowd that comes and leaves, and one who stays
        breaker.given_up(ticket)
        take(breaker)
    take(breaker)
    assert breaker.answered() is not None


def test_calls_from_before_it_opened_do_not_count_but_an_answer_does(breaker: Breaker, clock: Clock) -> None:
    early = [take(breaker) for _ in range(100)]
    trip(breaker)
    assert breaker.answered(early[0]) is None, "it answered before the pause, and is told so"
    for ticket in early[1:]:
        assert not breaker.failed(ticket)
        breaker.given_up(ticket)
    clock.now += 1.0
    take(breaker)
    assert breaker.take(CALL) is None, "what was given up was no probe"
    assert breaker.answered() == pytest.approx(1.0)
    for ticket in early:
        assert not breaker.failed(ticket), "nor do they count after it closed"
    assert not breaker.is_open


def test_an_answer_during_the_pause_ends_it(breaker: Breaker) -> None:
    trip(breaker)
    assert breaker.answered() == 0.0
    take(breaker)


def test_a_probe_that_fails_after_another_was_answered_does_not_count(breaker: Breaker, clock: Clock) -> None:
    trip(breaker)
    clock.now += 1.0
    breaker.given_up(take(breaker))
    slow = [take(breaker), take(breaker)]
    assert breaker.answered() is not None
    for ticket in slow:
        breaker.failed(ticket)
    trip(breaker)


def test_a_probe_that_is_never_heard_of_again_is_replaced(breaker: Breaker, clock: Clock) -> None:
    """Its event loop was stopped and never ran again: no `finally` of it will."""
    trip(breaker)
    clock.now += 1.0
    take(breaker)
    clock.now += CALL + GRACE - 0.001
    assert breaker.take(CALL) is None
    clock.now += 0.001
    ticket = take(breaker)
    assert breaker.take(CALL) is None, "one at a time"
    breaker.given_up(ticket)
    assert [breaker.take(CALL) is None for _ in range(3)] == [False, False, True]


def test_many_threads_get_one_probe_and_one_of_them_opens_it(clock: Clock) -> None:
    breaker = Breaker(100, 1.0, 4.0, clock)

    def fail_ten_times() -> int:
        return sum(breaker.failed(-1 if (ticket := breaker.take(CALL)) is None else ticket) for _ in range(10))

    assert sum(in_threads(*[fail_ten_times] * 20)) == 1
    clock.now += 1.0
    assert in_threads(*[lambda: breaker.take(CALL) is None] * 20).count(False) == 1


# --- compared with a model --------------------------------------------------------------------------------------------


@dataclass
class Asked:
    """One call that is under way."""

    ticket: int
    period: int
    """How many times the breaker had changed when it began."""


class Model(RuleBasedStateMachine):
    """What the breaker is for, in the words of its head, with everything written down that ever happened."""

    calls = Bundle("calls")

    def __init__(self) -> None:
        super().__init__()
        self.clock = Clock()
        self.breaker = Breaker(3, 1.0, 4.0, self.clock)
        self.period = 0
        self.in_a_row = 0
        self.opened: float | None = None
        self.until = 0.0
        self.pauses = 0
        self.places = 0
        self.expires = 0.0

    def may_ask(self) -> bool:
        if self.opened is None:
            return True
        return self.clock.now >= self.until and (self.places > 0 or self.clock.now >= self.expires)

    def pause(self) -> None:
        self.until = self.clock.now + min(1.0 * 2**self.pauses, 4.0)
        self.pauses += 1
        self.places = 1
        self.period += 1

    @rule(seconds=st.sampled_from([0.25, 0.5, 1.0, 4.0, 10.0]))
    def time_goes_by(self, seconds: float) -> None:
        self.clock.now += seconds

    @rule(target=calls, seconds=st.sampled_from([0.5, 3.0]))
    def somebody_asks(self, seconds: float) -> Asked | None:
        may = self.may_ask()
        assert self.breaker.ready() is may
        ticket = self.breaker.take(seconds)
        assert (ticket is not None) is may
        if ticket is None:
            return None
        if self.opened is not None:
            self.places = max(0, self.places - 1)
            self.expires = self.clock.now + seconds + GRACE
        return Asked(ticket, self.period)

    @rule(call=consumes(calls))
    def it_fails(self, call: Asked | None) -> None:
        if call is None:
            return
        news = self.breaker.failed(call.ticket)
        if call.period != self.period:
            assert not news
        elif self.opened is not None:
            assert not news
            self.pause()
        else:
            self.in_a_row += 1
            assert news is (self.in_a_row == 3)
            if news:
                self.opened, self.pauses = self.clock.now, 0
                self.pause()

    @rule(call=consumes(calls), told=st.booleans())
    def it_is_answered(self, call: Asked | None, told: bool) -> None:
        """`told`: the breaker is told which call it was; then one from before the pause does not end it."""
        if call is None:
            return
        seconds = self.breaker.answered(call.ticket if told else None)
        if told and self.opened is not None and call.period != self.period:
            assert seconds is None
            return
        assert seconds == (None if self.opened is None else self.clock.now - self.opened)
        self.period += self.opened is not None
        self.opened, self.in_a_row = None, 0

    @rule(call=consumes(calls))
    def it_is_given_up(self, call: Asked | None) -> None:
        if call is None:
            return
        self.breaker.given_up(call.ticket)
        if self.opened is not None and call.period == self.period:
            self.places += 2

    @precondition(lambda self: self.opened is not None)
    @rule()
    def nothing_keeps_it_open_for_long(self) -> None:
        """Whatever has happened: once the longest pause and a lost probe's time are over, the next one may ask."""
        self.clock.now += 4.0 + 3.0 + GRACE
        assert self.breaker.ready()

    @invariant()
    def it_says_what_it_is(self) -> None:
        assert self.breaker.is_open is (self.opened is not None)
        assert self.breaker.ready() is self.may_ask()


Model.TestCase.settings = settings(max_examples=150, stateful_step_count=40)
TestModel = Model.TestCase
