"""What sites use from npm, unmodified, carried through a guarded login: react-geetest-v4 and vue3-geetest."""

import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from visitor import stand_in_for_static_geetest_com

from .stage import Stage

if TYPE_CHECKING:
    from playwright.sync_api import Route


def serve_packages(stage: Stage, node_modules: Path) -> None:
    def answer(route: "Route") -> None:
        path = node_modules / route.request.url.partition("/npm/")[2]
        route.fulfill(body=path.read_text("utf-8"), content_type="text/javascript")

    stage.page.route("**/npm/**", answer)


@pytest.mark.parametrize("product", ["float", "popup", "bind"])
@pytest.mark.parametrize("client", ["react", "vue"])
def test_a_client_from_npm_logs_in(stage: Stage, node_modules: Path, client: str, product: str) -> None:
    from playwright.sync_api import expect

    serve_packages(stage, node_modules)
    stand_in_for_static_geetest_com(stage.page, stage.geetest)
    stage.go(f"{client}.html?product={product}")
    expect(stage.page).to_have_title("ready")
    stage.page.get_by_role("button", name="Log in" if product == "bind" else "Click to verify").click()
    stage.solve()
    output = stage.page.locator("output")
    output.filter(has_text="outcome").wait_for()
    assert json.loads(output.inner_text()) == {"outcome": "passed", "verified": True, "username": "ada"}
    assert [call.result for call in stage.simulator.calls] == ["success"]
