"""The site that the tests visit, and what they do on it."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anyio
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from geetest_asgi import GeeTestMiddleware, geetest_result
from geetest_asgi.testing import Simulator

if TYPE_CHECKING:
    from playwright.sync_api import ConsoleMessage, Locator, Page
    from starlette.types import ASGIApp

PAGES = Path(__file__).parent / "pages"
STRICT = (
    "default-src 'none'; script-src 'self' {geetest}; form-action 'self'; base-uri 'none'; "
    "require-trusted-types-for 'script'; trusted-types geetest-simulator"
)
NONCE = "default-src 'none'; script-src 'nonce-c0ffee'; form-action 'self'; base-uri 'none'"
OUTAGE = ("Failed to load resource", "Refused to execute script")
"""What the browser says when a script cannot be had, which a test of an outage wants."""
POLICIES = {"strict": STRICT, "nonce": NONCE}


def site(geetest: str) -> "ASGIApp":
    """A page for each test to fill, a login page, and a guarded login. `geetest` is the simulator's address."""

    async def page(request: Request) -> HTMLResponse:
        text = (PAGES / f"{request.path_params['name']}.html").read_text()
        policy = POLICIES.get(request.query_params.get("policy", ""), "").format(geetest=geetest)
        headers = {"content-security-policy": policy} if policy else {}
        return HTMLResponse(text.replace("{geetest}", geetest), headers=headers)

    async def script(request: Request) -> Response:
        return Response((PAGES / f"{request.path_params['name']}.js").read_bytes(), media_type="text/javascript")

    async def login(request: Request) -> JSONResponse:
        result = geetest_result(request)
        form = await request.form()
        return JSONResponse({"outcome": result.outcome, "verified": result.verified, "username": form["username"]})

    async def late(request: Request) -> RedirectResponse:
        await anyio.sleep(3)
        return RedirectResponse(f"{geetest}/load?{request.url.query}")

    routes = [
        Route("/late/load", late),
        Route("/login", login, methods=["POST"]),
        Route("/{name}.html", page),
        Route("/{name}.js", script),
        Route("/favicon.ico", lambda request: Response(status_code=204)),
    ]
    return GeeTestMiddleware(
        Starlette(routes=routes),
        protect=["POST /login"],
        captcha_id="sim-site",
        captcha_key="any-key",
        api_server=geetest,
        timeout=5,
    )


Visiting = Callable[..., AbstractContextManager["Stage"]]
"""Of an app and a path: a visit to the app."""


@dataclass
class Stage:
    """One visit."""

    simulator: Simulator
    geetest: str
    site: str
    page: "Page"
    complaints: list[str] = field(default_factory=list)
    """What the page threw, and what the browser wrote on its console as an error."""
    expected: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.page.on("pageerror", lambda error: self.complaints.append(error.message))
        self.page.on("console", self._hear)

    def _hear(self, said: "ConsoleMessage") -> None:
        if said.type == "error" and not said.text.startswith(OUTAGE):
            self.complaints.append(said.text)

    def go(self, name: str = "page") -> None:
        """Open a page of the site."""
        self.page.goto(f"{self.site}/{name}")

    def start(self, place: str | None = "#captcha", **options: Any) -> None:
        """Make a captcha, which the page then has as `captcha`; its events go to `happened`."""
        self.page.evaluate("([options, place]) => start(options, place)", [{"captchaId": "sim-site", **options}, place])

    def begin(self, place: str | None = "#captcha", **options: Any) -> None:
        """Open an empty page and make a captcha there."""
        self.go("page.html")
        self.start(place, **options)

    def happened(self, number: int) -> list[str]:
        """The events so far, once there are so many of them."""
        return [name for name, _ in self.details(number)]

    def details(self, number: int) -> list[tuple[str, Any]]:
        """The events with what their listeners were given."""
        for _ in range(200):
            seen: list[tuple[str, Any]] = self.page.evaluate("() => happened")
            if len(seen) >= number:
                break
            self.page.wait_for_timeout(50)
        assert len(seen) == number, seen
        return [(name, value) for name, value in seen]

    def ask(self, expression: str, arg: Any = None) -> Any:
        """A value of the page's."""
        return self.page.evaluate(expression, arg)

    @property
    def button(self) -> "Locator":
        return self.page.locator(".geetest_btn_click")

    @property
    def box(self) -> "Locator":
        return self.page.get_by_role("dialog")

    def open_box(self) -> None:
        self.button.click()
        self.box.wait_for(state="visible")

    def pause(self) -> None:
        """What comes sooner is a double click."""
        self.page.wait_for_timeout(1000)

    def solve(self) -> None:
        self.page.get_by_role("button", name="I am human").click()

    def succeed(self, number: int) -> None:
        """Solve, which is the latest of so many events."""
        self.solve()
        assert self.happened(number)[-1] == "success"
