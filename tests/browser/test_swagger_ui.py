"""Swagger UI's Authorize button, as docs/clients.md says: the genuine page of FastAPI, its scripts from npm."""

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from commands import name_geetest

from geetest_asgi.testing import Simulator, serve

if TYPE_CHECKING:
    from playwright.sync_api import Page

PAGE = (Path(__file__).parent.parent.parent / "docs" / "clients.md").read_text("utf-8")


def app() -> Any:
    section = PAGE.partition("## Swagger UI's Authorize button\n")[2]
    namespace: dict[str, Any] = {"__name__": "__clients__"}
    exec(compile(section.partition("```python\n")[2].partition("```")[0], "docs/clients.md", "exec"), namespace)
    return namespace["app"]


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
    if (logout := box.get_by_text("Logout", exact=True)).is_visible():
        logout.click()
    box.locator("input").fill(json.dumps(token))
    box.get_by_role("button", name="Apply credentials").click()
    box.get_by_role("button", name="Close").last.click()


def execute(page: "Page") -> tuple[int, Any]:
    with page.expect_response("**/orders") as answered:
        page.get_by_role("button", name="Execute").click()
    return answered.value.status, answered.value.json()


def test_a_token_is_pasted_and_good_for_one_request(
    tab: "Page", node_modules: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    simulator = Simulator()
    with serve(simulator) as geetest:
        name_geetest(monkeypatch, geetest)
        with serve(app()) as url:
            serve_scripts(tab, node_modules)
            tab.goto(f"{url}/docs")
            tab.locator(".opblock-summary", has_text="/orders").click()
            tab.get_by_role("button", name="Try it out").click()
            status, problem = execute(tab)
            assert (status, problem["code"]) == (403, "captcha_missing")
            authorize(tab, simulator.token())
            assert execute(tab) == (200, {"ordered": "tea"})
            status, problem = execute(tab)
            assert (status, problem["code"]) == (403, "captcha_replayed")
            authorize(tab, simulator.token())
            assert execute(tab) == (200, {"ordered": "tea"})
            assert [call.result for call in simulator.calls] == ["success"] * 2
