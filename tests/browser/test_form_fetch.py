"""geetest-form.js in a browser, through the real guard: forms by fetch, and fetch with the token in headers."""

import json
import re
from typing import Any
from urllib.parse import parse_qs

import pytest

from geetest_asgi.denials import DENIALS

from .form_stage import EMPTY, PASSED, PRODUCTS, FormStage


def test_a_denial_resets_and_the_next_solution_passes(stage: FormStage) -> None:
    stage.form("data-geetest-ajax")
    stage.simulator.error("-50005")
    stage.verify_and_submit()
    problem = stage.told("denied")
    assert (problem["code"], problem["retry"]) == ("captcha_refused", "solve")
    stage.message.filter(has_text="Solve a new captcha and send the request again.").wait_for()
    assert stage.hidden() == EMPTY
    stage.simulator.up()
    stage.pause()
    stage.verify_and_submit()
    assert stage.told("response") == PASSED
    assert stage.message.count() == 0
    tokens = {parse_qs(post.post_data)["pass_token"][0] for post in stage.posts}
    assert len(tokens) == 2


@pytest.mark.parametrize("prevented", [False, True])
def test_later_is_told_by_us_or_by_the_page_and_keeps_nothing(stage: FormStage, prevented: bool) -> None:
    stage.form("data-geetest-ajax")
    if prevented:
        stage.ask("() => addEventListener('geetest:denied', (event) => event.preventDefault())")
    stage.verify()
    stage.simulator.down()
    stage.submit.click()
    assert stage.told("denied")["retry"] == "later"
    told = stage.message.filter(has_text="Send the request again later.")
    told.wait_for(state="detached" if prevented else "visible")
    assert stage.hidden() == EMPTY


def test_a_problem_of_the_apps_own_is_its_answer(stage: FormStage) -> None:
    problem = {"code": "out_of_tea"}
    stage.page.route(
        "**/login",
        lambda route: route.fulfill(status=409, body=json.dumps(problem), content_type="application/problem+json"),
    )
    stage.form("data-geetest-ajax")
    stage.verify_and_submit()
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
    stage.verify_and_submit()
    assert stage.told("error") == "network"
    stage.message.filter(has_text="Sending failed.").wait_for()
    stage.page.unroute("**/login")
    stage.verify_and_submit()
    assert stage.told("response") == PASSED
    stage.expected = ["geetest-form: network Failed to fetch"]


POST = "post('/api/login').then((response) => response.json())"


def start(stage: FormStage, product: str) -> None:
    """`captcha` of the page is one without a form."""
    stage.open('<div id="place"></div>')
    stage.page.evaluate(
        """async (product) => {
          window.captcha = await GeetestForm.captcha({captchaId: "sim-site", product});
          captcha.widget.appendTo("#place");
          window.post = (url, options) => GeetestForm.fetch(url,
            {method: "POST", headers: {"X-Own": "1"}, body: new URLSearchParams({username: "ada"})}, captcha, options);
        }""",
        product,
    )


@pytest.mark.parametrize("product", PRODUCTS)
def test_a_fetch_carries_the_token_in_headers(stage: FormStage, product: str) -> None:
    start(stage, product)
    if product == "float":
        stage.verify()
    stage.ask(f"keep({POST})")
    if product == "popup":
        stage.open_box()
    if product != "float":
        stage.solve()
    assert stage.sent() == PASSED
    assert {"x-own", *(f"x-geetest-{name.replace('_', '-')}" for name in EMPTY)} <= stage.posts[-1].headers.keys()
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
    stage.ask(f"keep(Promise.all([1, 2].map(() => {POST})))")
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


@pytest.mark.parametrize("how", ["by Escape", "by reset"])
def test_a_captcha_that_is_closed_ends_the_fetch_and_the_next_asks_anew(stage: FormStage, how: str) -> None:
    start(stage, "bind")
    stage.ask("keep(post('/api/login').then(() => 'sent'))")
    stage.box.wait_for(state="visible")
    stage.page.keyboard.press("Escape") if how == "by Escape" else stage.ask("captcha.reset()")
    assert (stage.sent(), stage.posts) == ("closed", [])
    stage.ask(f"keep({POST})")
    stage.solve()
    assert stage.sent() == PASSED


@pytest.mark.parametrize("accept", ["text/html", "*/*"])
def test_denial_knows_the_guards_answers_whatever_their_body(stage: FormStage, accept: str) -> None:
    stage.open("")
    denied = stage.ask(
        """async (accept) => GeetestForm.denial(
          await fetch("/login", {method: "POST", headers: {accept}, body: new URLSearchParams()}))""",
        accept,
    )
    assert (denied["code"], denied["retry"], "detail" in denied) == ("captcha_missing", "solve", accept == "*/*")
    assert stage.ask("async () => GeetestForm.denial(await fetch('/other'))") is None


def test_denial_knows_what_helps_against_each(stage: FormStage) -> None:
    stage.open("")
    told = stage.ask(
        """(codes) => Promise.all(codes.map((code) =>
          GeetestForm.denial(new Response("<p>", {headers: {"x-geetest-denial": code}}))))""",
        [f"captcha_{outcome}" for outcome in DENIALS],
    )
    assert told == [{"code": f"captcha_{outcome}", "retry": denial.retry} for outcome, denial in DENIALS.items()]
