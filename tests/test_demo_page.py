"""The playground: its page's files, texts, log, curl commands and code, and the story that is played on it.

The page itself is pressed, button by button, in tests/browser/test_playground.py.
"""

import json
import re
import shutil
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from importlib.resources import files
from pathlib import Path
from typing import Any

import anyio
import httpx
import pytest
from commands import free_port, printed
from starlette.responses import JSONResponse
from starlette.types import Receive, Scope, Send
from translations import HAN

from geetest_asgi import GeeTestMiddleware, Limits, Outcome
from geetest_asgi.demo.playground import Site, live_site
from geetest_asgi.demo.rows import curl
from geetest_asgi.demo.story import STORY, Answer, play
from geetest_asgi.demo.table import write_row
from geetest_asgi.demo.visits import MAX_KEPT, MAX_VISITS, Log, Visit
from geetest_asgi.testing import DEMO_ID, DEMO_KEY, GeeTestServer, Simulator, serve

PAGE = files("geetest_asgi.demo") / "page"
FILES = {each.name: each.read_text("utf-8") for each in PAGE.iterdir()}
TEXTS: dict[str, dict[str, str]] = json.loads(FILES["texts.json"])
FORM = {"content-type": "application/x-www-form-urlencoded"}


@pytest.fixture(scope="module")
def running() -> Iterator[tuple[Site, str]]:
    simulator = Simulator()
    with serve(simulator) as geetest, serve(site := Site(simulator, geetest)) as url:
        yield site, url


@pytest.fixture
def site(running: tuple[Site, str]) -> Site:
    site, _ = running
    site.set(geetest="up", policy="deny")
    return site


@pytest.fixture
def browser(running: tuple[Site, str], site: Site) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=running[1], trust_env=False) as client:
        yield client


def token(browser: httpx.Client, kind: str = "fresh") -> dict[str, str]:
    return dict(browser.get("/demo/token", params={"kind": kind}).json())


def rows(browser: httpx.Client, after: int = 0) -> list[dict[str, Any]]:
    """The log, the oldest first."""
    return list(browser.get("/demo/log", params={"after": after}).json()["rows"])


def latest(browser: httpx.Client) -> dict[str, Any]:
    return rows(browser)[-1]


def test_the_page_asks_no_other_host_and_may_not(browser: httpx.Client) -> None:
    page = browser.get("/")
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    policy = dict(each.split(maxsplit=1) for each in page.headers["content-security-policy"].split("; "))
    assert policy["default-src"] == "'none'"
    assert {policy[name] for name in ("script-src", "style-src", "connect-src")} == {"'self'"}
    assert policy["require-trusted-types-for"] == "'script'"
    assert "unsafe" not in page.headers["content-security-policy"]
    assert [name for name, text in FILES.items() if "://" in text or "@import" in text] == []
    assert not re.search(r"style=|<script(?![^>]* src=)", page.text)
    named = re.findall(r'(?:src|href)="(/[^"]*)"', page.text)
    assert len(named) >= 3
    for path in (*named, *(f"/demo/page/{name}" for name in FILES if name != "page.html")):
        answer = browser.get(path)
        assert answer.status_code == 200, path
        assert answer.headers["content-type"].startswith(("text/", "application/json")), path


@pytest.mark.parametrize("name", ["nothing.js", "page.html", "..%2fsite.py", "%2e%2e", ".js"])
def test_nothing_else_is(browser: httpx.Client, name: str) -> None:
    assert browser.get(f"/demo/page/{name}").status_code == 404


def test_both_languages_say_the_same_things_each_in_its_words() -> None:
    english, chinese = TEXTS["en"], TEXTS["zh-CN"]
    assert list(english) == list(chinese)
    for key in english:
        parts, *others = (sorted(re.findall(r"\{\w+\}|`[^`]+`", text[key])) for text in (english, chinese))
        assert others == [parts], key
        assert english[key].strip(), key
        assert not HAN.search(english[key]), key
        assert HAN.search(re.sub("`[^`]*`|{[^}]*}", "", chinese[key])), key


def test_every_text_that_the_page_uses_is_there() -> None:
    sources = "\n".join(text for name, text in FILES.items() if name != "texts.json")
    named = re.findall(r'data-t(?:-label)?="(\w+)"|\b(?:text|rich|say)\("(\w+)"|"(word_\w+)"', sources)
    outcomes = {f"guard_{each}" for each in Outcome} - {"guard_unavailable"}
    outcomes |= {f"guard_unavailable_{how}" for how in ("allow", "deny", "full")}
    assert {"".join(each) for each in named} | outcomes <= set(TEXTS["en"])


