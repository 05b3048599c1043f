"""What `manage.py check` says about GEETEST, by the ids in docs/frameworks-more.md."""

import os
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Final

from django.conf import settings
from django.core.checks import CheckMessage, Error, Warning
from django.urls import URLResolver, get_resolver
from django.urls.converters import IntConverter, SlugConverter, StringConverter, UUIDConverter
from django.urls.resolvers import LocalePrefixPattern, RegexPattern, RoutePattern

from .._core.errors import ConfigError
from . import middleware_settings, protect

if TYPE_CHECKING:
    from .._core.patterns import Pattern
    from .._middleware import GeeTestMiddleware

_PAIR: Final = ("captcha_id", "captcha_key")
_PARAMETER: Final = r"<(?:[^<>:]+:)?([^<>:]+)>"
_WITHIN_A_SEGMENT: Final = (IntConverter, SlugConverter, StringConverter, UUIDConverter)
"""Django's own converters (5.2, 2025) that never match a slash; PathConverter does, and a site's own may."""


def check_settings(app_configs: object, **_: object) -> list[CheckMessage]:
    """Django's system check: a list of Errors and Warnings, empty if all is well."""
    try:
        return _unmatched(protect(_nothing))
    except ConfigError as error:
        if _pair_is_given():
            return [Error(str(error), hint=_hint(), id="geetest.E001")]
    return _without_a_pair()


def _without_a_pair() -> list[CheckMessage]:
    """Many a command is run where the secrets are not, so that is no error here: asgi.py will not start without."""
    from .._middleware import GeeTestMiddleware

    try:
        guard = GeeTestMiddleware(_nothing, **middleware_settings() | dict.fromkeys(_PAIR, "none"))
    except ConfigError as error:
        return [Error(str(error), hint=_hint(), id="geetest.E001")]
    missing = "there is no captcha id and key here: asgi.py raises ConfigError without them"
    hint = "Set GEETEST_CAPTCHA_ID and GEETEST_CAPTCHA_KEY in the environment of the server."
    return [Warning(missing, hint=hint, id="geetest.W001"), *_unmatched(guard)]


def _pair_is_given() -> bool:
    """Half of it counts: that is somebody's mistake."""
    given = getattr(settings, "GEETEST", None)
    inside = isinstance(given, dict) and any(given.get(name) is not None for name in _PAIR)
    return inside or any(os.environ.get(f"GEETEST_{name.upper()}") for name in _PAIR)


def _hint() -> str:
    return "GEETEST is a dict of GeeTestMiddleware's arguments, by name; the README of geetest_asgi lists them."


async def _nothing(scope: Any, receive: Any, send: Any) -> None:
    """What a guard is built around that is only looked at."""


def _unmatched(guard: "GeeTestMiddleware") -> list[CheckMessage]:
    """A rule that protects nothing looks like a typing error in its path."""
    from .._core.overlap import meets
    from .._core.patterns import EVERY, WEBSOCKET, Pattern

    if not getattr(settings, "ROOT_URLCONF", None):
        return []
    routes = [Pattern(route, EVERY, tuple(route.split("/"))) for route in url_routes(get_resolver())]
    rules = [pattern for pattern, _ in guard._table.rules if set(pattern.methods.names) != {WEBSOCKET}]
    return [_no_url(rule) for rule in rules if not any(meets(rule, route) for route in routes)]


def _no_url(rule: "Pattern") -> CheckMessage:
    return Warning(
        f"GEETEST['protect']: no URL pattern of this site can match {rule.text!r}",
        hint="Write the path as visitors see it, beginning with '/', and <int:id> as {id}.",
        id="geetest.W002",
    )


def url_routes(resolver: URLResolver, prefix: str = "") -> Iterator[str]:
    """The URL patterns under `resolver` in the grammar of `protect`, each at least as wide as what Django matches."""
    for each in resolver.url_patterns:
        route = _joined(prefix, each.pattern)
        if isinstance(each, URLResolver) and not route.endswith("**"):
            yield from url_routes(each, route)
        else:
            yield route


def _joined(prefix: str, pattern: Any) -> str:
    """`prefix` and what comes after it; "**" from the segment on of which there is no telling."""
    if isinstance(pattern, LocalePrefixPattern):  # at the root only: "en/", or nothing
        return "**/"
    text, whole = _read(pattern)
    route = prefix + text
    return route if whole else route[: route.rfind("/") + 1] + "**"


def _read(pattern: Any) -> tuple[str, bool]:
    """The beginning of what a URL pattern matches, and whether that is all."""
    route = getattr(pattern, "_route", None)
    if isinstance(pattern, RoutePattern) and isinstance(route, str):  # else it is a translation
        told = re.sub(_PARAMETER, lambda part: "*" if _within_a_segment(pattern, part[1]) else part[0], route)
        return told.partition("<")[0], "<" not in told
    found = re.match(r"\^([\w/-]*)", str(pattern)) if isinstance(pattern, RegexPattern) else None
    return (found[1] if found and "|" not in str(pattern) else ""), False


def _within_a_segment(pattern: Any, name: str) -> bool:
    return type(pattern.converters.get(name)) in _WITHIN_A_SEGMENT
