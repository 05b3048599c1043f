"""The playground of `python -m geetest_asgi demo`: every button pressed, in two languages, wide and narrow."""

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
from geetest_asgi.demo.visits import MAX_VISITS
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
NOT = ("not asked", "never ran")


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

    def named(self, name: str) -> "Locator":
        return self.page.locator(f"button[data-t={name}]")

    def press(self, name: str) -> str:
        """Press, and wait for what it brings."""
        self.named(name).click()
        output = self.page.locator(f"li:has(> button[data-t={name}]:enabled) > output")
        output.filter(has_not_text="…").filter(has_text=re.compile(r"\S")).wait_for()
        return str(output.inner_text())

    def words(self) -> tuple[str, ...]:
        """The word at each station of the strip."""
        return tuple(self.page.locator("#rail .word").all_inner_texts())

    def marks(self) -> str:
        """Their shapes."""
        return "".join(self.page.locator("#rail .mark").all_text_contents())

    def said(self) -> list[str]:
        return list(self.page.locator("#said li").all_inner_texts())

    @property
    def newest(self) -> "Locator":
        """The log's first row."""
        return self.page.locator("#log li").first

    def rows(self) -> int:
        return int(self.page.locator("#log li").count())

    def copy(self) -> None:
        self.newest.get_by_role("button", name=re.compile("^Copy as curl")).click()

    def switch(self, name: str, value: str) -> None:
        self.page.locator(f"[name={name}][value={value}]").check()
        for _ in range(200):
            if self.demo.state[name] == value:
                return
            self.page.wait_for_timeout(50)
        raise AssertionError(f"{name} is {self.demo.state[name]}, not {value}")

    def log_in(self) -> None:
        self.page.locator("#login [type=submit]").click()

    def solve_and_log_in(self) -> None:
        self.page.locator(".geetest_btn_click").click()
        self.page.locator(".geetest_solve").click()
        self.page.locator(".geetest_captcha[data-state=solved]").wait_for()
        self.log_in()

    def overflow(self) -> int:
        """Pixels that the page is wider than its window."""
        return int(self.page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth"))


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


def test_there_is_no_button_that_is_not_pressed_here(playground: Playground) -> None:
    names = playground.page.locator(".attacks button").evaluate_all("all => all.map((each) => each.dataset.t)")
    assert names == [f"attack_{name}" for name in ATTACKS] + ["try_good"]
    others = playground.page.locator("button:not(.attacks button, #log button, .geetest_sim button)")
    names = others.evaluate_all("all => all.map((each) => each.dataset.t ?? each.lang)")
    assert names == ["en", "zh-CN", "log_in", "copy_code"]


def test_every_attack_shows_what_it_brings_and_who_was_asked(visit: Any) -> None:
    playground = visit(viewport={"width": 360, "height": 800})
    for name, (brought, guard, geetest, handler) in ATTACKS.items():
        asked = len(playground.simulator.calls)
        rows = playground.rows()
        assert playground.press(f"attack_{name}") == brought
        assert playground.words() == ("sent", guard, geetest, handler), name
        shapes = {"refused": "✕", "passed on": "→", "said no": "✕", "ran": "✓"} | dict.fromkeys(NOT, "\u2013")
        assert playground.marks() == "→" + shapes[guard] + shapes[geetest] + shapes[handler]
        calls = len(playground.simulator.calls) - asked
        assert calls == (1 if geetest == "said no" or name == "replay" else 0), "the strip says what has happened"
        assert playground.page.locator("#verdict strong").inner_text() == brought.removeprefix("✕ ").removeprefix("✓ ")
        assert playground.rows() > rows
        assert playground.overflow() == 0, name


def test_a_visitor_solves_the_captcha_and_is_welcome(playground: Playground) -> None:
    playground.page.locator("#username").fill("<b>grace</b>")
    playground.solve_and_log_in()
    playground.page.get_by_text("Welcome, <b>grace</b>! You are verified.").wait_for()
    assert playground.words() == ("sent", "let in", "said yes", "ran")
    assert playground.marks() == "→✓✓✓"
    assert "passed" in playground.newest.inner_text()


def test_a_visitor_who_has_not_solved_it_is_told_and_nothing_is_sent(playground: Playground) -> None:
    rows = playground.rows()
    playground.log_in()
    playground.page.get_by_text("Please solve the captcha first.").wait_for()
    assert playground.rows() == rows
    assert playground.words() == ("ready",) * 4
    playground.solve_and_log_in()
    playground.page.get_by_text("Welcome, ada!").wait_for()


def test_a_visitor_in_an_outage(playground: Playground) -> None:
    playground.switch("geetest", "down")
    playground.solve_and_log_in()
    playground.page.locator("[data-geetest-message]").filter(has_text="again later").wait_for()
    playground.switch("policy", "allow")
    playground.solve_and_log_in()
    playground.page.get_by_text("Welcome, ada. Nobody verified you: GeeTest is down.").wait_for()
    sign = "getComputedStyle(document.getElementById('greeting'), '::before').content"
    assert playground.page.evaluate(sign) == '"! "'


@pytest.mark.parametrize("geetest", ["up", "down", "hanging", "garbled"])
@pytest.mark.parametrize(
    ("policy", "brought", "guard", "handler"),
    [
        ("deny", "✕ 503 captcha_unavailable", "refused", "never ran"),
        ("allow", "! 200 unavailable", "unverified", "ran"),
    ],
)
def test_each_policy_in_every_state_of_geetest(
    playground: Playground, geetest: str, policy: str, brought: str, guard: str, handler: str
) -> None:
    playground.switch("geetest", geetest)
    playground.switch("policy", policy)
    playground.page.locator("#code", has_text=f'on_unavailable="{policy}"').wait_for()
    assert playground.demo.state == {"geetest": geetest, "policy": policy}
    for _ in range(3):  # on a busy machine silence may be its own fault, and is then none of GeeTest's
        if "busy" not in (got := playground.press("try_good")):
            break
    forecast = playground.page.locator("#forecast").inner_text()
    assert TEXTS["en"][f"forecast_{geetest}"].replace("{seconds}", "2") in forecast
    if geetest == "up":
        assert (got, playground.words()) == ("✓ 200 passed", ("sent", "let in", "said yes", "ran"))
    else:
        assert (got, playground.words()) == (brought, ("sent", guard, "no verdict", handler))
        assert TEXTS["en"][f"forecast_{policy}"].replace("`", "") in forecast
        assert "✓" not in playground.marks() + playground.newest.inner_text()


def test_while_geetest_hangs_the_page_says_so_and_can_be_used(playground: Playground) -> None:
    """It shows no answer of a request before."""
    playground.press("attack_missing")
    answer = playground.page.locator("#answer")
    answer.locator("summary").click()
    shown = answer.locator("pre").inner_text()
    assert shown.startswith("HTTP 403\ncontent-type: application/problem+json")
    assert '"code": "captcha_missing"' in shown
    playground.switch("geetest", "hanging")
    playground.named("try_good").click()
    playground.page.locator("#rail .word").filter(has_text="waits").first.wait_for()
    assert "2 seconds at most" in playground.said()[1]
    assert answer.is_hidden()
    assert playground.press("attack_missing") == "✕ 403 captcha_missing"
    playground.page.locator("#try output").filter(has_text=re.compile("captcha_(unavailable|busy)")).wait_for()


def test_a_switch_turned_elsewhere_turns_here(playground: Playground) -> None:
    httpx.post(f"{playground.site}/demo/state?geetest=garbled&policy=allow", trust_env=False)
    playground.page.locator("[name=geetest][value=garbled]:checked").wait_for()
    playground.page.locator("[name=policy][value=allow]:checked").wait_for()
    playground.page.locator("#code mark").filter(has_text='on_unavailable="allow"').wait_for()
    playground.simulator.slow(0.01)  # which the page has no switch for
    playground.page.locator("#forecast").filter(has_text="slow").wait_for()
    assert playground.page.locator("[name=geetest]:checked").count() == 0


def test_what_is_sent_from_a_terminal_appears_newest_first_and_can_be_shown(playground: Playground) -> None:
    before = playground.rows()
    for method, word in (("POST", "first"), ("GET", "second")):
        httpx.request(method, f"{playground.site}/login?{word}", trust_env=False)
        playground.newest.filter(has_text=f"?{word}").wait_for()
        assert f"{method} /login?{word}" in playground.said()[0]
    assert playground.rows() == before + 2
    assert "not protected" in playground.newest.inner_text()
    playground.page.set_viewport_size({"width": 1280, "height": 400})
    show = playground.page.locator("#log li").nth(1).get_by_role("button", name=re.compile("^Show"))
    show.scroll_into_view_if_needed()
    assert not playground.page.evaluate(IN_VIEW, "#verdict")
    show.click()
    playground.page.wait_for_function(IN_VIEW, arg="#verdict")
    assert "POST /login?first" in playground.said()[0]
    assert playground.words() == ("sent", "refused", "not asked", "never ran")


def test_copy_as_curl_copies_what_the_server_says(visit: Any) -> None:
    playground = visit(permissions=["clipboard-read", "clipboard-write"])
    playground.press("attack_expired")
    playground.copy()
    playground.page.locator("#told").filter(has_text="Copied").wait_for()
    copied = playground.page.evaluate("navigator.clipboard.readText()")
    news = httpx.get(f"{playground.site}/demo/log", trust_env=False).json()
    assert copied == news["rows"][-1]["curl"]
    assert copied.startswith("curl ")
    assert playground.site in copied
    playground.page.locator("#copy-code").click()
    playground.page.wait_for_function(
        "async (code) => (await navigator.clipboard.readText()) === code", arg=news["code"]
    )


def test_without_a_clipboard_the_command_is_there_to_be_selected(playground: Playground) -> None:
    playground.page.evaluate("Object.defineProperty(navigator, 'clipboard', {value: undefined})")
    playground.press("attack_missing")
    playground.copy()
    field = playground.page.locator("#log textarea")
    field.wait_for()
    assert field.input_value() == f"curl -i --data-raw username=bot {playground.site}/login"
    selected = "document.activeElement.value.slice(document.activeElement.selectionStart)"
    assert playground.page.evaluate(selected) == field.input_value()
    assert playground.page.locator("#told").inner_text() == TEXTS["en"]["copy_failed"]


IN_VIEW = """(selector) => {
    const { top, bottom, left, right } = document.querySelector(selector).getBoundingClientRect();
    return top >= 0 && left >= 0 && bottom <= innerHeight && right <= innerWidth;
}"""


@pytest.mark.parametrize(("locale", "language"), [("zh-CN", "zh-CN"), ("zh-TW", "zh-CN"), ("de-DE", "en")])
def test_the_browsers_language_is_the_pages(visit: Any, locale: str, language: str) -> None:
    playground = visit(locale=locale)
    assert playground.page.locator("html").get_attribute("lang") == language
    assert playground.page.locator("h1").inner_text() == TEXTS[language]["title"]
    assert playground.page.locator(f"[data-language={language}]").get_attribute("aria-pressed") == "true"


def test_the_language_is_switched_all_over_and_kept(playground: Playground) -> None:
    playground.press("attack_expired")
    assert "the token has expired (pass_token expire)" in playground.said()[2]
    playground.page.locator("[data-language=zh-CN]").click()
    assert TEXTS["zh-CN"]["reason_pass_token_expire"].replace("`", "") in playground.said()[2]
    assert "令牌已过期" in playground.newest.inner_text()
    playground.page.locator(".geetest_btn_click").filter(has_text="点击进行验证").wait_for()
    assert playground.page.locator(".geetest_captcha").count() == 1
    playground.solve_and_log_in()
    playground.page.get_by_text(TEXTS["zh-CN"]["welcome"].replace("{name}", "ada")).wait_for()
    assert playground.words() == ("已发送", "放行", "通过", "已执行")
    playground.page.reload()
    playground.page.locator("h1").filter(has_text=TEXTS["zh-CN"]["title"]).wait_for()
    playground.page.locator("[data-language=en]").click()
    assert playground.page.locator("h1").inner_text() == TEXTS["en"]["title"]


NAMES = {"geetest", "asgi", "curl", "post", "login", "get", "ms", "http", "html", "english", "key", "id", "deny"}
NAMES |= {"allow", "python", "kib", "ada", "passed", "unavailable", "captcha", "replayed", "failed", "missing"}
NAMES |= {"malformed", "too", "large", "json", "busy"}


def test_nothing_is_left_in_english(visit: Any) -> None:
    playground = visit(locale="zh-CN")
    for name in ATTACKS:
        playground.press(f"attack_{name}")
    playground.switch("geetest", "down")
    playground.press("try_good")
    shown = playground.page.evaluate(
        """() => [...document.querySelectorAll("body *")]
            .filter((each) => !each.closest("code, pre, noscript, script, [hidden]"))
            .flatMap((each) => [...each.childNodes].filter((node) => node.nodeType === 3).map((node) => node.data)
              .concat(each.getAttribute("aria-label") ?? [], each.title ?? []))"""
    )
    words = {word.lower() for text in shown for word in re.findall("[A-Za-z]{2,}", re.sub(r"/login\S*", "", text))}
    assert words - NAMES == set()


def test_nothing_sticks_out_at_any_width(visit: Any) -> None:
    playground = visit(viewport={"width": 320, "height": 800})
    playground.page.locator(".geetest_btn_click").click()
    playground.page.locator(".geetest_solve").wait_for()
    assert playground.overflow() == 0, "with the captcha open"
    playground.page.locator(".geetest_solve").click()
    httpx.post(f"{playground.site}/login?{'x' * 250}", trust_env=False)
    playground.page.locator("#said").filter(has_text="xxx").wait_for()
    for width in (320, 360, 414, 600, 768, 1024, 1100, 1280, 1440, 2560):
        playground.page.set_viewport_size({"width": width, "height": 800})
        assert playground.overflow() == 0, width


def test_it_works_by_keyboard(playground: Playground) -> None:
    page, keyboard = playground.page, playground.page.keyboard
    keyboard.press("Tab")
    keyboard.press("Enter")  # the link past what stands before the form
    keyboard.press("Tab")
    assert page.evaluate("document.activeElement.id") == "username"
    keyboard.press("Tab")
    keyboard.press("Enter")
    page.get_by_role("button", name="I am human").press("Enter")
    page.locator(".geetest_captcha[data-state=solved]").wait_for()
    page.locator("#username").press("Enter")
    page.get_by_text("Welcome, ada!").wait_for()
    playground.named("attack_expired").press("Enter")
    page.locator("#attacks li:nth-child(3) > button:enabled + output").filter(has_text="403").wait_for()
    assert page.evaluate("document.activeElement.dataset.t") == "attack_expired", "the focus stays where it was"
    page.locator("[name=geetest]:checked").press("ArrowRight")
    page.locator("#forecast").filter(has_text="503").wait_for()


@pytest.mark.parametrize(("scheme", "width", "locale"), [("light", 1440, "en-US"), ("dark", 360, "zh-CN")])
def test_the_checker_finds_nothing_to_complain_of(visit: Any, axe: Any, scheme: str, width: int, locale: str) -> None:
    playground = visit(
        color_scheme=scheme, viewport={"width": width, "height": 900}, locale=locale, reduced_motion="reduce"
    )
    for name in ("missing", "expired", "get"):
        playground.press(f"attack_{name}")
    playground.switch("geetest", "down")
    playground.switch("policy", "allow")
    playground.press("try_good")
    playground.page.locator("#answer summary").click()
    assert axe(playground.page, exclude=[".geetest_sim"]) == []


def test_the_end_of_the_demo_is_said_and_does_not_wait_for_the_page(tabs: Any) -> None:
    simulator = Simulator()
    page = tabs()
    with serve(simulator) as geetest, ExitStack() as running:
        url = running.enter_context(serve(Site(simulator, geetest)))
        playground = Playground(simulator, geetest, url, page)
        threads = threading.active_count()
        running.close()
        assert threading.active_count() < threads, "the server's thread is left behind after some seconds"
        page.locator("#ended").filter(has_text="python -m geetest_asgi demo").wait_for()
        page.evaluate("scrollTo(0, 0)")
        assert page.evaluate(IN_VIEW, "#ended"), "at the top, where the strip is"
        assert playground.press("attack_missing") == TEXTS["en"]["broken"]
        assert playground.words() == ("ready",) * 4
        with serve(Site(simulator, geetest), port=int(url.rpartition(":")[2])):
            page.locator("#ended").filter(has_not_text="python").wait_for(state="attached")
            assert playground.press("attack_missing") == "✕ 403 captcha_missing"


def test_the_live_page_has_no_switches_and_works(tabs: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    simulator = Simulator()
    with serve(simulator) as geetest:
        name_geetest(monkeypatch, geetest)
        page = tabs()
        stand_in_for_static_geetest_com(page, geetest)
        with serve(live_site()) as url:
            playground = Playground(simulator, geetest, url, page)
            names = page.locator(".attacks button").evaluate_all("all => all.map((each) => each.dataset.t)")
            assert names == [f"attack_{name}" for name in ATTACKS if name not in ("replay", "expired")]
            assert page.locator("#break").is_hidden()
            assert TEXTS["en"]["about_live"] in page.locator(".lead").inner_text()
            for name in (name.removeprefix("attack_") for name in names):
                brought, *words = ATTACKS[name]
                assert playground.press(f"attack_{name}") == brought
                assert playground.words() == ("sent", *words)
            playground.solve_and_log_in()
            page.get_by_text("Welcome, ada! You are verified.").wait_for()
            assert playground.newest.get_by_role("button").count() == 1, "no command: no token can be minted"


def test_the_log_is_bounded_in_the_page_too(playground: Playground) -> None:
    with httpx.Client(base_url=playground.site, trust_env=False) as terminal:
        for number in range(MAX_VISITS + 20):
            terminal.post(f"/login?{number}")
            if number == MAX_VISITS // 2:
                playground.page.wait_for_timeout(1100)  # so that they come in two heaps
    playground.newest.filter(has_text=f"?{MAX_VISITS + 19}").wait_for()
    assert playground.rows() == MAX_VISITS
    numbers = re.findall(r"/login\?(\d+)", playground.page.locator("#log").inner_text())
    assert numbers == [str(number) for number in range(MAX_VISITS + 19, 19, -1)]
    playground.page.locator("[data-language=zh-CN]").click()
    assert playground.rows() == MAX_VISITS
