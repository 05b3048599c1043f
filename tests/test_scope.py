"""What passes for a CORS preflight: an OPTIONS request with the two headers of one, and without a body."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from geetest_asgi import GeeTestResult, Outcome, geetest_result
from geetest_asgi._scope import is_preflight, put_result

PREFLIGHT = [(b"origin", b"https://a.example"), (b"access-control-request-method", b"POST")]


def options(*headers: tuple[bytes, bytes], method: str = "OPTIONS") -> dict[str, object]:
    return {"type": "http", "method": method, "headers": headers}


@pytest.mark.parametrize("length", [(), [(b"content-length", b"0")], [(b"Content-Length", b" 00 ")]])
def test_a_preflight_has_no_body(length: list[tuple[bytes, bytes]]) -> None:
    assert is_preflight(options(*PREFLIGHT, *length))
    assert is_preflight(options(*[(name.title(), value) for name, value in PREFLIGHT], *length))


BODIES = [
    [(b"content-length", b"1")],
    [(b"Content-Length", b"33")],
    [(b"content-length", b"0"), (b"content-length", b"7")],
    [(b"content-length", b"0, 7")],
    [(b"content-length", b"-1")],
    [(b"content-length", b"x")],
    [(b"transfer-encoding", b"chunked")],
    [(b"Transfer-Encoding", b"identity"), (b"content-length", b"0")],
    [(b"transfer-encoding", b"")],
]


@pytest.mark.parametrize("body", BODIES)
def test_what_says_that_a_body_comes_is_no_preflight(body: list[tuple[bytes, bytes]]) -> None:
    assert not is_preflight(options(*PREFLIGHT, *body))


@pytest.mark.parametrize("method", ["POST", "GET", "options", "OPTIONS "])
def test_no_other_method_is_a_preflight(method: str) -> None:
    assert not is_preflight(options(*PREFLIGHT, method=method))


def test_both_headers_are_needed() -> None:
    assert not any(is_preflight(options(header)) for header in PREFLIGHT)
    assert not is_preflight(options())


def test_a_websocket_and_a_lifespan_are_none() -> None:
    assert not is_preflight({"type": "websocket", "headers": PREFLIGHT})
    assert not is_preflight({"type": "lifespan"})


@given(st.lists(st.tuples(st.binary(max_size=20), st.binary(max_size=20)), max_size=4))
def test_no_header_raises(headers: list[tuple[bytes, bytes]]) -> None:
    assert not is_preflight(options(*headers, method="POST"))
    is_preflight(options(*PREFLIGHT, *headers))


@pytest.mark.parametrize("scope", [{}, {"state": None}, {"state": {"user": "ada"}}])
def test_the_decision_has_a_place_in_any_scope(scope: dict[str, Any]) -> None:
    kept = scope.get("state")
    result = GeeTestResult(Outcome.PASSED, allowed=True, verified=True)
    put_result(scope, result)
    assert geetest_result(scope) is result
    assert kept is None or kept is scope["state"]
