"""The pattern grammar: `POST /login`, `/users/{id}/reset`, `/files/*.zip`, `/api/**`. Never a regular expression.

    pattern  = [methods " "] path            methods: "*", or names joined by commas
    segment  = "**"                          any number of segments, none included
             | text with "*" and "{name}"    each stands for anything within one segment, nothing included

Without methods a pattern means every method except GET, HEAD, OPTIONS and TRACE: a list of unsafe methods would omit
others that reach the same handler (a Django view runs for FOO). `{name:path}` is `**`, as in Starlette. A pattern that
looks like another router's grammar or like a regular expression is refused: read literally it would protect nothing.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

from ..errors import ConfigError

WEBSOCKET: Final = "⟨WEBSOCKET⟩"
"""The method of a websocket's handshake, written WEBSOCKET in patterns. No HTTP request can have this method: RFC 9110
§9.1 allows any ASCII token, `WEBSOCKET` too."""

# The HTTP Method Registry of IANA (RFC 9110 §16.1, as of 2026-11). A mistyped method would protect nothing.
_REGISTERED: Final = frozenset(
    "ACL BASELINE-CONTROL BIND CHECKIN CHECKOUT CONNECT COPY DELETE GET HEAD LABEL LINK LOCK MERGE MKACTIVITY "
    "MKCALENDAR MKCOL MKREDIRECTREF MKWORKSPACE MOVE OPTIONS ORDERPATCH PATCH POST PRI PROPFIND PROPPATCH PUT QUERY "
    "REBIND REPORT SEARCH TRACE UNBIND UNCHECKOUT UNLINK UNLOCK UPDATE UPDATEREDIRECTREF VERSION-CONTROL".split()
) | {"WEBSOCKET"}

_FOREIGN: Final = re.compile(r"\.[*+]|[\^$()\[\]|\\]|/:|<[^/<>]*>|\{[^\w}]|\.\.\.")
_SEVERAL: Final = re.compile(r",\s|,$|\s/|,(?:[A-Za-z,*]+\s+)?/")
"""Two patterns in one string, such as "POST /login, /register". Commas and blanks within a segment are letters."""
_BLANKS: Final = re.compile(rf"/\s|[\x00-\x1f]|\s(?:{'|'.join(_REGISTERED)})$", re.IGNORECASE)
"""Mistakes that no path contains: a blank at the beginning of a segment, a tab, and "/login POST"."""
_UNSLASHED: Final = re.compile(r"\^?(?:\w+(?![\w*?{|])|\$?$)")
"""A regular expression that no path matches, such as Django's `^login/$` or `^$`: it must match the whole path."""
_PLACEHOLDER: Final = re.compile(r"\{[^{}/]*\}")


@dataclass(frozen=True, slots=True)
class Methods:
    """A set of upper-case methods; with `excluded`, all methods except these."""

    names: frozenset[str]
    excluded: bool = False

    def __contains__(self, method: str) -> bool:
        return (method in self.names) is not self.excluded

    def __str__(self) -> str:
        if self == UNSAFE:
            return "unsafe"
        if self.excluded:
            return "*" if self == EVERY_HTTP else "all"
        return ",".join(sorted("WEBSOCKET" if name == WEBSOCKET else name for name in self.names))


EVERY: Final = Methods(frozenset(), excluded=True)
EVERY_HTTP: Final = Methods(frozenset({WEBSOCKET}), excluded=True)
UNSAFE: Final = Methods(frozenset({"GET", "HEAD", "OPTIONS", "TRACE", WEBSOCKET}), excluded=True)
"""Methods of a pattern without methods: all except the safe ones of RFC 9110 §9.2.1."""


@dataclass(frozen=True, slots=True)
class Pattern:
    """A compiled pattern: segments, with wildcards as `*` and `**`, or a regular expression."""

    text: str
    methods: Methods
    segments: tuple[str, ...] = ()
    regex: re.Pattern[str] | None = None


