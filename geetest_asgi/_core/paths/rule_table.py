"""RuleTable: which rule a request falls under. The first match wins."""

from collections.abc import Sequence
from typing import Generic, TypeVar

from ..rules import Rule
from . import forms as paths
from .path_set import PathSet
from .patterns import EVERY, WEBSOCKET, Pattern, parse

T = TypeVar("T")

EVERYTHING = Rule("/**", name="every request")
"""The rule of a middleware without patterns, which stands on one route or router."""


class RuleTable(Generic[T]):
    """Patterns with what each leads to, and the patterns that are exempt.

    `roots` are path prefixes that the server does not tell (`FastAPI(root_path=…)`).
    """

    def __init__(
        self, rules: Sequence[tuple[Pattern, T]], exempt: Sequence[Pattern] = (), roots: Sequence[str] = ()
    ) -> None:
        self.rules = rules
        self.patterns: tuple[str, ...] = tuple(pattern.text for pattern, _ in rules)
        """The protected patterns, as they were written."""
        self._tree = PathSet([pattern for pattern, _ in rules], fold=True)
        self.exempt = exempt
        self._exempt_tree = PathSet(exempt, fold=False)
        self._roots = roots
        self.idle: frozenset[str] = frozenset(
            method for method in ("GET", "HEAD", "OPTIONS", WEBSOCKET) if not _spoken_of(method, rules)
        )
        """Methods that no rule speaks of. Most requests are such GETs: they need no look at their path."""

    def match(self, method: str, path: str, raw_path: bytes = b"", root_path: str = "") -> T | None:
        """What the request leads to, or None where it is not protected. `method` as it came, in any case."""
        method = method.upper()
        if paths.is_too_much(path, raw_path):
            return next((found for pattern, found in self.rules if method in pattern.methods), None)
        if not root_path and not self._roots and paths.is_plain(path, raw_path):
            segments = paths.split(path)
            forms, numbers = {segments}, self._tree.find(segments)
        else:
            forms, rooted = self.forms(path, raw_path, root_path)
            numbers = set[int]().union(*map(self.matching, forms | rooted))
        for number in sorted(numbers):
            pattern, found = self.rules[number]
            if method in pattern.methods:
                return None if self._exempts(method, forms) else found
        return None

    def forms(self, path: str, raw_path: bytes, root_path: str) -> tuple[set[paths.Segments], set[paths.Segments]]:
        """All forms of a path; and those that a rule is looked up by as well.

        A pattern may be written with a root path where the server leaves it out of the path.
        """
        roots = [root for root in (root_path.rstrip("/"), *self._roots) if root]
        forms = paths.forms(path, raw_path, roots)
        return forms, {paths.split(root) + form for form in forms for root in roots}

    def matching(self, form: paths.Segments) -> set[int]:
        """The rules whose pattern matches this form, whatever the method."""
        return self._tree.find(form)

    def exempting(self, method: str, form: paths.Segments) -> set[int]:
        """The exemptions that let this form go."""
        return {number for number in self._exempt_tree.find(form) if method in self.exempt[number].methods}

    def _exempts(self, method: str, forms: set[paths.Segments]) -> bool:
        return all(self.exempting(method, form) for form in forms)


def _spoken_of(method: str, rules: Sequence[tuple[Pattern, T]]) -> bool:
    return any(method in pattern.methods for pattern, _ in rules)


def as_rule(given: object) -> Rule:
    """A pattern as a Rule; `parse` says what is wrong with it otherwise."""
    return given if isinstance(given, Rule) else Rule(given)  # type: ignore[arg-type]


def rule_pattern(rule: Rule) -> Pattern:
    """The compiled pattern of a rule. Raises ConfigError."""
    if rule is EVERYTHING:
        return Pattern("/**", EVERY, ("**",))
    return parse(rule.pattern, rule.methods)


def exempt_pattern(given: object) -> Pattern:
    """An exemption: without methods it speaks of all of them, a websocket's handshake too."""
    return parse(given, default=EVERY)
