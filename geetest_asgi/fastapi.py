"""FastAPI: a route says that it wants a captcha, where FastAPI's users look for it.

    app = FastAPI()

    @app.post("/login")
    async def login(captcha: CaptchaResult, username: Annotated[str, Form()]): ...

    add_geetest(app)

The dependency is a mark, and hands over the decision. The guard is the middleware, in front of the whole app: it takes
its rules from the marked routes, so that nobody is asked twice, the body is read once, and a refused request costs the
app nothing. A mark that no guard knows of raises: a route is never open by mistake.
"""

import re
from collections.abc import Callable, Iterable, Iterator
from typing import Annotated, Any, Final

from fastapi import Depends, FastAPI, routing
from starlette.requests import HTTPConnection
from starlette.routing import Host, Mount, WebSocketRoute

from ._core.errors import ConfigError
from ._core.model import GeeTestResult
from ._core.rules import Rule
from ._middleware import GeeTestMiddleware
from ._routes.mark import Mark, check_names
from ._routes.openapi import describe
from ._scope import geetest_result


class Captcha(Mark):
    """A dependency: this route, router or app wants a captcha. The settings are those of `Rule`, all of them optional.

        @app.post("/transfer", dependencies=[Depends(Captcha(on_unavailable="deny", sources=["header"]))])

    As a parameter it is the decision, a `GeeTestResult`. Raises LookupError at a request that `add_geetest` knows
    nothing of: a route that was added after the first request, or in an app that has no guard. Raises ConfigError for
    a setting that `Rule` does not have.
    """

    async def __call__(self, connection: HTTPConnection) -> GeeTestResult:
        """The decision about the request. Asynchronous, since FastAPI calls what is not in a thread."""
        return geetest_result(connection)


captcha: Final = Captcha()
"""The dependency with the settings of `add_geetest`: `Depends(captcha)`."""

CaptchaResult = Annotated[GeeTestResult, Depends(captcha)]
"""The decision as a parameter of a handler, and the mark at once."""


def add_geetest(app: FastAPI, *, protect: Iterable[str | Rule] | str | Rule = (), **settings: Any) -> None:
    """Guard every marked route of `app`, and what `protect` names besides; write it into the OpenAPI document.

    `settings` are GeeTestMiddleware's. FastAPI puts what is added last outermost: call this before
    `app.add_middleware(CORSMiddleware, …)`. The marked routes are looked up when FastAPI builds its middleware, at the
    start or the first request: so they may be declared before or after. ConfigError is raised then, too. An app that is
    mounted in `app` is guarded as well; its OpenAPI document, which is its own, stays as it is.
    """
    check_names("add_geetest", settings)
    others = [protect] if isinstance(protect, str | Rule) else list(protect)
    app.add_middleware(GeeTestMiddleware, protect=_Rules(app, others), **settings)
    _complete_openapi(app, settings)


class _Rules:
    """The rules of an app, looked up when they are asked for."""

    def __init__(self, app: FastAPI, others: list[str | Rule]) -> None:
        self._app, self._others = app, others

    def __iter__(self) -> Iterator[str | Rule]:
        rules = [mark.rule(methods, path) for path, methods, mark in marked(self._app.routes)] + self._others
        if not rules:
            raise ConfigError("add_geetest: no route is marked; write dependencies=[Depends(captcha)], or protect=")
        return iter(rules)


def marked(routes: Iterable[Any], prefix: str = "") -> Iterator[tuple[str, str, Captcha]]:
    """The path, the methods joined by commas and the mark of each marked route, those of mounted apps among them."""
    for route in _opened(routes):
        kind, path = getattr(route, "original_route", route), prefix + (getattr(route, "path", None) or "")
        if isinstance(kind, Mount | Host):
            yield from marked(kind.routes, path)
        elif (mark := _mark(getattr(route, "dependant", None))) is not None:
            yield path, "WEBSOCKET" if isinstance(kind, WebSocketRoute) else ",".join(sorted(route.methods)), mark


def _opened(routes: Iterable[Any]) -> Iterable[Any]:
    """FastAPI 0.13x and later keeps an included router as one route, and has a function that opens it."""
    opened: Callable[[list[Any]], Iterable[Any]] | None = getattr(routing, "iter_route_contexts", None)
    return routes if opened is None else opened(list(routes))


def _mark(dependant: Any) -> Captcha | None:
    """The first one among a route's dependencies, theirs included. The nearest to the app is the first."""
    for each in getattr(dependant, "dependencies", ()):
        found = each.call if isinstance(each.call, Captcha) else _mark(each)
        if found is not None:
            return found
    return None


def _complete_openapi(app: FastAPI, settings: dict[str, Any]) -> None:
    plain, described = app.openapi, None

    def openapi() -> dict[str, Any]:
        nonlocal described
        document = plain()
        if document is not described:  # FastAPI makes another when there are new routes
            described = document
            for path, methods, mark in marked(app.routes):
                for operation in _operations(document, path, methods):
                    describe(operation, mark.rule(methods, path), settings)
        return document

    app.openapi = openapi  # type: ignore[method-assign]  # FastAPI's documentation, "Extending OpenAPI"


def _operations(document: dict[str, Any], path: str, methods: str) -> Iterator[dict[str, Any]]:
    without_converters = re.sub(r":\w+}", "}", path)  # FastAPI's path_format
    operations = document.get("paths", {}).get(without_converters, {})
    yield from (operations[method] for method in methods.lower().split(",") if method in operations)
