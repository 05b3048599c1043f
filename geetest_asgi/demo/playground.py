"""The site of the demo: a login behind the guard, a page to try it from, and switches for that page.

GET  /             the page                     POST /login         guarded
GET  /login        not protected                GET  /demo/log      ?after=NUMBER: what came of the latest requests
and, where a simulator stands in for GeeTest:
GET  /geetest/…    its browser side             GET  /demo/token    ?kind=fresh, expired … &format=json or form
GET  /demo/state   the switches                 POST /demo/state    ?geetest=up, down … &policy=allow or deny
"""

from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType
from typing import Any, Final, get_args
from urllib.parse import urlencode

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.types import ASGIApp, Receive, Scope, Send

from .. import _config
from .._core.model import GeeTestResult
from .._core.rules import OnUnavailable
from .._middleware import GeeTestMiddleware
from .._scope import geetest_result
from ..stores import MemoryStore
from ..testing import Simulator
from ..testing.access import refusal
from . import guard
from .pages import MOUNT, page_routes
from .rows import row
from .visits import Log, handle, remember

_POLICIES: Final[tuple[OnUnavailable, ...]] = get_args(OnUnavailable)
_FAULTS: Final[Mapping[str, Callable[[Simulator], None]]] = MappingProxyType(
    {"up": Simulator.up, "down": Simulator.down, "hanging": Simulator.hanging, "garbled": Simulator.garbled}
)
_SWITCHES: Final = {"geetest": tuple(_FAULTS), "policy": _POLICIES}
_Present = tuple[dict[str, str] | None, dict[str, Any]]
"""How the switches stand, if there are any, and the guard's settings."""

_KINDS: Final[Mapping[str, Callable[[Simulator], dict[str, str]]]] = MappingProxyType(
    {
        "fresh": Simulator.token,
        "expired": lambda simulator: simulator.token(expired=True),
        "forged": lambda simulator: simulator.token(forged=True),
        "used": lambda simulator: simulator.token(used=True),
        "offline": lambda simulator: simulator.token(offline=True),
    }
)


