"""What passes for a CORS preflight: an OPTIONS request with the two headers of one, and without a body."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from geetest_asgi import GeeTestResult, Outcome, geetest_result
from geetest_asgi._scope import is_preflight, put_result

Headers = list[tuple[bytes, bytes]]
PREFLIGHT: Headers = [(b"origin", b"https://a.example"), (b"access-control-request-method", b"POST")]
TITLED: Headers = [(name.title(), value) for name, value in PREFLIGHT]


def options(headers: Headers, method: str = "OPTIONS") -> dict[str, object]:
    return {"type": "http", "method": method, "headers": headers}


@pytest.mark.parametrize("length", [[], [(b"content-length", b"0")], [(b"Content-Length", b" 00 ")]])
@pytest.mark.parametrize("headers", [PREFLIGHT, TITLED])
def test_a_preflight_has_no_body(headers: Headers, length: Headers) -> None:
    assert is_preflight(options(headers + length))


NONE: dict[str, dict[str, object]] = {
    **{f"method {each!r}": options(PREFLIGHT, each) for each in ("POST", "options")},
    **{f"{name!r} alone": options([(name, value)]) for name, value in PREFLIGHT},
    "a websocket": {"type": "websocket", "headers": PREFLIGHT},
    **{f"a length of {each!r}": options([*PREFLIGHT, (b"Content-Length", each)]) for each in (b"33", b"0, 7", b"X")},
    "two lengths": options([*PREFLIGHT, (b"content-length", b"0"), (b"content-length", b"7")]),
    "chunked": options([*PREFLIGHT, (b"transfer-encoding", b"chunked")]),
}


@pytest.mark.parametrize("scope", NONE.values(), ids=NONE)
def test_what_is_no_options_lacks_a_header_or_says_that_a_body_comes_is_none(scope: dict[str, object]) -> None:
    assert not is_preflight(scope)


@given(st.lists(st.tuples(st.binary(max_size=20), st.binary(max_size=20)), max_size=4))
def test_no_header_raises(headers: Headers) -> None:
    assert not is_preflight(options(headers, "POST"))
    is_preflight(options(PREFLIGHT + headers))


@pytest.mark.parametrize("scope", [{}, {"state": None}, {"state": {"user": "ada"}}])
def test_the_decision_has_a_place_in_any_scope(scope: dict[str, Any]) -> None:
    kept = scope.get("state")
    result = GeeTestResult(Outcome.PASSED, allowed=True, verified=True)
    put_result(scope, result)
    assert geetest_result(scope) is result
    assert kept is None or kept is scope["state"]


NO_DECISION: dict[str, tuple[dict[str, Any], str]] = {
    "a websocket": ({"type": "websocket", "path": "/chat"}, "one is for 'WEBSOCKET /chat'"),
    "a WSGI environ": ({"wsgi.version": (1, 0), "asgi.scope": None}, "came by WSGI"),
    "an empty scope": ({}, "None is not protected"),
}


@pytest.mark.parametrize(("scope", "said"), NO_DECISION.values(), ids=NO_DECISION)
def test_where_no_guard_has_decided_it_says_so(scope: dict[str, Any], said: str) -> None:
    with pytest.raises(LookupError, match=said):
        geetest_result(scope)