def test_the_pages_own_requests_are_not_logged(browser: httpx.Client) -> None:
    before = rows(browser)
    for path in ("/", "/demo/page/page.js", "/demo/state", "/demo/token", "/geetest/v4/gt4.js", "/nowhere"):
        browser.get(path)
    assert browser.put("/login").status_code == 405, "no decision, and no handler"
    assert rows(browser) == before


def test_the_log_gives_what_is_new_in_order_and_is_bounded(browser: httpx.Client) -> None:
    for _ in range(MAX_VISITS + 5):
        browser.post("/login")
    numbers = [row["number"] for row in rows(browser)]
    assert len(numbers) == MAX_VISITS
    assert numbers == sorted(set(numbers))
    assert [row["number"] for row in rows(browser, numbers[-3])] == numbers[-2:]
    assert rows(browser, numbers[-1]) == []
    for after in ("", "x", "-1", "9" * 5000, "٣"):
        assert browser.get("/demo/log", params={"after": after}).status_code == 200


def test_the_story_in_the_terminal_stands_in_the_log(site: Site, browser: httpx.Client) -> None:
    assert all(row.as_expected for row in play(site, str(browser.base_url).rstrip("/")))
    assert site.state == {"geetest": "up", "policy": "deny"}, "the switches are put back"
    told = rows(browser)[-len(STORY) :]
    assert [row["status"] for row in told] == [step.expected.status for step in STORY]
    assert [row["asked"] for row in told] == [False, True, False, True, True, False, True, True, False]
    assert [row["handled"] for row in told] == [False, True, False, False, False, False, False, True, True]
    outcomes = "missing passed replayed failed failed malformed unavailable unavailable".split()
    decisions = [row["decision"] for row in told[:-1]]
    assert [each["outcome"] for each in decisions] == outcomes
    assert [each["allowed"] for each in decisions] == [row["handled"] for row in told[:-1]]
    assert [each["reason"] for each in decisions][3:5] == ["pass_token expire", "pass_token error"]
    assert DEMO_KEY not in browser.get("/demo/log").text + browser.get("/").text
    assert all((row["decision"]["milliseconds"] > 0) <= row["asked"] for row in told[:-1])
    assert (told[-1]["method"], told[-1]["target"], told[-1]["decision"]) == ("GET", "/login", None)


def test_status_code_and_remark_of_a_row_all_count(site: Site, browser: httpx.Client) -> None:
    status, code, remark = Answer(503, "captcha_missing"), Answer(403, "captcha_failed"), Answer(403, "captcha_failed")
    for step, expected in ((0, status), (0, code), (3, remark)):
        (row,) = play(site, str(browser.base_url).rstrip("/"), [replace(STORY[step], expected=expected)])
        assert not row.as_expected
        assert row.answer == STORY[step].expected
    (row,) = play(site, f"http://127.0.0.1:{free_port()}", [STORY[0]])
    assert not row.as_expected
    assert str(row).endswith("0 no answer            ConnectError")


def test_a_row_is_on_the_screen_before_the_next_is_sent(site: Site, browser: httpx.Client, tmp_path: Path) -> None:
    site.simulator.calls.clear()
    with (tmp_path / "screen").open("w") as stream:
        for number, row in enumerate(play(site, str(browser.base_url).rstrip("/"), [STORY[1]] * 3), start=1):
            assert len(site.simulator.calls) == number
            write_row(row, stream)
            assert (tmp_path / "screen").read_text().count("200 passed\n") == number


SWITCHES = {
    "GET /demo/token?kind=%3Cb%3E": "fresh, expired, forged",
    **dict.fromkeys(("GET /demo/token?knid=expired", "GET /demo/token?format=xml", "GET /demo/log?befor=1"), "wanted"),
    "POST /demo/state?geetest=sideways": "up, down",
    "POST /demo/state?geetest=down&policy=perhaps": "allow, deny",
}


@pytest.mark.parametrize("line", SWITCHES)
def test_a_wrong_switch_is_told_and_changes_nothing(browser: httpx.Client, line: str) -> None:
    answer = browser.request(*line.split())
    assert (answer.status_code, SWITCHES[line] in answer.json()["error"]) == (400, True)
    assert browser.get("/demo/state").json() == {"geetest": "up", "policy": "deny"}


