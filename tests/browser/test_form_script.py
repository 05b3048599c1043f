"""geetest-form.js in a browser, through the real guard: forms that navigate, forms by fetch, fetch with headers."""

import json
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs

import pytest
from visitor import CHROMIUM

from geetest_asgi.testing import Simulator, serve

from .form_stage import FORM, PAGE, PASSED, FormSite, FormStage, visit
from .profiles import new_page

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page, Route

PRODUCTS = ["float", "popup", "bind"]
EMPTY = dict.fromkeys(("lot_number", "captcha_output", "pass_token", "gen_time"), "")
STRICT = (
    "default-src 'none'; script-src 'self' {geetest}; connect-src 'self'; form-action 'self'; base-uri 'none'; "
    "require-trusted-types-for 'script'; trusted-types geetest-simulator"
)


@pytest.fixture(scope="module")
def running() -> Iterator[tuple[Simulator, FormSite, str]]:
    simulator = Simulator()
    with serve(simulator) as geetest:
        server = FormSite(geetest)
        with serve(server.app) as url:
            yield simulator, server, url


@pytest.fixture
def stage(tab: "Page", running: tuple[Simulator, FormSite, str]) -> Iterator[FormStage]:
    with visit(tab, *running) as stage:
        yield stage


# --- a form that navigates --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("product", PRODUCTS)
def test_a_plain_form_arrives_as_passed(stage: FormStage, product: str) -> None:
    stage.form(f'data-geetest-product="{product}"')
    with stage.page.expect_navigation(url="**/login"):
        stage.click_and_solve(product)
    assert stage.answer() == PASSED
    assert "by=button" in (stage.posts[-1].post_data or ""), "the button that was pressed goes along"
    assert [call.result for call in stage.simulator.calls] == ["success"]


@pytest.mark.parametrize("product", PRODUCTS)
def test_under_a_strict_policy_nothing_is_violated(stage: FormStage, product: str) -> None:
    form = FORM.format(
        action="/login", attributes=f'data-geetest-captcha-id="sim-site" data-geetest-product="{product}"'
    )
    stage.open(form, content_security_policy=STRICT.format(geetest=stage.geetest))
    with stage.page.expect_navigation(url="**/login"):
        stage.click_and_solve(product)
    assert stage.answer() == PASSED  # and at the end the console has to be empty


@pytest.mark.parametrize("product", PRODUCTS)
def test_by_keyboard_alone(stage: FormStage, product: str) -> None:
    stage.form(f'data-geetest-product="{product}"')
    if product != "bind":
        stage.button.wait_for()
    stage.page.focus("[name=username]")
    stage.page.keyboard.press("Enter")  # submits, as in any form
    if product != "bind":
        stage.message.filter(has_text="solve the captcha").wait_for()
        assert stage.ask("document.activeElement.className") == "geetest_btn_click"
        stage.page.keyboard.press("Enter")
    stage.box.wait_for(state="visible")
    with stage.page.expect_navigation(url="**/login"):
        stage.page.keyboard.press("Enter")
        if product != "bind":
            stage.page.locator("[data-state=solved]").first.wait_for()
            stage.page.focus("[name=username]")
            stage.page.keyboard.press("Enter")
    assert stage.answer() == PASSED


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
    form = FORM.format(action="/login", attributes='data-geetest-captcha-id="sim-site" data-geetest-product="bind"')
    stage.open(form + form.replace("Log in", "Join").replace("ada", "eve"))
    stage.page.get_by_role("button", name="Join").click()
    with stage.page.expect_navigation(url="**/login"):
        stage.solve()
    assert stage.answer() == PASSED | {"username": "eve"}
    stage.page.go_back()
    stage.submit.click()
    with stage.page.expect_navigation(url="**/login"):
        stage.solve()
    assert stage.answer() == PASSED
    assert stage.server.outcomes == ["passed", "passed"]


def test_without_javascript_the_server_says_that_it_is_missing(stage: FormStage) -> None:
    stage.page.route("**/*.js", lambda route: route.abort())
    stage.form()
    with stage.page.expect_navigation(url="**/login") as arrived:
        stage.submit.click()
    assert arrived.value.status == 403
    assert "Captcha required" in stage.page.inner_text("body")


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
    stage.submit.click()
    with stage.page.expect_navigation(url="**/login"):
        stage.solve()
    assert stage.answer() == PASSED


