"""Lockouts, full bounds and mode "monitor" are summed up in few warnings, by a clock of our own."""

import logging
from typing import Any

import pytest
from clocks import Clock
from hypothesis import given
from hypothesis import strategies as st
from policies import policy

from geetest_asgi import GeeTestResult, Lockout, Outcome
from geetest_asgi._bounds.alerts import Alerts
from geetest_asgi._bounds.lockouts import ENOUGH, MOST, PAUSE, Lockouts
from geetest_asgi._bounds.summaries import BUSY_ENOUGH, BUSY_QUIET, MONITOR_EVERY

JUDGED = [Outcome.FAILED, Outcome.REFUSED, Outcome.MALFORMED]


@pytest.fixture
def clock() -> Clock:
    return Clock()


def result(outcome: Outcome, reason: str = "HTTP 403", code: str = "", rule: str = "login") -> GeeTestResult:
    passed = outcome is Outcome.PASSED
    return GeeTestResult(outcome, passed, passed, "" if passed else reason, code, rule)


PASSED, REFUSED = result(Outcome.PASSED), result(Outcome.REFUSED)


def visit(
    lockouts: Lockouts, clock: Clock, decision: GeeTestResult, clients: range, seconds: float = 0.0
) -> list[Lockout]:
    """One visit of each of these clients, spread over so many seconds."""
    told = []
    for number in clients:
        clock.now += seconds / len(clients)
        news = lockouts.note(decision, f"198.51.{number // 256}.{number % 256}")
        told += [news] if news else []
    return told


@pytest.mark.parametrize(
    ("decision", "reason"),
    [
        (result(Outcome.REFUSED, "system error", "-50000"), "refused: -50000 system error"),
        (result(Outcome.MALFORMED, "missing: gen_time"), "malformed: missing: gen_time"),
        (result(Outcome.FAILED, ""), "failed"),
    ],
)
def test_a_lockout_of_a_working_site_is_told_once_within_a_minute(
    clock: Clock, decision: GeeTestResult, reason: str
) -> None:
    lockouts = Lockouts(clock)
    assert visit(lockouts, clock, PASSED, range(200), seconds=600) == []
    (begins,) = visit(lockouts, clock, decision, range(200, 220), seconds=60)
    assert visit(lockouts, clock, decision, range(220, 620), seconds=1200) == []
    assert (begins.rule, begins.over, begins.clients) == ("login", False, 20)
    assert begins.share >= 0.9
    assert begins.reason == reason


def test_the_end_is_told_once_with_the_numbers(clock: Clock) -> None:
    lockouts = Lockouts(clock)
    (begins,) = visit(lockouts, clock, REFUSED, range(200), seconds=60)
    assert begins.refused == begins.seconds == 0
    (ends,) = visit(lockouts, clock, PASSED, range(200, 400), seconds=120)
    assert (ends.over, ends.rule, ends.reason) == (True, "login", "refused: HTTP 403")
    assert ends.refused == 180, "those that came after the first twenty"
    assert ends.share < 0.5
    assert 54 < ends.seconds < 120
    assert visit(lockouts, clock, PASSED, range(400, 600), seconds=120) == []
    assert [each.over for each in visit(lockouts, clock, REFUSED, range(200), seconds=120)] == [False]


@given(st.lists(st.tuples(st.integers(0, ENOUGH - 2), st.sampled_from(JUDGED), st.floats(0, 100)), max_size=300))
def test_a_handful_of_visitors_cannot_set_it_off(visits: list[tuple[int, Outcome, float]]) -> None:
    clock = Clock()
    lockouts = Lockouts(clock)
    for client, outcome, pause in visits:
        clock.now += pause
        assert lockouts.note(result(outcome), f"10.0.0.{client}") is None


def test_a_quiet_site_is_never_locked_out(clock: Clock) -> None:
    assert visit(Lockouts(clock), clock, REFUSED, range(200), seconds=200 * 60) == []


def test_requests_without_an_address_and_those_without_a_captcha_have_no_vote(clock: Clock) -> None:
    lockouts = Lockouts(clock)
    assert [lockouts.note(REFUSED, None) for _ in range(1000)] == [None] * 1000
    assert visit(lockouts, clock, result(Outcome.MALFORMED, rule=""), range(1000), seconds=100) == []
    for outcome in set(Outcome) - {*JUDGED, Outcome.PASSED}:
        assert visit(lockouts, clock, result(outcome), range(1000), seconds=100) == []


def test_one_rule_of_two_may_be_locked_out(clock: Clock) -> None:
    lockouts = Lockouts(clock)
    told = []
    for number in range(100):
        told += visit(lockouts, clock, PASSED, range(number, number + 1), seconds=1)
        told += visit(lockouts, clock, result(Outcome.REFUSED, rule="register"), range(number, number + 1))
    assert [(each.rule, each.over, each.share) for each in told] == [("register", False, 1.0)]


def test_the_latest_votes_are_kept_and_no_more(clock: Clock) -> None:
    lockouts = Lockouts(clock)
    assert visit(lockouts, clock, PASSED, range(MOST)) == []
    assert visit(lockouts, clock, REFUSED, range(MOST, 2 * MOST)) == []
    clock.now += PAUSE
    (begins,) = visit(lockouts, clock, REFUSED, range(2 * MOST, 2 * MOST + 1))
    assert (begins.clients, begins.share) == (MOST, 1.0)


