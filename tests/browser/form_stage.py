"""A site that serves geetest-form.js beside guarded routes, and a visitor who fills in its forms."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anyio
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from geetest_asgi import GeeTestMiddleware, Limits, Rule, geetest_result
from geetest_asgi.frontend import form_script

from .stage import Stage

if TYPE_CHECKING:
    from playwright.sync_api import Locator, Page
    from playwright.sync_api import Request as Sent
    from starlette.types import ASGIApp

    from geetest_asgi.testing import Simulator

PAGES = Path(__file__).parent / "pages"
HEARD = (PAGES / "heard.js").read_text()
POLICIES = {
    "strict": "default-src 'none'; script-src 'self' {geetest}; form-action 'self'; base-uri 'none'; "
    "require-trusted-types-for 'script'; trusted-types geetest-simulator",
    "nonce": "default-src 'none'; script-src 'nonce-c0ffee'; form-action 'self'; base-uri 'none'",
}
PASSED = {"outcome": "passed", "verified": True, "username": "ada"}
PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>log in</title>
<script src="{geetest}/v4/gt4.js"></script>
<script src="/geetest-form.js" defer></script>
</head><body>{body}</body></html>
"""
PRODUCTS = ["float", "popup", "bind"]
EMPTY = dict.fromkeys(("lot_number", "captcha_output", "pass_token", "gen_time"), "")
ID = 'data-geetest-captcha-id="sim-site"'
FORM = """<form method="post" action="{action}" {attributes}>
<p><label>Name <input name="username" value="ada"></label></p>
<p><button name="by" value="button">Log in</button></p>
</form>
"""


def form(attributes: str = "", action: str = "/login") -> str:
    """A form with a captcha."""
    return FORM.format(action=action, attributes=f"{ID} {attributes}")


class FormSite:
    """The page is the test's to write; whatever is posted to is guarded."""

    def __init__(self, geetest: str) -> None:
        self.geetest = geetest
        self.page = ""
        self.headers: dict[str, str] = {}
        self.outcomes: list[str] = []
        """What the guard has decided since the page was opened."""
        self.files: dict[str, bytes] = {}
        """What is served below /npm/."""
        self.settings: dict[str, Any] = {
            "captcha_id": "sim-site",
            "captcha_key": "any-key",
            "api_server": geetest,
            "on_result": lambda result, scope: self.outcomes.append(str(result.outcome)),
        }
        """Of the guard."""
        self.app: ASGIApp = GeeTestMiddleware(
            Starlette(routes=self._routes()),
            protect=[
                "POST /login",
                "POST /slow",
                "POST /welcome",
                "POST /orders/*",
                Rule("POST /prefixed", fields="geetest_"),
                Rule("POST /camel", fields="camelCase"),
                Rule("POST /mapped", fields={"lot_number": "lot"}),
                Rule("POST /contained", fields="captcha"),
                Rule("POST /upload", limits=Limits(max_body=4096)),
                Rule("GET /search", sources=("query",)),
                Rule("POST /api/**", sources=("header",)),
            ],
            timeout=5,
            on_unavailable="deny",
            **self.settings,
        )

    def _routes(self) -> list[Route]:
        async def page(request: Request) -> HTMLResponse:
            return HTMLResponse(self.page, headers=self.headers)

        async def file(request: Request) -> Response:
            kept = PAGES / request.path_params["file"]
            policy = POLICIES.get(request.query_params.get("policy", ""), "")
            media_type = "text/html" if kept.suffix == ".html" else "text/javascript"
            headers = {"content-security-policy": policy.replace("{geetest}", self.geetest)}
            return Response(kept.read_text().replace("{geetest}", self.geetest), headers=headers, media_type=media_type)

        async def login(request: Request) -> JSONResponse:
            result = geetest_result(request)
            if request.headers.get("content-type", "").startswith("application/json"):
                username = (await request.json())["username"]
            else:
                async with request.form() as form:
                    username = form.get("username") or request.query_params.get("username")
            return JSONResponse({"outcome": result.outcome, "verified": result.verified, "username": username})

        async def slow(request: Request) -> JSONResponse:
            await anyio.sleep(1)
            return await login(request)

        async def away(request: Request) -> RedirectResponse:
            return RedirectResponse(f"{self.geetest}/verify", 307)  # which pages of every origin may call

        async def welcome(request: Request) -> Response:
            return RedirectResponse("/welcomed", 303)

        async def welcomed(request: Request) -> Response:
            return HTMLResponse('<!doctype html><title>in</title><p id="welcome">welcome</p>')

        async def packages(request: Request) -> Response:
            content = self.files[request.path_params["path"]]
            return Response(content, media_type="text/javascript", headers={"cache-control": "max-age=600"})

        return [
            Route("/geetest-form.js", form_script),
            Route("/geetest-form.mjs", form_script),
            Route("/page", page),
            Route("/other", page),
            Route("/npm/{path:path}", packages),
            Route("/welcome", welcome, methods=["POST"]),
            Route("/welcomed", welcomed),
            Route("/search", login),
            Route("/slow", slow, methods=["POST"]),
            Route("/api/away", away, methods=["POST"]),
            Route("/favicon.ico", lambda request: Response(status_code=204)),
            Route("/{path:path}", login, methods=["POST"]),
            Route("/{file}", file),
        ]


