"""RuleTable: which rule a request falls under."""

from collections.abc import Sequence
from typing import Final, Generic, TypeVar

from ..rules import Rule
from . import forms as paths
from .path_set import PathSet
from .patterns import EVERY, WEBSOCKET, Pattern, parse

T = TypeVar("T")

EVERYTHING = Rule("/**", name="every request")
"""The rule of a middleware without patterns, which stands on one route or router."""


UNCLEAR: Final = -1
"""What `RuleTable.decide` answers where a request must be refused, by no rule."""


class RuleTable(Generic[T]):
    """Patterns with what each leads to, and the patterns that are exempt.

    Of several rules that match one spelling of a path, the first decides. Where two spellings of the path are decided
    by different rules, nobody can tell which one the handler stands under: the request leads to `unclear`, and so does
    a path past the bounds. `roots` are path prefixes that the server does not tell (`FastAPI(root_path=…)`).
    """

    def __init__(
        self,
        rules: Sequence[tuple[Pattern, T]],
        exempt: Sequence[Pattern] = (),
        roots: Sequence[str] = (),
        unclear: T | None = None,
    ) -> None:
        self.rules = rules
        self.patterns: tuple[str, ...] = tuple(pattern.text for pattern, _ in rules)
        """The protected patterns, as they were written."""
        self._folded = PathSet([pattern for pattern, _ in rules], fold=True)
        self._as_written = PathSet([pattern for pattern, _ in rules], fold=False)
        self.exempt = exempt
        self._exempt = PathSet(exempt, fold=False)
        self.roots = roots
        self.unclear = unclear
        self.idle: frozenset[str] = frozenset(
            method for method in ("GET", "HEAD", "OPTIONS", WEBSOCKET) if not _spoken_of(method, rules)
        )
        """Methods that no rule speaks of. Most requests are such GETs: they need no look at their path."""

    def match(self, method: str, path: str, raw_path: bytes = b"", root_path: str = "") -> T | None:
        """What the request leads to, or None where it is not protected. `method` as it came, in any case."""
        place = self.decide(method, path, raw_path, root_path)
        if place is None:
            return None
        return self.unclear if place == UNCLEAR else self.rules[place][1]

    def decide(self, method: str, path: str, raw_path: bytes = b"", root_path: str = "") -> int | None:
        """The place of the rule that decides about the request; None: it is not protected; UNCLEAR: refuse it."""
        method = method.upper()
        if paths.is_too_much(path, raw_path, root_path):
            return UNCLEAR if _spoken_of(method, self.rules) else None
        if not root_path and not self.roots and paths.is_plain(path, raw_path):
            form = paths.split(path)
            places = self.matching(form)
            return self._among(method, places, {form}, set()) if places else None
        forms, rooted = self.forms(path, raw_path, root_path)
        return self._among(method, set[int]().union(*map(self.matching, forms | rooted)), forms, rooted)

    def _among(
        self, method: str, places: set[int], forms: set[paths.Segments], rooted: set[paths.Segments]
    ) -> int | None:
        """The decision, once it is known which rules match any form."""
        places = self._for(method, places)
        if not places or all(self.exempting(method, form) for form in forms):
            return None
        if len(places) > 1:
            places = self._deciding(method, forms, rooted)
        return places.pop() if len(places) == 1 else UNCLEAR

    def forms(self, path: str, raw_path: bytes, root_path: str) -> tuple[set[paths.Segments], set[paths.Segments]]:
        """All forms of a path; and those that a rule is looked up by as well.

        A pattern may be written with a root path where the server leaves it out of the path.
        """
        roots = [*paths.root_spellings(root_path), *self.roots]
        forms = paths.forms(path, raw_path, roots)
        return forms, {paths.split(root.rstrip("/")) + form for form in forms for root in roots}

    def matching(self, form: paths.Segments) -> set[int]:
        """The rules whose pattern matches this form, whatever the method and the case of its letters."""
        return self._folded.find(form)

    def deciding(self, method: str, form: paths.Segments) -> set[int]:
        """The rule that decides about this form; a second one where that depends on the case of its letters."""
        found = (self._folded.find(form), self._as_written.find(form))
        return {min(places) for each in found if (places := self._for(method, each))}

    def exempting(self, method: str, form: paths.Segments) -> set[int]:
        """The exemptions that let this form go."""
        return {number for number in self._exempt.find(form) if method in self.exempt[number].methods}

    def _deciding(self, method: str, forms: set[paths.Segments], rooted: set[paths.Segments]) -> set[int]:
        """The rules that decide about some form. What is exempt in one form falls under the rule of another."""
        bound = {form for form in forms if not self.exempting(method, form)} | rooted
        found = set[int]().union(*(self.deciding(method, form) for form in bound))
        return found or set[int]().union(*(self.deciding(method, form) for form in forms))

    def _for(self, method: str, numbers: set[int]) -> set[int]:
        return {number for number in numbers if method in self.rules[number][0].methods}


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