@pytest.mark.parametrize(
    ("action", "fields", "names"),
    [
        (
            "/prefixed",
            "geetest_",
            {"geetest_lot_number", "geetest_captcha_output", "geetest_pass_token", "geetest_gen_time"},
        ),
        ("/camel", "camelCase", {"lotNumber", "captchaOutput", "passToken", "genTime"}),
        ("/mapped", '{"lot_number": "lot"}', {"lot", "captcha_output", "pass_token", "gen_time"}),
        ("/contained", "captcha", {"captcha"}),
    ],
)
def test_the_fields_are_spelt_as_the_server_wants_them(
    stage: FormStage, action: str, fields: str, names: set[str]
) -> None:
    stage.form(f"data-geetest-fields='{fields}'", action)
    assert stage.hidden() == dict.fromkeys(names, "")
    stage.verify()
    with stage.page.expect_navigation(url=f"**{action}"):
        stage.submit.click()
    assert stage.answer() == PASSED
    assert set(parse_qs(stage.posts[-1].post_data)) == names | {"username", "by"}


def test_inputs_that_the_page_has_are_used(stage: FormStage) -> None:
    inputs = "".join(f'<input type="hidden" name="{name}" value="old">' for name in EMPTY)
    stage.open(FORM.format(action="/login", attributes='data-geetest-captcha-id="sim-site"').replace("<p>", inputs, 1))
    assert stage.ask("document.querySelectorAll('input[type=hidden]').length") == 4
    assert stage.hidden() == EMPTY
    stage.verify()
    with stage.page.expect_navigation(url="**/login"):
        stage.submit.click()
    assert stage.answer() == PASSED


def test_in_a_multipart_body_the_token_comes_before_the_files(stage: FormStage) -> None:
    form = FORM.format(
        action="/upload", attributes='enctype="multipart/form-data" data-geetest-captcha-id="sim-site"'
    ).replace("<p>", '<input type="file" name="photo" aria-label="Photo"><p>', 1)
    stage.open(form)
    stage.page.set_input_files("[name=photo]", {"name": "a.jpg", "mimeType": "image/jpeg", "buffer": bytes(100_000)})
    stage.verify()
    with stage.page.expect_navigation(url="**/upload"):
        stage.submit.click()
    assert stage.answer() == PASSED


def test_a_form_that_asks_by_get(stage: FormStage) -> None:
    stage.form(action="/search")
    stage.ask("void document.querySelector('form').setAttribute('method', 'get')")
    stage.verify()
    with stage.page.expect_navigation(url="**/search?*"):
        stage.submit.click()
    assert stage.answer() == PASSED


# --- a token is sent once ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("ajax", ["", "data-geetest-ajax"])
@pytest.mark.parametrize("product", PRODUCTS)
def test_a_double_click_sends_one_request(stage: FormStage, product: str, ajax: str) -> None:
    stage.form(f'data-geetest-product="{product}" {ajax}', "/slow")
    if product == "bind":
        stage.submit.dblclick()
        stage.solve()
    else:
        stage.verify()
        stage.submit.dblclick()
    if ajax:
        assert stage.told("response") == PASSED
    else:
        stage.page.wait_for_url("**/slow")
        assert stage.answer() == PASSED
    assert len(stage.posts) == 1
    assert len(stage.simulator.calls) == 1


@pytest.mark.parametrize("target", ["_blank", "_self"])
def test_two_submissions_at_one_stroke_and_the_form_is_empty_after_the_first(stage: FormStage, target: str) -> None:
    stage.form(f'target="{target}"', "/slow")
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
    if target == "_blank":  # the page stays, as it does where the answer is a download
        stage.page.wait_for_function("!document.querySelector('[name=lot_number]').value")
        stage.button.filter(has_text="Click to verify").wait_for()
        for _ in range(100):
            stage.page.wait_for_timeout(0 if stage.simulator.calls else 50)
        assert stage.message.count() == 0, "a second stroke is no matter to talk about"
        assert stage.ask("read") == 1, "the browser has read the form once"
    else:
        stage.page.wait_for_url("**/slow")
        assert stage.answer() == PASSED
    assert [call.result for call in stage.simulator.calls] == ["success"]


