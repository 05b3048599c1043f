"""docs/front-ends.md as its readers follow it: its server, its pages, its policy, in a browser."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from pages import ROOT, Page
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from geetest_asgi.frontend import MODULE, SCRIPT, TYPES

from .stage import Stage, Visiting

PAGE = Page("docs/front-ends.md")
[PLAIN, AJAX, FETCH], [TAGS, COPY], [POLICY] = (
    [block.text for block in PAGE.blocks if block.language == language] for language in ("html", "sh", "http")
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
def read(visiting: Visiting, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Visiting:
    @contextmanager
    def reading(page: str, policy: str = "") -> Iterator[Stage]:
        (tmp_path / "page.html").write_text(page)
        monkeypatch.chdir(tmp_path)
        with visiting(with_policy(PAGE.run("FileResponse")["app"], policy)) as stage:
            yield stage
            assert [call.result for call in stage.simulator.calls] == ["success"]

    return reading


def test_the_plain_form_under_the_policy(read: Visiting) -> None:
    policy = " ".join(POLICY.removeprefix("Content-Security-Policy:").split())
    with read(PLAIN, policy) as stage:
        stage.page.fill("[name=username]", "ada")
        stage.page.get_by_role("button", name="Log in").click()
        with stage.page.expect_navigation(url="**/login"):
            stage.solve()
        assert stage.page.inner_text("body") == '{"welcome":"ada"}'


def test_the_form_that_stays_on_its_page(read: Visiting) -> None:
    with read(in_page(AJAX)) as stage:
        stage.page.fill("[name=username]", "ada")
        stage.open_box()
        stage.solve()
        stage.page.locator("[data-state=solved]").first.wait_for()
        stage.page.get_by_role("button", name="Log in").click()
        stage.page.locator("output", has_text="Welcome, ada!").wait_for()


def test_the_fetch_that_is_denied_or_closed(read: Visiting) -> None:
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
    assert len(PAGE.blocks) == 8
