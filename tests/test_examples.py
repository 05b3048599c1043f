"""Each example as its readers run it: settings from the environment, a server, a browser's requests.

The simulator stands in for GeeTest on a socket; the examples do not know.
"""

import importlib
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

import httpx
import pytest
from commands import ROOT, free_port, running
from visitor import HAS_BROWSER, browser_page, solve

from geetest_asgi.testing import GeeTestServer, serve

EXAMPLES = ROOT / "examples"
NAMES = sorted(path.stem for path in EXAMPLES.glob("*.py"))

EXTRA = ["blacksheep_app", "django_app", "falcon_app", "quart_app"]
"""Examples whose frameworks come with `geetest-asgi[conformance]`."""

Start = Callable[[str], AbstractContextManager[httpx.Client]]


@pytest.fixture
def geetest(geetest_by_env: GeeTestServer) -> GeeTestServer:
    return geetest_by_env


@pytest.fixture
def start(geetest: GeeTestServer, monkeypatch: pytest.MonkeyPatch) -> Start:
    @contextmanager
    def started(name: str) -> Iterator[httpx.Client]:
        skip_without_its_framework(name)
        monkeypatch.delitem(sys.modules, f"examples.{name}", raising=False)
        app = importlib.import_module(f"examples.{name}").app
        with serve(app) as url, httpx.Client(base_url=url, trust_env=False) as browser:
            yield browser

    return started


def skip_without_its_framework(name: str) -> None:
    if name in EXTRA:
        framework = name.removesuffix("_app")
        pytest.importorskip(framework, reason=f"{framework} is not installed: pip install 'geetest-asgi[conformance]'")


IN_THIS_PROCESS = [name for name in EXTRA if name != "django_app"]  # a process has one Django


@pytest.mark.parametrize("name", ["plain_asgi", "starlette_app", "fastapi_app", "litestar_app", *IN_THIS_PROCESS])
def test_a_form_login_is_guarded_and_an_outage_lets_in(start: Start, geetest: GeeTestServer, name: str) -> None:
    with start(name) as browser:
        form = {"username": "ada"}
        if name != "starlette_app":
            assert browser.get("/").json() == {"message": "POST /login wants a captcha"}
        denied = browser.post("/login", data=form)
        assert (denied.status_code, denied.json()["code"]) == (403, "captcha_missing")
        assert geetest.calls == []
        passed = browser.post("/login", data=form | geetest.token())
        assert passed.status_code == 200
        assert passed.json().get("user", "ada") == "ada"
        assert passed.json().get("unverified", False) is False
        geetest.expect("success")
        geetest.down()
        unverified = browser.post("/login", data=form | geetest.token()).json()
        if name == "fastapi_app":
            assert passed.json() == {"user": "ada", "next": "welcome", "captcha": "slide"}
            assert unverified["next"].startswith("enter the code")
        else:
            assert unverified["unverified"] is True


def test_starlette_guards_orders_and_exempts_the_webhook(start: Start, geetest: GeeTestServer) -> None:
    with start("starlette_app") as browser:
        assert browser.post("/orders/7").json()["code"] == "captcha_missing"
        assert browser.post("/orders/7", data=geetest.token()).json() == {"order": "7"}
        assert browser.post("/orders/webhook").json() == {"heard": True}
        assert browser.post("/Orders/webhook").status_code == 403


def test_a_denial_of_ones_own_leads_back_to_the_form(start: Start, geetest: GeeTestServer) -> None:
    with start("custom_denial") as browser:
        denied = browser.post("/comment")
        assert (denied.status_code, denied.headers["location"]) == (303, "/comment?captcha=missing")
        assert browser.get(denied.headers["location"]).text == "the form; captcha: missing"
        expired = browser.post("/comment", data=geetest.token(expired=True))
        assert expired.headers["location"] == "/comment?captcha=failed"
        assert browser.post("/comment", data=geetest.token()).text == "published"
        geetest.down()
        closed = browser.post("/comment", data=geetest.token())
        assert (closed.status_code, closed.headers["retry-after"]) == (503, "60")
        assert "Comments are closed" in closed.text


def test_json_login_reads_its_own_field_and_the_token_from_one_object(start: Start, geetest: GeeTestServer) -> None:
    with start("json_login") as browser:
        sent = {"username": "ada"} | geetest.token()
        assert browser.post("/login", json=sent).json() == {"welcome": "ada", "unverified": False}
        assert browser.post("/login", json={"username": "ada"}).json()["code"] == "captcha_missing"
        assert f'data-geetest-captcha-id="{geetest.captcha_id}"' in browser.get("/").text


@pytest.mark.skipif(not HAS_BROWSER, reason="needs Playwright and Chromium")
@pytest.mark.slow_except("sim-pass-*")
@pytest.mark.parametrize(
    ("captcha_id", "shown"), [("sim-pass", "ada"), ("sim-fail", "Solve a new captcha and send the request again.")]
)
def test_the_page_of_json_login_logs_in_and_says_what_a_denial_says(
    start: Start, geetest: GeeTestServer, monkeypatch: pytest.MonkeyPatch, captcha_id: str, shown: str
) -> None:
    monkeypatch.setenv("GEETEST_CAPTCHA_ID", captcha_id)
    with start("json_login") as browser, browser_page(os.environ["GEETEST_API_SERVER"]) as page:
        page.goto(str(browser.base_url))
        page.fill("[name=username]", "ada")
        page.click("button")
        solve(page)
        page.locator("output", has_text=shown).wait_for()


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_uvicorn_finds_the_app_where_the_example_says(geetest: GeeTestServer, name: str) -> None:
    with by_uvicorn(name) as url:
        path = "/comment" if name == "custom_denial" else "/login"
        assert httpx.post(url + path, trust_env=False).status_code in (303, 403)


def test_django_guards_a_form_login(geetest: GeeTestServer) -> None:
    with by_uvicorn("django_app") as url, httpx.Client(base_url=url, trust_env=False) as browser:
        assert browser.get("/").json() == {"message": "POST /login wants a captcha"}
        assert browser.post("/login").json()["code"] == "captcha_missing"
        for fault, unverified in ((geetest.up, False), (geetest.down, True)):
            fault()
            form = {"username": "ada"} | geetest.token()
            assert browser.post("/login", data=form).json() == {"user": "ada", "unverified": unverified}


@contextmanager
def by_uvicorn(name: str) -> Iterator[str]:
    """The URL of an example that runs by the command of its docstring, but for the port."""
    skip_without_its_framework(name)
    assert (
        f"GEETEST_CAPTCHA_ID=… GEETEST_CAPTCHA_KEY=… uvicorn examples.{name}:app"
        in (EXAMPLES / f"{name}.py").read_text()
    )
    port = free_port()
    line = [sys.executable, "-m", "uvicorn", f"examples.{name}:app", "--port", port, "--log-level", "warning"]
    with running(line, url := f"http://127.0.0.1:{port}", env=os.environ):
        yield url
