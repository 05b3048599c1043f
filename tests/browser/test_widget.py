"""The widget by itself: every product, method and event of GeeTest's browser script, by mouse and by keyboard."""

import re
from typing import Any

import httpx
import pytest

from .stage import Stage

FIELDS = {
    "lot_number": "[0-9a-f]{32}",
    "captcha_output": "[0-9A-Za-z_-]{128,512}={0,2}",
    "pass_token": "[0-9a-f]{64}",
    "gen_time": "[0-9]{10}",
    "captcha_id": "sim-site",
}


def check_token(stage: Stage) -> None:
    token: dict[str, Any] = stage.ask("captcha.getValidate()")
    assert token.keys() == FIELDS.keys()
    assert all(re.fullmatch(shape, token[name]) for name, shape in FIELDS.items()), token


@pytest.mark.parametrize("policy", ["", "strict", "nonce"])
@pytest.mark.parametrize("product", ["float", "popup"])
def test_a_button_opens_a_box_and_a_try_gives_a_token(stage: Stage, product: str, policy: str) -> None:
    stage.go(f"page.html?policy={policy}")
    stage.start(product=product)
    assert stage.happened(1) == ["ready"]
    box = stage.button.bounding_box()
    assert box is not None
    assert (box["width"], box["height"]) == (260, 50), "the styles are there, whatever the policy"
    assert stage.ask("captcha.getValidate()") is False
    stage.open_box()
    assert stage.ask("document.querySelector('dialog').matches(':modal')") == (product == "popup")
    assert stage.happened(3) == ["ready", "nextReady", "boxShow"]
    stage.succeed(4)
    stage.box.wait_for(state="hidden")
    assert "Verified" in stage.button.inner_text()
    check_token(stage)
    stage.button.dispatch_event("click")  # solved is solved
    assert stage.happened(4)
    assert stage.box.is_hidden()


@pytest.mark.parametrize("method", ["showCaptcha", "showBox"])
def test_bind_has_no_button_and_shows_its_box_when_told(stage: Stage, method: str) -> None:
    stage.begin(product="bind")
    assert stage.happened(1) == ["ready"]
    assert stage.button.count() == 0
    stage.ask(f"captcha.{method}() === captcha")
    stage.solve()
    assert stage.happened(4) == ["ready", "nextReady", "boxShow", "success"]
    assert "Verified" in stage.box.inner_text()
    stage.box.wait_for(state="hidden")
    check_token(stage)


@pytest.mark.parametrize("product", ["float", "popup"])
@pytest.mark.parametrize("key", ["Enter", "Space"])
def test_by_keyboard_alone(stage: Stage, product: str, key: str) -> None:
    stage.begin(product=product)
    stage.page.focus("#before")
    stage.page.keyboard.press("Tab")
    stage.page.keyboard.press(key)
    stage.box.wait_for(state="visible")
    assert stage.ask("document.activeElement.textContent") == "I am human"
    stage.page.keyboard.press(key)
    assert stage.happened(4)[-1] == "success"
    stage.box.wait_for(state="hidden")
    assert stage.ask("document.activeElement.className") == "geetest_btn_click"
    stage.page.keyboard.press("Tab")
    assert stage.ask("document.activeElement.id") == "after"


@pytest.mark.parametrize("product", ["float", "popup", "bind"])
def test_escape_closes_and_says_so(stage: Stage, product: str) -> None:
    stage.begin(product=product)
    stage.happened(1)
    for number in (4, 6):
        stage.ask("void captcha.showBox()")
        stage.box.wait_for(state="visible")
        stage.page.keyboard.press("Escape")
        assert stage.happened(number)[-2:] == ["boxShow", "close"]
        stage.box.wait_for(state="hidden")
    assert stage.ask("captcha.getValidate()") is False


@pytest.mark.parametrize("product", ["float", "popup"])
def test_a_box_that_is_opened_right_after_it_was_closed_still_hears_escape(stage: Stage, product: str) -> None:
    stage.begin(product=product)
    stage.open_box()
    stage.ask("void captcha.reset().showBox()")  # before the dialog's own close event is told
    stage.page.wait_for_timeout(100)
    stage.page.keyboard.press("Escape")
    assert stage.happened(5)[-1] == "close"


@pytest.mark.parametrize("product", ["float", "popup"])
@pytest.mark.parametrize("outside", [True, False])
def test_a_click_outside_closes_unless_the_mask_forbids_it(stage: Stage, product: str, outside: bool) -> None:
    stage.begin(product=product, mask={"outside": outside})
    stage.open_box()
    stage.page.mouse.click(700, 650)
    assert stage.happened(4 if outside else 3)[-1] == ("close" if outside else "boxShow")
    assert stage.box.is_visible() != outside


def test_the_floating_box_closes_by_its_buttons_too(stage: Stage) -> None:
    stage.begin()
    for number, button in ((4, stage.button), (6, stage.page.get_by_role("button", name="Close"))):
        stage.open_box()
        button.click()
        assert stage.happened(number)[-1] == "close"


