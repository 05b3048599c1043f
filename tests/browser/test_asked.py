"""Only when asked for: a real guard with `when=AfterFailures(…)` and `forgive=(422,)`, and pages of four kinds."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse
from starlette.routing import Route

from geetest_asgi import AfterFailures, GeeTestMiddleware, Rule
from geetest_asgi.testing import Simulator, serve

from .form_stage import PAGE, FormSite, FormStage, visit

if TYPE_CHECKING:
    from playwright.sync_api import Page
    from playwright.sync_api import Route as PassedOn

FORM = """<form id="f" method="post" action="/login" {attributes} data-geetest-captcha-id="sim-site"
 data-geetest-product="bind" data-geetest-when="asked"><input name="username" value="wrong">
 <button id="go">Log in</button></form><output id="answer"></output>"""
SHOW = "document.querySelector('output').textContent ="
HTMX = 'hx-post="/login" hx-target="#answer"'
SWAP_ALL = """<meta name="htmx-config" content='{"responseHandling": [{"code": ".*", "swap": true}]}'>"""
WAYS = {  # a library, and the page's body
    "a plain form": (
        None,
        FORM.format(attributes="")
        + f"""<script>addEventListener("geetest:response", async (event) => {{
          {SHOW} await event.detail.response.clone().text() }})</script>""",
    ),
    "fetch": (
        None,
        FORM.format(attributes="")
        + f"""<script>f.onsubmit = async (event) => {{ event.preventDefault();
          {SHOW} await (await fetch("/login", {{method: "POST", body: new FormData(f)}})).text() }}</script>""",
    ),
    "htmx": ("htmx2", SWAP_ALL + FORM.format(attributes=HTMX)),
    "htmx 4": ("htmx4", FORM.format(attributes=HTMX)),  # it asks for HTML
    "React": ("react", "<script>how = 'listener'; when = 'asked'</script><div id='root'></div>"),
}


class LoginSite(FormSite):
    """Its login knows ada, a wrong name, and no name. Three failures of a client, and a captcha is wanted."""

    def __init__(self, geetest: str, **settings: Any) -> None:
        super().__init__(geetest)
        self.answers: list[int] = []
        """The statuses of the login."""
        app = Starlette(routes=[Route("/login", self._login, methods=["POST"]), *self._routes()])
        asked = Rule("POST /login", sources=("body", "header"), when=AfterFailures(2), forgive=(422,))
        self.app = GeeTestMiddleware(app, **{"protect": [asked], **self.settings, **settings})

    async def _login(self, request: Request) -> JSONResponse:
        is_json = request.headers.get("content-type") == "application/json"
        sent = await (request.json() if is_json else request.form())
        status = {"ada": 200, "": 422}.get(str(sent["username"]), 401)
        self.answers.append(status)
        return JSONResponse(f"answer {len(self.answers)}", status)


def page_for_denial(geetest: str) -> LoginSite:
    """Its denial is a page of its own, with a status of its own."""
    denied = HTMLResponse("<p>A captcha is wanted.", 400)
    return LoginSite(geetest, protect=["POST /login"], on_denied=lambda result, scope: denied)


@contextmanager
def visiting(tab: "Page", site: Callable[[str], LoginSite], files: dict[str, bytes]) -> Iterator[FormStage]:
    """A visit to a server of its own, which has counted no failures yet."""
    simulator = Simulator()
    with serve(simulator) as geetest:
        server = site(geetest)
        server.files = files
        with serve(server.app) as url, visit(tab, simulator, server, url) as stage:
            yield stage


def open_page(stage: FormStage, way: str) -> None:
    library, body = WAYS[way]
    script = f'<script src="/npm/{library}" defer></script></head>' if library else "</head>"
    stage.open(body, PAGE.replace("</head>", script))
    stage.page.wait_for_load_state("networkidle")


def log_in(stage: FormStage, name: str, answer: int | None = None) -> None:
    """Press the button, and read this answer of the app's."""
    stage.page.fill("[name=username]", name)
    stage.page.locator("#go").click(no_wait_after=True)
    if answer:
        stage.page.locator("output", has_text=f"answer {answer}").wait_for()
        stage.pause()


@pytest.mark.parametrize("way", WAYS)
def test_after_failures_a_captcha_that_a_422_does_not_spend(tab: "Page", packages: dict[str, bytes], way: str) -> None:
    with visiting(tab, LoginSite, packages) as stage:
        open_page(stage, way)
        loads: list[str] = []
        stage.page.on("request", lambda request: loads.append(request.url) if "/load" in request.url else None)
        log_in(stage, "wrong", 1)
        log_in(stage, "eve", 2)
        assert not stage.box.is_visible()
        assert loads == [], "GeeTest is not loaded before it is wanted"
        log_in(stage, "")
        stage.solve()
        stage.page.locator("output", has_text="answer 3").wait_for()
        log_in(stage, "ada", 4)
        assert isinstance(stage.server, LoginSite)
        assert not stage.box.is_visible()
        assert stage.server.outcomes.count("passed") == 2
        [call] = stage.simulator.calls
        assert call.result == "success"
        log_in(stage, "eve", 5)
        assert stage.server.answers == [401, 401, 422, 200, 401]
        token = call.parameters["pass_token"]
        assert [token in f"{post.headers}{post.post_data}" for post in stage.posts[-2:]] == [True, False]


@pytest.mark.parametrize("way", [way for way in WAYS if way != "React"])
def test_a_denial_of_the_sites_own_brings_the_captcha_too(tab: "Page", packages: dict[str, bytes], way: str) -> None:
    with visiting(tab, page_for_denial, packages) as stage:
        open_page(stage, way)
        log_in(stage, "ada")
        stage.solve()
        stage.page.locator("output", has_text="answer 1").wait_for()
        assert stage.server.outcomes == ["missing", "passed"]


@pytest.mark.parametrize("way", ["fetch", "htmx"])
def test_where_the_header_is_hidden_the_problem_counts(tab: "Page", packages: dict[str, bytes], way: str) -> None:
    """As another origin hides it that does not expose it: by fetch, and by XMLHttpRequest."""

    def hide(route: "PassedOn") -> None:
        response = route.fetch()
        headers = {name: value for name, value in response.headers.items() if name != "x-geetest-denial"}
        route.fulfill(response=response, headers=headers)

    with visiting(tab, LoginSite, packages) as stage:
        stage.page.route("**/login", hide)
        open_page(stage, way)
        log_in(stage, "wrong", 1)
        log_in(stage, "eve", 2)
        log_in(stage, "ada")
        stage.solve()
        stage.page.locator("output", has_text="answer 3").wait_for()
        assert stage.server.outcomes == ["skipped", "skipped", "missing", "passed"]
