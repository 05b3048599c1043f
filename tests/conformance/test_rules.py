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
from .apps import FRAMEWORKS, VARIANTS
from .servers import LITERAL
from .stage import Pair, Stage

APPS = [*FRAMEWORKS, "falcon-stripping", "quart-lenient", "starlette-mounted", "blacksheep-mounted"]
ROOT_PATHS = {LITERAL: [""], "daphne": ["", "/x", "/users", "/users/demo", "/login", "/X/", "/x%41", "x"]}
"""Daphne takes one from a header of the request."""

METHODS = st.sampled_from(["", "", "", "POST ", "* ", "PUT "])
PATHS_OF_RULES = st.sampled_from(
    "/login /login/** /LOGIN/ /users/demo/reset /users/d*/reset /users/{name}/reset /Users/Demo/* /users/** "
    "/users/reset /open /x/** /{any} /*/* /*/*/* /*/*/*/* /{a}/{b}/reset/ /**/reset /api/** /api/*/demo/** /**".split()
)
PATTERNS = st.builds(str.__add__, METHODS, PATHS_OF_RULES)
RULES = st.fixed_dictionaries(
    {"protect": st.lists(PATTERNS, min_size=1, max_size=4), "exempt": st.lists(PATTERNS, max_size=1)}
)
GUARDS = st.lists(RULES, min_size=6, max_size=6)
"""Several for one request, since few lead anywhere."""

PATHS = "/login /users/demo/reset /users/demo/reset /users/ada/reset /users/DEMO/reset /users//reset /open".split()
PREFIXES = ["/" * 101, *"/ // /. /x/.. /users/.. /users/demo/../.. http://h x: /;x /api /API /%0a \\ //h".split()]
SUFFIXES = "/ // /. /x/.. ;x %0a %20 %00 %2f %2f/ ?x %3fx #x \\ %5c .".split()
FOR_A_SLASH = ";x/ %0a/ // /// /./ /x/../ %2f /%0a /demo/../ /%2f \\ %5c".split()


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


def targets(mount: str) -> st.SearchStrategy[str]:
    """One mistake or two: with more of them few would still lead anywhere."""
    once = st.sampled_from(PATHS).flatmap(lambda path: st.sampled_from(misspelt(mount + path)))
    return once | once.flatmap(lambda path: st.sampled_from(misspelt(path)))


def mount_of(app: str) -> str:
    return VARIANTS.get(app, "")


def own_path(app: str, seen: dict[str, Any]) -> tuple[str, ...]:
    """Where the handler stands."""
    mount = mount_of(app).split("/")[1:]
    return (*mount, "users", seen["name"], "reset") if seen["handler"] == "reset" else (*mount, seen["handler"])


def matches(pattern: str, method: str, path: tuple[str, ...]) -> bool:
    """Whether it is for such a request, by the letter: `fuzz/patterns.py` tests the tree by another."""
    parsed = parse(pattern)
    return method.upper() in parsed.methods and bool(PathSet([parsed], fold=False).find(path))


def own_rule(rules: dict[str, list[str]], method: str, path: tuple[str, ...]) -> str | None:
    """The name of the rule that a handler at this path stands under."""
    if any(matches(each, method, path) for each in rules["exempt"]):
        return None
    return next((str(place) for place, each in enumerate(rules["protect"]) if matches(each, method, path)), None)


def check(pair: Pair, method: str, target: str, root_path: str, data: st.DataObject) -> None:
    headers = {"daphne-root-path": root_path} if root_path else {}
    bare = pair.ask(False, target, headers=headers, method=method)
    assume(bare.handler)
    guards = data.draw(GUARDS)
    headers["x-rules"] = json.dumps(guards)
    answer = wire.ask(pair.port, wire.request(pair.bare, target, b"user=x", headers, method=method))
    decided = json.loads(answer.headers["x-decided"])
    for number, rules in enumerate(guards):
        own = own_rule(rules, method, own_path(pair.bare, bare.seen))
        rule, outcome = decided.get(str(number), (None, "nothing was decided"))
        assert own in (None, rule) or (rule, outcome) == ("", "malformed"), (rules, own, rule, outcome)


@pytest.mark.parametrize("server", ROOT_PATHS)
@pytest.mark.parametrize("app", APPS)
def test_the_rule_that_decides_is_the_handlers_own(app: str, server: str, stage: Stage) -> None:
    pair = stage.put(app, server)
    methods = st.sampled_from(["POST", "POST", "post", "PUT"])

    @settings(max_examples=40, suppress_health_check=list(HealthCheck), deadline=None)
    @given(methods, targets(mount_of(app)), st.sampled_from(ROOT_PATHS[server]), st.data())
    def run(method: str, target: str, root_path: str, data: st.DataObject) -> None:
        check(pair, method, target, root_path, data)

    run()