def test_a_failed_try_is_told_and_the_next_one_can_succeed(stage: Stage) -> None:
    stage.begin()
    stage.open_box()
    stage.page.get_by_role("button", name="Fail this try").click()
    name, detail = stage.details(4)[-1]
    assert name == "fail"
    assert detail["fail_count"] == 1
    assert "Try again" in stage.box.inner_text()
    stage.page.get_by_role("button", name="another captcha").click()
    assert "Try again" not in stage.box.inner_text()
    stage.succeed(5)


def test_several_listeners_of_one_event_and_chaining(stage: Stage) -> None:
    stage.begin(product="bind")
    chained = """() => {
      window.heard = [];
      const names = ["onReady", "onNextReady", "onBoxShow", "onSuccess", "onFail", "onError", "onClose"];
      const events = names.every((name) => captcha[name](() => heard.push(name)) === captcha);
      return events && captcha.onSuccess(() => { throw new Error("the page's own"); })
        .onSuccess(() => heard.push("third")).onSuccess(undefined).reset().showCaptcha() === captcha;
    }"""
    assert stage.ask(chained) is True
    stage.solve()
    stage.happened(4)
    assert sorted(stage.ask("heard")) == ["onBoxShow", "onNextReady", "onReady", "onSuccess", "third"]
    stage.expected = ["the page's own"]


def test_who_subscribes_late_is_called_all_the_same(stage: Stage) -> None:
    stage.begin()
    stage.happened(1)
    stage.page.wait_for_timeout(200)
    stage.ask("() => listen(captcha)")
    assert stage.happened(2) == ["ready", "ready"]


def test_destroy_leaves_nothing_behind(stage: Stage) -> None:
    stage.begin(product="popup")
    stage.open_box()
    stage.ask("void captcha.destroy()")
    assert stage.page.locator(".geetest_sim").count() == 0
    stage.ask("void captcha.appendTo('#captcha').showBox().reset().destroy()")
    assert stage.page.locator(".geetest_sim").count() == 0
    assert stage.ask("captcha.getValidate()") is False
    assert stage.happened(3) == ["ready", "nextReady", "boxShow"]


def test_an_answer_that_comes_after_a_reset_is_not_heard(stage: Stage) -> None:
    stage.begin()
    stage.open_box()
    stage.ask("() => { document.querySelector('.geetest_solve').click(); captcha.reset(); }")
    stage.page.wait_for_timeout(300)
    assert stage.happened(3)
    assert stage.ask("captcha.getValidate()") is False


def test_append_to_takes_odd_ids_selectors_and_elements(stage: Stage) -> None:
    stage.begin("#captcha-:r1:")
    assert stage.page.locator("[id='captcha-:r1:'] .geetest_btn_click").count() == 1
    for target in ("'captcha'", "'.by-class'", "document.getElementById('captcha')", "[document.body]"):
        assert stage.ask(f"captcha.appendTo({target}) === captcha")
        assert stage.button.count() == 1
    stage.ask("void captcha.appendTo('#nowhere:').appendTo('#neither')")
    name, error = stage.details(3)[-1]
    assert (name, error["desc"]["detail"]) == ("error", "appendTo: no such element")


def test_it_works_within_a_web_component(stage: Stage) -> None:
    stage.begin(None)
    stage.ask("""() => {
      const root = document.getElementById("captcha").attachShadow({mode: "open"});
      captcha.appendTo(root.appendChild(document.createElement("div")));
    }""")
    assert stage.ask("captcha && document.getElementById('captcha').offsetHeight") == 50
    stage.open_box()
    stage.succeed(4)


@pytest.mark.parametrize(
    ("language", "lang"),
    [("zho", "zh-Hans"), ("zh", "zh-Hans"), ("eng", "en"), ("en", "en"), ("deu", "en"), (None, "en")],
)
def test_it_speaks_english_and_chinese(stage: Stage, language: str | None, lang: str) -> None:
    english = lang == "en"
    stage.begin(**({"language": language} if language else {}))
    idle = "Click to verify\nSimulated" if english else "点击进行验证\n模拟"
    assert stage.button.inner_text() == idle
    assert stage.page.locator(".geetest_captcha").get_attribute("lang") == lang
    stage.open_box()
    stage.page.get_by_role("button", name="I am human" if english else "我是真人").click()
    stage.happened(4)
    assert ("Verified" if english else "验证成功") in stage.button.inner_text()


def test_a_screen_reader_is_told_what_it_is_and_how_it_went(stage: Stage) -> None:
    stage.begin()
    described = stage.button.get_attribute("aria-describedby")
    assert "guards nothing" in stage.page.locator(f"#{described}").inner_text()
    stage.open_box()
    assert stage.page.get_by_role("dialog", name="Are you human?").count() == 1
    stage.succeed(4)
    assert "Verified" in stage.page.locator(".geetest_captcha [role=status]").all_inner_texts()


