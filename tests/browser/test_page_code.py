# ruff: noqa: E501 (what a page says is in one piece)
"""Pages that have code of their own: whoever sends the form, no request leaves without a token."""

import re
from html import escape

import pytest

from .form_stage import PAGE, FormStage

ID = 'data-geetest-captcha-id="sim-site" data-geetest-product="bind"'
FORM = f"""<form id="f" method="post" action="/login" {ID}>
<input name="username" value="ada"><button id="go" name="by" value="go">Log in</button></form><output></output>"""
BARE = FORM.replace(' method="post" action="/login"', "")
TELL = "(answer) => { document.querySelector('output').textContent = answer; }"


def told(fetch: str) -> str:
    """Let the page show the answer."""
    return f"{fetch}.then((response) => response.text()).then({TELL})"


FETCH = told("fetch('/login', {method: 'POST', body: new URLSearchParams(new FormData(f))})")
MULTIPART = told("fetch('/login', {method: 'POST', body: new FormData(f)})")
BY_XHR = f"""const xhr = new XMLHttpRequest(); xhr.open("POST", "/login");
  xhr.onload = () => ({TELL})(xhr.responseText);
  xhr.onabort = () => ({TELL})("aborted");
  xhr.setRequestHeader("Content-Type", "application/x-www-form-urlencoded");
  xhr.send(new URLSearchParams(new FormData(f)).toString())"""
JSON_BODY = 'headers: {"content-type": "application/json"}, body: JSON.stringify({username: f.elements.username.value})'
FETCH_JSON = told(f"fetch('/login', {{method: 'POST', {JSON_BODY}}})")


def on_submit(code: str) -> str:
    """A listener that sends the form by itself."""
    return f"f.addEventListener('submit', async (e) => {{ e.preventDefault(); {code} }})"


def open_page(stage: FormStage, code: str, form: str = FORM, tag: str = "<script>") -> None:
    """Visit a page with a form and a script that has it as `f` and its button as `go`."""
    names = "const f = document.querySelector('#f'), go = document.querySelector('#go')"
    stage.open(f"{form}{tag}{names}; {code}</script>")


def press(stage: FormStage) -> None:
    """As a visitor does; Playwright's own click would wait for a navigation that is held."""
    stage.page.wait_for_load_state("networkidle")
    stage.page.locator("#go").scroll_into_view_if_needed()
    box = stage.page.locator("#go").bounding_box()
    assert box is not None
    stage.page.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)


def answered(stage: FormStage) -> None:
    """One request has left, and it has passed. A page may hide `querySelector`, and is asked before it has gone, too."""
    stage.page.wait_for_function(
        "/passed|welcome/.test((document.getElementsByTagName('output')[0] ?? document.body)?.textContent)"
    )
    assert stage.server.outcomes == ["passed"]
    assert len(stage.posts) == 1


def press_and_pass(stage: FormStage) -> None:
    press(stage)
    stage.solve()
    answered(stage)


SENDERS = {
    "an inline listener that fetches": on_submit(FETCH),
    "a capturing listener on the window": f"addEventListener('submit', (e) => {{ e.preventDefault(); {FETCH} }}, true)",
    "a listener that stops the event": f"f.addEventListener('submit', (e) => {{ e.stopPropagation(); e.preventDefault(); {FETCH} }})",
    "an onsubmit that returns false": f"f.onsubmit = () => {{ {FETCH}; return false; }}",
    "XMLHttpRequest": on_submit(BY_XHR),
    "JSON": on_submit(FETCH_JSON),
    "a Request": on_submit(told(f"fetch(new Request('/login', {{method: 'POST', {JSON_BODY}}}))")),
    "a multipart body": on_submit(MULTIPART),
    "a click, without any submit event": f"go.type = 'button'; go.addEventListener('click', () => {{ {FETCH} }})",
    "form.submit() in a listener": on_submit("f.submit()"),
    "form.submit() later": on_submit("setTimeout(() => f.submit(), 50)"),
    "requestSubmit()": "go.type = 'button'; go.addEventListener('click', () => f.requestSubmit())",
    "the browser, past an onsubmit that returns true": "f.onsubmit = () => true",
    "a button that the listener disables": "f.addEventListener('submit', () => { go.disabled = true })",
}


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("sender", SENDERS)
def test_whoever_sends_it_the_captcha_comes_first(stage: FormStage, sender: str, when: str) -> None:
    """The page's own script, run before ours and after it."""
    open_page(stage, SENDERS[sender], tag="<script>" if when == "before" else "<script type='module'>")
    press(stage)
    stage.box.wait_for(state="visible")
    stage.page.wait_for_timeout(100)
    assert stage.posts == []
    stage.solve()
    answered(stage)


