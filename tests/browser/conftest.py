"""A browser, a site whose login is guarded, and the simulator: three origins, as in life."""

import os
import shutil
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from geetest_asgi.testing import Simulator, serve

from .stage import Stage, site

if TYPE_CHECKING:
    from playwright.sync_api import Browser

CHROMIUM = os.environ.get("CHROMIUM") or shutil.which("chromium") or ""


# For the package and no longer: Playwright keeps an event loop running, within which no other test can start its own.
@pytest.fixture(scope="package")
def chromium() -> "Iterator[Browser]":
    playwright = pytest.importorskip("playwright.sync_api", reason="needs Playwright: pip install playwright")
    if not CHROMIUM:
        pytest.skip("needs Chromium: apt-get install chromium, or its path in CHROMIUM")
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture(scope="package")
def _servers() -> Iterator[tuple[Simulator, str, str]]:
    simulator = Simulator()
    with serve(simulator) as geetest, serve(site(geetest)) as url:
        yield simulator, geetest, url


@pytest.fixture
def stage(chromium: "Browser", _servers: tuple[Simulator, str, str]) -> Iterator[Stage]:
    """A new browser profile. Whatever its page threw or complained of at the end is a failure of the test."""
    simulator, geetest, url = _servers
    simulator.up()
    simulator.calls.clear()
    context = chromium.new_context(locale="en-US", viewport={"width": 900, "height": 700})
    context.set_default_timeout(10_000)
    stage = Stage(simulator, geetest, url, context.new_page())
    yield stage
    context.close()
    assert stage.complaints == stage.expected
