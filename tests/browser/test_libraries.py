# ruff: noqa: E501 (what a page says is in one piece)
"""The libraries that pages send their forms with, from npm and unmodified: one captcha, one request, which passes."""

import pytest

from .form_stage import PAGE, FormStage

ID = 'data-geetest-captcha-id="sim-site" data-geetest-product="bind"'
FIELDS = '<input name="username" value="ada"><button id="go">Log in</button>'
FORM = f'<form id="f" method="post" action="/login" {ID}>{FIELDS}</form><output></output>'
BARE = f'<form id="f" {ID} {{attributes}}>{FIELDS}</form><output></output>'
SHOW = "(answer) => { document.querySelector('output').textContent = answer; }"


@pytest.fixture
def stage(stage: FormStage, packages: dict[str, bytes]) -> FormStage:
    stage.server.files = packages
    return stage


def own(code: str, form: str = FORM) -> str:
    return f"{form}<script type='module'>const f = document.querySelector('#f'); {code}</script>"


# A page's name begins with that of its library.
LISTENERS = {
    "jquery .submit and $.ajax": f"$('#f').on('submit', (e) => {{ e.preventDefault(); $.ajax({{url: '/login', type: 'POST', data: $('#f').serialize(), dataType: 'text'}}).done({SHOW}) }})",
    "jquery that returns false": f"$(document).on('submit', '#f', () => {{ $.post('/login', $('#f').serialize(), {SHOW}, 'text'); return false; }})",
    "jquery trigger": "f.querySelector('button').type = 'button'; $('#go').on('click', () => $('#f').trigger('submit'))",
    "axios": f"f.addEventListener('submit', async (e) => {{ e.preventDefault(); const {{data}} = await axios.post('/login', {{username: 'ada'}}); ({SHOW})(data.outcome) }})",
    "axios postForm": f"f.addEventListener('submit', async (e) => {{ e.preventDefault(); const {{data}} = await axios.postForm('/login', f); ({SHOW})(data.outcome) }})",
}
ATTRIBUTES = {
    "htmx 2": 'hx-post="/login" hx-target="next output"',
    "htmx 4": 'hx-post="/login" hx-target="next output"',
    "htmx 2 delayed": 'hx-post="/login" hx-target="next output" hx-trigger="submit delay:300ms"',
    "alpine": f"x-data x-on:submit.prevent=\"fetch('/login', {{method: 'POST', body: new FormData($el)}}).then((r) => r.text()).then({SHOW.replace(chr(39), '&#39;')})\"",
}
WELCOME = FORM.replace("/login", "/welcome")
UNPOLY = '<div id="welcome">' + WELCOME.replace("<form", "<form up-submit up-target=#welcome") + "</div>"
FROM_A_BUTTON = BARE.format(attributes="").replace(
    'id="go"', 'id="go" type="button" hx-post="/login" hx-target="next output" hx-include="closest form"'
)
ROOT = '<div id="root"></div>'
PAGES = {
    **{name: own(code) for name, code in LISTENERS.items()},
    **{name: BARE.format(attributes=attributes) for name, attributes in ATTRIBUTES.items()},
    "ky json": f"<script>how = 'json'</script>{FORM}",
    "ky multipart": f"<script>how = 'multipart'</script>{FORM}",
    "htmx 2 boosted": f'<div hx-boost="true">{WELCOME}</div>',
    "htmx 4 from a button": FROM_A_BUTTON,
    "turbo": WELCOME,
    "turbo asked": WELCOME.replace("<form", '<form data-geetest-when="asked"'),
    "unpoly": UNPOLY,
    "react onSubmit": f"<script>how = 'listener'</script>{ROOT}",
    "react form action": f"<script>how = 'action'</script>{ROOT}",
    "svelte": ROOT,
}


def library_of(page: str) -> str:
    first, second, *_ = [*page.split(), ""]
    return first + second if first == "htmx" else first


@pytest.mark.parametrize("order", ["ours first", "ours last"])
@pytest.mark.parametrize("page", PAGES)
def test_one_captcha_one_request_which_passes(stage: FormStage, page: str, order: str) -> None:
    tag = f'<script src="/npm/{library_of(page)}" defer></script>'
    ours = '<script src="/geetest-form.js" defer></script>'
    stage.open(PAGES[page], PAGE.replace(ours, ours + tag if order == "ours first" else tag + ours))
    stage.page.wait_for_load_state("networkidle")
    stage.page.locator("#go").click()
    stage.box.wait_for(state="visible")
    stage.page.wait_for_timeout(100)
    early = len(stage.posts)
    stage.solve()
    stage.page.wait_for_function("/passed|welcome/.test(document.body?.textContent)")
    asked = page.endswith(("asked", "delayed", "from a button"))  # sent first: the guard says that it is protected
    assert stage.server.outcomes == (["missing", "passed"] if asked else ["passed"])
    assert (early, len(stage.posts)) == ((1, 2) if asked else (0, 1))
    stage.complaints = [said for said in stage.complaints if "403" not in said]


def test_turbo_back_and_forward_leaves_one_widget(stage: FormStage) -> None:
    page = PAGE.replace("</head>", '<script src="/npm/turbo" defer></script></head>')
    form = FORM.replace('"bind"', '"float"')
    stage.open(f'{form}<a href="/other" id="away">away</a>', page)
    stage.button.wait_for()
    stage.page.locator("#away").click()
    stage.page.wait_for_url("**/other")
    stage.page.wait_for_timeout(300)
    stage.page.go_back()
    stage.page.wait_for_url("**/page")
    stage.page.wait_for_timeout(500)
    assert stage.button.count() == 1
    assert stage.ask("document.querySelectorAll('[name=pass_token]').length") == 1
    stage.verify()
    assert all(stage.hidden().values())
