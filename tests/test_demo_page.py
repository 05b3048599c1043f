"""The playground without a browser: its page's files, texts, log, curl commands and code, and the story."""

import json
import re
import shutil
from collections.abc import Iterator
from functools import partial
from importlib.resources import files
from typing import Any

import anyio
import httpx
import pytest
from commands import printed
from starlette.responses import JSONResponse
from translations import HAN

from geetest_asgi import GeeTestMiddleware, Outcome
from geetest_asgi.demo.playground import Site, live_site
from geetest_asgi.demo.rows import curl
from geetest_asgi.demo.story import STORY, play
from geetest_asgi.demo.visits import MAX_KEPT, MAX_VISITS, Visit
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
    policy = page.headers["content-security-policy"]
    assert ("default-src 'none'" in policy, "://" in policy, "unsafe" in policy) == (True, False, False)
    assert [name for name, text in FILES.items() if "://" in text or "@import" in text] == []
    for path in re.findall(r'(?:src|href)="(/[^"]*)"', page.text):
        assert browser.get(path).status_code == 200, path
    assert browser.get("/demo/page/..%2fplayground.py").status_code == 404


def test_both_languages_say_the_same_things_each_in_its_words() -> None:
    english, chinese = TEXTS["en"], TEXTS["zh-CN"]
    assert list(english) == list(chinese)
    for key in english:
        parts, *others = (sorted(re.findall(r"\{\w+\}|`[^`]+`", text[key])) for text in (english, chinese))
        assert others == [parts], key
        assert not HAN.search(english[key]), key
        assert HAN.search(re.sub("`[^`]*`|{[^}]*}", "", chinese[key])), key


def test_every_text_that_the_page_uses_is_there() -> None:
    sources = "\n".join(text for name, text in FILES.items() if name != "texts.json")
    named = re.findall(r'data-t(?:-label)?="(\w+)"|\b(?:text|rich|say)\("(\w+)"|"(word_\w+)"', sources)
    outcomes = {f"guard_{each}" for each in Outcome} - {"guard_unavailable"}
    outcomes |= {f"guard_unavailable_{how}" for how in ("allow", "deny", "full")}
    assert {"".join(each) for each in named} | outcomes <= set(TEXTS["en"])


def test_the_log_gives_what_is_new_in_order_and_is_bounded(browser: httpx.Client) -> None:
    for _ in range(MAX_VISITS + 5):
        browser.post("/login")
    numbers = [row["number"] for row in rows(browser)]
    assert (len(numbers), numbers) == (MAX_VISITS, sorted(set(numbers)))
    assert [row["number"] for row in rows(browser, numbers[-3])] == numbers[-2:]


def test_the_story_in_the_terminal_stands_in_the_log(site: Site, browser: httpx.Client) -> None:
    assert all(row.as_expected for row in play(site, str(browser.base_url).rstrip("/")))
    assert site.state == {"geetest": "up", "policy": "deny"}, "the switches are put back"
    *told, page = rows(browser)[-len(STORY) :]
    outcomes = "missing passed replayed failed failed malformed unavailable unavailable".split()
    assert [row["decision"]["outcome"] for row in told] == outcomes
    for row in told:
        assert row["asked"] == (row["decision"]["outcome"] in ("passed", "failed", "unavailable"))
        assert row["handled"] == row["decision"]["allowed"] == (row["status"] == 200)
    assert (page["method"], page["target"], page["decision"], page["asked"]) == ("GET", "/login", None, False)
    assert DEMO_KEY not in browser.get("/demo/log").text + browser.get("/").text


def test_a_wrong_switch_is_told_and_changes_nothing(browser: httpx.Client) -> None:
    answer = browser.post("/demo/state?geetest=down&policy=perhaps")
    assert (answer.status_code, "allow, deny" in answer.json()["error"]) == (400, True)
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
    assert (len(visit.body), curl(visit, "http://site")) == (MAX_KEPT, ""), "half a body cannot be sent again"


