"""PathSet: find the patterns that match a path, in a time that does not grow with their number.

Patterns without wildcards are the keys of a dictionary, the others form a tree of segments. The search keeps a set of
nodes, since a segment may lead to a literal, to a `*` and past a `**` at once. So there is no backtracking, and the
length of the path bounds the work. Only regular expressions, and globs such as `a*.zip` in one place of the tree, are
tried one by one.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

from .forms import Segments, fold_case
from .patterns import Pattern


@dataclass(slots=True, eq=False)
class _Node:
    literal: dict[str, "_Node"] = field(default_factory=dict)
    globs: dict[str, tuple[re.Pattern[str], "_Node"]] = field(default_factory=dict)
    deep: "_Node | None" = None
    loops: bool = False
    ends: list[int] = field(default_factory=list)


class PathSet:
    """Numbered patterns. With `fold` (for protected paths) the case of letters does not count."""

    def __init__(self, patterns: Sequence[Pattern], *, fold: bool) -> None:
        self._fold = fold
        self._exact: dict[Segments, set[int]] = {}
        self._root = _Node()
        self._regexes: list[tuple[int, tuple[re.Pattern[str], ...]]] = []
        for number, pattern in enumerate(patterns):
            if pattern.regex is not None:
                self._regexes.append((number, _variants(pattern.regex, fold)))
            else:
                self._add(number, pattern.segments)
        for segments, numbers in self._exact.items():  # `/login` and `/login/` are the same pattern
            if segments[-1:] == ("",):
                numbers |= self._exact.get(segments[:-1], _NONE)
        self._start = _enter([self._root])

    def find(self, segments: Segments) -> set[int]:
        """Return the numbers of the patterns that match this form of a path."""
        segments = segments or ("",)  # frameworks serve the root alike with a slash, without one, and with several
        found = set(self._matching("/" + "/".join(segments))) if self._regexes else _NONE
        if self._fold:
            segments = tuple(map(fold_case, segments))
        return found.union(self._exact.get(segments, _NONE), _walk(self._start, segments))

    def _matching(self, path: str) -> Iterator[int]:
        for number, variants in self._regexes:
            if any(regex.fullmatch(path) for regex in variants):
                yield number

    def _add(self, number: int, segments: Segments) -> None:
        if self._fold:
            segments = tuple(map(fold_case, segments))
        # A slash at the end does not count: frameworks serve `/login` and `/login/` alike.
        for variant in {segments, segments[:-1]} if segments[-1] == "" else {segments}:
            if not any("*" in segment for segment in variant):
                self._exact.setdefault(variant, set()).add(number)
                continue
            node = self._root
            for segment in variant:
                node = _child(node, segment)
            node.ends.append(number)


_NONE: Final[set[int]] = set()


def _walk(nodes: dict[int, _Node], segments: Segments) -> list[int]:
    for segment in segments:
        reached = _next(nodes, segment)
        if not reached:  # nearly always at the first segment
            return []
        nodes = _enter(reached)
    return [number for node in nodes.values() for number in node.ends]


def _variants(regex: re.Pattern[str], fold: bool) -> tuple[re.Pattern[str], ...]:
    """Return the regex; with `fold` also one where a dot matches a newline and case does not count."""
    return (regex, re.compile(regex.pattern, regex.flags | re.DOTALL | re.IGNORECASE)) if fold else (regex,)


def _child(node: _Node, segment: str) -> _Node:
    if segment == "**":
        node.deep = node.deep or _Node(loops=True)
        return node.deep
    if "*" in segment:
        return node.globs.setdefault(segment, (_glob(segment), _Node()))[1]
    return node.literal.setdefault(segment, _Node())


def _glob(segment: str) -> re.Pattern[str]:
    """Compile a glob. In atomic groups each star takes as little as it can and never backtracks, in linear time."""
    first, *middle, last = map(re.escape, segment.split("*"))
    steps = "".join(f"(?>.*?{part})" for part in middle)
    return re.compile(f"{first}{steps}.*{last}", re.DOTALL)


def _enter(nodes: Iterable[_Node]) -> dict[int, _Node]:
    """Return `nodes` and those behind a `**` that matches no segment, by identity: each node is there once."""
    entered: dict[int, _Node] = {}
    for start in nodes:
        node: _Node | None = start
        while node is not None and id(node) not in entered:
            entered[id(node)] = node
            node = node.deep
    return entered


def _next(nodes: dict[int, _Node], segment: str) -> list[_Node]:
    reached: list[_Node] = []
    for node in nodes.values():
        if (literal := node.literal.get(segment)) is not None:
            reached.append(literal)
        if node.loops:
            reached.append(node)
        if node.globs:
            reached += [child for regex, child in node.globs.values() if regex.fullmatch(segment)]
    return reached
