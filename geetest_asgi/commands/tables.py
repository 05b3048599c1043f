"""The rules and the routes, as tables."""

import re
from collections.abc import Iterator

from .._core.paths.patterns import UNSAFE, WEBSOCKET, Pattern
from .._core.policy import Policy
from .app_routes import Guard, Route, Site
from .coverage import Covered, cover, doubts, matches_everything, reaches
from .overlap import example
from .report import Report, shown

_HEAD = ("rule", "methods", "path", "name", "captcha id", "sources", "unavailable", "mode")
_ROUTE = ("method", "path", "decision")
_SAFE = ("GET", "HEAD", "OPTIONS", "TRACE")


def numbers(site: Site) -> dict[Guard, int]:
    """What comes before each guard's rules: rules are counted through all guards, from 1."""
    begin, found = 1, {}
    for guard in site.guards:
        found[guard] = begin
        begin += len(guard.middleware.table.rules)
    return found


def path_of(pattern: Pattern) -> str:
    """The pattern without its methods, which stand in a column of their own."""
    if pattern.regex is not None:
        return f"re {shown(pattern.text)}"
    return shown("/" + pattern.text.strip().partition("/")[2])


def write_rules(report: Report, site: Site) -> None:
    """Each guard's rules, what each matches, and what looks like a mistake."""
    first = numbers(site)
    for guard in site.guards:
        report.head(f"Rules{where(site, guard, ' of ')}; the first that matches decides")
        table = guard.middleware.table
        rows = [_row(first[guard] + place, *rule) for place, rule in enumerate(table.rules)]
        report.table(_HEAD, rows)
        for place, (pattern, policy) in enumerate(table.rules):
            report.lines([f"rule {first[guard] + place} {_matches(pattern)}"])
            if policy.when is not None:
                report.lines([f"rule {first[guard] + place} needs a captcha when {shown(repr(policy.when))} says so"])
        for exempt in table.exempt:
            report.lines([f"exempt: {path_of(exempt)}, methods {exempt.methods}"])
        if any(pattern.methods == UNSAFE for pattern, _ in table.rules):
            report.lines(["unsafe: all methods but GET, HEAD, OPTIONS and TRACE"])
        for place, why in doubts(table):
            text = re.sub(r"\{(\d+)\}", lambda found: str(first[guard] + int(found[1])), why)  # noqa: B023
            report.say("warn", f"rule {first[guard] + place} {text}")


def where(site: Site, guard: Guard, lead: str = "") -> str:
    """Where the guard stands, if it is not in front of everything; with `lead` before it."""
    if not guard.local:
        return ""
    routes = [route.path for route in site.routes if guard in route.guards]
    return f"{lead}the guard on {shown(', '.join(routes[:3]))}{' ...' if len(routes) > 3 else ''}"


def _row(number: int, pattern: Pattern, policy: Policy) -> tuple[str, ...]:
    name = "" if policy.name == pattern.text else policy.name
    return (
        str(number),
        str(pattern.methods),
        path_of(pattern),
        shown(name) or "-",
        shortened(policy.captcha_id) or ("by request" if policy.credentials else "-"),
        ",".join(policy.sources),
        policy.on_unavailable,
        policy.mode,
    )


def shortened(captcha_id: str) -> str:
    """Enough of an id to know it by."""
    text = shown(captcha_id)
    return text if len(text) <= 12 else text[:8] + "..."


def _matches(pattern: Pattern) -> str:
    if matches_everything(pattern):
        return "matches every path"
    path = example(pattern)
    return "no example of what it matches was found" if path is None else f"matches {shown(path)}"


def write_routes(report: Report, site: Site) -> None:
    """Which rule protects which route; the routes that are open though they change something; rules without a route."""
    report.head("Routes")
    if not site.knows_routes:
        report.say(
            "note",
            f"{site.layers[-1]} does not tell its routes; those of Starlette, FastAPI, Litestar, Django, Quart and "
            "Connexion are read",
        )
        return
    first = numbers(site)
    covered = [each for route in site.routes for each in cover(route)]
    closed = [each for each in covered if each.guard is not None]
    if closed:
        report.table(_ROUTE, [_route(each, _by(each, first)) for each in closed], headed=False)
    else:
        report.lines(["no route is protected"])
    opened = [each for each in covered if each.guard is None and each.method not in _SAFE]
    if opened:
        report.head("Open: routes that change something, and that no rule protects")
        report.table(_ROUTE, [_route(each, _partly(each, first)) for each in opened], headed=False)
    for guard, place, pattern in _rules(site):
        routes = [route for route in site.routes if guard in route.guards]
        if not any(reaches(pattern, route) for route in routes):
            report.say("warn", f"rule {first[guard] + place} protects no route: {shown(pattern.text)!r} matches none")


def _rules(site: Site) -> Iterator[tuple[Guard, int, Pattern]]:
    for guard in site.guards:
        for place, (pattern, _) in enumerate(guard.middleware.table.rules):
            yield guard, place, pattern


def _route(each: Covered, why: str) -> tuple[str, str, str]:
    method = "WEBSOCKET" if each.method == WEBSOCKET else each.method
    note = f" ({each.route.note})" if each.route.note else ""
    return method, shown(each.route.path) + note, why


def _by(each: Covered, first: dict[Guard, int]) -> str:
    assert each.guard is not None  # noqa: S101 - those without one are listed elsewhere
    if each.rule is None:
        rules = tuple((each.guard, place) for place in each.deciding)
        return f"refused, whatever it brings: its spellings fall under {_names(rules, first)}"
    return f"by rule {first[each.guard] + each.rule}{_but(each.route, each.guard, each.method)}"


def _but(route: Route, guard: Guard, method: str) -> str:
    exempt = [
        path_of(pattern)
        for pattern in guard.middleware.table.exempt
        if method in pattern.methods and reaches(pattern, route)
    ]
    return f", but for {', '.join(exempt)}" if exempt else ""


def _partly(each: Covered, first: dict[Guard, int]) -> str:
    if each.exempt:
        return "exempt from " + _names(each.exempt, first)
    return "but for what matches " + _names(each.partly, first) if each.partly else ""


def _names(rules: tuple[tuple[Guard, int], ...], first: dict[Guard, int]) -> str:
    return ", ".join(f"rule {first[guard] + place}" for guard, place in rules)