def test_scale_width_and_hidden_buttons(stage: Stage) -> None:
    stage.begin(rem=1.25, nextWidth="300px", hideBar=["close", "refresh"], whatever={"unknown": True})
    assert stage.ask("getComputedStyle(document.querySelector('.geetest_tip')).fontSize") == "20px"
    stage.open_box()
    assert stage.ask("document.querySelector('dialog').offsetWidth") == 300
    assert stage.page.locator(".geetest_close, .geetest_refresh").count() == 0
    stage.page.keyboard.press("Escape")  # a visitor without a mouse must get out
    assert stage.happened(4)[-1] == "close"


AT_THE_LOWER_EDGE = """() => {
  const page = document.body.style, button = document.querySelector(".geetest_btn_click");
  page.padding = "100vh 0";
  document.getElementById("captcha").style.marginLeft = "calc(100vw - 300px)";
  scrollBy(0, button.getBoundingClientRect().bottom + 10 - innerHeight);
  return scrollY;
}"""


@pytest.mark.parametrize("width", [320, 360, 1440])
def test_the_floating_box_opens_in_view_and_the_page_stays_where_it_is(stage: Stage, width: int) -> None:
    stage.page.set_viewport_size({"width": width, "height": 640})
    stage.begin()
    at = stage.ask(AT_THE_LOWER_EDGE)
    stage.ask("document.querySelector('.geetest_btn_click').click()")
    stage.box.wait_for(state="visible")
    box = stage.box.bounding_box()
    assert box is not None
    assert 0 <= box["x"] <= box["x"] + box["width"] <= width
    assert 0 <= box["y"] <= box["y"] + box["height"] <= 640
    assert stage.ask("document.documentElement.scrollWidth") <= width
    assert stage.ask("scrollY") == at


def test_a_protocol_without_servers_does_not_lead_astray(stage: Stage) -> None:
    stage.begin(protocol="https://")  # which react-geetest-v4 always says
    assert stage.happened(1) == ["ready"]
    assert stage.ask("captcha.isOffline()") is False


def test_an_id_that_is_none_is_told_to_on_error(stage: Stage) -> None:
    stage.begin(captchaId="")
    [(name, error)] = stage.details(1)
    assert (name, error.keys()) == ("onError", {"code", "msg", "desc"})
    assert (error["code"], error["desc"]["detail"]) == ("60001", "captchaId: a string is wanted")
    assert isinstance(error["msg"], str)


def test_a_bad_id_that_nobody_listens_for_is_on_the_console(stage: Stage) -> None:
    stage.go("page.html")
    stage.ask("() => initGeetest4({captchaId: 'sim-unknown'}, () => {})")
    for _ in range(200):
        stage.page.wait_for_timeout(0 if stage.complaints else 50)
    stage.expected = ["initGeetest4: -50102 illegal captcha_id (illegal captcha_id)"]


@pytest.mark.parametrize("where", ["inline", "in a bundle"])
def test_the_script_works_where_it_has_no_address_of_its_own(stage: Stage, where: str) -> None:
    script = httpx.get(f"{stage.geetest}/v4/gt4.js", trust_env=False).text
    loaded = "" if where == "inline" else f"var before = 1;{script};var after = 1;"
    stage.page.route("**/gt4.js", lambda route: route.fulfill(body=loaded, content_type="text/javascript"))
    stage.go("loader.html")
    if where == "inline":
        stage.page.add_script_tag(content=script)
    stage.start()
    stage.open_box()
    stage.succeed(4)
    check_token(stage)


def test_alibaba_clouds_name_for_it(stage: Stage) -> None:
    stage.go("page.html")
    stage.page.add_script_tag(url=f"{stage.geetest}/v4/ct4.js")
    stage.ask("void (window.initGeetest4 = initAlicom4)")
    stage.start(product="bind", https=True)
    stage.ask("void captcha.showCaptcha()")
    stage.succeed(4)


def test_one_tap_is_invisible_without_a_button(stage: Stage) -> None:
    stage.begin(captchaId="sim-one-tap", product="bind")
    stage.ask("void captcha.showCaptcha()")
    assert stage.happened(2) == ["ready", "success"]
    assert stage.box.count() == 0


@pytest.mark.parametrize("product", ["float", "popup"])
def test_one_tap_solves_without_a_box(stage: Stage, product: str) -> None:
    stage.begin(captchaId="sim-one-tap", product=product, userInfo="u-7", clientType="android")
    stage.button.click()
    stage.page.locator(".geetest_captcha[data-state=solved]").wait_for()
    assert stage.box.count() == 0
    token = {**stage.ask("captcha.getValidate()"), "sign_token": "0" * 64}
    args = httpx.post(f"{stage.geetest}/validate", data=token, trust_env=False).json()["captcha_args"]
    assert (args["used_type"], args["user_info"], args["fail_count"], args["user_ip"]) == ("ai", "u-7", 0, "127.0.0.1")
    assert args["client_type"] == "android"
