"""docs/when.md: each login of the page, run as it is written."""

import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import httpx
import pytest
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from geetest_asgi.testing import GeeTest

PAGE = (Path(__file__).parent.parent / "docs" / "when.md").read_text(encoding="utf-8")
BLOCKS: list[str] = re.findall(r"^```python\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)

RIGHT = {"username": "ada", "password": "correct"}
WRONG = RIGHT | {"password": "wrong"}


def block(words: str) -> str:
    (found,) = [each for each in BLOCKS if words in each]
    return found


async def password_is_right(username: str, password: str) -> bool:
    return password == "correct"


def run(words: str, **more: Any) -> dict[str, Any]:
    module = sys.modules["__docs_when__"] = ModuleType("__docs_when__")  # Litestar looks types up in the module
    module.__dict__.update(password_is_right=password_is_right, **more)
    exec(compile(block(words), "docs/when.md", "exec", dont_inherit=True), module.__dict__)
    return module.__dict__


@pytest.fixture
def geetest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setenv("LOGIN_STORE", f"sqlite:///{tmp_path}/logins.db")
    monkeypatch.setenv("GEETEST_CAPTCHA_ID", "a" * 32)
    monkeypatch.setenv("GEETEST_CAPTCHA_KEY", "b" * 32)
    with GeeTest() as stand_in:
        yield stand_in


def visitor(app: ASGIApp) -> httpx.AsyncClient:
    return httpx.AsyncClient(transport=httpx.ASGITransport(app, client=("192.0.2.1", 1)), base_url="http://site")


async def statuses(app: ASGIApp, *forms: dict[str, str]) -> list[int]:
    async with visitor(app) as client:
        return [(await client.post("/login", data=form)).status_code for form in forms]


@pytest.mark.parametrize("words", ["add_geetest(app, when=", "GeeTestPlugin(when="], ids=["FastAPI", "Litestar"])
@pytest.mark.anyio
async def test_three_tries_are_free_then_comes_a_captcha_then_it_is_slower(words: str, geetest: GeeTest) -> None:
    app = run(words)["app"]
    assert await statuses(app, RIGHT, WRONG, WRONG, WRONG) == [200, 401, 401, 401]
    assert await statuses(app, WRONG, RIGHT) == [403, 403]
    with_captcha = [await statuses(app, WRONG | geetest.token()) for _ in range(9)]
    assert with_captcha == [[401]] * 7 + [[429]] * 2
    assert await statuses(app, RIGHT | geetest.token()) == [429]
    assert await statuses(app, RIGHT | {"username": "bob"} | geetest.token()) == [200], "another name"


@pytest.mark.anyio
async def test_by_account_in_the_body(geetest: GeeTest) -> None:
    app = run("GeeTestClient(store=STORE)")["app"]
    assert await statuses(app, WRONG, WRONG, WRONG, WRONG) == [401, 401, 401, 403]
    assert await statuses(app, WRONG | {"username": "bob"}) == [401]
    assert await statuses(app, RIGHT | geetest.token(), WRONG) == [200, 401]


@pytest.mark.parametrize("words", ['when=AfterFailures(3, seconds=600), store="redis', "OnlyWithoutASession()"])
@pytest.mark.anyio
async def test_the_other_settings_are_taken(words: str, geetest: GeeTest) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await PlainTextResponse("hello")(scope, receive, send)

    try:
        guarded = run(words, app=app)["app"]
    except Exception as error:  # redis-py is an extra
        assert "pip install" in str(error)  # noqa: PT017
        return
    if "Session" in words:
        async with visitor(guarded) as client:
            for cookie, status in (("session=1", 200), ("theme=dark", 403)):
                assert (await client.post("/comments", headers={"cookie": cookie})).status_code == status


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
    (tmp_path / "registration").mkdir()
    for name, text in {
        "settings_block.py": block("GEETEST = "),
        "views.py": block("class Login(LoginView)"),
        "urls.py": urls,
        "registration/login.html": "<form>{{ form }}</form>",
        "run_site.py": DJANGO,
    }.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    done = subprocess.run([sys.executable, "run_site.py"], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    assert (
        done.stdout.split("[")[-1].strip()
        == "302, 200, 200, 200, 403, 200, 200, 200, 200, 200, 200, 200, 429, 302, 200]"
    )
