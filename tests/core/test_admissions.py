"""Who is let in unverified, how many of them, and what the log says of it, by a clock of our own."""

import logging
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from geetest_asgi import GeeTestMiddleware, Limits, Outcome, client_address
from geetest_asgi._bounds.counters import ClientCap
from geetest_asgi._bounds.unverified import QUIET, Unverified
from geetest_asgi._core.model import Evidence
from geetest_asgi._core.policy import Policy

DOWN = Evidence(Outcome.UNAVAILABLE, "HTTP 503")
UP = Evidence(Outcome.PASSED)


class Clock:
    """A clock that moves when it is told to. It starts with a minute."""

    def __init__(self, now: float = 6000.0) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


async def nothing(*_: object) -> None: ...


def policy(on_unavailable: Any = "allow") -> Policy:
    guard = GeeTestMiddleware(nothing, captcha_id="id", captcha_key="key", on_unavailable=on_unavailable)
    found = guard.table.match("POST", "/", b"/", "")
    assert found is not None
    return found


ALLOW, DENY = policy(), policy("deny")


def let_in(admissions: Unverified, client: str | None = None) -> bool:
    return admissions.consider(ALLOW, DOWN, client)[1]


# --- the caps ---------------------------------------------------------------------------------------------------------


def test_each_client_has_so_many_in_each_minute(clock: Clock) -> None:
    admissions = Unverified(Limits(unverified_per_client=3, unverified_per_second=1000), clock)
    for _ in range(3):
        assert [let_in(admissions, "a") for _ in range(5)] == [True] * 3 + [False] * 2
        assert [let_in(admissions, "b") for _ in range(5)] == [True] * 3 + [False] * 2
        clock.now += 59.9
        assert not let_in(admissions, "a")
        clock.now += 0.1


def test_whom_it_does_not_know_it_does_not_cap(clock: Clock) -> None:
    admissions = Unverified(Limits(unverified_per_client=3, unverified_per_second=1000), clock)
    assert all(let_in(admissions, None) for _ in range(1000))


def test_one_client_that_is_turned_away_takes_no_room_from_the_others(clock: Clock) -> None:
    admissions = Unverified(Limits(unverified_per_client=3, unverified_per_second=20), clock)
    assert [let_in(admissions, "bot") for _ in range(1000)].count(True) == 3
    assert [let_in(admissions, f"human {number}") for number in range(30)] == [True] * 17 + [False] * 13


def test_whom_the_cap_for_all_turns_away_has_not_used_their_own(clock: Clock) -> None:
    admissions = Unverified(Limits(unverified_per_client=2, unverified_per_second=1), clock)
    assert [let_in(admissions, "a"), let_in(admissions, "b"), let_in(admissions, "b")] == [True, False, False]
    for expected in (True, True, False):
        clock.now += 1
        assert let_in(admissions, "b") is expected


def test_none_of_each_client_are_none(clock: Clock) -> None:
    admissions = Unverified(Limits(unverified_per_client=0), clock)
    assert not let_in(admissions, "a")
    assert let_in(admissions, None)


def test_the_reason_says_which_limit_is_used_up(clock: Clock) -> None:
    admissions = Unverified(Limits(unverified_per_client=1, unverified_per_second=2), clock)
    assert admissions.consider(ALLOW, DOWN, "a") == (DOWN, True)
    for client, name in (("a", "unverified_per_client"), ("b", ""), ("c", "unverified_per_second")):
        evidence, room = admissions.consider(ALLOW, DOWN, client)
        assert room is not bool(name)
        assert evidence.reason == (f"HTTP 503; {name} is used up" if name else "HTTP 503")
        assert evidence.outcome is Outcome.UNAVAILABLE


@pytest.mark.parametrize("outcome", [each for each in Outcome if each is not Outcome.UNAVAILABLE])
def test_nothing_but_an_outage_is_considered(outcome: Outcome, clock: Clock) -> None:
    admissions = Unverified(Limits(), clock)
    evidence = Evidence(outcome, "why")
    assert admissions.consider(ALLOW, evidence, "a") == (evidence, False)
    assert admissions._began is None


def test_where_an_outage_is_denied_it_takes_no_room(clock: Clock) -> None:
    admissions = Unverified(Limits(unverified_per_second=1), clock)
    assert not any(admissions.consider(DENY, DOWN, "a")[1] for _ in range(10))
    assert let_in(admissions, "a")


