"""FastAPI: mark routes that need a captcha, by a dependency.

    app = FastAPI()

    @app.post("/login")
    async def login(captcha: CaptchaResult, username: Annotated[str, Form()]): ...

    add_geetest(app)

The dependency marks the route and returns the decision. The guard is middleware in front of the whole app. It asks the
app's own routes which of them a request goes to, so no spelling of a path can bypass it. Each token is verified once,
the body is read once, and a refused request costs the app little. A mark without a decision of its guard raises
LookupError: a marked route is never open by mistake.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Annotated, Any, Final, Unpack

from fastapi import Depends, FastAPI, routing
from starlette.requests import HTTPConnection
from starlette.routing import Host, Mount, WebSocketRoute

from ._config.values import several
from ._core.errors import ConfigError
from ._core.model import GeeTestResult
from ._core.paths.rule_table import RuleTable, as_rule, exempt_pattern, rule_pattern
from ._core.rules import Rule
from ._routes.mark import Mark, check_names, nothing_guarded
from ._routes.openapi import describe
from ._routes.routed import Routed, RouteGuard
from ._routes.settings import GuardSettings


class Captcha(Mark):
    """A dependency: this route, router or app needs a captcha. The settings are those of `Rule`, all of them optional.

        @app.post("/transfer", dependencies=[Depends(Captcha(on_unavailable="deny", sources=["header"]))])

    `methods`: the methods of the marked routes that are guarded; "*" means all. Default: all except GET, HEAD, OPTIONS
    and TRACE. A websocket is always guarded. Two different marks on one route raise ConfigError at the start.

    A parameter gets the decision, a `GeeTestResult`; `skipped` for a method that is not guarded. Raises LookupError if
    this mark's guard did not decide about the request: the route was added after the first request, or the app lacks
    `add_geetest`. Raises ConfigError for a setting that `Rule` does not have.
    """

    def __get_pydantic_core_schema__(self, *_: object) -> Any:
        """Refuse `Annotated[…, captcha]`: without `Depends` the mark has no effect. FastAPI calls this method then."""
        raise ConfigError("Annotated[…, captcha]: is no dependency; write CaptchaResult, or Depends(captcha) in it")

    async def __call__(self, connection: HTTPConnection) -> GeeTestResult:
        """Return the decision about the request. Asynchronous, since FastAPI calls plain functions on a thread."""
        return self.decision(connection.scope)


captcha: Final = Captcha()
"""The dependency with the settings of `add_geetest`: `Depends(captcha)`."""

CaptchaResult = Annotated[GeeTestResult, Depends(captcha)]
"""Annotates a parameter of a handler: marks the route, and gives the handler the decision."""


def add_geetest(
    app: FastAPI, *, protect: Iterable[str | Rule] | str | Rule = (), **settings: Unpack[GuardSettings]
) -> None:
    """Guard every marked route of `app` and every path that `protect` names. Describe both in the OpenAPI document.

    `settings` are GeeTestMiddleware's. FastAPI puts what is added last outermost: call this before
    `app.add_middleware(CORSMiddleware, …)`. The marked routes are looked up when FastAPI builds its middleware, at the
    start or the first request: so they may be declared before or after. ConfigError is raised then, too. An app that is
    mounted in `app` is guarded as well; its OpenAPI document, which is its own, stays as it is. What is guarded is
    logged when the rules are made, marked routes that stay open as a warning.
    """
    check_names("add_geetest", settings)
    others = [protect] if isinstance(protect, str | Rule) else list(protect)
    app.add_middleware(_Guard, fastapi=app, others=others, settings=settings)
    _complete_openapi(app, others, settings)


class _Guard(RouteGuard):
    """The guard of an app: rules of its marked routes, by route, and what `protect` names besides, by path."""

    def __init__(self, app: Any, fastapi: FastAPI, others: list[str | Rule], settings: Mapping[str, Any]) -> None:
        self._fastapi = fastapi
        routes = list(_routed(fastapi.routes))
        marked = [route for each in routes for route in each.marked]
        if not others and all(route.rule is None for route in marked):
            how = "dependencies=[Depends(captcha)], or protect="
            raise nothing_guarded("add_geetest", (route.title for route in marked), how)
        super().__init__(app, routes, others, settings)

    def outer_scope(self, scope: Any) -> Any:
        """As FastAPI sets it before it looks for the route."""
        root_path = self._fastapi.root_path or scope.get("root_path", "")
        return {**scope, "root_path": root_path, "app": self._fastapi}


def _routed(routes: Iterable[Any], prefix: str = "") -> Iterator[Routed]:
    """The routes of an app in the order in which it tries them, each with its mark and with those mounted in it."""
    for route in _opened(routes):
        kind, path = getattr(route, "original_route", route), prefix + (getattr(route, "path", None) or "")
        inner = list(_routed(kind.routes, path)) if isinstance(kind, Mount | Host) else []
        mark = _mark(getattr(route, "dependant", None), path)
        methods = ["WEBSOCKET"] if isinstance(kind, WebSocketRoute) else sorted(getattr(route, "methods", None) or ())
        yield Routed(route, path, methods, mark, inner)


def _opened(routes: Iterable[Any]) -> Iterable[Any]:
    """FastAPI 0.13x and later keeps an included router as one route, and has a function that opens it."""
    opened: Callable[[list[Any]], Iterable[Any]] | None = getattr(routing, "iter_route_contexts", None)
    return routes if opened is None else opened(list(routes))


def _mark(dependant: Any, path: str) -> Captcha | None:
    """The one mark among a route's dependencies, theirs included."""
    marks = list(dict.fromkeys(_marks(dependant)))
    if len(marks) > 1:
        raise ConfigError(
            f"{path}: has {len(marks)} different marks, and a route is guarded on the terms of one; leave one. Where "
            "the handler wants the decision, give it the same: Annotated[GeeTestResult, Depends(the_mark)]"
        )
    return marks[0] if marks else None


