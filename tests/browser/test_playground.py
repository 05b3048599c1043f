"""The playground of `python -m geetest_asgi demo`: its attacks, switches, log and languages."""

import json
import re
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from importlib.resources import files
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from commands import name_geetest
from visitor import stand_in_for_static_geetest_com

from geetest_asgi.demo.playground import Site, live_site
from geetest_asgi.testing import Simulator, serve

from .stage import Stage

if TYPE_CHECKING:
    from playwright.sync_api import Locator

TEXTS = json.loads((files("geetest_asgi.demo") / "page" / "texts.json").read_text("utf-8"))
ATTACKS = {  # a button → what it brings, and the word at each station
    "missing": ("✕ 403 captcha_missing", "refused", "not asked", "never ran"),
    "replay": ("✕ 403 captcha_replayed", "refused", "not asked", "never ran"),
    "expired": ("✕ 403 captcha_failed", "refused", "said no", "never ran"),
    "forged": ("✕ 403 captcha_failed", "refused", "said no", "never ran"),
    "offline": ("✕ 403 captcha_failed", "refused", "said no", "never ran"),
    "malformed": ("✕ 403 captcha_malformed", "refused", "not asked", "never ran"),
    "oversized": ("✕ 413 captcha_too_large", "refused", "not asked", "never ran"),
    "spelling": ("✕ 403 captcha_missing", "refused", "not asked", "never ran"),
    "get": ("✓ 200", "passed on", "not asked", "ran"),
}


@dataclass
class Playground(Stage):
    """One visit to the page."""

    demo: Any = None
    """What serves it, where that has switches."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.page.goto(self.site)
        self.page.locator("#attacks button").first.wait_for()
        self.page.locator("#code").filter(has_text="GeeTestMiddleware").wait_for()

    def press(self, name: str) -> str:
        """Press, and wait for what it brings."""
        self.page.locator(f"button[data-t={name}]").click()
        output = self.page.locator(f"li:has(> button[data-t={name}]:enabled) > output")
        output.filter(has_not_text="…").filter(has_text=re.compile(r"\S")).wait_for()
        return str(output.inner_text())

    def attacks(self) -> list[str]:
        """The buttons that are there."""
        names = self.page.locator(".attacks button").evaluate_all("all => all.map((each) => each.dataset.t)")
        return [name.removeprefix("attack_") for name in names]

    def words(self) -> tuple[str, ...]:
        """The word at each station of the strip."""
        return tuple(self.page.locator("#rail .word").all_inner_texts())

    @property
    def newest(self) -> "Locator":
        """The log's first row."""
        return self.page.locator("#log li").first

    def switch(self, name: str, value: str) -> None:
        with self.page.expect_response("**/demo/state?*"):
            self.page.locator(f"[name={name}][value={value}]").check()

    def solve_and_log_in(self) -> None:
        self.page.locator(".geetest_btn_click").click()
        self.page.locator(".geetest_solve").click()
        self.page.locator(".geetest_captcha[data-state=solved]").wait_for()
        self.page.locator("#login [type=submit]").click()


@pytest.fixture(scope="module")
def served() -> Iterator[tuple[Site, str, str]]:
    simulator = Simulator()
    with serve(simulator) as geetest, serve(site := Site(simulator, geetest)) as url:
        yield site, geetest, url


@pytest.fixture
def visit(served: tuple[Site, str, str], tabs: Any) -> Iterator[Any]:
    """Opens the page. Whatever it threw or complained of at the end is a failure of the test."""
    visits: list[Playground] = []
    site, geetest, url = served

    def open_page(**options: Any) -> Playground:
        site.set(geetest="up", policy="deny")
        page = tabs(**{"reduced_motion": "reduce", **options})
        visits.append(Playground(site.simulator, geetest, url, page, demo=site))
        return visits[-1]

    yield open_page
    for visit in visits:
        visit.page.evaluate("localStorage.clear()")
        assert visit.complaints == []


@pytest.fixture
def playground(visit: Any) -> Playground:
    made: Playground = visit()
    return made


def test_every_attack_shows_what_it_brings_and_who_was_asked(playground: Playground) -> None:
    assert playground.attacks() == [*ATTACKS, "try_good"]
    for name, (brought, guard, geetest, handler) in ATTACKS.items():
        asked = len(playground.simulator.calls)
        assert playground.press(f"attack_{name}") == brought
        assert playground.words() == ("sent", guard, geetest, handler), name
        calls = len(playground.simulator.calls) - asked
        assert calls == (1 if geetest == "said no" or name == "replay" else 0), "the strip says what has happened"


def test_a_visitor_solves_the_captcha_and_is_welcome(playground: Playground) -> None:
    playground.page.locator("#username").fill("<b>grace</b>")
    playground.solve_and_log_in()
    playground.page.get_by_text("Welcome, <b>grace</b>! You are verified.").wait_for()
    assert playground.words() == ("sent", "let in", "said yes", "ran")
    assert "passed" in playground.newest.inner_text()


