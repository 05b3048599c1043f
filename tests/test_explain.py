"""An explanation agrees with the decision that it explains, and what is said of two patterns is true of their paths."""

import re
from urllib.parse import unquote

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from geetest_asgi._core.paths.patterns import EVERY, WEBSOCKET, Pattern, parse
from geetest_asgi._core.paths.rule_table import UNCLEAR, RuleTable, exempt_pattern
from geetest_asgi.commands import overlap
from geetest_asgi.commands.explain import Why, explain

SEGMENTS = st.sampled_from(["a", "A", "b", "ab", "*", "a*", "*b", "a*b", "**", "{id}", "hook"])
PATHS = st.lists(SEGMENTS, min_size=1, max_size=4).map(lambda segments: "/" + "/".join(segments))
PREFIXES = st.sampled_from(["", "POST ", "GET ", "* ", "WEBSOCKET ", "POST,PUT "])
PATTERNS = st.builds(str.__add__, PREFIXES, PATHS)
METHODS = st.sampled_from(["GET", "HEAD", "POST", "post", "PUT", "FOO", "OPTIONS", WEBSOCKET])
PARTS = st.sampled_from(["/", "a", "b", "hook", "A", "x", "%2f", "%0a", "..", ".", ";q", "%20", "//", "%61"])
SPELT = st.lists(PARTS, max_size=8).map(lambda parts: "/" + "".join(parts))
WIRE = st.one_of(SPELT, st.text(max_size=12), st.just("/a" * 101), st.just("/" + "a" * 2100))
ROOTS = st.sampled_from(["", "/a", "/a/", "/x"])


def table(protect: list[str], exempt: list[str], roots: list[str]) -> RuleTable[int]:
    rules = [(parse(pattern), number) for number, pattern in enumerate(protect)]
    return RuleTable(rules, [exempt_pattern(each) for each in exempt], roots, UNCLEAR)


PREFIXED = st.lists(st.sampled_from(["/a", "/b"]), max_size=1)


@given(st.lists(PATTERNS, min_size=1, max_size=4), st.lists(PATTERNS, max_size=2), PREFIXED, METHODS, WIRE, ROOTS)
@example(["/a/hook"], ["/a/hook"], [], "POST", "/a/hook", "")
@example(["/a/hook"], ["/a/hook"], [], "POST", "//a/hook", "")
@example(["/a/hook"], ["/hook"], [], "POST", "/hook", "/a")
@example(["GET /b", "GET /ab"], ["/*"], ["/a"], "GET", "//ab", "")  # two forms are exempt, one is not and has no rule
def test_an_explanation_is_the_tables_own_answer(
    protect: list[str], exempt: list[str], roots: list[str], method: str, target: str, root_path: str
) -> None:
    rules = table(protect, exempt, roots)
    line = (method, unquote(target), target.encode(errors="replace"), root_path)
    found, answer = explain(rules, *line), rules.match(*line)
    assert found.protected is (answer is not None)
    assert (found.why in (Why.MATCHED, Why.TOO_MUCH, Why.UNCLEAR)) is found.protected
    assert (found.why in (Why.TOO_MUCH, Why.UNCLEAR)) is (answer == UNCLEAR)
    if found.why is Why.UNCLEAR:
        assert len(found.deciding) > 1
    if found.why is Why.MATCHED:
        assert found.rule == answer
        assert len(found.deciding) < 2
    if found.why is Why.EXEMPT:
        assert found.rule in found.matching
        assert table(protect, [], roots).match(*line) in (found.rule, UNCLEAR)
    if found.why in (Why.METHOD, Why.NOWHERE):
        assert found.rule is None
        assert table(protect, [], roots).match(*line) is None
    if found.why is Why.NOWHERE:
        every = [pattern[pattern.index("/") :] for pattern in protect]
        assert table(every, [], roots).match("POST", *line[1:]) is None


PLAIN = st.lists(st.sampled_from(["a", "A", "b", "ab", "axb", "hook", "x"]), max_size=5).map(
    lambda segments: "/" + "/".join(segments)
)


def matches(pattern: Pattern, path: str) -> bool:
    return RuleTable([(Pattern(pattern.text, EVERY, pattern.segments, pattern.regex), 0)]).match("POST", path) == 0


@given(PATHS, PATHS, PLAIN)
def test_what_is_said_of_two_patterns_is_true_of_each_path(one: str, other: str, path: str) -> None:
    first, second = parse(one), parse(other)
    both = matches(first, path), matches(second, path)
    if all(both):
        assert overlap.meets(first, second)
        assert overlap.meets(second, first)
    if overlap.covers(first, second) and both[1]:
        assert both[0]


@given(PATHS)
def test_a_pattern_covers_and_meets_itself_and_matches_its_example(text: str) -> None:
    pattern = parse(text)
    assert overlap.covers(pattern, pattern)
    assert overlap.meets(pattern, pattern)
    path = overlap.example(pattern)
    assert path is not None
    assert matches(pattern, path)


LOGIN = re.compile("/v[12]/login")


@pytest.mark.parametrize(
    ("one", "other", "meets", "covers"),
    [
        ("/a/**", "/a/b/c", True, True),
        ("/a/*", "/a/**", True, False),
        ("/files/*.zip", "/files/{name}", True, False),
        ("/files/*.zip", "/files/*.gz", False, False),
        ("/a/**/z", "/a/y", False, False),
        # of a regular expression examples are tried
        (LOGIN, "/{any}/login", True, False),
        ("/**", LOGIN, True, True),
    ],
)
def test_meeting_and_covering(one: object, other: object, meets: bool, covers: bool) -> None:
    assert overlap.meets(parse(one), parse(other)) is meets
    assert overlap.covers(parse(one), parse(other)) is covers


@pytest.mark.parametrize(("written", "path"), [(r"/users/\d+/(edit|del)", "/users/7/edit"), ("(login|x)", None)])
def test_an_example_of_a_regular_expression_is_right_or_there_is_none(written: str, path: str | None) -> None:
    assert overlap.example(parse(re.compile(written))) == path
