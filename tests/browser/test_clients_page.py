"""docs/clients.md in a browser: its pages with the libraries from npm, its function for mini programs."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from commands import name_geetest
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from geetest_asgi.testing import DEMO_ID, Simulator, serve

from .stage import Stage

if TYPE_CHECKING:
    from playwright.sync_api import Page

ROOT = Path(__file__).parent.parent.parent
PAGE = (ROOT / "docs" / "clients.md").read_text()
HEAD = '<script src="{geetest}/v4/gt4.js" defer></script><script src="/geetest/geetest-form.js" defer></script>'
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
WX = """window.wx = {
  // What its documentation says of it: an object is sent as JSON, and `data` is the answer.
  request: async ({url, method, data, success}) => {
    const headers = {"content-type": "application/json"};
    const response = await fetch(new URL(url).pathname, {method, headers, body: JSON.stringify(data)});
    success({data: await response.text(), statusCode: response.status});
  },
  showToast: ({title}) => { window.toast = title; },
};"""


def block(heading: str, language: str, number: int = 0) -> str:
    """The block of this language below a heading of the page."""
    section = PAGE.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    return section.split(f"```{language}\n")[number + 1].partition("```")[0]


@contextmanager
def visiting(tab: "Page", monkeypatch: pytest.MonkeyPatch, body: str, scripts: dict[str, str]) -> Iterator[Stage]:
    """The page's own app, which serves this body and these scripts too."""
    app = PAGE.partition("```python\n")[2].partition("```")[0]
    namespace: dict[str, Any] = {"__name__": "__clients__"}
    exec(compile(app, "docs/clients.md", "exec"), namespace)
    simulator = Simulator()
    with serve(simulator) as geetest:
        head = f"<!doctype html><html lang=en><head><meta charset=utf-8>{HEAD.format(geetest=geetest)}</head>"
        namespace["app"].routes.extend(
            [
                Route("/", lambda request: HTMLResponse(f"{head}<body>{body}</body></html>")),
                Route("/welcome", lambda request: HTMLResponse("<p id=answer>Welcome, ada!")),
                Route("/favicon.ico", lambda request: Response(status_code=204)),
                *(Route(f"/static/{name}", script(text)) for name, text in scripts.items()),
            ]
        )
        with serve(namespace["app"]) as url:
            name_geetest(monkeypatch, geetest)
            stage = Stage(simulator, geetest, url, tab)
            stage.page.goto(url)
            yield stage
            tab.close()
            assert stage.complaints == []


def script(text: str) -> Any:
    return lambda request: Response(text, media_type="text/javascript")


def log_in(stage: Stage) -> None:
    """Fill in the form, solve, and read the answer."""
    stage.page.get_by_role("textbox", name="Name").fill("ada")
    stage.page.get_by_role("button", name="Log in").click()
    stage.solve()
    stage.page.locator("#answer", has_text="Welcome, ada!").wait_for()
    assert [call.result for call in stage.simulator.calls] == ["success"]


@pytest.mark.parametrize("name", LIBRARIES)
def test_a_page_with_its_library(tab: "Page", node_modules: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    heading = name.partition(" ")[0]
    library = (node_modules / LIBRARIES[name]).read_text("utf-8")
    with visiting(tab, monkeypatch, block(heading, "html"), {f"{heading.lower()}.js": library}) as stage:
        log_in(stage)


@pytest.mark.parametrize("name", ["htmx", "htmx 4"])
def test_a_denial_is_put_into_words_by_the_listeners_for_htmx(
    tab: "Page", node_modules: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    library = (node_modules / LIBRARIES[name]).read_text("utf-8")
    body = block("htmx", "html") + block("htmx", "html", 1)
    with visiting(tab, monkeypatch, body, {"htmx.js": library}) as stage:
        stage.simulator.answers(200, {"status": "success", "result": "fail", "reason": "pass_token error"})
        stage.page.get_by_role("button", name="Log in").click()
        stage.solve()
        stage.page.get_by_text("Solve a new captcha and send the request again.", exact=True).wait_for()
        assert stage.page.locator("h1").count() == 0, "the page was swapped in"
        stage.simulator.up()
        stage.page.wait_for_timeout(1000)  # what comes sooner is a double click
        stage.page.get_by_role("button", name="Log in").click()
        stage.solve()
        stage.page.locator("#answer", has_text="Welcome, ").wait_for()
        stage.complaints = [said for said in stage.complaints if "403" not in said]  # htmx 2 writes it on the console


@pytest.mark.parametrize("name", ["htmx", "htmx 4"])
def test_a_form_that_swaps_itself_keeps_its_token_after_a_422(
    tab: "Page", node_modules: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    library = (node_modules / LIBRARIES[name]).read_text("utf-8")
    configured = block("htmx", "html", 2) if name == "htmx" else ""
    body = f"""{configured}<script src="/static/htmx.js" defer></script>
      <script type="module">document.body.append(document.createRange().createContextualFragment(
        await (await fetch("/register")).text())); htmx.process(document.body)</script>"""
    with visiting(tab, monkeypatch, body, {"htmx.js": library}) as stage:
        stage.page.get_by_role("textbox", name="E-mail").fill("ada")
        stage.page.get_by_role("button", name="Register").click()
        with stage.page.expect_response("**/register") as answer:
            stage.solve()
        assert answer.value.status == 422
        stage.page.wait_for_function("!document.querySelector('[name=email]').value")
        stage.page.wait_for_timeout(1000)  # what comes sooner is a double click
        stage.page.get_by_role("textbox", name="E-mail").fill("ada@example.com")
        stage.page.get_by_role("button", name="Register").click()
        stage.page.get_by_text("Registered ada@example.com.").wait_for()
        assert [call.result for call in stage.simulator.calls] == ["success"]


def test_the_component_for_react(
    tab: "Page", node_modules: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "Login.jsx").write_text(block("React", "jsx"))
    (tmp_path / "main.js").write_text(MOUNT)
    (tmp_path / "node_modules").symlink_to(node_modules)
    options = ("--bundle", "--jsx=automatic", "--alias:react=react19", "--alias:react-dom=react-dom19")
    esbuild = [str(node_modules / ".bin" / "esbuild"), "main.js", *options, "--log-level=error"]
    built = subprocess.run(esbuild, cwd=tmp_path, capture_output=True, text=True, check=True).stdout
    body = '<div id="root"></div><script src="/static/main.js" defer></script>'
    with visiting(tab, monkeypatch, body, {"main.js": built}) as stage:
        log_in(stage)


def test_the_function_for_mini_programs(tab: "Page", monkeypatch: pytest.MonkeyPatch) -> None:
    with visiting(tab, monkeypatch, "", {}) as stage:
        stage.page.evaluate(WX)
        token = {**stage.simulator.token(), "captcha_id": DEMO_ID}
        login = block("WeChat mini program and uni-app", "js")
        stage.page.evaluate(f"(token) => {{ {login}; login('ada', token); }}", token)
        stage.page.wait_for_function("window.toast")
        assert stage.ask("toast") == "Welcome, ada!"
