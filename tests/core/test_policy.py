"""The one place that says yes, as one whole truth table: outcome x on_unavailable x room."""

from dataclasses import replace
from itertools import product

import pydantic
import pytest
from policies import policy

from geetest_asgi import ConfigError, GeeTestResult, Outcome
from geetest_asgi._core.judge import judge
from geetest_asgi._core.model import Evidence
from geetest_asgi._core.rules import Mode, OnUnavailable

POLICY = replace(policy(captcha_key="the-secret-key"), name="login")

# Who is let in; all that does not stand here is not.
LET_IN: dict[Outcome, set[tuple[OnUnavailable, bool]]] = {
    Outcome.PASSED: {("allow", True), ("allow", False), ("deny", True), ("deny", False)},
    Outcome.SKIPPED: {("allow", True), ("allow", False), ("deny", True), ("deny", False)},
    Outcome.UNAVAILABLE: {("allow", True)},
}
CHOICES: tuple[OnUnavailable, ...] = ("allow", "deny")
MODES: tuple[Mode, ...] = ("enforce", "monitor", "off")
TABLE = list(product(Outcome, CHOICES, (True, False)))


@pytest.mark.parametrize(("outcome", "on_unavailable", "room"), TABLE)
def test_who_is_let_in(outcome: Outcome, on_unavailable: OnUnavailable, room: bool) -> None:
    """Not the reason, the code, the token or the mode counts: monitoring judges as enforcing does."""
    evidence = Evidence(outcome, "passed", "-50101", "V" + "0" * 32, {"result": "success"}, 9.9)
    for mode in MODES:
        terms = replace(POLICY, on_unavailable=on_unavailable, mode=mode)
        result = judge(terms, evidence, admit_unverified=room)
        assert result.allowed is ((on_unavailable, room) in LET_IN.get(outcome, set()))
    assert result.verified is (outcome is Outcome.PASSED)
    assert bool(result) is result.verified
    assert result.unverified is (result.allowed and outcome not in (Outcome.PASSED, Outcome.SKIPPED))
    assert result.outcome is outcome


def test_the_result_says_all_that_is_known() -> None:
    evidence = Evidence(Outcome.FAILED, "pass_token used", "-1", "4dc3", {"scene": "x"}, 0.25)
    assert judge(POLICY, evidence, admit_unverified=True) == GeeTestResult(
        outcome=Outcome.FAILED,
        allowed=False,
        verified=False,
        reason="pass_token used",
        code="-1",
        rule="login",
        lot_number="4dc3",
        captcha_args={"scene": "x"},
        elapsed=0.25,
    )


def test_no_client_may_send_a_result() -> None:
    with pytest.raises(ConfigError, match="CaptchaResult"):
        pydantic.TypeAdapter(GeeTestResult)


def test_the_outcomes_are_stable_words() -> None:
    """They stand in logs, metrics and other people's `match` statements."""
    assert [f"{each}" for each in Outcome] == (
        "passed skipped missing malformed failed replayed refused too_large too_slow misconfigured unknown_tenant busy "
        "unavailable"
    ).split()