def test_while_a_form_is_on_its_way_nothing_else_is_sent(stage: FormStage) -> None:
    held: list[Route] = []
    stage.form("data-geetest-ajax")
    stage.page.route("**/login", lambda route: held.append(route))
    stage.verify()
    with stage.page.expect_request("**/login"):
        stage.submit.click()
    stage.verify()
    stage.page.wait_for_timeout(1000)  # what comes sooner is a double click
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
    stage.verify()
    stage.submit.click()
    assert stage.sent() == PASSED
    assert stage.hidden() == EMPTY
    assert stage.button.inner_text().startswith("Click to verify")


def test_back_from_the_browsers_cache_the_form_is_empty(
    chromium: "Browser", running: tuple[Simulator, FormSite, str]
) -> None:
    """In a browser of its own: Playwright starts Chromium without that cache."""
    caching = chromium.browser_type.launch(
        executable_path=CHROMIUM, args=["--no-sandbox"], ignore_default_args=["--disable-back-forward-cache"]
    )
    with visit(new_page(caching), *running) as stage:
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


def test_a_submission_that_the_page_has_prevented_is_left_alone(stage: FormStage) -> None:
    stage.form()
    stage.ask("() => addEventListener('submit', (event) => event.preventDefault(), true)")
    stage.button.wait_for()
    stage.submit.click()
    assert stage.message.count() == 0
    stage.verify()
    stage.submit.click()
    stage.page.wait_for_timeout(100)
    assert all(stage.hidden().values())
    assert stage.posts == []


def test_a_form_that_is_cleared_has_no_token(stage: FormStage) -> None:
    stage.form()
    stage.verify()
    stage.ask("void dispatchEvent(new PageTransitionEvent('pageshow', {persisted: false}))")  # loaded, and not back
    assert all(stage.hidden().values())
    stage.ask("void document.querySelector('form').reset()")
    assert stage.hidden() == EMPTY


def test_a_token_that_has_grown_old_is_not_sent(chromium: "Browser", running: tuple[Simulator, FormSite, str]) -> None:
    """In a profile of its own, whose clock is set."""
    with visit(new_page(chromium, reduced_motion="reduce"), *running) as stage:
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


# --- a form by fetch --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("product", PRODUCTS)
def test_a_denial_resets_and_the_next_solution_passes(stage: FormStage, product: str) -> None:
    stage.form(f'data-geetest-ajax data-geetest-product="{product}"')
    stage.simulator.error("-50005")
    stage.click_and_solve(product)
    problem = stage.told("denied")
    assert (problem["code"], problem["retry"]) == ("captcha_refused", "solve")
    stage.message.filter(has_text="Solve a new captcha and send the request again.").wait_for()
    assert stage.hidden() == EMPTY
    stage.simulator.up()
    stage.page.wait_for_timeout(1000)  # what comes sooner is a double click
    if product == "bind":
        stage.submit.click()
        stage.box.wait_for(state="visible")
        assert stage.message.count() == 0, "old words are gone"
        stage.solve()
    else:
        stage.click_and_solve(product)
    assert stage.told("response") == PASSED
    assert stage.message.count() == 0
    tokens = [parse_qs(post.post_data)["pass_token"] for post in stage.posts]
    assert len(tokens) == 2
    assert tokens[0] != tokens[1]
    assert stage.page.url.endswith("/page")


def test_later_is_told_and_keeps_nothing(stage: FormStage) -> None:
    stage.form("data-geetest-ajax")
    stage.verify()
    stage.simulator.down()
    stage.submit.click()
    assert stage.told("denied")["retry"] == "later"
    stage.message.filter(has_text="Send the request again later.").wait_for()
    assert stage.hidden() == EMPTY


def test_a_page_may_tell_of_a_denial_by_itself(stage: FormStage) -> None:
    stage.form("data-geetest-ajax")
    stage.ask("() => addEventListener('geetest:denied', (event) => event.preventDefault())")
    stage.verify()
    stage.simulator.down()
    stage.submit.click()
    stage.told("denied")
    assert stage.message.count() == 0


