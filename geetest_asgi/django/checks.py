"""The checks that `manage.py check` makes of GEETEST, with the ids in docs/quickstart/django.md."""

import os
import re
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, Final

from django.conf import settings
from django.core.checks import CheckMessage, Error, Warning
from django.urls import URLResolver, get_resolver
from django.urls.converters import IntConverter, SlugConverter, StringConverter, UUIDConverter
from django.urls.resolvers import LocalePrefixPattern, RegexPattern, RoutePattern

from .._core.errors import ConfigError
from . import middleware_settings

if TYPE_CHECKING:
    from .._core.paths.patterns import Pattern
    from .._middleware import GeeTestMiddleware

_PAIR: Final = ("captcha_id", "captcha_key")
_PARAMETER: Final = r"<(?:[^<>:]+:)?([^<>:]+)>"
_WITHIN_A_SEGMENT: Final = (IntConverter, SlugConverter, StringConverter, UUIDConverter)
"""Django's own converters (5.2, 2025) that never match a slash; PathConverter does, and a site's own may."""


def check_settings(app_configs: object, **_: object) -> list[CheckMessage]:
    """Django's system check: a list of Errors and Warnings, empty if all is well."""
    try:
        return [*_misplaced(), *_unmatched(_guard())]
    except ConfigError as error:
        return [*_misplaced(), *([_wrong(error)] if _pair_is_given() else _without_a_pair())]


def _misplaced() -> Iterator[CheckMessage]:
    """Report a guard in MIDDLEWARE. It is ASGI middleware, and Django calls its own with a request object."""
    for name in settings.MIDDLEWARE:
        if name.startswith("geetest_asgi."):
            yield Error(
                f"MIDDLEWARE: {name!r} is ASGI middleware, and no middleware of Django's",
                hint="Take it out, and write application = protect(get_asgi_application()) in asgi.py.",
                id="geetest.E002",
            )


def _without_a_pair() -> list[CheckMessage]:
    """Warn of a missing id and key. No error: many commands run without the secrets, which only asgi.py needs."""
    try:
        guard = _guard(captcha_id="no-id", captcha_key="no-key")
    except ConfigError as error:
        return [_wrong(error)]
    missing = "there is no captcha id and key here: asgi.py raises ConfigError without them"
    hint = "Set GEETEST_CAPTCHA_ID and GEETEST_CAPTCHA_KEY in the environment of the server."
    return [Warning(missing, hint=hint, id="geetest.W001"), *_unmatched(guard)]


def _guard(**instead: str) -> "GeeTestMiddleware":
    """Build the guard as asgi.py does, but without a store in a file: this may run as another user than the server."""
    from .._middleware import GeeTestMiddleware

    chosen = middleware_settings() | instead
    if str(chosen.get("store")).startswith("sqlite:"):
        del chosen["store"]
    return GeeTestMiddleware(_nothing, **chosen)


def _pair_is_given() -> bool:
    """Return whether the id or the key is given. One without the other is an Error, not a Warning."""
    given = getattr(settings, "GEETEST", None)
    inside = isinstance(given, Mapping) and any(given.get(name) for name in _PAIR)
    return inside or any(os.environ.get(f"GEETEST_{name.upper()}") for name in _PAIR)


def _wrong(error: ConfigError) -> CheckMessage:
    hint = "GEETEST is a dict of GeeTestMiddleware's arguments, by name; docs/settings.md lists them."
    return Error(str(error), hint=hint, id="geetest.E001")


async def _nothing(scope: Any, receive: Any, send: Any) -> None:
    """The app of a guard that is built only to be checked."""


def _unmatched(guard: "GeeTestMiddleware") -> list[CheckMessage]:
    """Warn of a rule that matches no URL pattern, which is probably a typing error. Regular expressions cannot be
    compared, and Django has no websockets.
    """
    from .._core.paths.patterns import EVERY, WEBSOCKET, Pattern
    from ..commands.overlap import meets

    if not getattr(settings, "ROOT_URLCONF", None):
        return []
    prefixes = ["", *(f"{root.removeprefix('/')}/" for root in middleware_settings()["root_paths"])]
    routes = [
        Pattern(each, EVERY, tuple(each.split("/"))) for root in prefixes for each in url_routes(get_resolver(), root)
    ]
    return [
        _no_url(rule)
        for rule, _ in guard.table.rules
        if rule.regex is None and rule.methods.names != {WEBSOCKET} and not any(meets(rule, route) for route in routes)
    ]


def _no_url(rule: "Pattern") -> CheckMessage:
    return Warning(
        f"GEETEST['protect']: no URL pattern of this site can match {rule.text!r}",
        hint="Write the whole path, beginning with '/', without a root path of the server, and <int:id> as {id}.",
        id="geetest.W002",
    )


def url_routes(resolver: URLResolver, prefix: str = "") -> Iterator[str]:
    """Yield the URL patterns under `resolver` as patterns of `protect`, each at least as wide as Django's."""
    for each in resolver.url_patterns:
        route = _joined(prefix, each.pattern)
        if isinstance(each, URLResolver) and not route.endswith("**"):
            yield from url_routes(each, route)
        else:
            yield route


def _joined(prefix: str, pattern: Any) -> str:
    """Return `prefix` with the pattern after it; "**" from the first segment that cannot be translated."""
    if isinstance(pattern, LocalePrefixPattern):  # "en/", or nothing; Django has them at the root of its URLs only
        return f"{prefix}**/"
    text, whole = _read(pattern)
    route = prefix + text
    return route if whole else route[: route.rfind("/") + 1] + "**"


def _read(pattern: Any) -> tuple[str, bool]:
    """Return the beginning of the paths that a URL pattern matches, and whether that is all of them."""
    route = getattr(pattern, "_route", None)
    if isinstance(pattern, RoutePattern) and isinstance(route, str):  # else it is a translation
        told = re.sub(_PARAMETER, lambda part: "*" if _within_a_segment(pattern, part[1]) else part[0], route)
        return told.partition("<")[0], "<" not in told
    found = re.match(r"\^([\w/-]*)", str(pattern)) if isinstance(pattern, RegexPattern) else None
    return (found[1] if found and "|" not in str(pattern) else ""), False


def _within_a_segment(pattern: Any, name: str) -> bool:
    return type(pattern.converters.get(name)) in _WITHIN_A_SEGMENT