def _marks(dependant: Any) -> Iterator[Captcha]:
    for each in getattr(dependant, "query_params", ()):
        if isinstance(each.field_info.default, Captcha):
            raise ConfigError(f"{each.name}=captcha: is no dependency; write {each.name}: CaptchaResult")
    for each in getattr(dependant, "dependencies", ()):
        if each.call is GeeTestResult:
            raise ConfigError("GeeTestResult = Depends(): a client would choose it; write captcha: CaptchaResult")
        if isinstance(each.call, type) and issubclass(each.call, Captcha):
            raise ConfigError("Depends(Captcha): that is the class; write Depends(Captcha()), or Depends(captcha)")
        if isinstance(each.call, Captcha):
            yield each.call
        yield from _marks(each)


def _complete_openapi(app: FastAPI, others: list[str | Rule], settings: Mapping[str, Any]) -> None:
    plain, described = app.openapi, None

    def openapi() -> dict[str, Any]:
        nonlocal described
        document = plain()
        if document is not described:  # FastAPI makes another when there are new routes
            described = document
            for path, method, rule in _protected(app, others, settings):
                for operation in _operations(document, path, method):
                    describe(operation, rule, settings)
        return document

    app.openapi = openapi  # type: ignore[method-assign]  # FastAPI's documentation, "Extending OpenAPI"


def _protected(app: FastAPI, others: list[str | Rule], settings: Mapping[str, Any]) -> Iterator[tuple[str, str, Rule]]:
    """The path, the method and the rule of each operation that is protected: by its mark, else by `protect`."""
    rules = [(rule_pattern(rule), rule) for rule in map(as_rule, others)]
    table = RuleTable(rules, [exempt_pattern(each) for each in several("exempt", settings.get("exempt", ()))], [], None)
    for each in _routed(app.routes):
        for route in each.leaves:
            rule = route.rule
            for method in route.methods:
                if route.mark is not None and rule is not None and route.mark.guards(method):
                    yield route.path, method, rule
                elif (other := table.match(method, _format(route.path))) is not None:
                    yield route.path, method, other


def _operations(document: dict[str, Any], path: str, method: str) -> Iterator[dict[str, Any]]:
    operations = document.get("paths", {}).get(_format(path), {})
    if method.lower() in operations:
        yield operations[method.lower()]


def _format(path: str) -> str:
    """A path without converters, as FastAPI's `path_format` has it; to a pattern `{name}` is a segment like another."""
    return re.sub(r":\w+}", "}", path)