def test_the_browser_past_a_listener_that_stops_the_event(stage: FormStage) -> None:
    """The navigation is stopped instead, at which Playwright waits for it: the page presses the buttons by itself."""
    stop = "document.querySelector('#f').addEventListener('submit', (event) => event.stopPropagation())"
    press_all = """setInterval(() => (document.querySelector("dialog[open] .geetest_solve") ||
      document.querySelector("#go"))?.click(), 1200)"""
    stage.open(f"{FORM}<script>{stop}; {press_all}</script>")
    for _ in range(100):
        stage.page.wait_for_timeout(0 if stage.server.outcomes else 100)
    assert stage.server.outcomes[:1] == ["passed"]


LATER = "await new Promise((done) => setTimeout(done, 200));"
WITHOUT_TARGET = {  # what is sent, and whether the guard has to ask
    "JSON": (FETCH_JSON, False),
    "JSON after microtasks": (f"for (let i = 0; i < 20; i++) await null; {FETCH_JSON}", False),
    "the form's fields": (FETCH, False),
    "XMLHttpRequest": (BY_XHR, False),
    "JSON later": (f"{LATER} {FETCH_JSON}", True),
    "XMLHttpRequest later": (f"{LATER} {BY_XHR}", True),
}


@pytest.mark.parametrize("sender", WITHOUT_TARGET)
def test_a_form_that_does_not_say_where_it_goes(stage: FormStage, sender: str) -> None:
    """Nothing says of what it sends later that this is the form's request: the guard asks, and it goes again."""
    code, asked = WITHOUT_TARGET[sender]
    open_page(stage, on_submit(code), BARE)
    press(stage)
    stage.solve()
    stage.page.wait_for_function("document.querySelector('output').textContent")
    assert "passed" in stage.page.inner_text("output"), "the page has not heard of the first answer"
    assert stage.server.outcomes == (["missing", "passed"] if asked else ["passed"])


VETOES = {
    "listener": on_submit(""),
    "capture": "addEventListener('submit', (e) => { e.preventDefault(); e.stopImmediatePropagation() }, true)",
    "onsubmit": "f.onsubmit = () => false",
    "validity": "f.elements.username.required = true; f.elements.username.value = ''",
}


@pytest.mark.parametrize("veto", VETOES)
def test_what_a_validation_vetoes_needs_no_captcha(stage: FormStage, veto: str) -> None:
    open_page(stage, VETOES[veto])
    press(stage)
    stage.page.wait_for_timeout(300)
    assert not stage.box.is_visible()
    assert (stage.posts, stage.simulator.calls) == ([], [])


def test_a_validator_that_vetoes_once_and_lets_go_at_once_afterwards(stage: FormStage) -> None:
    """No pause is asked of a visitor who mends a field and presses Enter."""
    open_page(stage, "let seen = 0; f.addEventListener('submit', (e) => { if (!seen++) e.preventDefault() })")
    press(stage)
    stage.page.keyboard.press("Enter")
    with stage.page.expect_navigation(url="**/login"):
        stage.solve()
    answered(stage)


def test_the_pages_listeners_hear_one_submission_once(stage: FormStage) -> None:
    open_page(stage, "f.addEventListener('submit', () => { sessionStorage.heard = (+sessionStorage.heard || 0) + 1 })")
    press_and_pass(stage)
    assert stage.ask("sessionStorage.heard") == "1"


@pytest.mark.parametrize("sender", ["an inline listener that fetches", "XMLHttpRequest", "JSON"])
def test_a_double_click_is_one_request_of_the_pages_too(stage: FormStage, sender: str) -> None:
    open_page(stage, SENDERS[sender])
    stage.page.wait_for_load_state("networkidle")
    stage.page.locator("#go").dblclick()
    stage.solve()
    answered(stage)


@pytest.mark.parametrize("sender", ["an inline listener that fetches", "XMLHttpRequest"])
def test_a_visitor_who_closes_the_captcha_aborts_the_request(stage: FormStage, sender: str) -> None:
    open_page(stage, SENDERS[sender].replace(f".then({TELL})", f".then({TELL}, (e) => ({TELL})(e.name))"))
    press(stage)
    stage.box.wait_for(state="visible")
    stage.page.keyboard.press("Escape")
    stage.page.wait_for_function("/abort/i.test(document.querySelector('output').textContent)")
    assert stage.posts == []
    stage.pause()
    press_and_pass(stage)


ABORTED = {  # with a signal; the promise is rejected
    "fetch": """fetch("/login", {method: "POST", body: new FormData(f), signal})""",
    "XMLHttpRequest": """new Promise((done, failed) => {
      const xhr = new XMLHttpRequest(); xhr.open("POST", "/login"); xhr.send(new FormData(f));
      signal.onabort = () => { xhr.abort(); failed(signal.reason); };
    })""",
}


