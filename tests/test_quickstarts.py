"""docs/quickstart/: each page from an empty folder to a passing test and a login in a browser, as printed."""

import os
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

import httpx
import pytest
from commands import SECONDS, command, environment, free_port
from commands import running as running_line
from pages import ROOT, Page
from projects import LABEL, run_pytest, write
from visitor import GT4, HAS_BROWSER, browser_page, solve

from geetest_asgi.testing import GeeTestServer

PAGES = {path.stem: Page(str(path.relative_to(ROOT))) for path in sorted((ROOT / "docs" / "quickstart").glob("*.md"))}
PLACED = re.compile(LABEL)
MODULES = {"djangorestframework": "rest_framework", "django-ninja": "ninja", "python-socketio": "socketio"}
"""Packages whose module has another name."""
LENIENT = {"gradio": ("-W", "ignore::pytest.PytestUnraisableExceptionWarning", "-W", "ignore::DeprecationWarning")}
"""Gradio 6.31 leaves event loops open, and calls what others have deprecated."""

USER = {"username": "ada", "password": "countess"}

each_page = pytest.mark.parametrize("name", PAGES)


def files(name: str) -> dict[str, str]:
    """The files that a page shows; each block begins with its file's name."""
    found = (PLACED.match(block.text) for block in PAGES[name].blocks)
    return {placed[1]: placed.string for placed in found if placed}


def commands(name: str) -> list[str]:
    """The blocks of shell commands, in their order: install, run, install what the tests need."""
    return [block.text for block in PAGES[name].blocks if block.language == "sh"]


def skip_without_its_packages(name: str) -> None:
    packages = [word for block in commands(name) if block.startswith("pip") for word in block.split()[2:]]
    for each in packages:
        module = MODULES.get(each, each.partition("[")[0].removesuffix("-graphql").replace("-", "_"))
        if module != "python_multipart" and find_spec(module) is None:
            pytest.skip(f"{each} is not installed: pip install 'geetest-asgi[quickstarts]'")


@each_page
def test_each_file_and_each_command_of_a_page_is_tried(name: str) -> None:
    shown = [block for block in PAGES[name].blocks if block.language not in ("sh", "text")]
    assert [block.text for block in shown if not PLACED.match(block.text)] == []
    assert [block.split()[0] for block in commands(name)] == ["pip", "export", "pip"]


@pytest.mark.slow
@each_page
def test_the_tests_of_a_page_pass(name: str, tmp_path: Path) -> None:
    skip_without_its_packages(name)
    ran = run_pytest(tmp_path, files(name), *LENIENT.get(name, ()))
    assert ran.status == 0, ran.text
    assert set(ran.counts) == {"passed"}, ran.text
    assert ran.counts["passed"] == sum(text.count("def test_") for text in files(name).values())


@contextmanager
def running(name: str, directory: Path, geetest: str, app: str = "shop:app") -> Iterator[str]:
    """The app, by the command of its page; the value is its address. `app` takes the place of the command's."""
    write(directory, files(name))
    port = free_port()
    ours = environment(api_server=geetest) | {
        "UVICORN_PORT": port,
        "PATH": f"{Path(sys.executable).parent}:{os.defpath}",
    }
    start = commands(name)[1].replace("\nuvicorn", "\nexec uvicorn").replace("shop:app", app)
    with running_line(["sh", "-ec", start], url := f"http://127.0.0.1:{port}", cwd=directory, env=ours):
        yield url


def opened(name: str) -> str:
    """The path that the page says to open."""
    (found,) = re.findall(r"^Open <http://127\.0\.0\.1:8000(/\S*)>", PAGES[name].text, re.MULTILINE)
    return str(found)


def login(client: httpx.Client, path: str, fields: dict[str, str]) -> httpx.Response:
    """Send the form of the page as a browser does, with its hidden inputs."""
    html = client.get(path).text
    (action,) = re.findall(r'<form [^>]*action="([^"]+)"', html) or [path]
    hidden = dict(re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]+)"', html))
    return client.post(action, data=hidden | USER | fields, follow_redirects=True)


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name, page in PAGES.items() if "<form " in page.text])
def test_the_login_of_a_page_wants_a_captcha(name: str, tmp_path: Path, geetest_server: GeeTestServer) -> None:
    skip_without_its_packages(name)
    with (
        running(name, tmp_path, geetest_server.url) as url,
        httpx.Client(base_url=url, trust_env=False, timeout=SECONDS) as client,
    ):
        html = client.get(path := opened(name)).text
        assert "login.html" not in re.sub("<!--.*?-->", "", html), "the visitor is shown the name of the file"
        gt4, ours = re.findall(r'<script src="([^"]+)"', html)
        assert gt4 == f"{GT4}v4/gt4.js"
        assert client.get(ours).headers["content-type"].startswith("text/javascript")
        assert login(client, path, {}).json()["code"] == "captcha_missing"
        assert "welcome" in login(client, path, geetest_server.token()).text
        if HAS_BROWSER:
            _log_in_with_a_browser(url + path, geetest_server.url)


def _log_in_with_a_browser(url: str, geetest: str) -> None:
    with browser_page(geetest) as page:
        page.goto(url)
        for name, value in USER.items():
            if page.locator(f"[name={name}]").count():
                page.fill(f"[name={name}]", value)
        page.click("button")
        solve(page)
        page.get_by_text("welcome").wait_for()


@pytest.mark.slow
@pytest.mark.skipif(not HAS_BROWSER, reason="needs Playwright and Chromium")
def test_fastapis_json_form_keeps_the_captcha_of_a_mistyped_name(tmp_path: Path, geetest_server: GeeTestServer) -> None:
    skip_without_its_packages("fastapi")
    with (
        running("fastapi", tmp_path, geetest_server.url, "signup:app") as url,
        browser_page(geetest_server.url) as page,
    ):
        page.goto(url)
        page.fill("[name=name]", "Ada 1")
        page.click("button")
        solve(page)
        page.get_by_text("String should match pattern").wait_for()
        page.fill("[name=name]", "ada")
        page.click("button")
        page.get_by_text("welcome").wait_for()
        geetest_server.expect("success")


def test_the_check_that_fastapis_page_names_lists_what_is_guarded(tmp_path: Path) -> None:
    skip_without_its_packages("fastapi")
    write(tmp_path, files("fastapi"))
    (words,) = re.findall(r"`geetest-asgi (check [^`]+)`", PAGES["fastapi"].text)
    done = command(*words.split(), cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(r"^ +POST +/login +by rule 1$", done.stdout, re.MULTILINE)
