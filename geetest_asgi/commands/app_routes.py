"""Find the guards in an application, and the routes behind them, as far as it shows them.

Supported are objects that hold another app in an attribute; Starlette and FastAPI, whose middleware is built at the
first request; Litestar, which builds it for each route; and by `foreign_routes` Django, Quart and Connexion.
"""

import inspect
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final

from starlette.routing import Host, Mount, WebSocketRoute

from .._core.errors import ConfigError
from .._core.paths.patterns import EVERY, WEBSOCKET, Methods, Pattern, parse
from .._middleware import GeeTestMiddleware
from .app import attempt
from .foreign_routes import connexion_inner, reader

_INNER: Final = (
    *("middleware_stack", "app", "asgi_app", "_app", "next_app", "application", "asgi_application", "wrapped"),
)
"""Attributes in which a wrapper keeps the app that it wraps."""
_DEEPEST: Final = 100


@dataclass(frozen=True, slots=True, eq=False)
class Guard:
    """One GeeTestMiddleware, and its position in the app."""

    middleware: GeeTestMiddleware
    prefix: str = ""
    """The path of the mount around it, which is its root path."""
    local: bool = False
    """It guards some routes only, not the whole app."""


@dataclass(frozen=True, slots=True)
class Route:
    """One route of the app, with the guards that a request to it passes, the outermost first."""

    path: str
    pattern: Pattern
    """Its path and its methods as a pattern, to compare it with others."""
    guards: tuple[Guard, ...]
    note: str = ""


@dataclass(slots=True)
class Site:
    """What was found in an application."""

    guards: list[Guard] = field(default_factory=list)
    routes: list[Route] = field(default_factory=list)
    layers: list[str] = field(default_factory=list)
    """The names of the wrappers, the outermost first."""
    knows_routes: bool = False

    def add(self, guards: list[Guard]) -> None:
        """Add each guard that is not there yet."""
        self.guards += [guard for guard in guards if guard not in self.guards]


def read(app: Any) -> Site:
    """Return the guards and the routes of `app`. Raises ConfigError if a guard in it has a wrong setting."""
    site = Site()
    _read_into(site, app, "", ())
    return site


def _read_into(site: Site, app: Any, prefix: str, outer: tuple[Guard, ...]) -> tuple[Guard, ...] | None:
    """Read the app and everything in it. Return the guards in front of it if its routes are unknown."""
    layers = list(_layers(app))
    if not prefix:
        site.layers += [type(layer).__name__ for layer in layers]
    local = bool(prefix) or site.knows_routes
    guards = [Guard(layer, prefix, local) for layer in layers if isinstance(layer, GeeTestMiddleware)]
    site.add(guards)
    passed = (*outer, *guards)
    foreign = [read_routes for layer in layers if (read_routes := reader(layer)) is not None]
    if foreign:  # Connexion's Flask lists what its specifications list, and more
        site.knows_routes = True
        site.routes += [new_route(prefix + each.path, each.methods, passed, each.note) for each in foreign[-1]()]
    holder = next((layer for layer in layers if _has_routes(layer)), None)
    if holder is None:
        return None if foreign else passed
    site.knows_routes = True
    if _is_litestar(holder):
        _read_litestar(site, holder, passed, {})
    else:
        for route in _flat(holder.routes):
            _read_route(site, route, prefix, passed)
    return None


def _layers(app: Any) -> Iterator[Any]:
    """`app`, what it wraps, and so on."""
    seen: set[int] = set()
    while app is not None and id(app) not in seen and len(seen) < _DEEPEST:
        seen.add(id(app))
        yield app
        if (inner := connexion_inner(app)) is not None:
            app = inner
        elif hasattr(app, "build_middleware_stack"):
            layer = app
            app = app.middleware_stack or attempt("building the middleware", lambda: layer.build_middleware_stack())  # noqa: B023
        elif inspect.ismethod(app):  # GeeTestMiddleware(quart.asgi_app)
            app = app.__self__
        else:
            app = next((inner for name in _INNER if callable(inner := getattr(app, name, None))), None)


def _has_routes(layer: Any) -> bool:
    return isinstance(getattr(layer, "routes", None), list | tuple) and not isinstance(layer, type)


