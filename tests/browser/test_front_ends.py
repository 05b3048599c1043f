"""docs/front-ends.md as its readers follow it: its server, its pages, its policy, in a browser."""

import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from commands import name_geetest
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from visitor import stand_in_for_static_geetest_com

from geetest_asgi.frontend import MODULE, SCRIPT, TYPES
from geetest_asgi.testing import Simulator, serve

from .stage import Stage

if TYPE_CHECKING:
    from playwright.sync_api import Page

Reader = Callable[..., AbstractContextManager[Stage]]

ROOT = Path(__file__).parent.parent.parent
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```$", (ROOT / "docs" / "front-ends.md").read_text(), re.MULTILINE | re.DOTALL)
[SERVER], [PLAIN, AJAX, FETCH], [TAGS, COPY], [POLICY] = (
    [text for each, text in BLOCKS if each == language] for language in ("python", "html", "sh", "http")
)


def in_page(body: str) -> str:
    """The first page, with another body."""
    head, _, _ = PLAIN.partition("<body>")
    return f"{head}<body>{body}</body></html>"


def with_policy(app: ASGIApp, policy: str) -> ASGIApp:
    async def answer(scope: Scope, receive: Receive, send: Send) -> None:
        async def send_with_policy(message: Message) -> None:
            if policy and message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], (b"content-security-policy", policy.encode())]
            await send(message)

        await app(scope, receive, send_with_policy)

    return answer


@pytest.fixture
def read(tab: "Page", tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Reader:
    @contextmanager
    def reading(page: str, policy: str = "") -> Iterator[Stage]:
        (tmp_path / "page.html").write_text(page)
        monkeypatch.chdir(tmp_path)
        namespace: dict[str, Any] = {"__name__": "__front_ends__"}
        exec(compile(SERVER, "docs/front-ends.md", "exec"), namespace)
        simulator = Simulator()
        with serve(simulator) as geetest, serve(with_policy(namespace["app"], policy)) as url:
            name_geetest(monkeypatch, geetest)
            stage = Stage(simulator, geetest, url, tab)
            stand_in_for_static_geetest_com(stage.page, stage.geetest)
            stage.page.goto(url)
            yield stage
            tab.close()
            assert stage.complaints == []
            assert [call.result for call in simulator.calls] == ["success"]

    return reading


def test_the_plain_form_under_the_policy(read: Reader) -> None:
    policy = " ".join(POLICY.removeprefix("Content-Security-Policy:").split())
    with read(PLAIN, policy) as stage:
        stage.page.fill("[name=username]", "ada")
        stage.page.get_by_role("button", name="Log in").click()
        with stage.page.expect_navigation(url="**/login"):
            stage.solve()
        assert stage.page.inner_text("body") == '{"welcome":"ada"}'


def test_the_form_that_stays_on_its_page(read: Reader) -> None:
    with read(in_page(AJAX)) as stage:
        stage.page.fill("[name=username]", "ada")
        stage.open_box()
        stage.solve()
        stage.page.locator("[data-state=solved]").first.wait_for()
        stage.page.get_by_role("button", name="Log in").click()
        stage.page.locator("output", has_text="Welcome, ada!").wait_for()


def test_the_fetch_that_is_denied_or_closed(read: Reader) -> None:
    with read(in_page(FETCH)) as stage:
        stage.page.wait_for_load_state("networkidle")
        order = stage.page.get_by_role("button", name="Order")
        stage.simulator.error("-50005")
        order.click()
        stage.solve()
        stage.page.locator("output", has_text="Solve a new captcha and send the request again. (solve)").wait_for()
        order.click()
        stage.box.wait_for(state="visible")
        stage.page.keyboard.press("Escape")
        stage.page.locator("output", has_text="closed by the visitor").wait_for()
        stage.simulator.up()
        stage.simulator.calls.clear()
        order.click()
        stage.solve()
        stage.page.locator("output", has_text="tea").wait_for()


def test_the_copy_for_a_folder(tmp_path: Path) -> None:
    (tmp_path / "static").mkdir()
    command = COPY.replace(".venv/bin/python", sys.executable)
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    subprocess.run(command, shell=True, cwd=tmp_path, env=environment, check=True)
    for file in (SCRIPT, MODULE, TYPES):
        assert (tmp_path / "static" / file.name).read_bytes() == file.read_bytes()


def test_no_block_is_left_out() -> None:
    assert len(BLOCKS) == 8
