"""Find which rules protect which routes, and which rules look like mistakes. Pure functions of a table and routes; the
table itself says whether a route is protected.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from .._core.paths.patterns import Methods, Pattern
from .._core.paths.rule_table import RuleTable
from .._core.policy import Policy
from .app_routes import Guard, Route
from .explain import Why, explain_guard
from .overlap import covers, example, includes, meets

COMMON: Final = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")
"""The methods with which a route for all methods is tried."""

_ANYTHING: Final = "any-7f3a9c"
"""Stands for a route's parameter: a value that no pattern is about."""


@dataclass(frozen=True, slots=True)
class Covered:
    """One route under one method."""

    route: Route
    method: str
    guard: Guard | None = None
    """The guard that protects it, whatever the parameters are."""
    rule: int | None = None
    deciding: tuple[int, ...] = ()
    """The rules that spellings of the route's path fall under. Of several, none decides: every request is refused."""
    partly: tuple[tuple[Guard, int], ...] = ()
    """If no guard does: the rules that protect it for some parameters only."""
    exempt: tuple[tuple[Guard, int], ...] = ()
    """If no guard does: the rules that an exemption overrides."""


def methods_of(pattern: Pattern) -> list[str]:
    """The methods that a route is tried with."""
    methods = pattern.methods
    return [each for each in COMMON if each in methods] if methods.excluded else sorted(methods.names)


def cover(route: Route) -> Iterator[Covered]:
    """Yield the protection of each method of the route."""
    path = example(route.pattern, _ANYTHING) or route.path
    for method in methods_of(route.pattern):
        yield _covered(route, method, path)


def _covered(route: Route, method: str, path: str) -> Covered:
    partly: list[tuple[Guard, int]] = []
    exempt: list[tuple[Guard, int]] = []
    for guard in route.guards:
        table = guard.middleware.table
        found = explain_guard(guard.middleware, method, path, b"", guard.prefix)
        if found.protected:
            return Covered(route, method, guard, found.rule, found.deciding)
        if found.why is Why.EXEMPT and found.rule is not None:
            exempt.append((guard, found.rule))
            continue
        partly += [
            (guard, number)
            for number, (pattern, _) in enumerate(table.rules)
            if method in pattern.methods and meets(pattern, route.pattern)
        ]
    return Covered(route, method, partly=tuple(partly), exempt=tuple(exempt))


def reaches(pattern: Pattern, route: Route) -> bool:
    """Return whether this rule matches any request to this route."""
    return any(method in pattern.methods for method in methods_of(route.pattern)) and meets(pattern, route.pattern)


def doubts(table: RuleTable[Policy]) -> Iterator[tuple[int, str]]:
    """Yield each rule that looks like a mistake by itself: its number, and why."""
    for number, (pattern, policy) in enumerate(table.rules):
        if _matches_nothing(pattern):
            yield number, "matches nothing: every path begins with '/'"
        for earlier, (other, _) in enumerate(table.rules[:number]):
            if covers(other, pattern) and includes(other.methods, pattern.methods):
                yield number, f"is never reached: rule {{{earlier}}} before it matches all that it does"
                break
        yield from ((number, why) for why in _useless(table.exempt, pattern, policy))


def _useless(exempt: Sequence[Pattern], pattern: Pattern, policy: Policy) -> Iterator[str]:
    for each in exempt:
        if covers(each, pattern, fold=False) and includes(each.methods, pattern.methods):
            yield f"protects nothing but odd spellings: {each.text!r} exempts it"
            break
    if set(policy.sources) <= {"body", "text"} and includes(Methods(frozenset({"GET", "HEAD"})), pattern.methods):
        yield "lets nobody in: a GET has no body, and sources is the body alone; add 'header' or 'query'"
    if policy.mode != "enforce":
        yield f"denies nobody: its mode is {policy.mode!r}"


def _matches_nothing(pattern: Pattern) -> bool:
    return pattern.regex is not None and pattern.regex.pattern[:1].isalnum()


def matches_everything(pattern: Pattern) -> bool:
    """Return whether this rule matches every path."""
    return pattern.regex is None and pattern.segments == ("**",)