def _is_litestar(layer: Any) -> bool:
    return any(base.__module__.split(".")[0] == "litestar" for base in type(layer).__mro__)


def _flat(routes: Any) -> Any:
    """FastAPI 0.13x and later keeps an included router as one route, and has a function that opens it."""
    opened = getattr(sys.modules.get("fastapi.routing"), "iter_route_contexts", None)
    return routes if opened is None else opened(routes)


def _read_route(site: Site, route: Any, prefix: str, outer: tuple[Guard, ...]) -> None:
    kind = getattr(route, "original_route", route)
    if isinstance(kind, Host):
        _read_mounted(site, route, prefix, outer, f"host {route.host}")
    elif isinstance(kind, Mount):
        _read_mounted(site, route, prefix + route.path, outer, "")
    else:
        guards = [Guard(each, prefix, True) for each in _layers(getattr(route, "app", None)) if _is_guard(each)]
        site.add(guards)
        path = getattr(route, "path", None)
        if isinstance(path, str):
            methods = [WEBSOCKET] if isinstance(kind, WebSocketRoute) else getattr(route, "methods", None)
            site.routes.append(new_route(prefix + path, methods, (*outer, *guards)))


def _is_guard(layer: Any) -> bool:
    return isinstance(layer, GeeTestMiddleware)


def _read_mounted(site: Site, route: Any, prefix: str, outer: tuple[Guard, ...], note: str) -> None:
    guards = _read_into(site, route.app, prefix, outer)
    if guards is not None:
        name = type(list(_layers(route.app))[-1]).__name__
        site.routes.append(new_route(prefix + "/{rest:path}", None, guards, note or f"all of {name}"))


def _read_litestar(site: Site, app: Any, outer: tuple[Guard, ...], known: dict[int, Guard]) -> None:
    for route in app.routes:
        for handler in getattr(route, "route_handlers", None) or [route.route_handler]:
            guards = [guard for each in handler.resolve_middleware() for guard in _litestar_guard(each, known)]
            site.add(guards)
            methods = sorted(map(str, getattr(handler, "http_methods", ()))) or None
            path, methods = _litestar_path(route, handler, methods)
            site.routes.append(new_route(path, methods, (*outer, *reversed(guards))))


def _litestar_path(route: Any, handler: Any, methods: list[str] | None) -> tuple[str, list[str] | None]:
    scope = str(getattr(route, "scope_type", "")).rpartition(".")[2].lower()
    if scope == "websocket":
        return route.path, [WEBSOCKET]
    return (route.path.rstrip("/") + "/{rest:path}" if getattr(handler, "is_mount", False) else route.path), methods


def _litestar_guard(definition: Any, known: dict[int, Guard]) -> Iterator[Guard]:
    """What Litestar was given: a class, or a definition that holds one with its arguments; or by our plugin."""
    kind = getattr(definition, "middleware", definition)
    shared = getattr(getattr(definition, "plugin", None), "guard", None)
    if isinstance(shared, GeeTestMiddleware):
        yield known.setdefault(id(shared), Guard(shared))
    elif isinstance(kind, type) and issubclass(kind, GeeTestMiddleware):
        if id(definition) not in known:
            known[id(definition)] = Guard(definition(app=_nothing), local=True)
        yield known[id(definition)]


async def _nothing(scope: Any, receive: Any, send: Any) -> None:
    """What a guard is built around that is only looked at."""


def new_route(path: str, methods: Any, guards: tuple[Guard, ...], note: str = "") -> Route:
    """A route by its path as the framework writes it; `methods` None: all."""
    chosen = EVERY if methods is None else Methods(frozenset(map(str, methods)))
    try:
        segments = parse(f"* {path}").segments
    except ConfigError:  # a path that no pattern could be; read literally
        segments = tuple(path.removeprefix("/").split("/"))
    return Route(path, Pattern(path, chosen, segments), guards, note)


def plain_guard(**settings: Any) -> Site:
    """One guard by the settings given, and no app behind it."""
    return Site([Guard(GeeTestMiddleware(_nothing, **settings))])
