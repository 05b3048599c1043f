"""The routes of frameworks that keep them in a table of their own: Django, Quart and Connexion."""

import re
import sys
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Final, NamedTuple

from .._core.paths.patterns import WEBSOCKET
from .app import attempt

_PARAMETER: Final = re.compile(r"<(?:([^<>:]+):)?(\w+)>")
"""`<id>` or `<int:id>`, in all of them."""


class Foreign(NamedTuple):
    """One route: its path as our patterns are written."""

    path: str
    methods: Iterable[str] | None
    """None: all."""
    note: str = ""


def reader(layer: Any) -> Callable[[], Iterator[Foreign]] | None:
    """What reads the routes of this app; None where it is of no such framework."""
    if _is(layer, "django.core.handlers.asgi", "ASGIHandler"):
        return _django
    if _is(layer, "quart.app", "Quart"):
        return lambda: _werkzeug(layer)
    if _is(layer, "connexion.apps.flask", "FlaskASGIApp"):
        return lambda: _werkzeug(layer.app)
    if _is(layer, "connexion.middleware.routing", "RoutingMiddleware"):
        return lambda: _connexion(layer)
    return None


def connexion_inner(layer: Any) -> Any:
    """What Connexion's application hands a request to; None for any other layer.

    Its middleware is built as at the first request. It is kept, as Flask takes no blueprint twice.
    """
    if _is(layer, "connexion.apps.abstract", "AbstractApp"):
        return layer.middleware
    if not _is(layer, "connexion.middleware.main", "ConnexionMiddleware"):
        return None
    if layer.middleware_stack is None:
        layer.app, layer.middleware_stack = attempt("building Connexion's middleware", layer._build_middleware_stack)
    return layer.app


def _is(layer: Any, module: str, name: str) -> bool:
    """Without an import: if nobody has loaded the module, no app is of its class."""
    kind = getattr(sys.modules.get(module), name, None)
    return kind is not None and isinstance(layer, kind)


def _werkzeug(app: Any) -> Iterator[Foreign]:
    """Of Quart and Flask."""
    for rule in app.url_map.iter_rules():
        yield Foreign(_path(rule.rule), [WEBSOCKET] if rule.websocket else rule.methods)


def _connexion(layer: Any) -> Iterator[Foreign]:
    """Those of its specifications."""
    for mount in layer.router.routes:
        for route in mount.routes:
            yield Foreign(mount.path + route.path, route.methods)


def _django() -> Iterator[Foreign]:
    from django.urls import get_resolver

    return _django_patterns(get_resolver().url_patterns, "/", "")


def _django_patterns(patterns: Iterable[Any], prefix: str, note: str) -> Iterator[Foreign]:
    for each in patterns:
        path, why = _django_path(each.pattern)
        if hasattr(each, "url_patterns"):
            yield from _django_patterns(each.url_patterns, prefix + path, why or note)
        else:
            yield Foreign(prefix + path, _django_methods(each.callback), why or note)


def _django_path(pattern: Any) -> tuple[str, str]:
    """The path, and a note where it is a guess."""
    from django.contrib.admindocs.views import simplify_regex
    from django.urls.resolvers import RegexPattern

    if isinstance(pattern, RegexPattern):
        return _path(simplify_regex(str(pattern)).removeprefix("/")), "by a regular expression"
    return _path(str(pattern)), ""


def _django_methods(view: Any) -> list[str] | None:
    """Those of a class; a function runs for every method."""
    if actions := getattr(view, "actions", None):  # a view set of Django REST framework
        return [each.upper() for each in actions]
    kind = getattr(view, "view_class", None) or getattr(view, "cls", None)
    return kind and [each.upper() for each in kind.http_method_names if hasattr(kind, each)]


def _path(route: str) -> str:
    return _PARAMETER.sub(lambda found: f"{{{found[2]}{':path' * (found[1] == 'path')}}}", route)
