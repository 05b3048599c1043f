"""`python -m geetest_asgi match METHOD PATH`: one decision, and how it comes about."""

import argparse
import re
import sys
from difflib import get_close_matches
from typing import Any, Final
from urllib.parse import quote, unquote

from .errors import UsageError
from .options import add_app, checked, need_no_pair, warnings_collected
from .report import Report, columns, shown

DESCRIPTION = """\
Say which rule a request falls under, and why. PATH is the request target as it stands on the wire, percent escapes
included; a query is cut off. Nobody is asked; no id and no key are needed. Exit status: 0, protected; 1,
not protected; 2, the command line or the configuration is wrong."""

_PRINTABLE: Final = "".join(map(chr, range(0x21, 0x7F)))


def add(parser: argparse.ArgumentParser) -> None:
    """The options of `match`."""
    parser.add_argument("method", metavar="METHOD", help="such as POST, or WEBSOCKET for a handshake")
    parser.add_argument("path", metavar="PATH", help="such as /login or //LOGIN%%0a")
    add_app(parser)
    parser.add_argument(
        "--root-path",
        metavar="PREFIX",
        default="",
        help="the server's root path: as uvicorn does, it is put before PATH and into the scope",
    )
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """The exit status."""
    checked(arguments)
    _check_request(arguments.method, arguments.path)
    site = read_guards(arguments)
    request = Request(arguments.method, arguments.path, arguments.root_path)
    report = Report(sys.stdout)
    report.head(request.title)
    protected = [write_decision(report, site, guard, request) is not None for guard in site.guards]
    return 0 if any(protected) else 1


def _check_request(method: str, path: str) -> None:
    """Refuse swapped arguments, which would be a request that no rule protects."""
    if not re.fullmatch(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+", method):
        raise UsageError(f"{shown(method)} is no method; the method comes first: match POST /login")
    if not path.startswith("/") and path != "*":
        raise UsageError(f"{shown(path)} is no path: it begins with '/', as in match POST /login")


def read_guards(arguments: argparse.Namespace, **settings: Any) -> Any:
    """The guards of the app, or one of the patterns given and these settings."""
    from . import app_routes as site
    from .check import read_app

    if not arguments.app and not arguments.protect:
        raise UsageError("there is nothing to look in: give --app or --protect")
    need_no_pair()
    with warnings_collected():
        if arguments.app:
            return read_app(arguments)[1]
        return site.plain_guard(protect=arguments.protect, exempt=arguments.exempt or (), **settings)


class Request:
    """A request line as a server passes it on: without the query, decoded once, and not normalised."""

    def __init__(self, method: str, target: str, root_path: str) -> None:
        from .._core.paths.patterns import WEBSOCKET

        if root_path and not (root_path.startswith("/") and root_path.isprintable()):
            raise UsageError(f"{shown(root_path)} is no root path: it begins with '/', as in --root-path /api")
        self.method: str = WEBSOCKET if method.upper() == "WEBSOCKET" else method
        wire = quote(target.encode(errors="surrogateescape").partition(b"?")[0], safe=_PRINTABLE)
        self.root_path: str = root_path.rstrip("/")
        self.raw_path: bytes = (self.root_path + wire).encode()
        self.path: str = unquote(self.root_path + wire)
        self.title: str = f"{shown(method)} {self.raw_path.decode()}"


def write_decision(report: Report, site: Any, guard: Any, request: Request) -> Any:
    """One guard's decision, and its policy for this request; None where it does not protect it."""
    from .explain import explain_guard
    from .tables import numbers, where

    if not _arrives(site, guard, request):
        report.say("note", f"does not come to {where(site, guard)}")
        return None
    table = guard.middleware.table
    line = (request.method, request.path, request.raw_path, request.root_path + guard.prefix)
    found = explain_guard(guard.middleware, *line)
    first = numbers(site)[guard]
    report.say("ok" if found.protected else "note", _why(table, found, first, request))
    _write_forms(report, table, found, first)
    if not found.protected:
        return None
    if found.rule is None:
        return table.unclear
    policy = table.rules[found.rule][1]
    _write_policy(report, policy)
    return policy


def _arrives(site: Any, guard: Any, request: Request) -> bool:
    """Return whether the request may go to a route that the guard protects."""
    from .._core.paths.rule_table import RuleTable

    if not guard.local:
        return True
    routes = [(route.pattern, route) for route in site.routes if guard in route.guards]
    return RuleTable(routes).decide(request.method, request.path, request.raw_path, request.root_path) is not None


def _why(table: Any, found: Any, first: int, request: Request) -> str:
    from .explain import Why

    def rule(number: int) -> str:
        return f"rule {first + number}, {shown(table.rules[number][0].text)}"

    also = [rule(number) for number in found.matching if number != found.rule]
    if found.why is Why.MATCHED:
        return f"protected by {rule(found.rule)}" + (
            f" (its path is also matched by {'; '.join(also)})" if also else ""
        )
    if found.why is Why.TOO_MUCH:
        return "refused, by no rule: the path is longer than what is looked at"
    if found.why is Why.UNCLEAR:
        return f"refused, by no rule: spellings of the path fall under {' and '.join(map(rule, found.deciding))}"
    if found.why is Why.EXEMPT:
        return f"not protected: {rule(found.rule)} matches, but every form of the path is exempt"
    if found.why is Why.ROUTE:
        return "not protected: the route that the app picks is not marked"
    if found.why is Why.METHOD:
        speaks = "; ".join(f"{rule(number)} is for {table.rules[number][0].methods}" for number in found.matching)
        return f"not protected: no rule is for {shown(request.title.partition(' ')[0])} here" + (
            speaks and f" ({speaks})"
        )
    near = get_close_matches(request.path, [pattern.text for pattern, _ in table.rules], n=3, cutoff=0.4)
    return "not protected: no pattern matches" + (f"; the nearest: {shown('; '.join(near))}" if near else "")


def _write_forms(report: Report, table: Any, found: Any, first: int) -> None:
    rows = [("a form of the path", "matched by", "exempt by")]
    for form in found.forms:
        rules = ", ".join(f"rule {first + number}" for number in form.rules)
        exempt = (
            "not looked at" if form.rooted else ", ".join(shown(table.exempt[number].text) for number in form.exempt)
        )
        rows.append((shown(form.path), rules or "-", exempt or "-"))
    if found.forms:
        report.lines(["", *columns(rows)])
    if found.protected and any(form.exempt for form in found.forms):
        report.lines(["An exemption does not apply: it would have to match every form."])


def _write_policy(report: Report, policy: Any) -> None:
    from .tables import shortened

    report.lines(["", "What follows"])
    rows = [
        ("fields from", ", ".join(policy.sources)),
        ("captcha id", shortened(policy.captcha_id) or "-"),
        ("GeeTest down", f"{policy.on_unavailable}, after {policy.timeout:g} s"),
        ("mode", policy.mode),
    ]
    rows += [
        (name, "a function of yours")
        for name in ("credentials", "skip", "accept", "on_denied")
        if getattr(policy, name) is not None
    ]
    report.lines(columns(rows), indent=4)