needs_curl = pytest.mark.skipif(not shutil.which("curl"), reason="no curl to try it with")


def run(command: str) -> str:
    return printed(["sh", "-c", command])


def summary(row: dict[str, Any]) -> dict[str, Any]:
    """What must come out the same."""
    told = {name: row[name] for name in ("method", "target", "status", "handled", "asked")}
    decision = row["decision"] or {}
    return told | {name: decision.get(name) for name in ("outcome", "reason", "allowed")}


REQUESTS: dict[str, Any] = {
    "fresh": lambda token: {"data": {"username": "it's ada & co"} | token("fresh")},
    "used": lambda token: {"data": token("used")},
    "malformed": lambda token: {"data": token("fresh") | {"gen_time": "a'b$(c) `d`"}},
    "broken JSON": lambda token: {"content": b'{"lot_number": \n', "headers": {"content-type": "application/json"}},
    "oversized": lambda token: {"data": {"padding": "x" * 20_000} | token("fresh")},
    "HEAD": lambda token: {"method": "HEAD"},
    "a query": lambda token: {"method": "GET", "url": "/login?a[]={b}&c='d'"},
    "another spelling": lambda token: {"url": "{site}//LOGIN/"},
}


@needs_curl
@pytest.mark.parametrize("name", REQUESTS)
def test_copy_as_curl_brings_the_row_about_once_more(browser: httpx.Client, name: str) -> None:
    asked = {"method": "POST", "url": "/login"} | REQUESTS[name](partial(token, browser))
    asked["url"] = asked["url"].replace("{site}", str(browser.base_url))
    browser.request(**asked)
    row = latest(browser)
    assert f"HTTP/1.1 {row['status']}" in run(row["curl"])
    again = latest(browser)
    assert again["number"] > row["number"]
    assert summary(again) == summary(row)


@needs_curl
def test_copy_as_curl_turns_the_switches_too(site: Site, browser: httpx.Client) -> None:
    site.set(geetest="down", policy="allow")
    browser.post("/login", data=token(browser))
    site.set(geetest="up", policy="deny")
    assert "HTTP/1.1 200" in run(latest(browser)["curl"])
    assert site.state == {"geetest": "down", "policy": "allow"}


@pytest.mark.parametrize("policy", ["deny", "allow"])
def test_the_code_makes_the_guard_that_is_there(
    site: Site, browser: httpx.Client, monkeypatch: pytest.MonkeyPatch, policy: Any
) -> None:
    site.set(geetest="down", policy=policy)
    news = browser.get("/demo/log").json()
    code = news["code"]
    assert DEMO_KEY not in code
    monkeypatch.setenv("GEETEST_CAPTCHA_KEY", DEMO_KEY)
    told: list[str] = []
    given = {"app": JSONResponse({}), "remember": lambda result, scope: told.append(result.outcome)}
    exec(compile(code, "the page", "exec"), given)
    assert isinstance(given["app"], GeeTestMiddleware)
    with serve(given["app"]) as url, httpx.Client(base_url=url, trust_env=False) as client:
        assert client.post("/login", data=site.simulator.token()).status_code == (503 if policy == "deny" else 200)
    assert told == ["unavailable"]


def test_the_live_page_has_the_log_and_the_code_and_no_switches(geetest_by_env: GeeTestServer) -> None:
    with serve(live_site()) as url, httpx.Client(base_url=url, trust_env=False) as live:
        fields = geetest_by_env.token()
        for sent in ({}, fields, fields):
            live.post("/login", data=sent)
        news = live.get("/demo/log").json()
    assert (news["state"], DEMO_ID in news["code"], "api_server" in news["code"]) == (None, True, False)
    assert [row["decision"]["outcome"] for row in news["rows"]] == ["missing", "passed", "replayed"]
    repeats = f"curl -i -X POST {url}/login"
    assert [row["curl"] for row in news["rows"]] == [repeats, "", ""], "nobody can mint a real token"


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
