"""What sites use from npm, unmodified, carried through a guarded login: react-geetest-v4 and vue3-geetest."""

import json
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import pytest

from .stage import Stage

if TYPE_CHECKING:
    from playwright.sync_api import Route

PACKAGES = ("react@18.3.1", "react-dom@18.3.1", "react-geetest-v4@1.1.3", "vue@3.5.13", "vue3-geetest@1.0.21")


@pytest.fixture(scope="package")
def node_modules(chromium: object, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The packages from npm, fetched now: none is kept here. No script of theirs is run."""
    if (npm := shutil.which("npm")) is None:
        pytest.skip("needs npm: apt-get install npm")
    home = tmp_path_factory.mktemp("npm")
    options = ("--ignore-scripts", "--no-audit", "--no-fund", "--prefix", str(home))
    done = subprocess.run([npm, "install", *options, *PACKAGES], capture_output=True, text=True, timeout=120)
    if done.returncode:
        pytest.skip(f"npm cannot fetch the clients: {done.stderr.strip()[-200:]}")
    return home / "node_modules"


def serve_packages(stage: Stage, node_modules: Path) -> None:
    def answer(route: "Route") -> None:
        path = node_modules / route.request.url.partition("/npm/")[2]
        route.fulfill(body=path.read_text("utf-8"), content_type="text/javascript")

    stage.page.route("**/npm/**", answer)


def stand_in_for_static_geetest_com(stage: Stage) -> None:
    """As an entry in a hosts file would: a client with GeeTest's address in it meets the simulator."""

    def answer(route: "Route") -> None:
        reply = httpx.get(route.request.url.replace("https://static.geetest.com", stage.geetest))
        route.fulfill(status=reply.status_code, headers=dict(reply.headers), body=reply.content)

    stage.page.route("https://static.geetest.com/**", answer)


@pytest.mark.parametrize("product", ["float", "popup", "bind"])
@pytest.mark.parametrize("client", ["react", "vue"])
def test_a_client_from_npm_reaches_the_guarded_login(
    stage: Stage, node_modules: Path, client: str, product: str
) -> None:
    from playwright.sync_api import expect

    serve_packages(stage, node_modules)
    stand_in_for_static_geetest_com(stage)
    stage.go(f"{client}.html?product={product}")
    expect(stage.page).to_have_title("ready")
    stage.page.get_by_role("button", name="Log in" if product == "bind" else "Click to verify").click()
    stage.solve()
    output = stage.page.locator("output")
    output.filter(has_text="outcome").wait_for()
    assert json.loads(output.inner_text()) == {"outcome": "passed", "verified": True, "username": "ada"}
    assert [call.result for call in stage.simulator.calls] == ["success"]
