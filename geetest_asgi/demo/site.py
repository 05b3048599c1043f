"""The site of the demo: a login behind the guard, a page to try it from, and switches for that page.

GET  /             the page                     POST /login         guarded
GET  /login        not protected                GET  /demo/token    ?kind=fresh, expired or forged
GET  /demo/state   the switches                 POST /demo/state    ?geetest=up or down &policy=allow or deny
"""

import html
from collections.abc import Iterable
from importlib.resources import files
from typing import Final, get_args

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from .. import _config
from .._core.model import GeeTestResult
from .._core.rules import OnUnavailable
from .._middleware import GeeTestMiddleware
from .._state import geetest_result
from ..stores import MemoryStore
from ..testing import Simulator

GT4: Final = "https://static.geetest.com/v4/gt4.js"
"""GeeTest's browser script (2026-11). Only the live page loads it: it loads more from GeeTest's own hosts."""

_PLACE_FOR_GT4: Final = "<!-- gt4.js -->"
_POLICIES: Final[tuple[OnUnavailable, ...]] = get_args(OnUnavailable)
_SWITCHES: Final = {"geetest": ("up", "down"), "policy": _POLICIES}
_KINDS: Final = ("fresh", "expired", "forged")
_SELF_CONTAINED: Final = (
    "default-src 'none'; connect-src 'self'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data:; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


class Site:
    """The site with a simulator for GeeTest, and two switches: is GeeTest up, and what if it is not.

    A guard never changes, so there is one for each policy, with one memory of spent tokens between them.
    """

    def __init__(self, simulator: Simulator, api_server: str) -> None:
        self.simulator = simulator
        self.policy: OnUnavailable = "deny"
        self.last: GeeTestResult | None = None
        """The latest decision: its `reason` is for the site's owner, and stands in no denial."""
        app, store = _app(self._switches(), _page()), MemoryStore()
        self._guards = {
            policy: GeeTestMiddleware(
                app,
                protect=["POST /login"],
                on_unavailable=policy,
                # All that the environment could say is said here: the demo is the same for everybody.
                captcha_id=simulator.captcha_id,
                captcha_key=simulator.captcha_key,
                api_server=api_server,
                store=store,
                on_result=self._remember,
            )
            for policy in _POLICIES
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI 3."""
        await self._guards[self.policy](scope, receive, send)

    @property
    def state(self) -> dict[str, str]:
        """How the switches stand. A simulator that is slow or garbled, by its own page, counts as down."""
        return {"geetest": "up" if self.simulator.mode == "up" else "down", "policy": self.policy}

    def set(self, *, geetest: str, policy: OnUnavailable) -> None:
        """Turn the switches. `geetest` is "up" or "down"."""
        {"up": self.simulator.up, "down": self.simulator.down}[geetest]()
        self.policy = policy

    def _remember(self, result: GeeTestResult, scope: Scope) -> None:
        self.last = result

    def _switches(self) -> list[Route]:
        async def token(request: Request) -> JSONResponse:
            kind = request.query_params.get("kind", "fresh")
            if kind not in _KINDS:
                return _wrong("kind", kind, _KINDS)
            return JSONResponse(self.simulator.token(expired=kind == "expired", forged=kind == "forged"))

        async def state(request: Request) -> JSONResponse:
            return JSONResponse(self.state)

        async def turn(request: Request) -> JSONResponse:
            wanted = self.state | dict(request.query_params)
            for name, choices in _SWITCHES.items():
                if wanted[name] not in choices:
                    return _wrong(name, wanted[name], choices)
            self.set(geetest=wanted["geetest"], policy="allow" if wanted["policy"] == "allow" else "deny")
            return JSONResponse(self.state)

        return [
            Route("/demo/token", token),
            Route("/demo/state", state, methods=["GET"]),
            Route("/demo/state", turn, methods=["POST"]),
        ]


def live_site() -> ASGIApp:
    """The site guarded by the real GeeTest; id and key from the environment. Raises ConfigError without them."""
    captcha_id, captcha_key = _config.credentials(None, None)
    app = _app([], _page(captcha_id))
    return GeeTestMiddleware(app, protect=["POST /login"], captcha_id=captcha_id, captcha_key=captcha_key)


def _app(switches: list[Route], page: HTMLResponse) -> Starlette:
    routes = [
        Route("/", page, methods=["GET"]),
        Route("/login", _log_in, methods=["POST"]),
        Route("/login", _login_form, methods=["GET"]),
    ]
    return Starlette(routes=[*routes, *switches])


async def _log_in(request: Request) -> JSONResponse:
    result = geetest_result(request)
    return JSONResponse({"outcome": result.outcome, "verified": result.verified})


async def _login_form(request: Request) -> JSONResponse:
    return JSONResponse({"message": "Not protected: the pattern is 'POST /login'."})


def _page(captcha_id: str | None = None) -> HTMLResponse:
    """The page as it is: no other host may be asked. With an id: the page that loads GeeTest's script."""
    page = files(__package__).joinpath("page.html").read_text("utf-8")
    headers = {"Cache-Control": "no-store"}
    if captcha_id is None:
        return HTMLResponse(page, headers=headers | {"Content-Security-Policy": _SELF_CONTAINED})
    script = f'<script id="gt4" src="{GT4}" data-captcha-id="{html.escape(captcha_id)}"></script>'
    return HTMLResponse(page.replace(_PLACE_FOR_GT4, script), headers=headers)


def _wrong(name: str, value: str, wanted: Iterable[str]) -> JSONResponse:
    return JSONResponse({"error": f"{name} is {value!r}: one of {', '.join(wanted)} is wanted"}, 400)
