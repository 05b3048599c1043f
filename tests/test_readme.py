"""README.md does what it says: every block is executed, every number and link is held against the code."""

import json
import re
import tomllib
from pathlib import Path

import httpx
from pages import ROOT, Html, Page, ask, site
from projects import run_pytest
from terminals import on_a_terminal

from geetest_asgi import GeeTestMiddleware, Limits
from geetest_asgi.frontend import SCRIPT
from geetest_asgi.testing import DEMO_ID, GeeTest, serve

README = Page("README.md")
SERVER, HANDLER = "app.add_middleware", "geetest_result(request).unverified"


def test_the_two_commands_stand_as_they_are_copied() -> None:
    for extra, program in {"demo": "geetest_asgi demo", "test": "pytest"}.items():
        line = f"python3 -m venv .venv && .venv/bin/pip install -qe '.[{extra}]' && .venv/bin/python -m {program}\n"
        assert README.block(f"pip install -qe '.[{extra}]'").text == line


def test_the_name_that_is_installed_is_the_name_of_the_package() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert README.block("pip install geetest-asgi").text == f"pip install {project['name']}\n"
    assert f"Python {project['requires-python'].removeprefix('>=')} or later" in README.text


def test_the_demo_prints_what_is_shown() -> None:
    with on_a_terminal(["demo"], env={"NO_COLOR": "1"}) as terminal:
        shown = terminal.read_until("Ctrl-C ends it.\n")
        assert terminal.press_ctrl_c() == 0
    assert _numbered(shown) == _numbered(README.block("stands in for GeeTest\n").text)


def _numbered(text: str) -> str:
    """Replace ports by the order in which they appear: each run has others, in the same places."""
    ports = list(dict.fromkeys(re.findall(r"127\.0\.0\.1:(\d+)", text)))
    return re.sub(r"127\.0\.0\.1:(\d+)", lambda found: f"127.0.0.1:PORT{ports.index(found[1])}", text)


def shop() -> str:
    return README.block(SERVER).text + README.block(HANDLER).text


def test_six_lines_protect_the_login_and_the_handler_knows_of_an_outage(geetest: GeeTest) -> None:
    app = README.run(SERVER)["app"]
    README.run(HANDLER, app=app)
    assert ask(app, "POST", "/login").json()["code"] == "captcha_missing"
    assert ask(app, "POST", "/login", data=geetest.token()).json() == {"next": "welcome"}
    geetest.down()
    assert ask(app, "POST", "/login", data=geetest.token()).json() == {"next": "second factor"}
    assert len([line for line in README.block(SERVER).text.splitlines() if line]) == 6


def test_four_lines_of_page_load_what_the_server_serves_and_post_where_it_is_protected(geetest: GeeTest) -> None:
    page = README.block("data-geetest-captcha-id").text
    (form,), scripts = (Html(page).found[tag] for tag in ("form", "script"))
    app = README.run(SERVER)["app"]
    served = ask(app, "GET", scripts[1]["src"])
    assert (served.status_code, served.content) == (200, SCRIPT.read_bytes())
    assert ask(app, form["method"].upper(), form["action"]).status_code == 403
    assert form["data-geetest-captcha-id"] == DEMO_ID
    assert len(page.splitlines()) == 4


def test_a_refused_client_gets_what_is_shown(geetest: GeeTest) -> None:
    head, _, body = README.block("HTTP/1.1 403 Forbidden").text.partition("\n\n")
    status, *headers = head.splitlines()
    with serve(GeeTestMiddleware(site, protect=["POST /login"])) as url:
        denied = httpx.post(f"{url}/login", trust_env=False)
    assert f"{denied.http_version} {denied.status_code} {denied.reason_phrase}" == status
    for name, _, value in (line.partition(": ") for line in headers):
        assert denied.headers[name] == value
    assert denied.json() == json.loads(body)


def test_the_test_that_is_shown_passes(tmp_path: Path) -> None:
    ran = run_pytest(tmp_path, {"shop.py": shop(), "test_shop.py": README.block("def test_login(geetest)").text})
    assert ran.counts == {"passed": 1}, ran.text


def test_the_numbers_are_the_defaults() -> None:
    limits = Limits()
    words = f"at most {limits.unverified_per_second} a second, and {limits.unverified_per_client} a minute"
    assert words in README.text
