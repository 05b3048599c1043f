"""What a decision's record says where no rule or no request is known, or a client sends too much."""

import logging

import pytest

from geetest_asgi import GeeTestResult, Outcome
from geetest_asgi.observers.logs import log_decision


def test_a_decision_by_no_rule_or_without_a_request_says_so(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "geetest_asgi")
    log_decision(GeeTestResult(Outcome.MALFORMED, False, False, "odd"), {"method": "POST", "path": "/login"})
    log_decision(GeeTestResult(Outcome.MISSING, False, False, rule="GeeTestClient"), {})
    assert caplog.messages == [
        "malformed, not allowed ('odd'): 'POST' '/login' by no rule",
        "missing, not allowed: by rule 'GeeTestClient'",
    ]
    record = vars(caplog.records[1])
    assert (record["geetest_method"], record["geetest_path"], record["geetest_client"]) == ("", "", None)


def test_what_a_client_can_make_long_is_cut(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "geetest_asgi")
    for scope in ({"method": "X" * 50, "path": "/" + "x" * 500}, {"type": "websocket", "path": "/ws"}):
        log_decision(GeeTestResult(Outcome.MISSING, False, False), scope)
    told = [(vars(each)["geetest_method"], vars(each)["geetest_path"]) for each in caplog.records]
    assert told == [("X" * 20, "/" + "x" * 199), ("WEBSOCKET", "/ws")]