Site = tuple["Simulator", FormSite, str]
"""GeeTest's stand-in, the site that asks it, and the site's address."""


@dataclass
class FormStage(Stage):
    """One visit to the site."""

    server: FormSite = field(kw_only=True)
    posts: "list[Sent]" = field(default_factory=list)
    """What the browser has posted to the site."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.page.on("request", self._see)

    def _see(self, request: "Sent") -> None:
        if request.method == "POST":
            self.posts.append(request)

    def open(self, body: str, page: str = PAGE, **headers: str) -> None:
        """Visit a page of this body. Its events go to `happened`."""
        self.server.page = page.replace("{geetest}", self.geetest).replace("{body}", body)
        self.server.headers = {name.replace("_", "-"): value for name, value in headers.items()}
        self.server.outcomes.clear()
        self.page.goto(f"{self.site}/page")
        self.page.evaluate(HEARD)

    def form(self, attributes: str = "", action: str = "/login") -> None:
        """Visit a page with a form; `attributes` come after the captcha's id."""
        self.open(form(attributes, action))

    @property
    def submit(self) -> "Locator":
        return self.page.get_by_role("button", name="Log in")

    @property
    def message(self) -> "Locator":
        return self.page.get_by_role("alert")

    @contextmanager
    def arrives(self, path: str = "login", **changes: str) -> Iterator[None]:
        """What is done meanwhile leads to the page of a request that passed."""
        with self.page.expect_navigation(url=f"**/{path}"):
            yield
        assert self.answer() == PASSED | changes

    def verify(self) -> None:
        """Solve a captcha that has a button of its own."""
        self.open_box()
        self.solve()
        self.page.locator("[data-state=solved]").first.wait_for()

    def verify_and_submit(self) -> None:
        self.verify()
        self.submit.click()

    def submit_and_solve(self) -> None:
        """With bind; it passes."""
        self.submit.click()
        with self.arrives():
            self.solve()

    def hidden(self) -> dict[str, str]:
        """The hidden inputs of the form."""
        found: dict[str, str] = self.ask(
            "Object.fromEntries([...document.querySelectorAll('input[type=hidden]')].map(it => [it.name, it.value]))"
        )
        return found

    def told(self, name: str) -> Any:
        """What the latest event of this name brought, once there is one."""
        self.page.wait_for_function("name => happened.some(([it]) => it === name)", arg=name)
        return [value for it, value in self.ask("happened") if it == name][-1]

    def sent(self) -> Any:
        """What came of the promise that the page was to keep, once it is settled; of an error its code."""
        self.page.wait_for_function("window.sent")
        return self.ask("sent.value")

    def answer(self) -> Any:
        """The JSON that the page now is."""
        return json.loads(self.page.inner_text("body"))


@contextmanager
def visit(page: "Page", simulator: "Simulator", server: FormSite, url: str) -> Iterator[FormStage]:
    """One visit. Whatever the page threw or complained of at the end is a failure of the test."""
    simulator.up()
    simulator.calls.clear()
    stage = FormStage(simulator, server.geetest, url, page, server=server)
    yield stage
    page.close()
    assert stage.complaints == stage.expected, stage.complaints
