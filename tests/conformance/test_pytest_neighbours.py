"""Our pytest plugin in the company of others: runs on several processes, other people's event loops, coverage."""

from pathlib import Path

import pytest
from projects import PROJECTS, run_pytest

from .servers import skip_without

SHOP = PROJECTS["Starlette"]


@pytest.mark.parametrize("heading", ["Starlette", "Django"])
def test_on_several_processes(heading: str, tmp_path: Path) -> None:
    skip_without("xdist", "django", "pytest_django")
    ran = run_pytest(tmp_path, PROJECTS[heading], "-n", "2")
    assert ran.status == 0, ran.text


ASYNCIO = """
import httpx
import pytest

from shop import app


@pytest.mark.asyncio
async def test_login(geetest):
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://shop") as client:
        assert (await client.post("/login", data=geetest.token())).json() == {"next": "welcome"}
        geetest.down()
        assert (await client.post("/login", data=geetest.token())).json() == {"next": "second factor"}
"""


def test_tests_that_pytest_asyncio_runs(tmp_path: Path) -> None:
    skip_without("pytest_asyncio")
    ran = run_pytest(tmp_path, {"shop.py": SHOP["shop.py"], "test_shop.py": ASYNCIO})
    assert ran.counts == {"passed": 1}, ran.text


def test_all_of_an_app_is_seen_by_coverage(tmp_path: Path) -> None:
    skip_without("pytest_cov")
    ran = run_pytest(tmp_path, SHOP, "--cov=shop", "--cov-report=term")
    assert ran.status == 0, ran.text
    assert [line.split()[-1] for line in ran.text.splitlines() if line.startswith("shop.py")] == ["100%"]


CLOCK = """
from freezegun import freeze_time
from starlette.testclient import TestClient
from time_machine import travel

from shop import app

client = TestClient(app)


def test_freezegun(geetest):
    with freeze_time("2020-02-02") as clock:
        early, late = geetest.token(), geetest.token()
        assert early["gen_time"] == "1580601600"
        clock.tick(600)
        assert client.post("/login", data=early).json() == {"next": "welcome"}
        clock.tick(1)
        assert client.post("/login", data=late).json()["code"] == "captcha_failed"
        geetest.down()
        assert client.post("/login", data=geetest.token()).json() == {"next": "second factor"}
    geetest.expect("success", "pass_token expire", "HTTP 503")


def test_time_machine(geetest):
    with travel(0, tick=False) as clock:
        early, late = geetest.token(), geetest.token()
        assert early["gen_time"] == "0000000000"
        clock.shift(600)
        assert client.post("/login", data=early).json() == {"next": "welcome"}
        clock.shift(1)
        assert client.post("/login", data=late).json()["code"] == "captcha_failed"
"""


def test_tokens_age_by_the_clock_that_a_test_sets(tmp_path: Path) -> None:
    skip_without("freezegun", "time_machine")
    files = {"shop.py": SHOP["shop.py"], "test_shop.py": CLOCK, "pytest.ini": "[pytest]\ngeetest_env = true\n"}
    ran = run_pytest(tmp_path, files)
    assert ran.counts == {"passed": 2}, ran.text


def test_the_tests_of_this_folder_have_its_mark(request: pytest.FixtureRequest) -> None:
    assert [mark.name for mark in request.node.iter_markers()] == ["conformance"]
