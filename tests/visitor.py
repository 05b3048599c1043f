"""A visitor with a real browser: Chromium, in which the simulator is at GeeTest's address."""

import os
import shutil
from contextlib import contextmanager
from importlib.util import find_spec
from typing import TYPE_CHECKING

import httpx
from commands import SECONDS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Page, Route

GT4 = "https://static.geetest.com/"
CHROMIUM = os.environ.get("CHROMIUM") or shutil.which("chromium")
HAS_BROWSER = bool(CHROMIUM and find_spec("playwright"))


def stand_in_for_static_geetest_com(page: "Page", geetest: str) -> None:
    """As an entry in a hosts file would: a client with GeeTest's address in it meets the simulator at `geetest`."""

    def answer(route: "Route") -> None:
        reply = httpx.get(route.request.url.replace(GT4, f"{geetest}/"), trust_env=False)
        route.fulfill(status=reply.status_code, headers=dict(reply.headers), body=reply.content)

    page.route(f"{GT4}**", answer)


@contextmanager
def browser_page(geetest: str) -> "Iterator[Page]":
    """An empty page of a fresh browser. `geetest` is the simulator's address."""
    from playwright.sync_api import sync_playwright

    with (
        sync_playwright() as driver,
        driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"]) as browser,
    ):
        page = browser.new_page()
        page.set_default_timeout(SECONDS * 1000)
        stand_in_for_static_geetest_com(page, geetest)
        yield page


def solve(page: "Page") -> None:
    page.get_by_role("button", name="I am human").click()
