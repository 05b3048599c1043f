"""No request is ever decided by a rule that its handler does not stand under, in any framework.

The handler says which path it stands at, with what its placeholder took; the rule that it stands under is worked out
here, by the letter: the first whose pattern matches that path as it is written.
"""

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from geetest_asgi._core.paths.path_set import PathSet
from geetest_asgi._core.paths.patterns import parse

from . import wire
from .apps import FRAMEWORKS
from .servers import LITERAL
from .stage import Pair, Stage

ROOT_PATHS = {LITERAL: [""], "daphne": ["", "/x", "/users", "/users/demo", "/login", "/X/", "/x%41", "x"]}
"""Daphne takes one from a header of the request."""

METHODS = st.sampled_from(["", "", "", "POST ", "* ", "PUT "])
PATHS_OF_RULES = st.sampled_from(
    "/login /login/** /users/demo/reset /users/d*/reset /users/{name}/reset /users/** /users/reset /open /x/** /{any} "
    "/*/*/* /**/reset /**".split()
)
PATTERNS = st.builds(str.__add__, METHODS, PATHS_OF_RULES)
STRICTNESS = st.sampled_from(
    [{}, {"mode": "monitor"}, {"mode": "off"}, {"sources": ["header"]}, {"on_unavailable": "deny"}]
)
RULES = st.lists(st.tuples(PATTERNS, STRICTNESS), min_size=1, max_size=4)
EXEMPT = st.lists(PATTERNS, max_size=1)

PATHS = ["/login", "/users/demo/reset", "/users/demo/reset", "/users/ada/reset", "/users/DEMO/reset", "/open"]
PREFIXES = ["/", "//", "/.", "/x/..", "/users/..", "/users/demo/../..", "http://h", "x:", "/;x", "/" * 101]
SUFFIXES = ["/", "//", "/.", "/x/..", ";x", "%0a", "%20", "%2f", "?x", "%3fx", "#x"]
INSIDE = ["//", "/./", "/x/../", "%2f", "/%0a", "/demo/../", ";x/", "/%2f"]
LETTERS = st.sampled_from([str.swapcase, str.upper, lambda each: f"%{ord(each):02x}", lambda _: "%C4%B1"])


@st.composite
def targets(draw: st.DrawFn) -> str:
    """A path, misspelt in one place or two: more in few of them would still lead anywhere."""
    path = draw(st.sampled_from(PATHS))
    for _ in range(draw(st.integers(1, 2))):
        kind = draw(st.sampled_from(["before", "after", "slash", "letter", "segment"]))
        path = MISSPELT[kind](draw, path)
    return path


def _slash(draw: st.DrawFn, path: str) -> str:
    before, slash, after = path.rpartition("/")
    return before + draw(st.sampled_from(INSIDE)) + after if slash else path


def _letter(draw: st.DrawFn, path: str) -> str:
    letters = [at for at, each in enumerate(path) if each.isalpha()]
    if not letters:
        return path
    at = draw(st.sampled_from(letters))
    changed: str = draw(LETTERS)(path[at])
    return path[:at] + changed + path[at + 1 :]


def _segment(draw: st.DrawFn, path: str) -> str:
    segments = path.split("/")
    at = draw(st.integers(0, len(segments) - 1))
    odd = st.sampled_from([str.upper, str.title, lambda each: f"{each};x", lambda each: f"{each}%0a", lambda _: ""])
    changed: str = draw(odd)(segments[at])
    return "/".join([*segments[:at], changed, *segments[at + 1 :]])


MISSPELT: dict[str, Callable[[st.DrawFn, str], str]] = {
    "before": lambda draw, path: draw(st.sampled_from(PREFIXES)) + path,
    "after": lambda draw, path: path + draw(st.sampled_from(SUFFIXES)),
    "slash": _slash,
    "letter": _letter,
    "segment": _segment,
}


def own_path(seen: dict[str, Any]) -> list[str]:
    """Where the handler stands."""
    return ["users", seen["name"], "reset"] if seen["handler"] == "reset" else [seen["handler"]]


def matches(pattern: str, path: list[str]) -> bool:
    """Whether it is for a POST to this path, by the letter: `fuzz/patterns.py` tests the tree by another."""
    parsed = parse(pattern)
    return "POST" in parsed.methods and bool(PathSet([parsed], fold=False).find(tuple(path)))


def own_rule(protect: list[tuple[str, Any]], exempt: list[str], path: list[str]) -> str | None:
    """The name of the rule that a handler at this path stands under."""
    if any(matches(each, path) for each in exempt):
        return None
    return next((str(place) for place, (each, _) in enumerate(protect) if matches(each, path)), None)


def check(pair: Pair, target: str, root_path: str, protect: list[tuple[str, Any]], exempt: list[str]) -> None:
    headers = {"daphne-root-path": root_path} if root_path else {}
    bare = pair.ask(False, target, headers=headers)
    assume(bare.handler)
    own = own_rule(protect, exempt, own_path(bare.seen))
    headers["x-rules"] = json.dumps({"protect": protect, "exempt": exempt})
    answer = wire.ask(pair.port, wire.request(pair.bare, target, b"user=x", headers))
    decided = json.loads(answer.headers["x-decided"])
    assert len(decided) <= 1
    if not decided:
        assert own is None, "nothing was decided"
        return
    ((rule, outcome),) = decided
    if rule == "":
        assert (outcome, answer.handler if _enforced(protect) else "") == ("malformed", "")
    else:
        assert own in (None, rule), "another rule decided"


def _enforced(protect: list[tuple[str, Any]]) -> bool:
    return any(more.get("mode", "enforce") == "enforce" for _, more in protect)


@pytest.mark.parametrize("server", ROOT_PATHS)
@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_no_request_is_decided_by_a_rule_that_its_handler_does_not_stand_under(
    framework: str, server: str, stage: Stage
) -> None:
    pair = stage.put(framework, server)

    @settings(max_examples=40, suppress_health_check=list(HealthCheck))
    @given(targets(), st.sampled_from(ROOT_PATHS[server]), RULES, EXEMPT)
    def run(target: str, root_path: str, protect: list[tuple[str, Any]], exempt: list[str]) -> None:
        check(pair, target, root_path, protect, exempt)

    run()
