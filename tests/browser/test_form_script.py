"""geetest-form.js in a browser, through the real guard: forms that navigate, and a token that is sent once."""

from typing import TYPE_CHECKING
from urllib.parse import parse_qs

import pytest
from visitor import CHROMIUM

from .form_stage import EMPTY, PASSED, POLICIES, PRODUCTS, FormStage, Site, form, visit
from .profiles import new_page

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Route


STRICT = POLICIES["strict"] + "; connect-src 'self'"


@pytest.mark.parametrize("product", PRODUCTS)
def test_a_plain_form_arrives_as_passed_under_a_strict_policy(stage: FormStage, product: str) -> None:
    """At the end the console has to be empty."""
    policy = STRICT.replace("{geetest}", stage.geetest)
    stage.open(form(f'data-geetest-product="{product}"'), content_security_policy=policy)
    if product == "bind":
        stage.submit_and_solve()
    else:
        with stage.arrives():
            stage.verify_and_submit()
    assert "by=button" in (stage.posts[-1].post_data or ""), "the button that was pressed goes along"
    assert [call.result for call in stage.simulator.calls] == ["success"]


def test_by_keyboard_alone(stage: FormStage) -> None:
    stage.form()
    stage.button.wait_for()
    stage.page.focus("[name=username]")
    stage.page.keyboard.press("Enter")  # submits, as in any form
    stage.message.filter(has_text="solve the captcha").wait_for()
    stage.page.keyboard.press("Enter")  # the focus is on the captcha
    stage.box.wait_for(state="visible")
    stage.page.keyboard.press("Enter")
    stage.page.locator("[data-state=solved]").first.wait_for()
    stage.page.focus("[name=username]")
    with stage.arrives():
        stage.page.keyboard.press("Enter")


def test_unsolved_nothing_is_sent_and_the_visitor_is_told(stage: FormStage) -> None:
    stage.form()
    stage.button.wait_for()
    stage.submit.click()
    stage.message.filter(has_text="Please solve the captcha first.").wait_for()
    assert stage.posts == []
    stage.verify()
    assert stage.message.count() == 0, "hidden again"
    assert stage.hidden().keys() == EMPTY.keys()
    assert all(stage.hidden().values())
    assert stage.told("solved") is None
    assert stage.posts == [], "a float captcha that is solved sends nothing by itself"


def test_each_of_several_forms_to_one_address_has_a_captcha_of_its_own(stage: FormStage) -> None:
    bind = form('data-geetest-product="bind"')
    stage.open(bind + bind.replace("Log in", "Join").replace("ada", "eve"))
    stage.page.get_by_role("button", name="Join").click()
    with stage.arrives(username="eve"):
        stage.solve()
    stage.page.go_back()
    stage.submit_and_solve()
    assert stage.server.outcomes == ["passed", "passed"]


def test_a_denial_is_a_page_and_the_way_back_leads_to_a_fresh_captcha(stage: FormStage) -> None:
    stage.form('data-geetest-product="bind"')
    stage.submit.click()
    stage.simulator.error("-50005")
    with stage.page.expect_navigation(url="**/login") as arrived:
        stage.solve()
    assert arrived.value.status == 403
    assert "Captcha refused" in stage.page.inner_text("body")
    stage.simulator.up()
    stage.page.go_back()
    stage.submit_and_solve()


@pytest.mark.parametrize(
    ("action", "fields", "names"),
    [
        ("/prefixed", "geetest_", "geetest_lot_number geetest_captcha_output geetest_pass_token geetest_gen_time"),
        ("/camel", "camelCase", "lotNumber captchaOutput passToken genTime"),
        ("/mapped", '{"lot_number": "lot"}', "lot captcha_output pass_token gen_time"),
        ("/contained", "captcha", "captcha"),
    ],
)
def test_the_fields_are_spelt_as_the_server_wants_them(stage: FormStage, action: str, fields: str, names: str) -> None:
    stage.form(f"data-geetest-fields='{fields}'", action)
    assert stage.hidden() == dict.fromkeys(names.split(), "")
    stage.verify()
    with stage.arrives(action[1:]):
        stage.submit.click()
    assert set(parse_qs(stage.posts[-1].post_data)) == {*names.split()} | {"username", "by"}


def test_inputs_that_the_page_has_are_used(stage: FormStage) -> None:
    inputs = "".join(f'<input type="hidden" name="{name}" value="old">' for name in EMPTY)
    stage.open(form().replace("<p>", inputs, 1))
    assert stage.ask("document.querySelectorAll('input[type=hidden]').length") == 4
    assert stage.hidden() == EMPTY
    with stage.arrives():
        stage.verify_and_submit()


def test_in_a_multipart_body_the_token_comes_before_the_files(stage: FormStage) -> None:
    upload = form('enctype="multipart/form-data"', "/upload")
    stage.open(upload.replace("<p>", '<input type="file" name="photo" aria-label="Photo"><p>', 1))
    stage.page.set_input_files("[name=photo]", {"name": "a.jpg", "mimeType": "image/jpeg", "buffer": bytes(100_000)})
    stage.verify()
    with stage.arrives("upload"):
        stage.submit.click()