class Site:
    """The site with a simulator for GeeTest, and two switches: what ails GeeTest, and what if it is down.

    A guard never changes, so there is one for each policy, with one memory of spent tokens between them.
    """

    def __init__(self, simulator: Simulator, api_server: str) -> None:
        self.simulator = simulator
        self.policy: OnUnavailable = "deny"
        self.last: GeeTestResult | None = None
        """The latest decision: its `reason` is for the site's owner, and stands in no denial."""
        self._log, store = Log(), MemoryStore()
        self._settings = {each: guard.simulated(simulator.captcha_id, api_server, each) for each in _POLICIES}
        app = self._app()
        self._guards = {
            policy: GeeTestMiddleware(
                app, **settings, captcha_key=simulator.captcha_key, store=store, on_result=self._remember
            )
            for policy, settings in self._settings.items()
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI 3."""
        app = self._guards[self.policy]
        if scope["type"] == "http":
            await self._log.watch(app, self.state, scope, receive, send)
        else:
            await app(scope, receive, send)

    @property
    def state(self) -> dict[str, str]:
        """How the switches stand. The simulator's own page may have set it to more than the site's page offers."""
        return {"geetest": self.simulator.mode, "policy": self.policy}

    def set(self, *, geetest: str, policy: OnUnavailable) -> None:
        """Turn the switches. `geetest` is "up", "down", "hanging" or "garbled"."""
        _FAULTS[geetest](self.simulator)
        self.policy = policy

    def _remember(self, result: GeeTestResult, scope: Scope) -> None:
        self.last = result
        remember(result, scope)

    def _app(self) -> Starlette:
        news = _news(self._log, lambda: (self.state, self._settings[self.policy]))
        routes = [
            Route("/demo/log", news),
            Route("/demo/token", self._token),
            Route("/demo/state", self._state, methods=["GET"]),
            Route("/demo/state", self._turn, methods=["POST"]),
            Mount(MOUNT, self.simulator),
        ]
        return _app(page_routes(self.simulator.captcha_id, live=False) + routes)

    async def _token(self, request: Request) -> Response:
        given = {"kind": "fresh", "format": "json", **request.query_params}
        if (wrong := _wrong(given, {"kind": tuple(_KINDS), "format": ("json", "form")})) is not None:
            return wrong
        token = _KINDS[given["kind"]](self.simulator)
        return PlainTextResponse(urlencode(token)) if given["format"] == "form" else JSONResponse(token)

    async def _state(self, request: Request) -> JSONResponse:
        return JSONResponse(self.state)

    async def _turn(self, request: Request) -> JSONResponse:
        given = request.query_params
        if (wrong := _wrong(given, _SWITCHES)) is not None:
            return wrong
        if "geetest" in given:
            _FAULTS[given["geetest"]](self.simulator)
        if "policy" in given:
            self.policy = "allow" if given["policy"] == "allow" else "deny"
        return JSONResponse(self.state)


def live_site() -> ASGIApp:
    """The site guarded by the real GeeTest; id and key from the environment. Raises ConfigError without them."""
    captcha_id, captcha_key = _config.credentials(None, None)
    log, settings = Log(), guard.live(captcha_id)
    news = _news(log, lambda: (None, settings))
    app = _app([*page_routes(captcha_id, live=True), Route("/demo/log", news)])
    guarded = GeeTestMiddleware(app, **settings, captcha_key=captcha_key, store=MemoryStore(), on_result=remember)

    async def site(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            await log.watch(guarded, None, scope, receive, send)
        else:
            await guarded(scope, receive, send)

    return site


def _app(routes: Iterable[BaseRoute]) -> Starlette:
    login = [Route("/login", _log_in, methods=["POST"]), Route("/login", _login_form, methods=["GET"])]
    return Starlette(routes=[*login, *routes], middleware=[Middleware(_OwnOrigin)])


class _OwnOrigin:
    """Keeps pages of other origins from the log, the tokens and the switches."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        control = scope["type"] == "http" and scope["path"].startswith("/demo/")
        why = refusal(scope) if control else None
        answer = self._app if why is None else PlainTextResponse(f"Forbidden: {why}\n", 403)
        await answer(scope, receive, send)


async def _log_in(request: Request) -> JSONResponse:
    handle(request.scope)
    result = geetest_result(request)
    return JSONResponse({"outcome": result.outcome, "verified": result.verified})


async def _login_form(request: Request) -> JSONResponse:
    handle(request.scope)
    return JSONResponse({"message": "Not protected: the pattern is 'POST /login'."})


def _news(log: Log, present: Callable[[], _Present]) -> Callable[[Request], Any]:
    """What the page asks for once a second: the requests since the last time, and how things stand."""

    async def news(request: Request) -> JSONResponse:
        given = request.query_params
        if unknown := given.keys() - {"after"}:
            return JSONResponse({"error": f"{min(unknown)!r} is no parameter of this page: after is wanted"}, 400)
        after = given.get("after", "")
        host, port = request.scope["server"]
        visits = log.after(int(after[:18]) if after.isascii() and after.isdigit() else 0)
        state, settings = present()
        content = {
            "state": state,
            "code": guard.code(settings),
            "seconds": guard.timeout(settings),
            "rows": [row(visit, f"http://{host}:{port}") for visit in visits],
        }
        return JSONResponse(content, headers={"Cache-Control": "no-store"})

    return news


def _wrong(given: Mapping[str, str], known: Mapping[str, Iterable[str]]) -> JSONResponse | None:
    """What is wrong with these parameters; `known`: the values that each of them may have."""
    for name, value in given.items():
        if name not in known:
            error = f"{name!r} is no parameter of this page: one of {', '.join(known)} is wanted"
            return JSONResponse({"error": error}, 400)
        if value not in known[name]:
            return JSONResponse({"error": f"{name} is {value!r}: one of {', '.join(known[name])} is wanted"}, 400)
    return None