@pytest.mark.parametrize("sender", ABORTED)
def test_what_the_page_aborts_ends_at_once_and_leaves_the_token_to_the_next(stage: FormStage, sender: str) -> None:
    """A search box aborts its last request at each key, a component when it leaves."""
    code = on_submit(f"{ABORTED[sender]}.catch((error) => {{ ended = error.name }})")
    open_page(stage, f"const stop = new AbortController(), signal = stop.signal; let ended; {code}")
    press(stage)
    stage.box.wait_for(state="visible")
    stage.ask("stop.abort()")
    stage.page.wait_for_function("ended === 'AbortError'")
    stage.ask(f"void {FETCH}")
    stage.solve()
    answered(stage)
    assert [call.result for call in stage.simulator.calls] == ["success"]


def test_a_button_that_the_page_has_disabled_comes_back_after_the_captcha_was_closed(stage: FormStage) -> None:
    open_page(stage, SENDERS["a button that the listener disables"])
    press(stage)
    stage.box.wait_for(state="visible")
    stage.page.keyboard.press("Escape")
    stage.page.wait_for_function("!go.disabled")
    assert ["closed", None] in stage.ask("happened")


def test_the_button_that_was_pressed_says_where_and_what(stage: FormStage) -> None:
    draft = '<button name="by" value="draft" formaction="/orders/1" id="draft">Draft</button></form>'
    stage.open(FORM.replace("</form>", draft))
    stage.page.wait_for_load_state("networkidle")
    stage.page.locator("#draft").click()
    stage.solve()
    answered(stage)
    assert "by=draft" in (stage.posts[0].post_data or "")
    assert stage.posts[0].url.endswith("/orders/1")


def test_a_file_goes_along_behind_the_token(stage: FormStage) -> None:
    """This path reads 4 kB in search of the fields."""
    form = FORM.replace("<input ", '<input type="file" name="photo"><input ', 1).replace("/login", "/upload")
    open_page(stage, SENDERS["a multipart body"].replace("/login", "/upload"), form)
    stage.page.set_input_files("[name=photo]", {"name": "a.jpg", "mimeType": "image/jpeg", "buffer": bytes(100_000)})
    press_and_pass(stage)


def test_paths_without_a_form(stage: FormStage) -> None:
    stage.open('<button id="go">Order</button><output></output>')
    order = "{method: 'POST', headers: {'content-type': 'application/json'}, body: JSON.stringify({username: 'ada'})}"
    stage.ask(
        f"""() => {{
          GeetestForm.attach(document.body, {{captchaId: "sim-site", product: "bind", paths: ["POST /orders/*"]}});
          document.querySelector("#go").addEventListener("click", async () => {{
            await fetch("/plain", {{method: "POST", body: "x"}});
            {told(f"fetch('/orders/1', {order})")};
          }});
        }}"""
    )
    press(stage)
    stage.solve()
    stage.page.wait_for_function("/passed/.test(document.querySelector('output').textContent)")
    assert [re.sub("^.*?/([^/]*)$", r"\1", post.url) for post in stage.posts] == ["plain", "1"]
    assert "pass_token" not in (stage.posts[0].post_data or "")
    assert stage.server.outcomes == ["passed"]


def test_what_nobody_claims_is_untouched(stage: FormStage) -> None:
    stage.open(FORM)
    stage.page.wait_for_load_state("networkidle")
    stage.ask("fetch('/plain', {method: 'POST', body: new URLSearchParams({a: 1})}).then(() => null)")
    stage.ask(
        "new Promise((done) => { const x = new XMLHttpRequest(); x.open('POST', '/plain'); x.onload = () => done(null); x.send('a=1') })"
    )
    assert [(post.post_data, "x-geetest-pass-token" in post.headers) for post in stage.posts] == [("a=1", False)] * 2


ARRIVALS = {  # what the page does with `here` and `form`
    "innerHTML": "here.innerHTML = form",
    "template": "here.append(document.createRange().createContextualFragment(form))",
    "dialog": """here.innerHTML = `<dialog>${form}</dialog>`; here.firstChild.showModal()""",
    "attribute": """here.innerHTML = form.replace("data-geetest-captcha-id", "data-later");
      setTimeout(() => here.querySelector("form").setAttribute("data-geetest-captcha-id", "sim-site"), 200)""",
}


@pytest.mark.parametrize("how", ARRIVALS)
def test_a_form_that_arrives_later_is_attached(stage: FormStage, how: str) -> None:
    stage.open('<main id="here"></main>')
    stage.page.wait_for_load_state("networkidle")
    stage.page.evaluate(f"(form) => {{ const here = document.querySelector('#here'); {ARRIVALS[how]} }}", FORM)
    stage.page.wait_for_function("happened.some(([name]) => name === 'ready')")
    press_and_pass(stage)


