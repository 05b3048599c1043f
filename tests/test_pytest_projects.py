"""The pytest plugin in other people's projects: what it loads, what it gives to the environment, and when."""

import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
from commands import ended
from projects import Run, run_pytest, write

from geetest_asgi.testing import DEMO_ID, DEMO_KEY

Project = Callable[..., Run]


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return partial(run_pytest, tmp_path)


SHOP = """
from geetest_asgi import GeeTestMiddleware

async def site(scope, receive, send):
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"in"})

app = GeeTestMiddleware(site, protect=["POST /login"])
"""

ITS_TEST = """
from starlette.testclient import TestClient

from shop import app

def test_login(geetest):
    assert TestClient(app).post("/login", data=geetest.token()).text == "in"
"""

FILES = {"conftest.py": "import shop\n", "shop.py": SHOP, "test_shop.py": ITS_TEST}
WITH_ENV = {"pytest.ini": "[pytest]\ngeetest_env = true\n"}


def test_nothing_is_given_to_the_environment_unasked(project: Project) -> None:
    """And the error names the setting."""
    ran = project(FILES)
    assert "ConfigError: captcha_id is missing" in ran.text
    assert "geetest_env = true" in ran.text


SHOW = """
import os
print("pair", [os.environ.get(f"GEETEST_CAPTCHA_{each}") for each in ("ID", "KEY")])
"""


PAIRS: dict[str, tuple[dict[str, str], list[str | None]]] = {
    "unset": ({}, [DEMO_ID, DEMO_KEY]),
    "set": ({"GEETEST_CAPTCHA_ID": "mine", "GEETEST_CAPTCHA_KEY": "too"}, ["mine", "too"]),
    "id alone": ({"GEETEST_CAPTCHA_ID": "mine"}, ["mine", None]),
}


@pytest.mark.slow_except("unset", "set")
@pytest.mark.parametrize("name", PAIRS)
def test_what_is_set_stays(project: Project, name: str) -> None:
    env, pair = PAIRS[name]
    assert f"pair {pair}" in project({"conftest.py": SHOW, **WITH_ENV}, "-s", env=env).text


UNITTEST = """
import unittest
import pytest
from starlette.testclient import TestClient
from shop import app


@pytest.mark.usefixtures("geetest")
class Login(unittest.TestCase):
    def test_nobody_comes_in_without_a_token(self):
        self.assertEqual(TestClient(app).post("/login").status_code, 403)
"""


def test_a_class_of_unittest_and_a_conftest_that_builds_the_app(project: Project) -> None:
    ran = project({**FILES, "test_classes.py": UNITTEST, **WITH_ENV})
    assert ran.counts == {"passed": 2}, ran.text


BUILT_BY_A_FIXTURE = """
import os
import pytest
from starlette.testclient import TestClient

@pytest.fixture(scope=SCOPE)
def client():
    import shop
    return TestClient(shop.app)

@pytest.mark.parametrize("number", [1, 2])
def test_client_first(client, geetest, number):
    assert client.post("/login", data=geetest.token()).status_code == 200
    geetest.expect("success")

def test_geetest_first(geetest, client):
    assert client.post("/login", data=geetest.token()).status_code == 200

def test_nothing_is_left():
    assert "GEETEST_CAPTCHA_ID" not in os.environ
"""


@pytest.mark.slow_except("function")
@pytest.mark.parametrize("scope", ["function", "session"])
def test_the_order_of_the_fixtures_does_not_matter(project: Project, scope: str) -> None:
    test = BUILT_BY_A_FIXTURE.replace("SCOPE", repr(scope))
    ran = project({"shop.py": SHOP, "test_shop.py": test})
    assert ran.counts == {"passed": 4}, ran.text


WITHOUT_PYTEST = """
import os
import unittest
from starlette.testclient import TestClient
from geetest_asgi.testing import geetest_for

class Login(unittest.TestCase):
    def test_login(self):
        geetest = geetest_for(self)
        from shop import app
        self.assertEqual(TestClient(app).post("/login", data=geetest.token()).status_code, 200)
        geetest.expect("success")

    def tearDown(self):
        self.addClassCleanup(lambda: self.assertNotIn("GEETEST_CAPTCHA_ID", os.environ))

unittest.main()
"""


def test_unittest_alone(tmp_path: Path) -> None:
    write(tmp_path, {"shop.py": SHOP, "test_shop.py": WITHOUT_PYTEST})
    ran = ended([sys.executable, "test_shop.py"], cwd=tmp_path)
    assert (ran.returncode, "Ran 1 test" in ran.stderr) == (0, True), ran.stderr


def test_after_the_run_the_environment_is_as_it_was(tmp_path: Path) -> None:
    write(tmp_path, WITH_ENV)
    code = "import os, pytest; pytest.main(['-q']); assert 'GEETEST_CAPTCHA_ID' not in os.environ"
    ran = ended([sys.executable, "-c", code], cwd=tmp_path)
    assert ran.returncode == 0, ran.stderr