def test_a_visitor_in_an_outage(playground: Playground) -> None:
    playground.switch("geetest", "down")
    playground.solve_and_log_in()
    playground.page.locator("[data-geetest-message]").filter(has_text="again later").wait_for()
    playground.switch("policy", "allow")
    playground.solve_and_log_in()
    playground.page.get_by_text("Welcome, ada. Nobody verified you: GeeTest is down.").wait_for()


@pytest.mark.parametrize("geetest", ["down", "hanging", "garbled"])
def test_each_policy_in_an_outage(playground: Playground, geetest: str) -> None:
    playground.switch("geetest", geetest)
    for policy, brought, guard, handler in (
        ("allow", "! 200 unavailable", "unverified", "ran"),
        ("deny", "✕ 503 captcha_unavailable", "refused", "never ran"),
    ):
        playground.switch("policy", policy)
        playground.page.locator("#code", has_text=f'on_unavailable="{policy}"').wait_for()
        assert playground.demo.state == {"geetest": geetest, "policy": policy}
        for _ in range(3):  # on a busy machine silence may be its own fault, and is then none of GeeTest's
            if "busy" not in (got := playground.press("try_good")):
                break
        assert (got, playground.words()) == (brought, ("sent", guard, "no verdict", handler))


def test_what_is_sent_from_a_terminal_appears_newest_first_and_can_be_shown(playground: Playground) -> None:
    for method, word in (("POST", "first"), ("GET", "second")):
        httpx.request(method, f"{playground.site}/login?{word}", trust_env=False)
        playground.newest.filter(has_text=f"?{word}").wait_for()
    assert "not protected" in playground.newest.inner_text()
    playground.page.locator("#log li").nth(1).get_by_role("button", name=re.compile("^Show")).click()
    assert "POST /login?first" in playground.page.locator("#said li").first.inner_text()
    assert playground.words() == ("sent", "refused", "not asked", "never ran")


def test_commands_and_code_are_copied(visit: Any) -> None:
    playground = visit(permissions=["clipboard-read", "clipboard-write"])
    playground.press("attack_expired")
    playground.newest.get_by_role("button", name=re.compile("^Copy as curl")).click()
    news = httpx.get(f"{playground.site}/demo/log", trust_env=False).json()
    is_copied = "async (text) => (await navigator.clipboard.readText()) === text"
    playground.page.wait_for_function(is_copied, arg=news["rows"][-1]["curl"])
    playground.page.locator("#copy-code").click()
    playground.page.wait_for_function(is_copied, arg=news["code"])


def test_the_language_is_the_browsers_until_it_is_switched_and_is_kept(visit: Any) -> None:
    playground = visit(locale="zh-CN")
    assert playground.page.locator("h1").inner_text() == TEXTS["zh-CN"]["title"]
    playground.solve_and_log_in()
    playground.page.get_by_text(TEXTS["zh-CN"]["welcome"].replace("{name}", "ada")).wait_for()
    assert playground.words() == ("已发送", "放行", "通过", "已执行")
    playground.page.locator("[data-language=en]").click()
    assert playground.words() == ("sent", "let in", "said yes", "ran")
    playground.page.reload()
    playground.page.locator("h1").filter(has_text=TEXTS["en"]["title"]).wait_for()


@pytest.mark.parametrize(("scheme", "width", "locale"), [("light", 1440, "en-US"), ("dark", 360, "zh-CN")])
def test_the_checker_finds_nothing_to_complain_of(visit: Any, axe: Any, scheme: str, width: int, locale: str) -> None:
    playground = visit(color_scheme=scheme, viewport={"width": width, "height": 900}, locale=locale)
    for name in ("missing", "expired", "get"):
        playground.press(f"attack_{name}")
    playground.switch("geetest", "down")
    playground.press("try_good")
    assert axe(playground.page, exclude=[".geetest_sim"]) == []
    assert playground.ask("document.documentElement.scrollWidth") == width, "nothing sticks out"


def test_the_end_of_the_demo_is_said_and_does_not_wait_for_the_page(tabs: Any) -> None:
    simulator = Simulator()
    with serve(simulator) as geetest, ExitStack() as running:
        url = running.enter_context(serve(Site(simulator, geetest)))
        playground = Playground(simulator, geetest, url, tabs())
        threads = threading.active_count()
        running.close()
        assert threading.active_count() < threads, "the server's thread is left behind after some seconds"
        playground.page.locator("#ended").filter(has_text="python -m geetest_asgi demo").wait_for()
        assert playground.press("attack_missing") == TEXTS["en"]["broken"]


def test_the_live_page_has_no_switches_and_works(tabs: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    simulator = Simulator()
    with serve(simulator) as geetest:
        name_geetest(monkeypatch, geetest)
        page = tabs()
        stand_in_for_static_geetest_com(page, geetest)
        with serve(live_site()) as url:
            playground = Playground(simulator, geetest, url, page)
            assert playground.attacks() == [name for name in ATTACKS if name not in ("replay", "expired")]
            assert page.locator("#break").is_hidden()
            assert playground.press("attack_forged") == ATTACKS["forged"][0]
            playground.solve_and_log_in()
            page.get_by_text("Welcome, ada! You are verified.").wait_for()
            assert playground.newest.get_by_role("button").count() == 1, "no command: no token can be minted"