def test_a_problem_of_the_apps_own_is_its_answer(stage: FormStage) -> None:
    problem = {"code": "out_of_tea"}
    stage.page.route(
        "**/login",
        lambda route: route.fulfill(status=409, body=json.dumps(problem), content_type="application/problem+json"),
    )
    stage.form("data-geetest-ajax")
    stage.verify()
    stage.submit.click()
    assert stage.told("response") == problem


@pytest.mark.parametrize(
    ("action", "attributes"),
    [("/upload", 'enctype="multipart/form-data"'), ("/search", ""), ("/login", 'enctype="text/plain"')],
)
def test_a_form_by_fetch_is_encoded_as_the_form_says(stage: FormStage, action: str, attributes: str) -> None:
    stage.form(f"data-geetest-ajax {attributes}", action)
    if action == "/search":
        stage.ask("void document.querySelector('form').setAttribute('method', 'get')")
    stage.verify()
    with stage.page.expect_request(f"**{action}*") as sent:
        stage.submit.click()
    assert stage.told("response") == PASSED
    kind = sent.value.headers.get("content-type", "")
    assert kind.startswith("multipart/form-data") == (action == "/upload")
    assert sent.value.method == ("GET" if action == "/search" else "POST")
    body = sent.value.post_data_buffer or sent.value.url.encode()
    assert re.search(rb'by=button|name="by"\r\n\r\nbutton', body), "the button that was pressed goes along"


def test_what_cannot_be_sent_is_an_error_and_the_form_can_be_sent_again(stage: FormStage) -> None:
    stage.form("data-geetest-ajax")
    stage.page.route("**/login", lambda route: route.abort())
    stage.verify()
    stage.submit.click()
    assert stage.told("error") == "network"
    stage.message.filter(has_text="Sending failed.").wait_for()
    stage.page.unroute("**/login")
    stage.verify()
    stage.submit.click()
    assert stage.told("response") == PASSED
    stage.expected = ["geetest-form: network Failed to fetch"]


def test_a_form_to_another_origin_sends_no_token_there(stage: FormStage) -> None:
    stage.form("data-geetest-ajax", f"{stage.geetest}/validate")
    stage.verify()
    stage.submit.click()
    assert stage.told("error") == "origin"
    assert stage.posts == []
    stage.expected = [f"geetest-form: origin origins lacks {stage.geetest}"]


# --- fetch with the headers -------------------------------------------------------------------------------------------


def start(stage: FormStage, product: str, place: bool = True) -> None:
    """`captcha` of the page is one without a form."""
    stage.open('<div id="place"></div>')
    stage.page.evaluate(
        """async ([product, place]) => {
          window.captcha = await GeetestForm.captcha({captchaId: "sim-site", product});
          if (place) captcha.widget.appendTo("#place");
          window.post = (url, options) => GeetestForm.fetch(url,
            {method: "POST", headers: {"X-Own": "1"}, body: new URLSearchParams({username: "ada"})}, captcha, options);
        }""",
        [product, place],
    )


@pytest.mark.parametrize("product", PRODUCTS)
def test_a_fetch_carries_the_token_in_headers(stage: FormStage, product: str) -> None:
    start(stage, product)
    if product != "bind":
        stage.verify()
    stage.ask("keep(post('/api/login').then(response => response.json()))")
    if product == "bind":
        stage.solve()
    assert stage.sent() == PASSED
    headers = stage.posts[-1].headers
    assert [name for name in sorted(headers) if name.startswith("x-")] == [
        *("x-geetest-captcha-output", "x-geetest-gen-time", "x-geetest-lot-number", "x-geetest-pass-token", "x-own")
    ]
    assert stage.ask("captcha.result()") is None
    stage.ask("captcha.destroy()")
    assert stage.button.count() == 0


def test_a_captcha_is_shown_when_it_is_ready(stage: FormStage) -> None:
    """As GeeTest's documentation asks; the simulator would show it before."""
    stage.open("")
    stage.ask(
        """() => {
          const genuine = initGeetest4, order = [];
          window.initGeetest4 = (options, back) => genuine(options, (widget) => {
            const show = widget.showCaptcha;
            widget.onReady(() => order.push("ready"));
            widget.showCaptcha = () => { order.push("shown"); return show(); };
            back(widget);
          });
          keep(GeetestForm.captcha({captchaId: "sim-site", product: "bind"})
            .then((captcha) => captcha.solve()).then(() => order));
        }"""
    )
    stage.solve()
    assert stage.sent() == ["ready", "shown"]