def parse(pattern: object, methods: object = None, *, default: Methods = UNSAFE) -> Pattern:
    """Compile a pattern. Raises ConfigError for anything doubtful."""
    if isinstance(pattern, re.Pattern):
        return _parse_regex(pattern, _methods(methods, pattern.pattern) or default)
    if not isinstance(pattern, str):
        raise ConfigError(f"pattern {pattern!r}: write a string such as 'POST /login', a re.Pattern or a Rule")
    names, slash, path = pattern.strip().partition("/")
    if not slash or (names and names[-1] != " "):
        raise ConfigError(f"pattern {pattern!r}: the path must begin with '/', as in 'POST /login'")
    if names and methods is not None:
        raise ConfigError(f"pattern {pattern!r}: methods stand in the pattern or in methods=, not in both")
    chosen = _methods(names.strip() or None if methods is None else methods, pattern)
    return Pattern(pattern, chosen or default, _segments(slash + path, pattern))


def _parse_regex(pattern: re.Pattern[str], methods: Methods) -> Pattern:
    if not isinstance(pattern.pattern, str):
        raise ConfigError(f"pattern {pattern.pattern!r}: a path is text; compile a str, not bytes")
    if _UNSLASHED.match(pattern.pattern):
        raise ConfigError(f"pattern {pattern.pattern!r}: would match no path; a path begins with '/'")
    return Pattern(pattern.pattern, methods, regex=pattern)


def _methods(given: object, pattern: str) -> Methods | None:
    if given is None:
        return None
    if given == "*":
        return EVERY_HTTP
    names: list[Any] = (
        given.split(",") if isinstance(given, str) else list(given) if isinstance(given, Iterable) else [given]
    )
    if not all(isinstance(name, str) for name in names):
        raise ConfigError(f"pattern {pattern!r}: methods {given!r} is no list of method names")
    upper = frozenset(name.strip().upper() for name in names)
    if not upper or not upper <= _REGISTERED:
        wrong = ", ".join(sorted(upper - _REGISTERED)) or "none given"
        raise ConfigError(f"pattern {pattern!r}: unknown method ({wrong}); write 'POST /login', or '* /login' for all")
    implied = {"GET": "HEAD", "WEBSOCKET": WEBSOCKET}
    return Methods(upper - {"WEBSOCKET"} | {implied[name] for name in upper & implied.keys()})


def _segments(path: str, pattern: str) -> tuple[str, ...]:
    if _FOREIGN.search(path):
        raise ConfigError(
            f"pattern {pattern!r}: looks like a regular expression or another router's grammar; "
            "write '*', '**' and '{name}', or give re.compile(...)"
        )
    if _SEVERAL.search(path):
        raise ConfigError(f"pattern {pattern!r}: looks like several; give a list, one pattern in each string")
    if _BLANKS.search(path):
        raise ConfigError(f"pattern {pattern!r}: write the methods first, one blank and the path, as in 'POST /login'")
    if "//" in path:
        raise ConfigError(f"pattern {pattern!r}: write one slash between segments; paths with more match all the same")
    if re.search(r"[?#]|%[0-9a-fA-F]{2}", path):
        raise ConfigError(f"pattern {pattern!r}: write the decoded path, without '%' escapes, query and fragment")
    return tuple(_segment(segment, pattern) for segment in path[1:].split("/"))


def _segment(segment: str, pattern: str) -> str:
    if segment == "**" or (segment.endswith(":path}") and _PLACEHOLDER.fullmatch(segment)):
        return "**"
    if "**" in segment or ":path}" in segment:
        raise ConfigError(f"pattern {pattern!r}: '**' and '{{name:path}}' must be a whole segment")
    segment = _PLACEHOLDER.sub("*", segment)
    if "{" in segment or "}" in segment:
        raise ConfigError(f"pattern {pattern!r}: a brace is not closed; write '{{name}}'")
    if segment in (".", ".."):
        raise ConfigError(f"pattern {pattern!r}: write the path without '.' and '..'")
    return re.sub(r"\*+", "*", segment)
