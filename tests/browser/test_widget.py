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


def test_bind_has_no_button_and_shows_its_box_when_told(stage: Stage) -> None:
    stage.begin(product="bind")
    assert stage.happened(1) == ["ready"]
    assert stage.button.count() == 0
    stage.ask("void captcha.showCaptcha()")
    stage.solve()
    assert stage.happened(4) == ["ready", "nextReady", "boxShow", "success"]
    stage.box.wait_for(state="hidden")
    check_token(stage)


@pytest.mark.parametrize("product", ["float", "popup"])
def test_by_keyboard_alone(stage: Stage, product: str) -> None:
    stage.begin(product=product)
    stage.page.focus("#before")
    stage.page.keyboard.press("Tab")
    stage.page.keyboard.press("Enter")
    stage.box.wait_for(state="visible")
    assert stage.ask("document.activeElement.textContent") == "I am human"
    stage.page.keyboard.press("Enter")
    assert stage.happened(4)[-1] == "success"
    stage.box.wait_for(state="hidden")
    assert stage.ask("document.activeElement.className") == "geetest_btn_click"


@pytest.mark.parametrize("product", ["float", "popup", "bind"])
def test_escape_closes_and_says_so(stage: Stage, product: str) -> None:
    stage.begin(product=product)
    stage.happened(1)
    stage.ask("void captcha.showBox()")
    stage.box.wait_for(state="visible")
    stage.page.keyboard.press("Escape")
    assert stage.happened(4)[-2:] == ["boxShow", "close"]
    stage.box.wait_for(state="hidden")
    assert stage.ask("captcha.getValidate()") is False


@pytest.mark.parametrize("outside", [True, False])
def test_a_click_outside_closes_unless_the_mask_forbids_it(stage: Stage, outside: bool) -> None:
    stage.begin(product="popup", mask={"outside": outside})
    stage.open_box()
    stage.page.mouse.click(700, 650)
    assert stage.happened(4 if outside else 3)[-1] == ("close" if outside else "boxShow")
    assert stage.box.is_visible() != outside


def test_a_failed_try_is_told_and_the_next_one_can_succeed(stage: Stage) -> None:
    stage.begin()
    stage.open_box()
    stage.page.get_by_role("button", name="Fail this try").click()
    name, detail = stage.details(4)[-1]
    assert name == "fail"
    assert detail["fail_count"] == 1
    stage.succeed(5)


def test_several_listeners_of_one_event_and_chaining(stage: Stage) -> None:
    stage.begin(product="bind")
    assert stage.ask("""() => {
      window.heard = [];
      return captcha.onSuccess(() => { throw new Error("the page's own"); })
        .onSuccess(() => heard.push("third")).onSuccess(undefined).reset().showCaptcha() === captcha;
    }""")
    stage.solve()
    stage.happened(4)
    assert stage.ask("heard") == ["third"]
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


def test_append_to_takes_odd_ids_selectors_and_elements(stage: Stage) -> None:
    stage.begin("#captcha-:r1:")
    assert stage.page.locator("[id='captcha-:r1:'] .geetest_btn_click").count() == 1
    for target in ("'.by-class'", "document.getElementById('captcha')"):
        stage.ask(f"void captcha.appendTo({target})")
        assert stage.button.count() == 1
    stage.ask("void captcha.appendTo('#nowhere:')")
    name, error = stage.details(2)[-1]
    assert (name, error["desc"]["detail"]) == ("error", "appendTo: no such element")


@pytest.mark.parametrize(("language", "idle"), [("zho", "点击进行验证"), ("deu", "Click to verify")])
def test_it_speaks_english_and_chinese(stage: Stage, language: str, idle: str) -> None:
    stage.begin(language=language)
    assert stage.button.inner_text().startswith(idle)


def test_an_id_that_is_none_is_told_to_on_error(stage: Stage) -> None:
    stage.begin(captchaId="")
    [(name, error)] = stage.details(1)
    assert (name, error.keys()) == ("onError", {"code", "msg", "desc"})
    assert (error["code"], error["desc"]["detail"]) == ("60001", "captchaId: a string is wanted")
    assert isinstance(error["msg"], str)


def test_the_script_works_in_a_bundle_where_it_has_no_address_of_its_own(stage: Stage) -> None:
    script = httpx.get(f"{stage.geetest}/v4/gt4.js", trust_env=False).text
    stage.page.route("**/gt4.js", lambda route: route.fulfill(status=204))
    stage.go("loader.html")
    stage.page.add_script_tag(content=f"var before = 1;{script};var after = 1;")
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


def test_one_tap_solves_without_a_box(stage: Stage) -> None:
    stage.begin(captchaId="sim-one-tap", userInfo="u-7")
    stage.button.click()
    stage.page.locator(".geetest_captcha[data-state=solved]").wait_for()
    assert stage.box.count() == 0
    token = {**stage.ask("captcha.getValidate()"), "sign_token": "0" * 64}
    args = httpx.post(f"{stage.geetest}/validate", data=token, trust_env=False).json()["captcha_args"]
    assert (args["used_type"], args["user_info"]) == ("ai", "u-7")


def test_it_works_within_a_web_component(stage: Stage) -> None:
    stage.begin(None)
    stage.ask("""() => {
      const root = document.getElementById("captcha").attachShadow({mode: "open"});
      captcha.appendTo(root.appendChild(document.createElement("div")));
    }""")
    assert stage.ask("captcha && document.getElementById('captcha').offsetHeight") == 50
    stage.open_box()
    stage.succeed(4)
