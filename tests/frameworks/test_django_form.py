"""Template tags of `{% load geetest %}`, and the denial that leads back to the form."""

import pytest

pytest.importorskip("django", reason="django is not installed: pip install 'geetest-asgi[conformance]'")

import test_django  # noqa: F401 - a process has one configuration of Django, and it is made there
from django import forms
from django.template import Context, Engine
from django.test import RequestFactory, override_settings
from django.views.generic import FormView
from pages import ask
from starlette.types import Receive, Scope, Send

from geetest_asgi import ConfigError, GeeTestResult, Outcome
from geetest_asgi.django import back_to_form
from geetest_asgi.django.forms import CaptchaErrorsMixin

ENGINE = Engine(libraries={"geetest": "geetest_asgi.django.templatetags.geetest"})
BROWSER = "text/html,application/xhtml+xml;q=0.9,*/*;q=0.8"
MISSING = GeeTestResult(Outcome.MISSING, allowed=False, verified=False)


def rendered(tag: str, target: str = "/login/", **given: str) -> str:
    with override_settings(GEETEST={"protect": ["POST /login/"], **given}, STATIC_URL="/static/"):
        template = ENGINE.from_string("{% load geetest %}" + tag)
        return str(template.render(Context({"request": RequestFactory().get(target), "word": '"x'})))


def test_the_scripts_are_geetests_and_ours() -> None:
    assert rendered("{% geetest_scripts %}") == (
        '<script src="https://static.geetest.com/v4/gt4.js" defer></script>\n'
        '<script src="/static/geetest/geetest-form.js" defer></script>'
    )


def test_the_environment_names_another_place_of_geetests_script(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GEETEST_GT4", 'http://127.0.0.1:8077/v4/gt4.js?"')
    assert 'src="http://127.0.0.1:8077/v4/gt4.js?&quot;"' in rendered("{% geetest_scripts %}", "/?GEETEST_GT4=//evil")


def test_the_id_comes_from_the_tag_the_settings_or_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GEETEST_CAPTCHA_ID", "from-there")
    assert '"from-there"' in rendered("{% geetest %}")
    assert 'data-geetest-language="&quot;x"' in rendered("{% geetest language=word %}")
    assert '"ours"' in rendered("{% geetest %}", captcha_id="ours")
    assert '"mine"' in rendered("{% geetest captcha_id='mine' %}", captcha_id="ours")
    monkeypatch.delenv("GEETEST_CAPTCHA_ID")
    with pytest.raises(ConfigError, match="captcha_id is missing: set GEETEST_CAPTCHA_ID"):
        rendered("{% geetest %}")


@pytest.mark.parametrize("target", ["/", "/?geetest=passed", "/?geetest=%3Cb%3E"])
def test_without_a_refusal_there_is_no_error(target: str) -> None:
    assert rendered("{% geetest_errors %}", target) == ""
    assert view("get", target).get_form().errors == {}


@pytest.mark.parametrize(
    ("language", "says"),
    [
        ("en-gb", "Captcha required. Solve the captcha and send the request again."),
        ("de", "Captcha required. Solve the captcha and send the request again."),
        ("zh-hans", "请先完成验证。请完成验证后再次提交。"),
    ],
)
def test_the_error_is_in_djangos_language(language: str, says: str) -> None:
    with override_settings(LANGUAGE_CODE=language):
        shown = rendered("{% geetest_errors %}", "/?geetest=missing")
        form = view("get").get_form()
    assert says in shown
    assert form.non_field_errors() == [says]


class Nickname(forms.Form):  # type: ignore[misc, unused-ignore]
    name = forms.CharField()


class View(CaptchaErrorsMixin, FormView):  # type: ignore[misc, unused-ignore]
    form_class = Nickname


def view(method: str, target: str = "/?geetest=missing") -> View:
    ready = View()
    ready.setup(getattr(RequestFactory(), method)(target, {"name": "ada"} if method == "post" else None))
    return ready


def test_a_form_that_the_guard_let_through_has_no_error_whatever_its_address_says() -> None:
    assert view("post").get_form().is_valid()
    posted = RequestFactory().post("/login/?geetest=missing", {"name": "ada"})
    template = ENGINE.from_string("{% load geetest %}{% geetest_errors %}")
    assert template.render(Context({"request": posted})) == ""


async def denial(scope: Scope, receive: Receive, send: Send) -> None:
    await back_to_form(MISSING, scope)(scope, receive, send)


@pytest.mark.parametrize(
    ("method", "path", "accept", "location"),
    [
        ("POST", "/login/?next=%2Fa%2F&geetest=failed", BROWSER, "?next=%2Fa%2F&geetest=missing"),
        ("POST", "//evil.example/login?//evil.example", BROWSER, "?geetest=missing"),
        ("POST", "/login/", "", None),
        ("POST", "/login/", "application/json", None),
        ("GET", "/login/", BROWSER, None),
    ],
)
def test_a_browser_that_sent_a_form_comes_back_to_its_page_and_nowhere_else(
    method: str, path: str, accept: str, location: str | None
) -> None:
    answer = ask(denial, method, path, headers={"accept": accept})
    assert (answer.status_code, answer.headers.get("location")) == (303 if location else 403, location)