def test_both_policies_have_one_memory_of_spent_tokens(browser: httpx.Client) -> None:
    fields = token(browser)
    assert browser.post("/login", data=fields).status_code == 200
    assert browser.post("/demo/state?policy=allow").json() == {"geetest": "up", "policy": "allow"}
    assert browser.post("/login", data=fields).json()["code"] == "captcha_replayed"


def test_a_body_is_not_kept_at_length() -> None:
    visit = Visit("POST", "/login", "", 0, None)
    pieces = iter([{"type": "http.request", "body": b"x" * 3000, "more_body": more} for more in (True, True, False)])

    async def receive() -> Any:
        return next(pieces)

    for _ in range(3):
        anyio.run(visit.overhear(receive))
    assert (len(visit.body), visit.whole) == (MAX_KEPT, False)
    assert curl(visit, "http://site") == "", "what is not known whole cannot be sent again"


def test_a_request_whose_visitor_left_is_no_row() -> None:
    log = Log()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        return

    async def nothing(*_: object) -> Any:
        return {}

    scope = {"type": "http", "method": "POST", "path": "/login", "query_string": b"", "headers": []}
    anyio.run(log.watch, app, None, scope, nothing, nothing)
    assert log.after(0) == []


SHELL = shutil.which("sh")
needs_curl = pytest.mark.skipif(not (shutil.which("curl") and SHELL), reason="no curl or no shell to try it with")
TELLING = ("method", "target", "status", "handled", "asked")


def run(command: str) -> str:
    return printed([str(SHELL), "-c", command])


def summary(row: dict[str, Any]) -> dict[str, Any]:
    """What must come out the same: all but number, time taken and the command."""
    decision = row["decision"] and {name: value for name, value in row["decision"].items() if name != "milliseconds"}
    return {name: row[name] for name in TELLING} | {"decision": decision}


REQUESTS: dict[str, Any] = {
    "no body": lambda token: {},
    "fresh": lambda token: {"data": {"username": "it's ada & co"} | token("fresh")},
    "fresh, as JSON": lambda token: {"json": token("fresh")},
    "the same again": lambda token: {"data": token("fresh")},
    **{kind: lambda token, kind=kind: {"data": token(kind)} for kind in ("expired", "forged", "used", "offline")},
    "malformed": lambda token: {"data": token("fresh") | {"gen_time": "a'b$(c) `d`"}},
    "broken JSON": lambda token: {"content": b'{"lot_number": \n', "headers": {"content-type": "application/json"}},
    "oversized": lambda token: {"data": {"padding": "x" * 20_000} | token("fresh")},
    "oversized, as JSON": lambda token: {"json": {"padding": "x" * 20_000} | token("fresh")},
    "GET": lambda token: {"method": "GET"},
    "HEAD": lambda token: {"method": "HEAD"},
    "a query": lambda token: {"method": "GET", "url": "/login?a[]={b}&c='d'"},
    "another spelling": lambda token: {"url": "{site}//LOGIN/"},
}


@needs_curl
@pytest.mark.parametrize("name", REQUESTS)
def test_copy_as_curl_brings_the_row_about_once_more(browser: httpx.Client, name: str) -> None:
    asked = {"method": "POST", "url": "/login"} | REQUESTS[name](partial(token, browser))
    asked["url"] = asked["url"].replace("{site}", str(browser.base_url))
    for _ in range(1 + (name == "the same again")):
        browser.request(**asked)
    row = latest(browser)
    for _ in range(2):
        printed = run(row["curl"])
        again = latest(browser)
        assert again["number"] > row["number"]
        assert summary(again) == summary(row)
        assert f"HTTP/1.1 {row['status']}" in printed
    assert again["curl"].partition("http")[0] == row["curl"].partition("http")[0]


@needs_curl
@pytest.mark.slow_except("*-down")
@pytest.mark.parametrize("geetest", ["down", "garbled", "hanging"])
@pytest.mark.parametrize("policy", ["deny", "allow"])
def test_copy_as_curl_turns_the_switches_too(site: Site, browser: httpx.Client, geetest: str, policy: str) -> None:
    for _ in range(3):  # on a machine that is busy the guard may say so, since silence was then no fault of GeeTest's
        browser.post("/demo/state", params={"geetest": geetest, "policy": policy})
        browser.post("/login", data=token(browser), timeout=30)
        row = latest(browser)
        if row["decision"]["outcome"] == "unavailable":
            break
    browser.post("/demo/state", params={"geetest": "up", "policy": "deny"})
    printed = run(row["curl"])
    assert row["status"] == (200 if policy == "allow" else 503)
    assert f"HTTP/1.1 {row['status']}" in printed
    assert site.state == {"geetest": geetest, "policy": policy}


