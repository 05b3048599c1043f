"""Explain why a request is protected, or why not.

The decision is that of `RuleTable.match`; this module adds how it came about.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any, TypeVar

from .._core.paths import forms as paths
from .._core.paths.rule_table import UNCLEAR, RuleTable
from .._routes.routed import RouteGuard

T = TypeVar("T")


class Why(StrEnum):
    """The reason of a decision."""

    MATCHED = "matched"
    """Some form of the path is protected for this method."""
    TOO_MUCH = "too much"
    """The path is longer than what is looked at: the request is refused, by no rule."""
    UNCLEAR = "unclear"
    """Two spellings of the path fall under different rules: the request is refused, without a rule."""
    EXEMPT = "exempt"
    """Every form of the path is exempt."""
    ROUTE = "route"
    """The guard decides by route, and the route that the app's router picks is not marked."""
    METHOD = "method"
    """Patterns match the path, but none of them for this method."""
    NOWHERE = "nowhere"
    """No pattern matches any form of the path."""


@dataclass(frozen=True, slots=True)
class Form:
    """One form of the path, and the rules for it."""

    path: str
    rules: tuple[int, ...]
    """Indices of the rules whose pattern matches it, for any method."""
    deciding: tuple[int, ...]
    """Indices of the rules that decide about it: one, or several if that depends on the case of letters."""
    exempt: tuple[int, ...]
    """Indices of the exemptions that match it."""
    rooted: bool = False
    """A root path was added to it. Rules are matched with such a form, exemptions are not."""


@dataclass(frozen=True, slots=True)
class Explanation:
    """One decision. `protected` is the table's own answer."""

    protected: bool
    why: Why
    rule: int | None
    """The index of the rule that decided, or that an exemption overrode."""
    matching: tuple[int, ...]
    """All rules whose pattern matches some form, in order, for any method."""
    deciding: tuple[int, ...]
    """The rules that decide about some form, in order; more than one where the request is refused."""
    forms: tuple[Form, ...]


def explain(table: RuleTable[T], method: str, path: str, raw_path: bytes = b"", root_path: str = "") -> Explanation:
    """Return the decision about this request and its reason. The arguments are those of `RuleTable.match`."""
    place = table.decide(method, path, raw_path, root_path)
    method = method.upper()
    if paths.is_too_much(path, raw_path, root_path):
        return Explanation(place is not None, Why.METHOD if place is None else Why.TOO_MUCH, None, (), (), ())
    forms = _forms(table, method, path, raw_path, root_path)
    matching = tuple(sorted({number for form in forms for number in form.rules}))
    deciding = tuple(sorted({number for form in forms for number in form.deciding}))
    if place == UNCLEAR:
        deciding = tuple(sorted(table.deciding_any(method, *table.forms(path, raw_path, root_path))))
        return Explanation(True, Why.UNCLEAR, None, matching, deciding, forms)
    rule = _first(table, method, matching) if place is None else place
    return Explanation(place is not None, _why(matching, rule, forms), rule, matching, deciding, forms)


def explain_guard(guard: Any, *line: Any) -> Explanation:
    """Return the decision of a guard about a request and its reason. For a RouteGuard the route decides."""
    found = explain(guard.table, *line)
    if found.why is Why.TOO_MUCH or not isinstance(guard, RouteGuard):
        return found
    place = guard.place(*line)
    if place is None:
        return replace(found, protected=False, why=Why.ROUTE if found.protected else found.why, rule=None)
    return found if place == UNCLEAR else replace(found, protected=True, why=Why.MATCHED, rule=place)


def _first(table: RuleTable[T], method: str, numbers: Sequence[int]) -> int | None:
    return next((number for number in numbers if method in table.rules[number][0].methods), None)


def _forms(table: RuleTable[T], method: str, path: str, raw_path: bytes, root_path: str) -> tuple[Form, ...]:
    forms, rooted = table.forms(path, raw_path, root_path)
    found = [_form(table, method, form) for form in sorted(forms)]
    return (*found, *(_form(table, method, form, rooted=True) for form in sorted(rooted - forms)))


def _form(table: RuleTable[T], method: str, form: paths.Segments, *, rooted: bool = False) -> Form:
    exempt = () if rooted else tuple(sorted(table.exempting(method, form)))
    deciding = () if exempt else tuple(sorted(table.deciding(method, form)))
    return Form(_text(form), tuple(sorted(table.matching(form))), deciding, exempt, rooted)


def _text(form: paths.Segments) -> str:
    return "/" + "/".join(form)


def _why(matching: Sequence[int], rule: int | None, forms: Sequence[Form]) -> Why:
    if rule is None:
        return Why.METHOD if matching else Why.NOWHERE
    return Why.EXEMPT if all(form.exempt or form.rooted for form in forms) else Why.MATCHED
