"""The project of docs/quickstart/django.md, by Django's own commands: `check`, and both kinds of `runserver`."""

import re
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from commands import Process, ended, environment, free_port, running
from projects import projects_of, run_pytest, write

pytest.importorskip("django", reason="django is not installed: pip install 'geetest-asgi[conformance]'")

PAGE = (Path(__file__).parents[2] / "docs" / "quickstart" / "django.md").read_text()
PROJECT = {file: text for files in projects_of(PAGE).values() for file, text in files.items()}
PAIR = {"GEETEST_CAPTCHA_ID": "an-id", "GEETEST_CAPTCHA_KEY": "a-key"}
DJANGO = (sys.executable, "-W", "error", "-m", "django")


def needs(*packages: str) -> None:
    for package in packages:
        pytest.importorskip(package, reason=f"{package} is not installed: pip install 'geetest-asgi[quickstarts]'")


def settled(directory: Path, settings: str = "", **env: str) -> dict[str, Any]:
    """Where and how a command runs: in a fresh copy of the project, with more settings."""
    write(directory, PROJECT | {"settings.py": PROJECT["settings.py"] + settings})
    return {"cwd": directory, "env": environment() | {"DJANGO_SETTINGS_MODULE": "settings", **env}}


def manage(command: str, directory: Path, settings: str = "", **env: str) -> tuple[int, str]:
    done = ended([*DJANGO, command], **settled(directory, settings, **env))
    return done.returncode, done.stdout + done.stderr


def test_the_check_of_the_project_is_clean(tmp_path: Path) -> None:
    assert manage("check", tmp_path, **PAIR) == (0, "System check identified no issues (0 silenced).\n")


def test_a_wrong_pattern_is_told_as_the_page_shows(tmp_path: Path) -> None:
    shown = re.search(r"^```text\n(\?: \(geetest.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    assert shown is not None
    status, said = manage("check", tmp_path, 'GEETEST = {"protect": ["POST /lgoin/"]}\n', **PAIR)
    assert status == 0
    assert shown[1] in said


def test_without_pytest_the_project_is_tested_by_djangos_own_runner(tmp_path: Path) -> None:
    needs("whitenoise")
    status, said = manage("test", tmp_path)
    assert (status, re.findall(r"^Ran (\d+) tests", said, re.MULTILINE)) == (0, ["5"]), said


SHOP = """
INSTALLED_APPS.append("geetest_asgi.django")
MIDDLEWARE.insert(1, "whitenoise.middleware.WhiteNoiseMiddleware")
TEMPLATES[0]["DIRS"] = [BASE_DIR / "templates"]
WHITENOISE_USE_FINDERS = True
LOGIN_URL, LOGIN_REDIRECT_URL = "/login/", "/account/"
GEETEST = {"protect": ["POST /login/"], "on_denied": "geetest_asgi.django.back_to_form"}
"""


def test_in_a_project_of_startproject_the_steps_of_the_page_lead_to_the_same_tests(tmp_path: Path) -> None:
    needs("whitenoise", "pytest_django")
    start = "-m", "django", *re.findall(r"`django-admin (startproject \S+ \.)`", PAGE)[0].split()
    subprocess.run([sys.executable, *start], cwd=tmp_path, env=environment(), timeout=60, check=True)
    settings = (tmp_path / "shop" / "settings.py").read_text()
    assert re.search(r'MIDDLEWARE = \[\s+"?\'?django.middleware.security.SecurityMiddleware', settings)
    placed = {
        "shop/settings.py": settings + SHOP,
        "shop/asgi.py": PROJECT["asgi.py"].replace('"settings"', '"shop.settings"'),
        "shop/urls.py": PROJECT["urls.py"],
        "templates/login.html": PROJECT["login.html"],
        "pytest.ini": PROJECT["pytest.ini"].replace("= settings", "= shop.settings"),
        "test_login.py": PROJECT["test_login.py"],
    }
    ran = run_pytest(tmp_path, placed)
    assert (ran.status, ran.counts) == (0, {"passed": 5}), ran.text


def test_the_table_has_each_id() -> None:
    source = (Path(__file__).parents[2] / "geetest_asgi" / "django" / "checks.py").read_text()
    assert set(re.findall(r'"(geetest\.\w+)"', source)) == set(
        re.findall(r"^\| `(geetest\.\w+)` \|", PAGE, re.MULTILINE)
    )


@contextmanager
def runserver(directory: Path, settings: str) -> Iterator[tuple[httpx.Client, Process]]:
    needs("whitenoise")
    url = f"http://127.0.0.1:{(port := free_port())}"
    line = [*DJANGO, "runserver", "--noreload", "--skip-checks", port]
    with (
        running(line, url, **settled(directory, f"DEBUG = True\n{settings}", **PAIR)) as process,
        httpx.Client(base_url=url, trust_env=False) as client,
    ):
        yield client, process


def said_by(process: Process) -> str:
    process.kill()
    return process.communicate(timeout=15)[0]


def test_runserver_is_wsgi_and_the_log_says_that_nothing_is_guarded(tmp_path: Path) -> None:
    with runserver(tmp_path, "") as (client, process):
        assert client.get("/login/").status_code == 200
        said = said_by(process)
    assert said.count("Django serves by WSGI without GeeTest's guard") == 1


def test_with_daphne_runserver_serves_what_is_in_asgi_py(tmp_path: Path) -> None:
    needs("daphne")
    settings = 'INSTALLED_APPS.insert(0, "daphne")\nASGI_APPLICATION = "asgi.application"\n'
    with runserver(tmp_path, settings) as (client, process):
        page = client.get("/login/").text
        script = re.findall(r'src="(/[^"]+)"', page)
        assert script == ["/static/geetest/geetest-form.js"]
        assert "GeeTest" in client.get(script[0]).text
        assert client.post("/login/", data={"username": "ada"}).json()["code"] == "captcha_missing"
        assert "without GeeTest's guard" not in said_by(process)


ADMIN = """
INSTALLED_APPS[:0] = ["daphne", "django.contrib.admin", "django.contrib.messages"]
MIDDLEWARE.append("django.contrib.messages.middleware.MessageMiddleware")
TEMPLATES[0]["OPTIONS"]["context_processors"] += [
    "django.contrib.auth.context_processors.auth", "django.contrib.messages.context_processors.messages",
]
TEMPLATES[0]["DIRS"].append(Path(__file__).parent / "templates")
ASGI_APPLICATION, ROOT_URLCONF = "asgi.application", "with_admin"
GEETEST["protect"] += ["POST /admin/login/"]
"""
URLS = """
from django.contrib import admin
from django.urls import path
from urls import urlpatterns

urlpatterns = [*urlpatterns, path("admin/", admin.site.urls)]
"""


def test_the_login_of_the_admin_has_the_captcha_by_the_template_of_the_page(tmp_path: Path) -> None:
    needs("daphne")
    template = re.search(r"^  ```html\n(.*?)^  ```$", PAGE, re.MULTILINE | re.DOTALL)
    assert template is not None
    write(tmp_path, {"templates/admin/login.html": textwrap.dedent(template[1]), "with_admin.py": URLS})
    with runserver(tmp_path, ADMIN) as (client, _):
        html = client.get("/admin/login/").text
        assert html.count("geetest/geetest-form.js") == 1
        assert html.index('id="login-form"') < html.index("form.dataset.geetestCaptchaId = ")
        assert client.post("/admin/login/", data={"username": "ada"}).json()["code"] == "captcha_missing"