def test_a_form_that_leaves_takes_its_widget_along(stage: FormStage) -> None:
    stage.open(f"<main>{FORM.replace('bind', 'float')}</main>")
    stage.button.wait_for()
    for _ in range(3):
        stage.ask("() => { const here = document.querySelector('main'), html = here.innerHTML; here.innerHTML = html }")
        stage.page.wait_for_timeout(300)
        for each in (".geetest_btn_click", "[name=pass_token]", ".geetest-form-message"):
            assert stage.page.locator(each).count() == 1, each
    stage.ask("document.querySelector('main').replaceChildren()")
    stage.page.wait_for_timeout(200)
    assert stage.page.locator("[class*=geetest]").count() == 0


def test_a_form_whose_inputs_were_taken_out_gets_them_again(stage: FormStage) -> None:
    stage.open(FORM)
    stage.page.wait_for_load_state("networkidle")
    stage.ask("document.querySelectorAll('input[type=hidden], .geetest-form-message').forEach((it) => it.remove())")
    press_and_pass(stage)


UNLISTED = "static-servers get-type getType static-path api-servers gct-path js protocol bypass".split()
UNFIT = ['{"bgColor": "url(//evil.example)"}', "<b>", "a;b", "javascript:1/1", "a\\62"]


@pytest.mark.parametrize(
    ("option", "value"),
    [*((each, '{"x": ["evil.example"]}') for each in UNLISTED), *(("next-width", each) for each in UNFIT)],
)
def test_attributes_hand_on_no_unlisted_option_address_or_markup(stage: FormStage, option: str, value: str) -> None:
    stage.open("")
    stage.page.evaluate(
        """([option, value, form]) => {
          window.initGeetest4 = (config) => { window.given = config; };
          document.body.innerHTML = form;
          document.querySelector("form").setAttribute(`data-geetest-${option}`, value);
        }""",
        [option, value, FORM],
    )
    stage.page.wait_for_function("window.given")
    given = stage.ask("given")
    assert {name for name in given if given[name] is not None} <= {"captchaId", "mask", "onError", "product"}


@pytest.mark.parametrize("how", ["action", "by fetch", "button", "base"])
def test_no_form_sends_a_token_to_another_origin(stage: FormStage, how: str) -> None:
    there = f"{stage.geetest}/validate"
    elsewhere = FORM.replace('"/login"', f'"{there}"')
    pages = {
        "action": elsewhere,
        "by fetch": elsewhere.replace("<form", "<form data-geetest-ajax"),
        "button": FORM.replace('id="go"', f'id="go" formaction="{there}"'),
        "base": f'<base href="{stage.geetest}/">{FORM}',
    }
    stage.open(pages[how])
    press(stage)
    assert stage.told("error") == "origin"
    assert stage.posts == []
    assert not stage.box.is_visible(), "nobody is asked to solve what is not sent"
    stage.expected = [f"geetest-form: origin origins lacks {stage.geetest}"]


# Not "createElement" and "body": GeeTest's own script would break.
CLOBBER = ["GeetestForm", "querySelectorAll", "querySelector", "baseURI", "readyState", "forms", "documentElement"]
CLOBBER_FORM = (
    "submit action method dataset querySelector querySelectorAll append prepend requestSubmit dispatchEvent isConnected "
    "elements reset getRootNode children"
).split()
BEFORE = [f'<form name="{name}"><input name="attach"></form><img name="{name}" alt="">{FORM}' for name in CLOBBER]
WITHIN = [f'{FORM}<input form="f" name="{name}" value="1">' for name in CLOBBER_FORM]


@pytest.mark.parametrize("page", [*BEFORE, *WITHIN], ids=[*CLOBBER, *(f"form.{name}" for name in CLOBBER_FORM)])
def test_a_named_form_or_input_switches_nothing_off(stage: FormStage, page: str) -> None:
    stage.open(page)
    press_and_pass(stage)


@pytest.mark.parametrize("sender", ["the browser", "fetch"])
def test_a_page_within_a_srcdoc(stage: FormStage, sender: str) -> None:
    """Its location has no origin; the page has that of the page around it."""
    listener = "" if sender == "the browser" else f"<script>{on_submit(FETCH)}</script>"
    inner = PAGE.replace("{geetest}", stage.geetest).replace("{body}", FORM + listener)
    stage.open(f'<iframe srcdoc="{escape(inner)}" width="800" height="600"></iframe>')
    frame = stage.page.frame_locator("iframe")
    frame.locator("#go").click(no_wait_after=True)
    frame.get_by_role("button", name="I am human").click()
    frame.locator("body", has_text="passed").wait_for()
    assert stage.server.outcomes == ["passed"]
