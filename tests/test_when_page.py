"""docs/when.md: each login of the page, run as it is written."""

import json
import os
import sys
from pathlib import Path

import pytest
from commands import printed
from pages import Page, ask, site
from projects import write
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
    with_captcha = [statuses(app, WRONG | geetest.token()) for _ in range(9)]
    assert with_captcha == [[401]] * 7 + [[429]] * 2
    assert statuses(app, RIGHT | geetest.token()) == [429]
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


DJANGO = """
import asyncio, json, os, sys, tempfile, types
import django, httpx
from django.conf import settings

given = {}
exec(open("settings_block.py").read(), given)
settings.configure(
    SECRET_KEY="x" * 50, ALLOWED_HOSTS=["site"], ROOT_URLCONF="urls", LOGIN_REDIRECT_URL="/",
    INSTALLED_APPS=["django.contrib.auth", "django.contrib.contenttypes", "django.contrib.sessions",
                    "geetest_asgi.django"],
    MIDDLEWARE=["django.contrib.sessions.middleware.SessionMiddleware",
                "django.contrib.auth.middleware.AuthenticationMiddleware"],
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": "site.db"}},
    TEMPLATES=[{"BACKEND": "django.template.backends.django.DjangoTemplates", "DIRS": ["."]}],
    PASSWORD_HASHERS=["django.contrib.auth.hashers.MD5PasswordHasher"],
    GEETEST=given["GEETEST"], LOGIN_STORE=given["LOGIN_STORE"],
)
django.setup()
from django.core.asgi import get_asgi_application
from django.core.management import call_command
call_command("migrate", verbosity=0)
from django.contrib.auth.models import User
for name in ("ada", "bob"):
    User.objects.create_user(name, password="correct")
from geetest_asgi.django import protect
from geetest_asgi.testing import GeeTest
app = protect(get_asgi_application())

async def main():
    said = []
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://site") as client:
        async def post(name, password, **fields):
            fields |= {"username": name, "password": password, "csrfmiddlewaretoken": "c" * 32}
            answer = await client.post("/login/", data=fields, headers={"cookie": "csrftoken=" + "c" * 32})
            said.append(answer.status_code)
        await post("ada", "correct")
        for _ in range(4):
            await post("ada", "wrong")
        for _ in range(8):
            await post("ada", "wrong", **geetest.token())
        await post("bob", "correct", **geetest.token())
        await post("bob", "wrong")
    print(json.dumps(said))

with GeeTest() as geetest:
    asyncio.run(main())
"""


def test_django_as_it_is_written(tmp_path: Path, geetest: GeeTest) -> None:
    pytest.importorskip("django", reason="needs geetest-asgi[conformance]")
    urls = "from django.urls import path\nfrom views import Login\nurlpatterns = [path('login/', Login.as_view())]\n"
    files = {
        "settings_block.py": PAGE.block("GEETEST = ").text,
        "views.py": PAGE.block("class Login(LoginView)").text,
        "urls.py": urls,
        "registration/login.html": "<form>{{ form }}</form>",
        "run_site.py": DJANGO,
    }
    write(tmp_path, files)
    said = printed([sys.executable, "run_site.py"], cwd=tmp_path, env=os.environ).splitlines()[-1]
    assert json.loads(said) == [302, 200, 200, 200, 403, *[200] * 7, 429, 302, 200]
