"""RuleTable: find the rule of a request."""

from collections.abc import Sequence
from typing import Final, Generic, TypeVar

from ..rules import Rule
from . import forms as paths
from .path_set import PathSet
from .patterns import EVERY, WEBSOCKET, Pattern, parse

T = TypeVar("T")

EVERYTHING = Rule("/**", name="every request")
"""The rule of a middleware without patterns, which protects one route or router."""


UNCLEAR: Final = -1
"""Value of `RuleTable.decide` for a request that must be refused, since its rule is unclear."""


class RuleTable(Generic[T]):
    """Patterns, each with a value such as a policy, and exempt patterns.

    Of several rules that match one spelling of a path, the first decides. If different rules decide about two spellings
    of the path, the rule of its handler is unknown: the value is `unclear`, as for a path that is too long. `roots`:
    path prefixes that are missing in the scope (`FastAPI(root_path=…)`).
    """

    def __init__(
        self,
        rules: Sequence[tuple[Pattern, T]],
        exempt: Sequence[Pattern] = (),
        roots: Sequence[str] = (),
        unclear: T | None = None,
    ) -> None:
        self.rules = rules
        self._folded = PathSet([pattern for pattern, _ in rules], fold=True)
        self._as_written = PathSet([pattern for pattern, _ in rules], fold=False)
        self.exempt = exempt
        self._exempt = PathSet(exempt, fold=False)
        self.roots = roots
        self.unclear = unclear
        self.unprotected_methods: frozenset[str] = frozenset(
            method for method in ("GET", "HEAD", "OPTIONS", WEBSOCKET) if not _has_rule(method, rules)
        )
        """Common methods without any rule. Requests with them, which are most, need no search by path."""

    def match(self, method: str, path: str, raw_path: bytes = b"", root_path: str = "") -> T | None:
        """Return the value of the request's rule, `unclear`, or None if the request is not protected."""
        place = self.decide(method, path, raw_path, root_path)
        if place is None:
            return None
        return self.unclear if place == UNCLEAR else self.rules[place][1]

    def decide(self, method: str, path: str, raw_path: bytes = b"", root_path: str = "") -> int | None:
        """Return the index of the request's rule, UNCLEAR, or None. `method` may be in any case."""
        method = method.upper()
        if paths.is_too_much(path, raw_path, root_path):
            return UNCLEAR if _has_rule(method, self.rules) else None
        if not root_path and not self.roots and paths.is_plain(path, raw_path):
            form = paths.split(path)
            return self._choose(method, self.matching(form), {form}, set())
        forms, rooted = self.forms(path, raw_path, root_path)
        return self._choose(method, set[int]().union(*map(self.matching, forms | rooted)), forms, rooted)

    def _choose(
        self, method: str, places: set[int], forms: set[paths.Segments], rooted: set[paths.Segments]
    ) -> int | None:
        """Decide between the rules that match any form, whatever their methods."""
        places = self._with_method(method, places)
        if not places or all(self.exempting(method, form) for form in forms):
            return None
        if len(places) > 1:
            places = self.deciding_any(method, forms, rooted)
        return places.pop() if len(places) == 1 else UNCLEAR

    def forms(self, path: str, raw_path: bytes, root_path: str) -> tuple[set[paths.Segments], set[paths.Segments]]:
        """Return all forms of a path, and further forms with a root path or a mount's path.

        A pattern may contain a root path that is missing in the path of the scope.
        """
        roots = [*paths.root_spellings(root_path), *self.roots]
        forms = paths.forms(path, raw_path, roots)
        prefixes = {prefix for root in roots if (prefix := root.rstrip("/"))}
        rooted = {paths.split(prefix) + form for form in forms for prefix in prefixes}
        return forms, rooted | paths.in_mounts(path, forms, roots)

    def matching(self, form: paths.Segments) -> set[int]:
        """Return the rules that match this form, whatever the method and the case of letters."""
        return self._folded.find(form)

    def deciding(self, method: str, form: paths.Segments) -> set[int]:
        """Return the rule that decides about this form; several if that depends on the case of letters.

        A framework may tell cases apart in placeholders and not beside them.
        """
        found = self._with_method(method, self._folded.find(form))
        first = min(self._with_method(method, self._as_written.find(form)), default=len(self.rules))
        return {each for each in found if each <= first}

    def exempting(self, method: str, form: paths.Segments) -> set[int]:
        """Return the exemptions that match this form."""
        return {number for number in self._exempt.find(form) if method in self.exempt[number].methods}

    def deciding_any(self, method: str, forms: set[paths.Segments], rooted: set[paths.Segments]) -> set[int]:
        """Return the rules that decide about any form that is not exempt, or, if all are, about any form."""
        bound = {form for form in forms if not self.exempting(method, form)} | rooted
        found = set[int]().union(*(self.deciding(method, form) for form in bound))
        return found or set[int]().union(*(self.deciding(method, form) for form in forms))

    def _with_method(self, method: str, numbers: set[int]) -> set[int]:
        return {number for number in numbers if method in self.rules[number][0].methods}


def _has_rule(method: str, rules: Sequence[tuple[Pattern, T]]) -> bool:
    return any(method in pattern.methods for pattern, _ in rules)


def as_rule(given: object) -> Rule:
    """Return a pattern as a Rule, unchecked: `rule_pattern` checks it."""
    return given if isinstance(given, Rule) else Rule(given)  # type: ignore[arg-type]


def rule_pattern(rule: Rule) -> Pattern:
    """Compile the pattern of a rule. Raises ConfigError."""
    if rule is EVERYTHING:
        return Pattern("/**", EVERY, ("**",))
    return parse(rule.pattern, rule.methods)


def exempt_pattern(given: object) -> Pattern:
    """Compile an exemption. Without methods it means every method, a websocket's handshake too. Raises ConfigError."""
    return parse(given, default=EVERY)
