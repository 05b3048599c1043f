"""Browser profiles that several tests use, one tab for each test."""

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser, Page

DEFAULTS = {"locale": "en-US", "viewport": {"width": 900, "height": 700}}


def new_page(browser: "Browser", **options: Any) -> "Page":
    """A page of a profile of its own; `options` are those that Playwright has for a browser context."""
    return browser.new_context(**{**DEFAULTS, **options}).new_page()


class Profiles:
    """A profile for each set of options. Its first page opens the tabs: Chromium starts no process for such a tab,
    and a test takes half of the processor time."""

    def __init__(self, browser: "Browser") -> None:
        self._browser = browser
        self._openers: dict[str, Page] = {}

    @contextmanager
    def tab(self, **options: Any) -> "Iterator[Page]":
        """A tab without history, listeners and routes. The profile keeps its cache; pages clear what they store."""
        key = repr(sorted(options.items()))
        opener = self._openers.get(key) or self._openers.setdefault(key, new_page(self._browser, **options))
        with opener.expect_popup() as opened:
            opener.evaluate("void open('about:blank')")
        opened.value.set_default_timeout(10_000)
        yield opened.value
        for page in opener.context.pages:
            if page is not opener:
                page.close()
        opener.context.clear_cookies()
