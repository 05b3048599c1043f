"""docs/: how a request travels, patterns, production, migrating: they do what they say. Every page has its place."""

import importlib
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest
from commands import SECONDS, command, free_port, lines_until, running
from pages import ROOT, Page, ask, codes, is_denied, site
from starlette.types import ASGIApp

from geetest_asgi import GeeTestMiddleware
from geetest_asgi._corridor.steps import STEPS
from geetest_asgi.testing import GeeTest, GeeTestServer

DOCS = ROOT / "docs"
INDEX, TRAVELS, PATTERNS = Page("docs/index.md"), Page("docs/how-a-request-travels.md"), Page("docs/patterns.md")
PRODUCTION, MIGRATING = Page("docs/production.md"), Page("docs/migrating.md")


def test_the_first_lines_protect_an_app(geetest: GeeTest) -> None:
    app = INDEX.run("app.add_middleware")["app"]
    assert is_denied(app, "POST /login")


def test_the_walk_that_is_shown_goes_as_it_says() -> None:
    TRAVELS.run("seen = []")


def test_the_steps_are_those_of_the_code_in_their_order() -> None:
    walk = [codes(row[1])[0] for row in TRAVELS.rows("step", "function", "what it does", "evidence that ends the walk")]
    assert walk == ["GeeTestMiddleware.__call__", *(step.__name__ for step in STEPS)]


def patterns() -> Iterator[tuple[list[str], list[str], str, bool]]:
    for pattern, inside, *outside in PATTERNS.rows("written"):
        yield from (([codes(pattern)[0]], [], each, True) for each in codes(inside))
        yield from (([codes(pattern)[0]], [], each, False) for cell in outside for each in codes(cell))
    for pattern, exempt, inside, out in PATTERNS.rows("`protect`", "`exempt`"):
        yield from ((codes(pattern), codes(exempt), each, True) for each in codes(inside))
        yield from ((codes(pattern), codes(exempt), each, False) for each in codes(out))


@pytest.mark.parametrize(("protect", "exempt", "request_", "protected"), list(patterns()), ids=str)
def test_each_request_of_the_tables_is_protected_or_not(
    geetest: GeeTest, protect: list[str], exempt: list[str], request_: str, protected: bool
) -> None:
    guard = GeeTestMiddleware(site, protect=protect, exempt=exempt)
    assert is_denied(guard, request_) is protected


def test_the_first_example_of_patterns_protects_what_it_names(geetest: GeeTest) -> None:
    guard = PATTERNS.run('exempt=["/api/webhook"]', app=site)["app"]
    protected = ["POST /login", "POST /users/7/reset", "POST /api/a", "POST /v1/export"]
    requests = [*protected, "POST /api/webhook", "POST /v3/export", "GET /login"]
    assert [each for each in requests if is_denied(guard, each)] == protected


def test_a_guard_on_one_route_protects_that_route(geetest: GeeTest) -> None:
    app = PATTERNS.run("middleware=[Middleware(GeeTestMiddleware)]")["app"]
    assert is_denied(app, "POST /login")
    assert ask(app, "POST", "/help").text == "welcome"


def test_the_settings_of_the_checklist_work(geetest: GeeTest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)  # where spent.db goes
    app = PRODUCTION.run('store="sqlite:///spent.db"')["app"]
    app.post("/login")(lambda: "in")
    denied = ask(app, "POST", "/login", headers={"origin": "https://shop.example"})
    assert (denied.status_code, denied.headers["access-control-allow-origin"]) == (403, "https://shop.example")
    geetest.down()
    assert ask(app, "POST", "/login", data=geetest.token()).json() == "in"
    assert ask(app, "POST", "/register", data=geetest.token()).status_code == 503


def test_the_checklist_decides_on_settings_that_there_are() -> None:
    named = {code for row in PRODUCTION.rows("question") for code in codes(row[1])} - {"Rule"}
    assert named <= GeeTestMiddleware.__init__.__annotations__.keys()


def test_the_check_of_the_checklist_passes_on_its_own_example(tmp_path: Path) -> None:
    routes = "@app.post('/login')\n@app.post('/register')\ndef handler() -> None: ...\n"
    (tmp_path / "shop.py").write_text(PRODUCTION.block("sqlite:///").text + routes)
    assert "`geetest-asgi check --app shop:app`" in PRODUCTION.text
    line = ("check", "--app", "shop:app", "--strict", "--offline")
    done = command(*line, cwd=tmp_path, captcha_id="an-id", captcha_key="a-key")
    assert (done.returncode, done.stdout.splitlines()[-1]) == (0, "All is well."), done.stdout + done.stderr


