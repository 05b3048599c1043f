"""The breaker, story by story, with a clock of the tests' own."""

import pytest
from clocks import Clock
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
    assert breaker.answered() == 0.0, "another's answer ends the pause"
    trip(breaker)
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