def test_a_fetch_waits_for_the_visitor(stage: FormStage) -> None:
    start(stage, "popup")
    stage.ask("keep(post('/api/login').then(response => response.json()))")
    stage.open_box()
    stage.solve()
    assert stage.sent() == PASSED


def test_after_a_denial_a_fetch_asks_for_a_new_solution(stage: FormStage) -> None:
    start(stage, "bind")
    told: list[Any] = []
    for mode in ("error", "up"):
        stage.simulator.error("-50005") if mode == "error" else stage.simulator.up()
        stage.ask(
            """keep(post('/api/login').then(async (response) =>
              [response.status, (await GeetestForm.denial(response))?.retry, (await response.json()).outcome]))"""
        )
        stage.solve()
        told.append(stage.sent())
    assert told == [[403, "solve", None], [200, None, "passed"]]


def test_two_fetches_at_once_share_no_token(stage: FormStage) -> None:
    start(stage, "bind")
    stage.ask("keep(Promise.all([1, 2].map(() => post('/api/login').then(it => it.json()))))")
    stage.solve()
    stage.page.wait_for_function("document.querySelector('dialog[open]:not([data-state=solved])')")
    stage.solve()
    assert stage.sent() == [PASSED, PASSED]
    assert len({post.headers["x-geetest-pass-token"] for post in stage.posts}) == 2


def test_a_token_goes_to_no_other_origin_unless_it_is_named(stage: FormStage) -> None:
    start(stage, "bind")
    url = f"{stage.geetest}/verify"  # which pages of every origin may call
    refused = stage.page.evaluate("url => post(url).then(() => 'sent', (error) => error.code)", url)
    assert (refused, stage.posts) == ("origin", [])
    assert not stage.box.is_visible(), "nobody is asked to solve what is not sent"
    stage.page.evaluate(
        "([url, origin]) => keep(post(url, {origins: [origin]}).then((it) => it.status))",
        [url, stage.geetest],
    )
    stage.solve()
    assert isinstance(stage.sent(), int)
    assert stage.posts[-1].headers["x-geetest-pass-token"]
    stage.complaints.clear()  # of the status


def test_a_redirect_carries_no_token_to_another_origin(stage: FormStage) -> None:
    start(stage, "bind")
    stage.ask("keep(post('/api/away').then(() => 'arrived'))")
    stage.solve()
    assert stage.sent() == "TypeError"
    assert len(stage.simulator.calls) == 1, "the guard's own"
    stage.complaints.clear()  # the browser's account of it, in words of its own


def test_a_visitor_who_closes_the_captcha_ends_the_fetch(stage: FormStage) -> None:
    start(stage, "bind")
    stage.ask("keep(post('/api/login').then(() => 'sent'))")
    stage.box.wait_for(state="visible")
    stage.page.keyboard.press("Escape")
    assert stage.sent() == "closed"
    assert stage.posts == []


def test_a_captcha_that_is_reset_meanwhile_ends_the_fetch_and_the_next_asks_anew(stage: FormStage) -> None:
    start(stage, "bind")
    stage.ask("keep(post('/api/login').then(() => 'sent'))")
    stage.box.wait_for(state="visible")
    stage.ask("captcha.reset()")
    assert stage.sent() == "closed"
    stage.ask("keep(post('/api/login').then((response) => response.json()))")
    stage.solve()
    assert stage.sent() == PASSED


# --- what can go wrong ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("product", PRODUCTS)
def test_offline_the_constant_token_is_sent_as_it_is(stage: FormStage, product: str) -> None:
    stage.simulator.offline()
    stage.form(f'data-geetest-product="{product}"')
    if product == "bind":
        stage.submit.click()
    with stage.page.expect_navigation(url="**/login") as arrived:
        if product == "bind":
            stage.box.get_by_role("button", name="tap to go on").click()
        else:
            stage.button.click()
            stage.page.locator("[data-state=solved]").first.wait_for()
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
    stage.page.wait_for_timeout(1000)  # what comes sooner is a double click
    stage.submit.click()
    with stage.page.expect_navigation(url="**/login"):
        stage.solve()
    assert stage.answer() == PASSED
    stage.expected = ["geetest-form: no_gt4 no gt4.js here"] * 2


