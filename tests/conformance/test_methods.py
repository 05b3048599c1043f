"""Which methods a framework runs a protected handler for, and that none of them is a way around."""

from typing import Any

import pytest

from .stage import Pair

METHODS = (
    "POST post Post pOST PUT put PATCH DELETE GET get Get HEAD head Head OPTIONS options TRACE trace CONNECT FOO foo "
    "QUERY PROPFIND SEARCH MKCOL LINK PURGE WEBSOCKET GETX XPOST POST! PRI"
).split()

SAFE = {"GET", "HEAD", "OPTIONS", "TRACE"}


def reached_by(pair: Pair, target: str, handler: str, **more: Any) -> list[str]:
    """The methods for which the bare app runs the handler."""
    return [method for method in METHODS if pair.ask(False, target, method=method, **more).handler == handler]


def refused(pair: Pair, target: str, method: str, **more: Any) -> bool:
    """HEAD, which has no body, is told by the status."""
    answer = pair.ask(True, target, method=method, **more)
    return answer.status == 403 and not answer.handler


def test_a_path_without_methods_means_all_but_the_safe_ones(pair: Pair) -> None:
    """A Django view runs for FOO; Django and Quart run it for `post`."""
    reached = reached_by(pair, "/users/a/reset", "reset")
    assert "POST" in reached
    entered = pair.entered()["reset"]
    guarded = [method for method in reached if method.upper() not in SAFE]
    assert [method for method in guarded if not refused(pair, "/users/a/reset", method)] == []
    assert pair.entered()["reset"] == entered
    for method in guarded:
        if method != "CONNECT":  # it has no body, say some servers
            assert pair.with_token("/users/a/reset", method=method).seen["outcome"] == "passed"


@pytest.mark.parametrize(("target", "handler", "wanted"), [("/login", "login", "POST"), ("/page", "page", "GET HEAD")])
def test_a_method_is_guarded_in_any_letter_case(target: str, handler: str, wanted: str, pair: Pair) -> None:
    """And GET against HEAD too."""
    methods = [method for method in reached_by(pair, target, handler) if method.upper() in wanted.split()]
    assert wanted.split(maxsplit=1)[0] in methods
    entered = pair.entered()[handler]
    assert [method for method in methods if not refused(pair, target, method)] == []
    assert pair.entered()[handler] == entered
    for method in methods:
        assert pair.with_token(target, method=method).seen["outcome"] == "passed"


def test_no_header_changes_the_method(pair: Pair) -> None:
    """Neither away from a guarded one, nor to one that a handler runs for."""
    entered = pair.entered()
    names = ("x-http-method-override", "x-http-method", "x-method-override", "x-original-method")
    assert refused(pair, "/login?_method=GET", "POST", headers=dict.fromkeys(names, "OPTIONS"))
    pair.ask(True, "/users/a/reset", b"_method=POST", method="OPTIONS", headers=dict.fromkeys(names, "POST"))
    ran = pair.entered() - entered
    # A Django view that does not look at the method runs for OPTIONS, which this pattern leaves alone.
    assert set(ran) <= ({"reset"} if pair.bare == "django" else set())
