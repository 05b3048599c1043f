"""docs/clients.md in a browser: its pages with libraries from npm, its function for mini programs, Swagger UI."""

import json
import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from pages import Page as Document
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from geetest_asgi.testing import DEMO_ID

from .form_stage import PAGES
from .stage import Stage, Visiting

if TYPE_CHECKING:
    from playwright.sync_api import Page

PAGE = Document("docs/clients.md")
HEAD = """<!doctype html><html lang=en><head><meta charset=utf-8>
<script src="https://static.geetest.com/v4/gt4.js" defer></script>
<script src="/geetest/geetest-form.js" defer></script></head>"""
MOUNT = """import { createElement } from "react";
import { createRoot } from "react-dom/client";
import { Login } from "./Login.jsx";
createRoot(document.querySelector("#root")).render(createElement(Login));
"""
LIBRARIES = {
    "htmx": "htmx.org/dist/htmx.min.js",
    "htmx 4": "htmx4/dist/htmx.min.js",
    "Turbo": "@hotwired/turbo/dist/turbo.es2017-umd.js",
    "Vue": "vue/dist/vue.global.prod.js",
}
JS = "text/javascript"
each_htmx = pytest.mark.parametrize("name", ["htmx", "htmx 4"])


def block(heading: str, language: str, number: int = 0) -> str:
    """The block of this language below a heading of the page."""
    section = PAGE.text.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    return section.split(f"```{language}\n")[number + 1].partition("```")[0]


@contextmanager
def page(visiting: Visiting, body: str, **scripts: str) -> Iterator[Stage]:
    """The page's own app, which serves this body and these scripts too."""
    app = PAGE.run("app.mount(")["app"]
    app.routes.extend(
        [
            Route("/", lambda request: HTMLResponse(f"{HEAD}<body>{body}</body></html>")),
            Route("/welcome", lambda request: HTMLResponse("<p id=answer>Welcome, ada!")),
            Route("/favicon.ico", lambda request: Response(status_code=204)),
            Route("/static/{name}.js", lambda request: Response(scripts[request.path_params["name"]], media_type=JS)),
        ]
    )
    with visiting(app) as stage:
        yield stage


def library(node_modules: Path, name: str) -> dict[str, str]:
    """The script of this library, by the name that the pages have for it."""
    return {name.partition(" ")[0].lower(): (node_modules / LIBRARIES[name]).read_text("utf-8")}


def log_in(stage: Stage) -> None:
    """Fill in the form, solve, and read the answer."""
    stage.page.get_by_role("textbox", name="Name").fill("ada")
    stage.page.get_by_role("button", name="Log in").click()
    stage.solve()
    stage.page.locator("#answer", has_text="Welcome, ada!").wait_for()
    assert [call.result for call in stage.simulator.calls] == ["success"]


@pytest.mark.parametrize("name", LIBRARIES)
def test_a_page_with_its_library(visiting: Visiting, node_modules: Path, name: str) -> None:
    with page(visiting, block(name.partition(" ")[0], "html"), **library(node_modules, name)) as stage:
        log_in(stage)


@each_htmx
def test_listeners_for_htmx_put_a_denial_into_words(visiting: Visiting, node_modules: Path, name: str) -> None:
    with page(visiting, block("htmx", "html") + block("htmx", "html", 1), **library(node_modules, name)) as stage:
        stage.simulator.answers(200, {"status": "success", "result": "fail", "reason": "pass_token error"})
        stage.page.get_by_role("button", name="Log in").click()
        stage.solve()
        stage.page.get_by_text("Solve a new captcha and send the request again.", exact=True).wait_for()
        assert stage.page.locator("h1").count() == 0, "the page was swapped in"
        stage.simulator.up()
        stage.pause()
        stage.page.get_by_role("button", name="Log in").click()
        stage.solve()
        stage.page.locator("#answer", has_text="Welcome, ").wait_for()
        stage.complaints = [said for said in stage.complaints if "403" not in said]  # htmx 2 writes it on the console