def test_gt4_may_be_an_asynchronous_script(stage: FormStage) -> None:
    stage.open(
        FORM.format(action="/login", attributes='data-geetest-captcha-id="sim-site"'),
        PAGE.replace('<script src="{geetest}', '<script async src="{geetest}'),
    )
    stage.verify()
    with stage.page.expect_navigation(url="**/login"):
        stage.submit.click()
    assert stage.answer() == PASSED


def test_a_bad_id_is_told_to_the_page_and_to_the_visitor(stage: FormStage) -> None:
    form = FORM.format(action="/login", attributes="")
    stage.open(form)
    stage.ask(
        """() => {
          window.seen = [];
          const onError = ({code, msg, desc}) => seen.push([code, msg, desc.detail]);
          GeetestForm.attach(document.querySelector("form"), {captchaId: "sim-unknown", onError});
        }"""
    )
    assert stage.told("error") == "-50102"
    assert stage.ask("seen") == [["-50102", "illegal captcha_id", "illegal captcha_id"]]
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
    with stage.page.expect_navigation(url="**/login"):
        stage.solve()  # in the box, which is still there
    assert stage.answer() == PASSED
    stage.expected = ["geetest-form: 60203 Network failure"]


@pytest.mark.parametrize("how", ["by Escape", "by reset"])
def test_a_captcha_that_is_closed_sends_nothing_and_the_form_may_be_submitted_again(stage: FormStage, how: str) -> None:
    stage.form('data-geetest-product="bind"')
    stage.submit.click()
    stage.box.wait_for(state="visible")
    if how == "by Escape":
        stage.page.keyboard.press("Escape")
    else:
        stage.ask("GeetestForm.attach(document.forms[0]).reset()")
    stage.box.wait_for(state="hidden")
    stage.ask("GeetestForm.attach(document.forms[0]).ready().then((captcha) => void captcha.widget.showCaptcha())")
    stage.solve()
    stage.told("solved")
    stage.page.wait_for_timeout(100)
    assert stage.posts == [], "closed is closed: the form goes when it is submitted again"
    stage.ask("GeetestForm.attach(document.forms[0]).reset()")
    stage.page.wait_for_timeout(1000)  # what comes sooner is a double click
    stage.submit.click()
    with stage.page.expect_navigation(url="**/login"):
        stage.solve()
    assert stage.answer() == PASSED


def test_one_wrong_attribute_is_no_other_forms_affair(stage: FormStage) -> None:
    wrong = FORM.format(action="/login", attributes='data-geetest-captcha-id="a" data-geetest-fields="{"')
    right = FORM.format(action="/login", attributes='data-geetest-captcha-id="sim-site"')
    stage.open(wrong + right)
    stage.button.wait_for()
    assert stage.button.count() == 1
    assert len(stage.complaints) == 1
    assert "SyntaxError" in stage.complaints.pop()


# --- the page's own way ----------------------------------------------------------------------------------------------


def test_attributes_do_not_say_where_scripts_come_from(stage: FormStage) -> None:
    """Sanitizers let data attributes pass: a visitor's HTML must not bring a visitor's script."""
    servers = """data-geetest-api-servers='["192.0.2.1"]' data-geetest-static-servers='["192.0.2.1"]'"""
    asked: list[str] = []
    stage.page.on("request", lambda request: asked.append(request.url))
    stage.form(f'{servers} data-geetest-protocol="https://"')
    stage.verify()
    assert not [url for url in asked if "192.0.2.1" in url]


def test_a_script_may_say_where_geetest_is(stage: FormStage) -> None:
    stage.open(FORM.format(action="/login", attributes=""))
    host = stage.geetest.removeprefix("http://")
    stage.page.evaluate(
        """host => {
          const servers = {apiServers: [host], staticServers: [host], protocol: "http://"};
          window.handle = GeetestForm.attach(document.querySelector("form"), {captchaId: "sim-site", ...servers});
        }""",
        host,
    )
    stage.verify()
    with stage.page.expect_navigation(url="**/login"):
        stage.submit.click()
    assert stage.answer() == PASSED


