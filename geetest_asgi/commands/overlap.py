"""What two patterns have in common, and a path that a pattern matches. For advice, never for a decision.

Steps of a pattern are its segments, of a segment its characters; `**` is to the one what `*` is to the other.
"""

import re
from collections.abc import Callable, Sequence
from functools import cache
from typing import Final

from .._core.paths.forms import Segments, fold_case
from .._core.paths.path_set import PathSet
from .._core.paths.patterns import Methods, Pattern

Same = Callable[[str, str], bool]

# How regular expressions are commonly written for a part of a path, and a text that would do. It is tried before use.
_REGEX_PARTS: Final = (
    (r"\(\?P<\w+>|\(\?:", "("),
    (r"\[\^[^\]]*\][+*]?\??", "x"),
    (r"\[(\w)[^\]]*\](\{\d+(,\d*)?\}|[+*])?\??", r"\1"),
    (r"\\d(\{\d+(,\d*)?\}|[+*])?\??", "7"),
    (r"\\[wS](\{\d+(,\d*)?\}|[+*])?\??", "x"),
    (r"(?<!\\)\.[+*]\??", "x"),
    (r"\(([^()|]*)\|[^()]*\)", r"\1"),
    (r"[\^$()]|\\[AZ]", ""),
    (r"(.)[?+*]", r"\1"),
    (r"\\(.)", r"\1"),
)


def example(pattern: Pattern, filler: str = "x") -> str | None:
    """A path that `pattern` matches, with `filler` where anything may stand; None where none was found."""
    if pattern.regex is None:
        path = "/" + "/".join(filler if each == "**" else each.replace("*", filler) for each in pattern.segments)
    else:
        path = pattern.regex.pattern
        for part, text in _REGEX_PARTS:
            path = re.sub(part, text, path)
    found = PathSet([pattern], fold=True).find(tuple(path.split("/"))[1:]) if path.startswith("/") else ()
    return path if found else None


def meets(one: Pattern, other: Pattern) -> bool:
    """Is there a path that both match? Of a regular expression only examples are tried."""
    if one.regex is not None or other.regex is not None:
        return _matches_example(one, other) or _matches_example(other, one)
    return _meet(_folded(one), _folded(other), "**", lambda a, b: _meet(a, b, "*", str.__eq__))


def _matches_example(one: Pattern, other: Pattern) -> bool:
    path = example(other)
    return path is not None and bool(PathSet([one], fold=True).find(tuple(path.split("/"))[1:]))


def covers(one: Pattern, other: Pattern, *, fold: bool = True) -> bool:
    """Can it be shown that `one` matches all that `other` matches? `fold`: letters of either case are the same."""
    if one.segments == ("**",):
        return True
    if one.regex is not None or other.regex is not None:
        return one.regex is not None and one.regex == other.regex
    steps, others = (_folded(one), _folded(other)) if fold else (one.segments, other.segments)
    return _absorbs(steps, others, "**", lambda a, b: _absorbs(a, b, "*", str.__eq__))


def includes(one: Methods, other: Methods) -> bool:
    """Is every method of `other` one of `one`?"""
    if one.excluded:
        return one.names <= other.names if other.excluded else not one.names & other.names
    return not other.excluded and other.names <= one.names


def _folded(pattern: Pattern) -> Segments:
    """A slash at the end is not compared."""
    segments = tuple(map(fold_case, pattern.segments))
    return segments[:-1] if len(segments) > 1 and segments[-1] == "" else segments


def _meet(one: Sequence[str], other: Sequence[str], star: str, same: Same) -> bool:
    @cache
    def from_here(i: int, j: int) -> bool:
        if i == len(one) and j == len(other):
            return True
        if i < len(one) and one[i] == star:
            return from_here(i + 1, j) or (j < len(other) and from_here(i, j + 1))
        if j < len(other) and other[j] == star:
            return from_here(i, j + 1) or (i < len(one) and from_here(i + 1, j))
        return i < len(one) and j < len(other) and same(one[i], other[j]) and from_here(i + 1, j + 1)

    return from_here(0, 0)


def _absorbs(one: Sequence[str], other: Sequence[str], star: str, same: Same) -> bool:
    """A star of `other` is a step that only a star of `one` takes."""

    @cache
    def from_here(i: int, j: int) -> bool:
        if i < len(one) and one[i] == star:
            return from_here(i + 1, j) or (j < len(other) and from_here(i, j + 1))
        if i == len(one) or j == len(other):
            return i == len(one) and j == len(other)
        return other[j] != star and same(one[i], other[j]) and from_here(i + 1, j + 1)

    return from_here(0, 0)
