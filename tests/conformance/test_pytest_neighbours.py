"""Our pytest plugin in the company of others: runs on several processes, other people's event loops, coverage."""

from pathlib import Path

import pytest
from projects import PROJECTS, run_pytest

from .servers import skip_without

SHOP = PROJECTS["Starlette"]


@pytest.mark.parametrize("heading", PROJECTS)
def test_on_several_processes(heading: str, tmp_path: Path) -> None:
    skip_without("xdist", "django")
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


def test_a_test_of_pytest_django(tmp_path: Path) -> None:
    skip_without("pytest_django")
    settings = "[pytest]\ngeetest_env = true\nDJANGO_SETTINGS_MODULE = site_settings\n"
    ran = run_pytest(tmp_path, PROJECTS["Django"] | {"pytest.ini": settings})
    assert ran.counts == {"passed": 2}, ran.text
