"""The pattern grammar and the tree of patterns. The last line of an input is a path, those before it are patterns.

Each pattern is read, or refused with ConfigError and nothing else. What is read matches as a naive matcher says, and
whatever Starlette would serve under the same text: a pattern that matches too little protects too little.
"""

from dataclasses import replace
from fnmatch import fnmatchcase

from starlette.routing import compile_path

from geetest_asgi._core.errors import ConfigError
from geetest_asgi._core.paths.forms import Segments, fold_case, split
from geetest_asgi._core.paths.path_set import PathSet
from geetest_asgi._core.paths.patterns import EVERY, Pattern, parse
from geetest_asgi._core.paths.rule_table import RuleTable

from .targets import require


def check(data: bytes) -> None:
    """The tree finds what the naive matcher finds; a route is covered by the pattern that is spelt as it is."""
    *lines, path = data.decode(errors="replace").split("\n")
    patterns = [pattern for line in lines if (pattern := _parse(line)) is not None]
    segments = split(path) or ("",)  # the root, which frameworks serve without its slash too
    for fold in (True, False):
        wanted = {place for place, pattern in enumerate(patterns) if _covers(pattern.segments, segments, fold=fold)}
        wanted |= _twins(patterns, segments, fold=fold)
        found = PathSet(patterns, fold=fold).find(segments)
        require(found == wanted, "tree and matcher differ", found, wanted, patterns, path)
    for pattern in patterns:
        _check_route(pattern, path)


def _parse(line: str) -> Pattern | None:
    """A pattern, or None where it is refused. One that was read can be written down and read the same again."""
    try:
        pattern = parse(line)
    except ConfigError as error:
        require(repr(line) in str(error), "the message does not quote the pattern", error)
        return None
    written = (each if each == "**" else each.replace("*", "{x}") for each in pattern.segments)
    again = parse("* /" + "/".join(written))
    require(again.segments == pattern.segments, "read differently again", pattern, again)
    require("**" not in pattern.segments or "**" in line or ":path}" in line, "deeper than written", pattern)
    return pattern


def _twins(patterns: list[Pattern], path: Segments, *, fold: bool) -> set[int]:
    """Where `/login` and `/login/` are both written, they are the same pattern."""

    def folded(segments: Segments) -> Segments:
        return tuple(map(fold_case, segments)) if fold else segments

    known, asked = [folded(each.segments) for each in patterns], folded(path)
    if asked[-1:] != ("",) or asked not in known or any("*" in segment for segment in asked):
        return set()
    return {place for place, segments in enumerate(known) if segments == asked[:-1]}


def _covers(pattern: Segments, path: Segments, *, fold: bool) -> bool:
    """With both spellings of a pattern that ends in a slash."""
    if fold:
        pattern, path = tuple(map(fold_case, pattern)), tuple(map(fold_case, path))
    return _matches(pattern, path) or (pattern[-1] == "" and _matches(pattern[:-1], path))


def _matches(pattern: Segments, path: Segments) -> bool:
    """How far into the path each step of the pattern can have come."""
    reached = {0}
    for step in pattern:
        if step == "**":
            reached = set(range(min(reached, default=len(path) + 1), len(path) + 1))
        else:
            reached = {at + 1 for at in reached if at < len(path) and fnmatchcase(path[at], step)}
    return len(path) in reached


def _check_route(pattern: Pattern, path: str) -> None:
    """What Starlette serves under a route of this text. Its regular expressions are slow with many parameters."""
    text = pattern.text.strip()
    text = text[text.index("/") :]
    if text.count("{") > 3:
        return
    try:
        route, _, _ = compile_path(text)
    except (AssertionError, ValueError):  # no route of Starlette's
        return
    if route.match(path):
        table = RuleTable([(replace(pattern, methods=EVERY), 0)])
        require(table.match("POST", path) == 0, "served, not protected", pattern, path)