@pytest.mark.parametrize("product", PRODUCTS)
def test_a_double_click_sends_one_request(stage: FormStage, product: str) -> None:
    stage.form(f'data-geetest-product="{product}"', "/slow")
    if product == "bind":
        stage.submit.dblclick()
        stage.solve()
    else:
        stage.verify()
        stage.submit.dblclick()
    stage.page.wait_for_url("**/slow")
    assert stage.answer() == PASSED
    assert (len(stage.posts), len(stage.simulator.calls)) == (1, 1)


def test_two_submissions_at_one_stroke_and_the_form_is_empty_after_the_first(stage: FormStage) -> None:
    """In a page that stays, as it does where the answer is a download."""
    stage.form('target="_blank"', "/slow")
    stage.verify()
    stage.ask(
        """() => {
          const form = document.querySelector("form"), channel = new MessageChannel();
          form.addEventListener("formdata", () => { window.read = (window.read || 0) + 1; });
          form.requestSubmit();
          form.requestSubmit();
          channel.port1.onmessage = () => form.requestSubmit();  // another task, before any timer has its turn
          channel.port2.postMessage(null);
        }"""
    )
    stage.page.wait_for_function("!document.querySelector('[name=lot_number]').value")
    stage.button.filter(has_text="Click to verify").wait_for()
    for _ in range(100):
        stage.page.wait_for_timeout(0 if stage.simulator.calls else 50)
    assert stage.ask("read") == 1, "the browser has read the form once"
    assert [call.result for call in stage.simulator.calls] == ["success"]


def test_while_a_form_is_on_its_way_nothing_else_is_sent(stage: FormStage) -> None:
    held: list[Route] = []
    stage.form("data-geetest-ajax")
    stage.page.route("**/login", lambda route: held.append(route))
    stage.verify()
    with stage.page.expect_request("**/login"):
        stage.submit.click()
    stage.verify()
    stage.pause()
    stage.submit.click()
    stage.page.wait_for_timeout(100)
    assert (len(held), len(stage.posts), stage.message.count()) == (1, 1, 0)
    held[0].continue_()
    assert stage.told("response") == PASSED
    assert all(stage.hidden().values()), "the new token is there for the next submission"


def test_a_script_of_the_page_may_send_the_form_by_itself_once(stage: FormStage) -> None:
    stage.form()
    stage.ask(
        """() => document.querySelector("form").addEventListener("submit", (event) => {
          event.preventDefault();
          keep(fetch("/login", {method: "POST", body: new URLSearchParams(new FormData(event.target))})
            .then((response) => response.json()));
        })"""
    )
    stage.verify_and_submit()
    assert stage.sent() == PASSED
    assert stage.hidden() == EMPTY
    assert stage.button.inner_text().startswith("Click to verify")


def test_back_from_the_browsers_cache_the_form_is_empty(chromium: "Browser", form_site: Site) -> None:
    """In a browser of its own: Playwright starts Chromium without that cache."""
    caching = chromium.browser_type.launch(
        executable_path=CHROMIUM, args=["--no-sandbox"], ignore_default_args=["--disable-back-forward-cache"]
    )
    with visit(new_page(caching), *form_site) as stage:
        stage.form()
        stage.ask("void addEventListener('pageshow', ({persisted}) => { document.title = `persisted ${persisted}` })")
        stage.verify()
        assert all(stage.hidden().values())
        stage.ask("void location.assign('/other')")
        stage.page.wait_for_url("**/other")
        stage.page.go_back(wait_until="commit")
        stage.page.wait_for_function("document.title === 'persisted true'")
        assert stage.hidden() == EMPTY
        assert stage.button.inner_text().startswith("Click to verify")
    caching.close()


def test_a_form_that_is_cleared_has_no_token(stage: FormStage) -> None:
    stage.form()
    stage.verify()
    stage.ask("void dispatchEvent(new PageTransitionEvent('pageshow', {persisted: false}))")  # loaded, and not back
    assert all(stage.hidden().values())
    stage.ask("void document.querySelector('form').reset()")
    assert stage.hidden() == EMPTY


def test_a_token_that_has_grown_old_is_not_sent(chromium: "Browser", form_site: Site) -> None:
    """In a profile of its own, whose clock is set."""
    with visit(new_page(chromium, reduced_motion="reduce"), *form_site) as stage:
        stage.page.clock.install()
        stage.form()
        stage.button.wait_for()
        stage.page.clock.run_for(100)
        stage.open_box()
        stage.solve()
        stage.page.clock.run_for(2000)
        stage.page.locator("[data-state=solved]").first.wait_for()
        stage.page.clock.fast_forward("10:00")
        stage.submit.click()
        stage.message.filter(has_text="Please solve the captcha first.").wait_for()
        assert stage.hidden() == EMPTY
        assert stage.posts == []