@each_htmx
def test_a_form_that_swaps_itself_keeps_its_token(visiting: Visiting, node_modules: Path, name: str) -> None:
    configured = block("htmx", "html", 2) if name == "htmx" else ""
    body = f"""{configured}<script src="/static/htmx.js" defer></script>
      <script type="module">document.body.append(document.createRange().createContextualFragment(
        await (await fetch("/register")).text())); htmx.process(document.body)</script>"""
    with page(visiting, body, **library(node_modules, name)) as stage:
        stage.page.get_by_role("textbox", name="E-mail").fill("ada")
        stage.page.get_by_role("button", name="Register").click()
        with stage.page.expect_response("**/register") as answer:
            stage.solve()
        assert answer.value.status == 422
        stage.page.wait_for_function("!document.querySelector('[name=email]').value")
        stage.pause()
        stage.page.get_by_role("textbox", name="E-mail").fill("ada@example.com")
        stage.page.get_by_role("button", name="Register").click()
        stage.page.get_by_text("Registered ada@example.com.").wait_for()
        assert [call.result for call in stage.simulator.calls] == ["success"]


def test_the_component_for_react(visiting: Visiting, node_modules: Path, tmp_path: Path) -> None:
    (tmp_path / "Login.jsx").write_text(block("React", "jsx"))
    (tmp_path / "main.js").write_text(MOUNT)
    (tmp_path / "node_modules").symlink_to(node_modules)
    options = ("--bundle", "--jsx=automatic", "--alias:react=react19", "--alias:react-dom=react-dom19")
    esbuild = [str(node_modules / ".bin" / "esbuild"), "main.js", *options, "--log-level=error"]
    built = subprocess.run(esbuild, cwd=tmp_path, capture_output=True, text=True, check=True).stdout
    with page(visiting, '<div id="root"></div><script src="/static/main.js" defer></script>', main=built) as stage:
        log_in(stage)


def test_the_function_for_mini_programs(visiting: Visiting) -> None:
    with page(visiting, "") as stage:
        stage.page.evaluate((PAGES / "wx.js").read_text())
        token = {**stage.simulator.token(), "captcha_id": DEMO_ID}
        login = block("WeChat mini program and uni-app", "js")
        stage.page.evaluate(f"(token) => {{ {login}; login('ada', token); }}", token)
        stage.page.wait_for_function("window.toast")
        assert stage.ask("toast") == "Welcome, ada!"


def serve_scripts(page: "Page", node_modules: Path) -> None:
    """In place of the hosts that FastAPI's page loads them from."""
    page.route("https://fastapi.tiangolo.com/**", lambda route: route.fulfill(status=204))
    page.route(
        re.compile(r"https://cdn\.jsdelivr\.net/.*"),
        lambda route: route.fulfill(path=node_modules / "swagger-ui-dist" / route.request.url.rpartition("/")[2]),
    )


def authorize(page: "Page", token: dict[str, str]) -> None:
    page.get_by_role("button", name="Authorize", exact=True).click()
    box = page.locator(".dialog-ux")
    box.wait_for()
    box.locator("input").fill(json.dumps(token))
    box.get_by_role("button", name="Apply credentials").click()
    box.get_by_role("button", name="Close").last.click()


def execute(page: "Page") -> tuple[int, Any]:
    with page.expect_response("**/orders") as answered:
        page.get_by_role("button", name="Execute").click()
    answer = answered.value.json()
    return answered.value.status, answer.get("code", answer)


def test_a_token_is_pasted_and_good_for_one_request(visiting: Visiting, tab: "Page", node_modules: Path) -> None:
    serve_scripts(tab, node_modules)
    with visiting(PAGE.run("APIKeyHeader")["app"], "/docs") as stage:
        tab.locator(".opblock-summary", has_text="/orders").click()
        tab.get_by_role("button", name="Try it out").click()
        assert execute(tab) == (403, "captcha_missing")
        authorize(tab, stage.simulator.token())
        assert execute(tab) == (200, {"ordered": "tea"})
        assert execute(tab) == (403, "captcha_replayed")
        assert [call.result for call in stage.simulator.calls] == ["success"]
        stage.complaints = [said for said in stage.complaints if "403" not in said]
