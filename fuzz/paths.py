"""Request targets against Starlette's router and a plain rule of how paths are cleaned.

An input is three lines: a method, the scope's root path, and the target as it stands in the request line.
"""

import posixpath
import re
from typing import Any, Final
from urllib.parse import unquote

from starlette.responses import Response
from starlette.routing import Match, Route

from geetest_asgi._core.paths.patterns import parse
from geetest_asgi._core.paths.rule_table import UNCLEAR, RuleTable, exempt_pattern

from .targets import require

ROUTES: Final = ("/login", "/users/{id}/reset", "/docs/{rest:path}", "/files/a.zip")
RULES: Final = [(parse(f"* {route}"), place) for place, route in enumerate(ROUTES)]
TABLE: Final = RuleTable(RULES)
ROOTED: Final = RuleTable(RULES, roots=("/api", "/v1/api"))
REGEX: Final = RuleTable([(parse(re.compile("/login"), "POST"), 0)])
EXEMPT: Final = RuleTable([(parse("* /**"), 0)], [exempt_pattern("/login")])
STARLETTE: Final = [Route(route, lambda request: Response()) for route in ROUTES]
_CONTROLS: Final = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ufffd]")


def check(data: bytes) -> None:
    """Nothing raises; what Starlette would serve is protected; exempt is the plain spelling alone."""
    method, root_path, target = (line.decode("latin-1") for line in (data + b"\n\n").split(b"\n", 2))
    raw_path = target.rstrip("\n").partition("?")[0]
    path = unquote(raw_path)
    raw = raw_path.encode("latin-1")
    for table in (TABLE, ROOTED, EXEMPT):
        _check_raw(table, method, path, raw, root_path)
    _check_served(path, raw, root_path)
    _check_cleaned(path)
    _check_exempt(path, raw)


def _check_raw(table: RuleTable[int], method: str, path: str, raw: bytes, root_path: str) -> None:
    """`raw_path` may be absent. Where it is there more is protected, or refused, but never less."""
    without, with_raw = table.decide(method, path, b"", root_path), table.decide(method, path, raw, root_path)
    require(without is None or with_raw in (without, UNCLEAR), "raw_path unprotects", path, raw)


def _check_served(path: str, raw: bytes, root_path: str) -> None:
    """Starlette's own router decides which route would run."""
    scope: dict[str, Any] = {"type": "http", "method": "GET", "path": path, "root_path": root_path, "headers": []}
    for place, route in enumerate(STARLETTE):
        if route.matches(scope)[0] is Match.FULL:
            decided = TABLE.decide("GET", path, raw, root_path)
            require(decided in (place, UNCLEAR), "served under another rule, or none", path, root_path)


def _check_cleaned(path: str) -> None:
    """All that is noise to some framework, taken out in one go, leaves a protected path, for a method in any case."""
    segments = [_CONTROLS.sub("", segment).strip().partition(";")[0] for segment in path.split("/")]
    cleaned = posixpath.normpath("/" + "/".join(filter(None, segments))).casefold()
    if cleaned in ROUTES[::3]:
        require(TABLE.decide("post", path) is not None, "a spelling escapes", path, cleaned)
    if cleaned == "/login":
        require(REGEX.decide("post", path) is not None, "a spelling escapes a regular expression", path)


def _check_exempt(path: str, raw: bytes) -> None:
    """An exemption lets off the one spelling that every framework reads in the same way."""
    if EXEMPT.decide("POST", path, raw) is None:
        require(path in ("/login", "login"), "exempt", path)
