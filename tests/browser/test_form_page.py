"""geetest-form.js in a browser: what can go wrong, and what a page may decide for itself."""

from urllib.parse import parse_qs

import pytest

from .form_stage import FORM, PAGE, FormStage, form

BARE = FORM.format(action="/login", attributes="")


def attach(stage: FormStage, options: str) -> None:
    """Visit a page whose own script attaches the form."""
    stage.open(BARE)
    stage.ask(f"() => void GeetestForm.attach(document.querySelector('form'), {{captchaId: 'sim-site', {options}}})")


def test_offline_the_constant_token_is_sent_as_it_is(stage: FormStage) -> None:
    stage.simulator.offline()
    stage.form()
    stage.button.click()
    stage.page.locator("[data-state=solved]").first.wait_for()
    with stage.page.expect_navigation(url="**/login") as arrived:
        stage.submit.click()
    assert arrived.value.status == 503
    assert parse_qs(stage.posts[-1].post_data)["lot_number"] == [stage.simulator.token(offline=True)["lot_number"]]


def test_a_page_without_gt4_says_so_and_goes_on_once_it_is_there(stage: FormStage) -> None:
    stage.page.route("**/gt4.js", lambda route: route.abort())
    stage.form('data-geetest-product="bind"')
    stage.message.filter(has_text="does not work").wait_for()
    stage.submit.click()
    assert stage.told("error") == "no_gt4"
    assert stage.posts == []
    stage.page.unroute("**/gt4.js")
    stage.page.add_script_tag(url=f"{stage.geetest}/v4/gt4.js")
    stage.pause()
    stage.submit_and_solve()
    stage.expected = ["geetest-form: no_gt4 no gt4.js here"] * 2


@pytest.mark.parametrize(("of", "kind"), [("{geetest}/v4/gt4.js", "async"), ("/geetest-form.js", "type=module")])
def test_gt4_may_be_an_asynchronous_script_and_ours_a_module(stage: FormStage, of: str, kind: str) -> None:
    stage.open(form(), PAGE.replace(f'<script src="{of}"', f'<script {kind} src="{of}"'))
    with stage.arrives():
        stage.verify_and_submit()


def test_a_bad_id_is_told_to_the_page_and_to_the_visitor(stage: FormStage) -> None:
    attach(stage, "captchaId: 'sim-unknown', onError({code, msg, desc}) { window.seen = [code, msg, desc.detail] }")
    assert stage.told("error") == "-50102"
    assert stage.ask("seen") == ["-50102", "illegal captcha_id", "illegal captcha_id"]
    stage.message.filter(has_text="does not work").wait_for()
    stage.expected = ["geetest-form: -50102 illegal captcha_id"]


def test_a_try_that_gets_no_answer_locks_nothing(stage: FormStage) -> None:
    stage.form('data-geetest-product="bind"')
    stage.submit.click()
    stage.box.wait_for(state="visible")
    stage.simulator.offline()
    stage.solve()
    assert stage.told("error") == "60203"
    stage.message.filter(has_text="does not work").wait_for()
    stage.simulator.up()
    with stage.arrives():
        stage.solve()  # in the box, which is still there
    stage.expected = ["geetest-form: 60203 Network failure"]


def test_a_captcha_that_is_closed_sends_nothing_and_the_form_may_be_submitted_again(stage: FormStage) -> None:
    stage.form('data-geetest-product="bind"')
    stage.submit.click()
    stage.box.wait_for(state="visible")
    stage.page.keyboard.press("Escape")
    stage.box.wait_for(state="hidden")
    stage.ask("GeetestForm.attach(document.forms[0]).ready().then((captcha) => void captcha.widget.showCaptcha())")
    stage.solve()
    stage.told("solved")
    stage.page.wait_for_timeout(100)
    assert stage.posts == [], "closed is closed: the form goes when it is submitted again"
    stage.ask("GeetestForm.attach(document.forms[0]).reset()")
    stage.pause()
    stage.submit_and_solve()


def test_one_wrong_attribute_is_no_other_forms_affair(stage: FormStage) -> None:
    wrong = FORM.format(action="/login", attributes='data-geetest-captcha-id="a" data-geetest-fields="{"')
    stage.open(wrong + form())
    stage.button.wait_for()
    assert stage.button.count() == 1
    assert len(stage.complaints) == 1
    assert "SyntaxError" in stage.complaints.pop()


def test_a_script_may_say_where_geetest_is(stage: FormStage) -> None:
    host = stage.geetest.removeprefix("http://")
    attach(stage, f"apiServers: ['{host}'], staticServers: ['{host}'], protocol: 'http://'")
    with stage.arrives():
        stage.verify_and_submit()


def test_the_widget_and_the_words_are_where_the_page_wants_them(stage: FormStage) -> None:
    words = form("""data-geetest-messages='{"required": "Erst das Captcha."}'""")
    stage.open(words.replace("<p>", '<div id="here" data-geetest-place></div><b data-geetest-message></b><p>', 1))
    stage.page.locator("#here .geetest_btn_click").wait_for()
    stage.submit.click()
    stage.page.locator("b", has_text="Erst das Captcha.").wait_for()
    assert stage.page.locator(".geetest-form-message").count() == 0


def test_a_script_that_is_loaded_twice_attaches_once(stage: FormStage) -> None:
    stage.form()
    stage.button.wait_for()
    stage.page.add_script_tag(url="/geetest-form.js?again")
    stage.page.wait_for_timeout(200)
    assert stage.button.count() == 1


def test_an_offline_mode_of_the_pages_own_is_told_as_an_error(stage: FormStage) -> None:
    stage.simulator.offline()
    attach(stage, "offlineCb() {}")
    assert stage.told("error") == "offline"
    stage.expected = ["geetest-form: offline GeeTest is offline"]


@pytest.mark.parametrize(("page", "language"), [("en", 'data-geetest-language="zho"'), ("zh-CN", "")])
def test_in_chinese_the_words_are_chinese(stage: FormStage, page: str, language: str) -> None:
    stage.open(form(language), PAGE.replace('lang="en"', f'lang="{page}"'))
    stage.button.wait_for()
    stage.submit.click()
    stage.message.filter(has_text="请先完成验证。").wait_for()


def test_detached_the_form_is_as_it_was(stage: FormStage) -> None:
    stage.open(BARE)
    before = stage.ask("document.body.innerHTML")
    stage.ask(
        """async () => {
          const form = document.querySelector("form");
          const handle = GeetestForm.attach(form, {captchaId: "sim-site"});
          if (GeetestForm.attach(form, {captchaId: "sim-site"}) !== handle) throw new Error("attached twice");
          await handle.ready();
          handle.detach();
        }"""
    )
    assert stage.ask("document.body.innerHTML") == before
    with stage.page.expect_navigation(url="**/login") as arrived:
        stage.submit.click()
    assert arrived.value.status == 403


def test_a_button_that_closes_a_dialog_needs_no_captcha(stage: FormStage) -> None:
    cancel = '<button formmethod="dialog" formnovalidate>Cancel</button></form>'
    stage.open(f'<dialog open id="login">{form().replace("</form>", cancel)}</dialog>')
    stage.button.wait_for()
    stage.page.get_by_role("button", name="Cancel").click()
    stage.page.locator("#login").wait_for(state="hidden")