def test_the_widget_and_the_words_are_where_the_page_wants_them(stage: FormStage) -> None:
    form = FORM.format(
        action="/login",
        attributes="""data-geetest-captcha-id="sim-site" data-geetest-messages='{"required": "Erst das Captcha."}'""",
    ).replace("<p>", '<div id="here" data-geetest-place></div><b data-geetest-message></b><p>', 1)
    stage.open(form)
    stage.page.locator("#here .geetest_btn_click").wait_for()
    stage.submit.click()
    stage.page.locator("b", has_text="Erst das Captcha.").wait_for()
    assert stage.page.locator(".geetest-form-message").count() == 0


def test_by_default_they_stand_before_the_button_that_submits(stage: FormStage) -> None:
    form = FORM.format(action="/login", attributes='data-geetest-captcha-id="sim-site"')
    stage.open(form.replace("<p>", '<p><button type="button">Help</button> <button type="reset">Clear</button>', 1))
    stage.button.wait_for()
    assert stage.ask("document.querySelector('.geetest-form-message').nextElementSibling.textContent") == "Log in"
    assert stage.ask("document.querySelector('.geetest_captcha').parentNode.nextElementSibling.className") == (
        "geetest-form-message"
    )


def test_a_place_is_no_matter_to_bind(stage: FormStage) -> None:
    stage.form('data-geetest-product="bind" data-geetest-place="form"')
    stage.submit.click()
    with stage.page.expect_navigation(url="**/login"):
        stage.solve()
    assert stage.answer() == PASSED


def test_a_script_that_is_loaded_twice_attaches_once(stage: FormStage) -> None:
    stage.form()
    stage.button.wait_for()
    stage.page.add_script_tag(url="/geetest-form.js?again")
    stage.page.wait_for_timeout(200)
    assert stage.button.count() == 1


def test_an_offline_mode_of_the_pages_own_is_told_as_an_error(stage: FormStage) -> None:
    stage.simulator.offline()
    stage.open(FORM.format(action="/login", attributes=""))
    stage.ask(
        """() => GeetestForm.attach(document.querySelector("form"), {
          captchaId: "sim-site", offlineCb() { document.title = "on our own"; }
        }) && null"""
    )
    assert stage.told("error") == "offline"
    assert stage.page.title() == "on our own"
    stage.expected = ["geetest-form: offline GeeTest is offline"]


@pytest.mark.parametrize(("page", "language"), [("en", 'data-geetest-language="zho"'), ("zh-CN", "")])
def test_in_chinese_the_words_are_chinese(stage: FormStage, page: str, language: str) -> None:
    form = FORM.format(action="/login", attributes=f'data-geetest-captcha-id="sim-site" {language}')
    stage.open(form, PAGE.replace('lang="en"', f'lang="{page}"'))
    stage.button.wait_for()
    stage.submit.click()
    stage.message.filter(has_text="请先完成验证。").wait_for()


def test_detached_the_form_is_as_it_was(stage: FormStage) -> None:
    stage.open(FORM.format(action="/login", attributes=""))
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
    form = FORM.format(action="/login", attributes='data-geetest-captcha-id="sim-site"').replace(
        "</form>", '<button formmethod="dialog" formnovalidate>Cancel</button></form>'
    )
    stage.open(f'<dialog open id="login">{form}</dialog>')
    stage.button.wait_for()
    stage.page.get_by_role("button", name="Cancel").click()
    stage.page.locator("#login").wait_for(state="hidden")


def test_it_may_be_imported_as_a_module(stage: FormStage) -> None:
    stage.open(
        FORM.format(action="/login", attributes='data-geetest-captcha-id="sim-site"'),
        PAGE.replace('<script src="/geetest-form.js" defer>', '<script type="module" src="/geetest-form.js">'),
    )
    stage.button.wait_for()
    assert stage.ask("Object.keys(GeetestForm)") == ["attach", "captcha", "fetch", "denial"]
