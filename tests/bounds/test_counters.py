"""Counters that bound what all requests do together. Threads are real ones."""

from clocks import Clock
from threads import in_threads

from geetest_asgi._bounds.counters import BodyMemory, RateCap


def test_one_client_holds_half_of_it_at_most() -> None:
    memory = BodyMemory(100, little=100)
    assert [memory.take(size, "a") for size in (30, 30, 20, 1)] == [True, False, True, False]
    assert memory.take(50, "b")
    memory.give_back(50, "b")
    memory.give_back(20, "a")
    assert [memory.take(21, "a"), memory.take(20, "a")] == [False, True]


def test_the_last_quarter_is_for_those_who_hold_little() -> None:
    memory = BodyMemory(100, little=10)
    assert [memory.take(20, name) for name in "abcd"] == [True, True, True, False]
    assert [memory.take(10, "e"), memory.take(10, "f")] == [True, True]
    assert not memory.take(1, "e", held=10)
    assert memory.take(10, "g")


def test_a_pot_forgets_the_clients_that_hold_nothing() -> None:
    memory = BodyMemory(100, little=10)
    for number in range(1000):
        assert memory.take(5, f"client {number}")
        memory.give_back(5, f"client {number}")
        assert memory.take(0, f"client {number} without a body")
    assert memory.held == {}


def test_a_pot_holds_across_threads() -> None:
    memory = BodyMemory(20, little=100)
    assert sum(in_threads(*[lambda: memory.take(1, None)] * 50)) == 20


def test_a_rate_cap_counts_within_each_second() -> None:
    clock = Clock(0.0)
    cap = RateCap(2, clock)
    for now, expected in ((0.0, 1), (0.5, 1), (0.999, 0), (1.0, 1), (1.0, 1), (1.9, 0), (99.0, 1)):
        clock.now = now
        assert cap.take() is bool(expected), now


def test_a_rate_cap_holds_across_threads() -> None:
    assert sum(in_threads(*[RateCap(5, Clock()).take] * 12)) == 5
