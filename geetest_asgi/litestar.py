"""Litestar: mark handlers that need a captcha, by a guard; a plugin protects them.

    @post("/login", guards=[captcha])
    async def login(captcha: CaptchaResult, data: JSONBody[Login]) -> str: ...

    app = Litestar([login], plugins=[GeeTestPlugin()])

Litestar builds its middleware once for each route. So `DefineMiddleware(GeeTestMiddleware)` on an app or a router makes
one middleware for each route, with its own connections, limits and memory. The plugin has one for all routes. It finds
the rule by the handler that Litestar has chosen, not by the path, so no spelling can bypass it. The guard raises
LookupError if the plugin did not decide: a marked route is never open by mistake.
"""

from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import aclosing, asynccontextmanager
from functools import cached_property
from typing import Any, ClassVar, Final, Unpack, cast

from litestar.config.app import AppConfig
from litestar.connection import ASGIConnection
from litestar.di import NamedDependency, Provide
from litestar.handlers import BaseRouteHandler, HTTPRouteHandler
from litestar.openapi.spec import Operation
from litestar.params import SkipValidation
from litestar.plugins import InitPlugin, ReceiveRoutePlugin
from litestar.routes import ASGIRoute, BaseRoute, HTTPRoute, WebSocketRoute
from litestar.types import ASGIApp, Receive, Scope, Send

from ._core.errors import ConfigError
from ._core.model import GeeTestResult
from ._core.paths.patterns import WEBSOCKET
from ._core.rules import Rule
from ._middleware import GeeTestMiddleware
from ._routes.mark import MARKS, NOT_GUARDED, Mark, check_names, nothing_guarded
from ._routes.openapi import describe
from ._routes.settings import PluginSettings
from ._scope import KEY, geetest_result, put_result
from .observers.logs import log_marks

_NEXT: Final = "geetest_asgi.litestar.next"
"""Scope key: the rest of the route's middleware, and its handler."""
_BY_PATH: Final = ("protect", "exempt", "root_paths")


class Captcha(Mark):
    """A guard: this handler, controller, router or app needs a captcha. The settings are those of `Rule`, all optional.

        @post("/transfer", guards=[Captcha(on_unavailable="deny", sources=["header"])])

    `methods`: the methods of the marked handlers that are guarded; "*" means all. Default: all except GET, HEAD,
    OPTIONS and TRACE. A websocket is always guarded. Of several marks on a route the one nearest to the handler counts.

    Raises LookupError if `GeeTestPlugin` did not decide about the request: the app lacks the plugin, or the route was
    registered after the first request. Raises ConfigError for a setting that `Rule` does not have.
    """

    async def __call__(self, connection: ASGIConnection[Any, Any, Any, Any], handler: BaseRouteHandler) -> None:
        """Check that the plugin has decided about this request."""
        scope = cast("dict[str, Any]", connection.scope)
        result = _marks(handler)[-1].decision(scope)
        if result is NOT_GUARDED and KEY not in (scope.get("state") or {}):
            put_result(scope, result)  # for a handler that asks for it


captcha: Final = Captcha()
"""The guard with the settings of the plugin: `guards=[captcha]`."""

CaptchaResult = NamedDependency[SkipValidation[GeeTestResult]]
"""Annotates a parameter of a handler: the decision. Litestar finds it by the parameter's name, which must be `captcha`.

It is not validated, since Litestar would convert the dataclass.
"""


async def provide_captcha(scope: Scope) -> GeeTestResult:
    """Return the decision; the plugin provides it as `captcha`. An app behind a GeeTestMiddleware instead of the plugin
    needs `dependencies={"captcha": Provide(provide_captcha)}`.

    Raises LookupError on a route that is not protected; the message says which routes are.
    """
    return geetest_result(scope)


