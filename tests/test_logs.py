"""What a decision's record says where no rule or no request is known."""

import logging

import pytest

from geetest_asgi import GeeTestResult, Outcome
from geetest_asgi.observers.logs import log_decision


def test_a_decision_by_no_rule_says_so(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "geetest_asgi")
    result = GeeTestResult(Outcome.MALFORMED, False, False, "odd")
    log_decision(result, {"type": "http", "method": "POST", "path": "/login"})
    assert caplog.messages == ["malformed, not allowed ('odd'): 'POST' '/login' by no rule"]


def test_a_decision_without_a_request_has_no_method_and_no_path(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "geetest_asgi")
    log_decision(GeeTestResult(Outcome.MISSING, False, False, rule="GeeTestClient"), {})
    assert caplog.messages == ["missing, not allowed: by rule 'GeeTestClient'"]
    (record,) = map(vars, caplog.records)
    assert (record["geetest_method"], record["geetest_path"], record["geetest_client"]) == ("", "", None)
