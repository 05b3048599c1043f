"""No request is ever decided by a rule that its handler does not stand under, in any framework.

The handler says which path it stands at, with what its placeholder took; the rule that it stands under is worked out
here, by the letter: the first whose pattern matches that path as it is written.
"""

import json
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
FOR_A_SLASH = [";x/", "%0a/", "//", "/./", "/x/../", "%2f", "/%0a", "/demo/../", "/%2f"]


def misspelt(path: str) -> list[str]:
    """The path, misspelt in one place in each of these ways."""
    places = [(path[:at], path[at], path[at + 1 :]) for at in range(len(path))]
    return [
        *(odd + path for odd in PREFIXES),
        *(path + odd for odd in SUFFIXES),
        *(before + odd + after for before, it, after in places if it == "/" for odd in FOR_A_SLASH),
        *(
            before + odd + after
            for before, it, after in places
            if it.isalpha()
            for odd in (it.swapcase(), f"%{ord(it):02x}")
        ),
        *(path.upper(), path.replace("i", "%C4%B1")),
    ]


ONCE = st.sampled_from(PATHS).flatmap(lambda path: st.sampled_from(misspelt(path)))
TARGETS = ONCE | ONCE.flatmap(lambda path: st.sampled_from(misspelt(path)))
"""More mistakes would lead anywhere in few of them."""


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
def test_the_rule_that_decides_is_the_handlers_own(framework: str, server: str, stage: Stage) -> None:
    pair = stage.put(framework, server)

    @settings(max_examples=40, suppress_health_check=list(HealthCheck))
    @given(TARGETS, st.sampled_from(ROOT_PATHS[server]), RULES, EXEMPT)
    def run(target: str, root_path: str, protect: list[tuple[str, Any]], exempt: list[str]) -> None:
        check(pair, target, root_path, protect, exempt)

    run()