class GeeTestPlugin(InitPlugin, ReceiveRoutePlugin):
    """Guards every marked handler of one app, and describes the captcha in its OpenAPI document.

        app = Litestar([...], plugins=[GeeTestPlugin(on_unavailable="deny")])

    `settings` are GeeTestMiddleware's, except those about paths. The guard is the outermost of the app's middleware,
    inside `cors_config`. To place it elsewhere, put `middleware` in the app's list: with
    `Litestar(middleware=[limit.middleware, plugin.middleware], plugins=[plugin])` a rate limit is in front. A wrong
    setting, or an app without a marked handler, raises ConfigError at the start; without a lifespan, at each request.
    """

    def __init__(self, **settings: Unpack[PluginSettings]) -> None:
        for name in _BY_PATH:
            if name in settings:
                raise ConfigError(f"{name}: the plugin goes by handlers and not by paths; write guards=[captcha] there")
        check_names("GeeTestPlugin", settings)
        self._settings = settings
        self._marked: dict[tuple[BaseRouteHandler, str], Rule] = {}
        self._open: dict[str, None] = {}

    @cached_property
    def guard(self) -> GeeTestMiddleware:
        """The guard of all routes. It is built at the start or the first request, when the routes are known."""
        if not self._marked:
            raise nothing_guarded("GeeTestPlugin", self._open, "guards=[captcha]")
        log_marks((str(rule.pattern) for rule in self._marked.values()), self._open)
        return _Guard(self._marked, self._settings)

    @cached_property
    def middleware(self) -> Callable[[ASGIApp], ASGIApp]:
        """Middleware that calls the guard, for the app's list. A function, since Sentry sets attributes on it."""

        def middleware(app: ASGIApp) -> ASGIApp:
            async def place(scope: Scope, receive: Receive, send: Send) -> None:
                cast("dict[str, Any]", scope)[_NEXT] = app
                await self.guard(cast("Any", scope), cast("Any", receive), cast("Any", send))

            return place

        setattr(middleware, "plugin", self)  # noqa: B010 - by which `geetest-asgi check` finds the guard
        return middleware

    def on_app_init(self, app_config: AppConfig) -> AppConfig:
        """Add the guard and the dependency `captcha`. Litestar calls this while it builds the app."""
        if self.middleware not in app_config.middleware:
            app_config.middleware.insert(0, self.middleware)
        app_config.dependencies.setdefault("captcha", Provide(provide_captcha))
        app_config.lifespan.append(self._lifespan)
        return app_config

    def receive_route(self, route: BaseRoute) -> None:
        """Litestar calls it for each route, and again when another handler joins it at its path."""
        for handler, methods, path in _handlers(route):
            for mark in _marks(handler)[-1:]:
                self._open |= dict.fromkeys(f"{each} {path}" for each in mark.leaves_open(methods))
                if (rule := mark.rule(methods, path)) is not None:
                    self._marked[handler, route.path_format] = rule
                    self._describe(handler, rule)

    def _describe(self, handler: BaseRouteHandler, rule: Rule) -> None:
        if isinstance(handler, HTTPRouteHandler) and not issubclass(handler.operation_class, _Described):
            plain, own = handler.operation_class, {"rule": rule, "settings": self._settings}
            handler.operation_class = type(plain.__name__, (_Described, plain), own)

    @asynccontextmanager
    async def _lifespan(self, app: object) -> AsyncIterator[None]:
        """Litestar's middleware is told of neither the start, which a wrong setting must end, nor of the end."""
        async with aclosing(self.guard):
            yield


class _Guard(GeeTestMiddleware):
    """Its rules are found by handler and route; the patterns in them are for logs and messages."""

    def __init__(self, marked: Mapping[tuple[BaseRouteHandler, str], Rule], settings: Mapping[str, Any]) -> None:
        super().__init__(_go_on, protect=list(marked.values()), **settings)
        self._rules = dict(zip(marked, self.table.rules, strict=True))
        # Litestar does not say which path a mount was reached by.
        self._mounts = {handler: rule for (handler, _), rule in self._rules.items()}

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """ASGI 3."""
        handler = scope["route_handler"]
        rule = self._rules.get((handler, scope.get("path_template"))) or self._mounts.get(handler)
        method = WEBSOCKET if scope["type"] == "websocket" else scope["method"]
        if rule is None or method not in rule[0].methods:
            await self.app(scope, receive, send)
            return
        scope[MARKS] = _marks(handler)[-1:]
        await self.guard.run(rule[1], scope, receive, send)


async def _go_on(scope: Any, receive: Any, send: Any) -> None:
    await scope[_NEXT](scope, receive, send)


class _Described(Operation):
    """An operation of the OpenAPI document that tells of the captcha's fields and the denials as well."""

    rule: ClassVar[Rule]
    settings: ClassVar[Mapping[str, Any]]

    def to_schema(self) -> dict[str, Any]:
        operation = super().to_schema()
        describe(operation, self.rule, self.settings)
        return operation


def _marks(handler: BaseRouteHandler) -> list[Captcha]:
    """The marks on a handler and the layers around it, the nearest to the handler last."""
    guards = handler.resolve_guards()
    if any(isinstance(each, type) and issubclass(each, Captcha) for each in guards):
        raise ConfigError("guards=[Captcha]: that is the class; write guards=[Captcha()], or guards=[captcha]")
    return [each for each in guards if isinstance(each, Captcha)]


def _handlers(route: BaseRoute) -> Iterator[tuple[BaseRouteHandler, list[str], str]]:
    """The handlers of a route, with the methods and the path of what gets to each."""
    if isinstance(route, HTTPRoute):
        for handler in route.route_handlers:
            yield handler, sorted(handler.http_methods), route.path
    elif isinstance(route, WebSocketRoute):
        yield route.route_handler, ["WEBSOCKET"], route.path
    elif isinstance(route, ASGIRoute):
        yield route.route_handler, ["*"], f"{route.path.rstrip('/')}/**" if route.route_handler.is_mount else route.path
