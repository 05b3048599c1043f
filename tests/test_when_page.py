"""docs/when.md: each login of the page, run as it is written."""

import os
from pathlib import Path

import pytest
from pages import Page, ask, site
from projects import PROJECTS, run_pytest
from starlette.types import ASGIApp

from geetest_asgi.testing import GeeTest

PAGE = Page("docs/when.md")
RIGHT = {"username": "ada", "password": "correct"}
WRONG = RIGHT | {"password": "wrong"}


async def password_is_right(username: str, password: str) -> bool:
    return password == "correct"


def login_of(words: str) -> ASGIApp:
    app: ASGIApp = PAGE.run(words, password_is_right=password_is_right)["app"]
    return app


@pytest.fixture(autouse=True)
def _store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOGIN_STORE", f"sqlite:///{tmp_path}/logins.db")


def statuses(app: ASGIApp, *forms: dict[str, str]) -> list[int]:
    return [ask(app, "POST", "/login", data=form).status_code for form in forms]


@pytest.mark.parametrize("words", ["add_geetest(app, when=", "GeeTestPlugin(when="], ids=["FastAPI", "Litestar"])
def test_three_tries_are_free_then_comes_a_captcha_then_it_is_slower(words: str, geetest: GeeTest) -> None:
    app = login_of(words)
    assert statuses(app, RIGHT, WRONG, WRONG, WRONG) == [200, 401, 401, 401]
    assert statuses(app, WRONG, RIGHT) == [403, 403]
    with_captcha = [statuses(app, WRONG | geetest.token()) for _ in range(8)]
    assert with_captcha == [[401]] * 7 + [[429]]
    assert statuses(app, RIGHT | {"username": "bob"} | geetest.token()) == [200], "another name"


def test_by_account_in_the_body(geetest: GeeTest) -> None:
    app = login_of("GeeTestClient(store=STORE)")
    assert statuses(app, WRONG, WRONG, WRONG, WRONG) == [401, 401, 401, 403]
    assert statuses(app, WRONG | {"username": "bob"}) == [401]
    assert statuses(app, RIGHT | geetest.token(), WRONG) == [200, 401]


def test_whoever_has_a_session_needs_no_captcha(geetest: GeeTest) -> None:
    app = PAGE.run("OnlyWithoutASession()", app=site)["app"]
    for cookie, status in (("session=1", 200), ("theme=dark", 403)):
        assert ask(app, "POST", "/comments", headers={"cookie": cookie}).status_code == status


def test_the_store_in_redis_is_taken(geetest: GeeTest) -> None:
    pytest.importorskip("redis", reason="pip install 'geetest-asgi[redis]'")
    PAGE.run('when=AfterFailures(3, seconds=600), store="redis', app=site)


SETTINGS = """
INSTALLED_APPS.append("django.contrib.sessions")
MIDDLEWARE = [
    "django.contrib.sessions.middleware.SessionMiddleware", "django.contrib.auth.middleware.AuthenticationMiddleware"
]
TEMPLATES = [{"BACKEND": "django.template.backends.django.DjangoTemplates", "DIRS": ["."]}]
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
LOGIN_REDIRECT_URL = "/"
"""
URLS = "from django.urls import path\nfrom views import Login\nurlpatterns = [path('login/', Login.as_view())]\n"
TEST = """
from django.contrib.auth.models import User
from geetest_asgi.django.test import Client

def test_login(geetest, db):
    for name in ("ada", "bob"):
        User.objects.create_user(name, password="correct")
    client = Client()

    def status(name, password, **fields):
        return client.post("/login/", {"username": name, "password": password, **fields}).status_code

    assert [status("ada", "correct"), *(status("ada", "wrong") for _ in range(4))] == [302, 200, 200, 200, 403]
    assert [status("ada", "wrong", **geetest.token()) for _ in range(8)] == [200] * 7 + [429]
    assert [status("bob", "correct", **geetest.token()), status("bob", "wrong")] == [302, 200]
"""


def test_django_as_it_is_written(tmp_path: Path) -> None:
    pytest.importorskip("pytest_django", reason="needs geetest-asgi[conformance]")
    project = PROJECTS["Django"]
    files = {
        "pytest.ini": project["pytest.ini"],
        "site_settings.py": project["site_settings.py"] + SETTINGS + PAGE.block("GEETEST = ").text,
        "views.py": PAGE.block("class Login(LoginView)").text,
        "site_urls.py": URLS,
        "registration/login.html": "<form>{{ form }}</form>",
        "test_login.py": TEST,
    }
    ran = run_pytest(tmp_path, files, env={"LOGIN_STORE": os.environ["LOGIN_STORE"]})
    assert ran.counts == {"passed": 1}, ran.text