@pytest.mark.parametrize("lifespan", ["on", "auto"])
def test_a_missing_key_stops_the_start_or_is_answered_500(tmp_path: Path, lifespan: str) -> None:
    app = "from geetest_asgi import *\nfrom starlette.applications import Starlette\napp = Starlette()\n"
    (tmp_path / "unset.py").write_text(f"{app}app.add_middleware(GeeTestMiddleware)\n")
    url = f"http://127.0.0.1:{(port := free_port())}"
    line = [sys.executable, "-m", "uvicorn", "unset:app", "--port", port, "--lifespan", lifespan]
    with running(line, "" if lifespan == "on" else url, cwd=tmp_path) as process:
        if lifespan == "on":
            assert process.wait(SECONDS) != 0
        else:
            assert httpx.get(url, trust_env=False).status_code == 500
        lines_until(process, "ConfigError: captcha_id is missing")


Fields = dict[str, str]
EVENTS: dict[str, tuple[Callable[[GeeTestServer], object], Callable[[Fields], Fields], list[int]]] = {
    "a token that GeeTest verifies": (GeeTestServer.up, lambda token: token, [1, 1]),
    "does not verify": (GeeTestServer.up, lambda token: token | {"pass_token": "0" * 64}, [1, 1]),
    "no token": (GeeTestServer.up, lambda token: {}, [1, 0]),
    "gen_time=abc": (GeeTestServer.up, lambda token: token | {"gen_time": "abc"}, [1, 0]),
    "answers with an error": (lambda geetest: geetest.error("-50005"), lambda token: token, [1, 1]),
    "HTTP 404 or 413": (lambda geetest: geetest.answers(404), lambda token: token, [1, 1]),
    "HTTP 503": (GeeTestServer.down, lambda token: token, [1, 1]),
}
"""Words of each event, how GeeTest is then, what is sent, and the calls that it costs before and after."""


@pytest.fixture
def sides(geetest_by_env: GeeTestServer) -> list[ASGIApp]:
    """The two apps of the page, before and after, both asking one simulator on a socket."""
    before = MIGRATING.run("CAPTCHA_ID =")
    before["API_SERVER"] = geetest_by_env.url
    return [before["app"], MIGRATING.run("def as_before")["app"]]


def _login(app: ASGIApp, method: str, fields: Fields) -> str:
    answer = ask(app, method, "/login", params=fields, raises=False)
    return f"HTTP {answer.status_code}" if answer.is_error else f"`{answer.json()['login']}`"


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize("event", EVENTS)
def test_what_changes_is_as_told(geetest_by_env: GeeTestServer, sides: list[ASGIApp], event: str, method: str) -> None:
    order, sent, costs = EVENTS[event]
    (told,) = [row[1:] for row in MIGRATING.rows("event") if event in row[0]]
    order(geetest_by_env)
    for app, cell, calls in zip(sides, told, costs, strict=True):
        geetest_by_env.calls.clear()
        token = geetest_by_env.token() | {"captcha_id": geetest_by_env.captcha_id}  # the page sends five fields
        assert _login(app, method, sent(token)) == re.split("[,:]", cell)[0]
        assert len(geetest_by_env.calls) == calls


def test_the_same_token_twice_costs_one_call(geetest_by_env: GeeTestServer, sides: list[ASGIApp]) -> None:
    assert ["the same token twice", "a second call", "`fail`, no call"] in MIGRATING.rows("event")
    for app, calls in zip(sides, (2, 1), strict=True):
        token = geetest_by_env.token()
        geetest_by_env.calls.clear()
        assert [_login(app, method, token) for method in ("GET", "POST")] == ["`success`", "`fail`"]
        assert len(geetest_by_env.calls) == calls


def test_every_page_is_linked_from_the_index(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(DOCS)  # which is no package
    sections = importlib.import_module("navigation").sections(INDEX.text)
    linked = {link for links in sections.values() for link in links}
    pages = {path.relative_to(DOCS).as_posix() for path in DOCS.rglob("*.md")} - {"index.md"}
    assert pages <= linked, "these pages stand in no navigation: link them in docs/index.md"