def test_what_cannot_be_told_again_has_no_command(site: Site, browser: httpx.Client) -> None:
    browser.post("/login", content=b"\x00\xff", headers=FORM)
    assert latest(browser)["curl"] == ""
    browser.get("/login?" + "x" * 1000)
    assert latest(browser)["curl"] == ""
    assert len(latest(browser)["target"]) == 300
    site.simulator.error("-50005")  # which the page has no switch for
    browser.post("/login", data=token(browser))
    assert (latest(browser)["decision"]["outcome"], latest(browser)["curl"]) == ("refused", "")


def test_an_outage_in_which_enough_were_let_in_is_told_as_such() -> None:
    simulator, most = Simulator(), Limits().unverified_per_client
    with serve(simulator) as geetest:
        site = Site(simulator, geetest)  # of its own: what has been let in counts for a minute
        site.set(geetest="down", policy="allow")
        with serve(site) as url, httpx.Client(base_url=url, trust_env=False) as browser:
            statuses = [browser.post("/login", data=simulator.token()).status_code for _ in range(most + 1)]
            told = rows(browser)
    assert (statuses[0], statuses[-1]) == (200, 503)
    decision = told[-1]["decision"]
    assert (decision["outcome"], decision["allowed"], told[-1]["policy"]) == ("unavailable", False, "allow")
    assert [bool(row["curl"]) for row in told] == [status == 200 for status in statuses], "the next may find room again"
    for language in TEXTS.values():
        numbers = re.findall(r"\d+", language["forecast_allow"])
        assert numbers == [str(Limits().unverified_per_second), str(most)]


@pytest.mark.parametrize("policy", ["deny", "allow"])
def test_the_code_makes_the_guard_that_is_there(
    site: Site, browser: httpx.Client, monkeypatch: pytest.MonkeyPatch, policy: Any
) -> None:
    site.set(geetest="down", policy=policy)
    news = browser.get("/demo/log").json()
    code = news["code"]
    assert f"timeout={news['seconds']}" in code
    assert f'on_unavailable="{policy}"' in code
    assert DEMO_KEY not in code
    assert "limits=Limits(max_body=16384, breaker_failures=0)" in code
    monkeypatch.setenv("GEETEST_CAPTCHA_KEY", DEMO_KEY)
    told: list[str] = []
    given = {"app": JSONResponse({}), "remember": lambda result, scope: told.append(result.outcome)}
    exec(compile(code, "the page", "exec"), given)
    assert isinstance(given["app"], GeeTestMiddleware)
    with serve(given["app"]) as url, httpx.Client(base_url=url, trust_env=False) as client:
        assert client.post("/login").status_code == 403
        assert client.post("/login", data={"padding": "x" * 20_000}).status_code == 413
        assert client.post("/login", data=site.simulator.token()).status_code == (503 if policy == "deny" else 200)
    assert told == ["missing", "too_large", "unavailable"]


def test_the_live_page_has_the_log_and_the_code_and_no_switches(geetest_by_env: GeeTestServer) -> None:
    with serve(live_site()) as url, httpx.Client(base_url=url, trust_env=False) as live:
        fields = geetest_by_env.token()
        for sent in ({}, fields, fields):
            live.post("/login", data=sent)
        news = live.get("/demo/log").json()
    missing, passed, replayed = news["rows"]
    assert (news["state"], news["seconds"]) == (None, 3.0)
    assert "api_server" not in news["code"]
    assert DEMO_ID in news["code"]
    assert missing["curl"] == f"curl -i -X POST {url}/login"
    assert (passed["asked"], passed["handled"], passed["curl"]) == (True, True, ""), "nobody can mint a real token"
    assert (replayed["decision"]["outcome"], replayed["curl"]) == ("replayed", ""), "nor is one repeated"


def test_a_page_of_another_origin_turns_no_switch_and_reads_nothing(site: Site, browser: httpx.Client) -> None:
    """Which pages those are, test_simulator_control.py asks."""
    for headers in ({"host": "evil.example"}, {"origin": "http://evil.example"}):
        for path in ("/demo/state?geetest=down", "/geetest/simulator/fault?mode=down"):
            assert browser.post(path, headers=headers).status_code == 403
        for path in ("/demo/log", "/demo/token", "/geetest/simulator/calls"):
            assert browser.get(path, headers=headers).status_code == 403
    assert site.state == {"geetest": "up", "policy": "deny"}
    own = str(browser.base_url).rstrip("/")
    assert browser.post("/demo/state", headers={"origin": own}).status_code == 200
