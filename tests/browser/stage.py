"""A visit to a site, and what a visitor does there."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from geetest_asgi.testing import Simulator

if TYPE_CHECKING:
    from playwright.sync_api import ConsoleMessage, Locator, Page

OUTAGE = ("Failed to load resource", "Refused to execute script")
"""What the browser says when a script cannot be had, which a test of an outage wants."""

Visiting = Callable[..., AbstractContextManager["Stage"]]
"""Of an app and a path: a visit to the app."""


@dataclass
class Stage:
    """One visit."""

    simulator: Simulator
    geetest: str
    site: str
    page: "Page"
    complaints: list[str] = field(default_factory=list)
    """What the page threw, and what the browser wrote on its console as an error."""
    expected: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.page.on("pageerror", lambda error: self.complaints.append(error.message))
        self.page.on("console", self._hear)

    def _hear(self, said: "ConsoleMessage") -> None:
        if said.type == "error" and not said.text.startswith(OUTAGE):
            self.complaints.append(said.text)

    def go(self, name: str = "page") -> None:
        """Open a page of the site."""
        self.page.goto(f"{self.site}/{name}")

    def start(self, place: str = "#captcha", **options: Any) -> None:
        """Make a captcha, which the page then has as `captcha`; its events go to `happened`."""
        self.page.evaluate("([options, place]) => start(options, place)", [{"captchaId": "sim-site", **options}, place])

    def begin(self, place: str = "#captcha", **options: Any) -> None:
        """Open an empty page and make a captcha there."""
        self.go("page.html")
        self.start(place, **options)

    def happened(self, number: int) -> list[str]:
        """The events so far, once there are so many of them."""
        return [name for name, _ in self.details(number)]

    def details(self, number: int) -> list[tuple[str, Any]]:
        """The events with what their listeners were given."""
        for _ in range(200):
            seen: list[tuple[str, Any]] = self.page.evaluate("() => happened")
            if len(seen) >= number:
                break
            self.page.wait_for_timeout(50)
        assert len(seen) == number, seen
        return [(name, value) for name, value in seen]

    def ask(self, expression: str, arg: Any = None) -> Any:
        """A value of the page's."""
        return self.page.evaluate(expression, arg)

    @property
    def button(self) -> "Locator":
        return self.page.locator(".geetest_btn_click")

    @property
    def box(self) -> "Locator":
        return self.page.get_by_role("dialog")

    def open_box(self) -> None:
        self.button.click()
        self.box.wait_for(state="visible")

    def pause(self) -> None:
        """What comes sooner is a double click."""
        self.page.wait_for_timeout(1000)

    def solve(self) -> None:
        self.page.get_by_role("button", name="I am human").click()

    def succeed(self, number: int) -> None:
        """Solve, which is the latest of so many events."""
        self.solve()
        assert self.happened(number)[-1] == "success"