def test_a_lockout_begins_where_nine_of_ten_are_refused_and_ends_below_one_half(clock: Clock) -> None:
    lockouts, passed, half = Lockouts(clock), ENOUGH // 10, ENOUGH // 2
    assert visit(lockouts, clock, PASSED, range(passed)) == []
    (begins,) = visit(lockouts, clock, REFUSED, range(passed, ENOUGH))
    assert begins.share == 0.9
    for number in range(passed, half):
        clock.now += PAUSE
        assert visit(lockouts, clock, PASSED, range(number, number + 1)) == []
    clock.now += PAUSE
    (ends,) = visit(lockouts, clock, PASSED, range(half, half + 1))
    assert ends.share == 0.45


def told(caplog: pytest.LogCaptureFixture) -> list[tuple[str, Any, dict[str, int]]]:
    """The event, the seconds and the bounds of each record, which are forgotten."""
    records = [vars(each) for each in caplog.records]
    caplog.clear()
    return [(each["geetest_event"], each["geetest_seconds"], each["geetest_bounds"]) for each in records]


def test_single_busy_decisions_are_no_episode(clock: Clock, caplog: pytest.LogCaptureFixture) -> None:
    alerts, rule = Alerts(clock=clock), policy()
    for _ in range(20):
        for _ in range(BUSY_ENOUGH - 1):
            alerts.note(rule, result(Outcome.BUSY), None)
        clock.now += BUSY_QUIET
        alerts.note(rule, PASSED, None)
    assert caplog.records == []


def test_a_client_that_fills_its_own_share_is_no_episode(clock: Clock, caplog: pytest.LogCaptureFixture) -> None:
    alerts, rule = Alerts(clock=clock), policy()
    some = [f"10.0.0.{number}" for number in range(BUSY_ENOUGH)]
    for client in some[:-1] * 30:
        alerts.note(rule, result(Outcome.BUSY), client)
    assert caplog.records == []
    for client in some[-1:] + some:
        alerts.note(rule, result(Outcome.BUSY), client)
    assert told(caplog) == [("busy_begins", 0.0, {"HTTP 403": 9 * 30 + 1})]


def test_a_full_bound_is_told_when_it_begins_and_when_it_ends(clock: Clock, caplog: pytest.LogCaptureFixture) -> None:
    alerts, rule = Alerts(clock=clock), policy()
    for ends_with in (PASSED, result(Outcome.BUSY, "max_in_flight")):
        for number in range(300):
            clock.now += 0.5
            alerts.note(rule, result(Outcome.BUSY, "max_in_flight" if number % 3 else "max_buffered"), None)
        clock.now += BUSY_QUIET - 0.1
        alerts.note(rule, PASSED, None)
        assert told(caplog) == [("busy_begins", 4.5, {"max_in_flight": 6, "max_buffered": 4})]
        clock.now += 0.1
        alerts.note(rule, ends_with, None)
        assert told(caplog) == [("busy_ends", pytest.approx(149.5), {"max_in_flight": 200, "max_buffered": 100})]


def test_what_mode_monitor_would_have_denied_is_summed_up_every_few_minutes(
    clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    alerts, rule, other = Alerts(clock=clock), policy(mode="monitor"), policy()
    caplog.clear()
    for number in range(602):
        clock.now += 1.0
        alerts.note(rule, PASSED if number % 3 else result(Outcome.MISSING), None)
        alerts.note(other, result(Outcome.MISSING), None)
    first, second = (vars(each) for each in caplog.records)
    assert first["geetest_seconds"] == second["geetest_seconds"] == MONITOR_EVERY
    assert (first["geetest_requests"], first["geetest_denied"]) == (301, 101)
    assert (second["geetest_requests"], second["geetest_by_rule"]) == (301, {"missing, login": 100})


def test_the_hook_is_told_and_the_log_says_what_to_look_at(clock: Clock, caplog: pytest.LogCaptureFixture) -> None:
    told: list[Lockout] = []

    def boom(lockout: Lockout) -> None:
        told.append(lockout)
        raise RuntimeError("the pager is down")

    watch, rule = Alerts(boom, clock), policy()
    for decision in (REFUSED, PASSED):
        for number in range(100):
            clock.now += 1
            watch.note(rule, decision, f"10.0.0.{number}")
    assert [each.over for each in told] == [False, True]
    assert told[1].passed > 0
    begins, raised, ends, _ = caplog.records
    assert [vars(each)["geetest_event"] for each in (begins, ends)] == ["lockout_begins", "lockout_ends"]
    assert begins.levelno == ends.levelno == logging.WARNING
    assert "run geetest-asgi check here" in begins.getMessage()
    assert "80 requests were refused ('refused: HTTP 403')" in ends.getMessage()
    assert vars(raised)["geetest_hook"] == "on_lockout"


def test_bots_that_send_something_else_do_not_hide_a_lockout(clock: Clock) -> None:
    lockouts = Lockouts(clock)
    told = []
    for number in range(100):
        decision = result(Outcome.REFUSED, "odd") if number % 3 == 0 else REFUSED
        told += visit(lockouts, clock, decision, range(number, number + 1), seconds=1)
    assert [(each.over, each.reason) for each in told] == [(False, "refused: HTTP 403")]