@given(st.lists(st.tuples(st.integers(0, 5), st.floats(0, 30)), max_size=60), st.integers(1, 4), st.integers(1, 4))
def test_no_cap_is_ever_passed(visits: list[tuple[int, float]], per_client: int, per_second: int) -> None:
    clock = Clock()
    admissions = Unverified(Limits(unverified_per_client=per_client, unverified_per_second=per_second), clock)
    inside: list[tuple[int, int, int]] = []
    for client, later in visits:
        clock.now += later
        if let_in(admissions, str(client)):
            inside.append((client, int(clock.now), int(clock.now / 60)))
    for client, second, minute in inside:
        assert sum(each[0] == client and each[2] == minute for each in inside) <= per_client
        assert sum(each[1] == second for each in inside) <= per_second


def test_no_more_clients_are_remembered_than_there_is_room_for(clock: Clock) -> None:
    cap = ClientCap(2, clock, most=100)
    for number in range(1000):
        assert cap.has_room(str(number))
        cap.count(str(number))
    assert len(cap._taken) == 100
    cap.count("999")
    assert not cap.has_room("999")
    assert cap.has_room("998")
    clock.now += 60
    assert cap.has_room("999")
    assert cap._taken == {}


# --- whose address ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("client", "expected"),
    [
        (("192.0.2.7", 4711), "192.0.2.7"),
        (["192.0.2.7", 4711], "192.0.2.7"),
        (("::ffff:192.0.2.7", 1), "192.0.2.7"),
        (("2001:db8:1:2:3:4:5:6", 1), "2001:db8:1:2::/64"),
        (("[2001:db8:1:2::7]:4711", 1), "2001:db8:1:2::/64"),
        (("[2001:db8:1:2::7]", 1), "2001:db8:1:2::/64"),
        (("192.0.2.7:4711", 1), "192.0.2.7"),
        (("64:ff9b::192.0.2.7", 1), "192.0.2.7"),
        (("[::ffff:192.0.2.7]:80", 1), "192.0.2.7"),
        (("host:80", 1), "host:80"),
        (("2001:db8:1:2::", 1), "2001:db8:1:2::/64"),
        (("fe80::1%eth0", 1), "fe80::/64"),
        (("testclient", 50000), "testclient"),
        (("x" * 1000, 1), "x" * 64),
        (("", 0), None),
        ((None, None), None),
        ((), None),
        (None, None),
    ],
)
def test_whom_the_server_takes_for_the_client(client: Any, expected: str | None) -> None:
    assert client_address({"client": client}) == expected
    assert client_address({}) is None


# --- the log ----------------------------------------------------------------------------------------------------------


def test_the_log_has_one_warning_when_it_begins_and_one_with_the_sum(
    clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    admissions = Unverified(Limits(unverified_per_second=2), clock)
    for _ in range(2):
        caplog.clear()
        for _ in range(30):
            for _ in range(5):
                let_in(admissions)
            clock.now += 1
        assert [record.levelno for record in caplog.records] == [logging.WARNING]
        assert "HTTP 503" in caplog.text
        clock.now += QUIET
        for _ in range(3):
            admissions.note_answer(UP)
        assert [record.levelno for record in caplog.records] == [logging.WARNING] * 2
        sums = caplog.records[1]
        assert (sums.geetest_let_in, sums.geetest_refused, sums.geetest_seconds) == (60, 90, 29.0)  # type: ignore[attr-defined]


def test_the_log_counts_those_who_are_refused_by_policy(clock: Clock, caplog: pytest.LogCaptureFixture) -> None:
    admissions = Unverified(Limits(), clock)
    for _ in range(5):
        assert not admissions.consider(DENY, DOWN, "a")[1]
    assert "'deny'" in caplog.text
    clock.now += QUIET
    admissions.note_answer(UP)
    assert "0 requests were let in unverified, and 5 refused" in caplog.text
    assert len(caplog.records) == 2


def test_while_every_other_call_fails_there_is_one_warning(clock: Clock, caplog: pytest.LogCaptureFixture) -> None:
    admissions = Unverified(Limits(), clock)
    for _ in range(100):
        let_in(admissions)
        clock.now += QUIET - 0.01
        admissions.note_answer(UP)
    assert len(caplog.records) == 1
    clock.now += QUIET
    admissions.note_answer(UP)
    assert len(caplog.records) == 2


@pytest.mark.parametrize("outcome", [Outcome.UNAVAILABLE, Outcome.BUSY, Outcome.MISCONFIGURED])
def test_what_is_no_answer_about_a_token_ends_nothing(
    outcome: Outcome, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    admissions = Unverified(Limits(), clock)
    let_in(admissions)
    clock.now += QUIET
    admissions.note_answer(Evidence(outcome))
    assert len(caplog.records) == 1


def test_without_an_outage_the_log_is_silent(clock: Clock, caplog: pytest.LogCaptureFixture) -> None:
    admissions = Unverified(Limits(), clock)
    for _ in range(3):
        admissions.note_answer(UP)
        clock.now += QUIET
    assert caplog.records == []
