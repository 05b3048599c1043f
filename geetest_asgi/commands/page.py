"""Is the captcha id of a web page one of ours? The page and its scripts are read for `captchaId: "…"`."""

import re
import urllib.request
from collections.abc import Iterable
from dataclasses import dataclass, field
from html.parser import HTMLParser
from http.client import HTTPException
from typing import Final
from urllib.parse import urljoin

from .errors import UsageError
from .report import Report, shown

MOST_SCRIPTS: Final = 20
MOST_BYTES: Final = 4 * 1024 * 1024
"""Of the page, and of each script."""

_ID: Final = re.compile(r"""captcha_?id["']?\s*[:=]\s*["']([0-9A-Za-z]{16,64})["']""", re.IGNORECASE)
"""As `initGeetest4({captchaId: "…"})` has it, as JSON, or as an attribute."""

UNREADABLE: Final = (OSError, ValueError, HTTPException)
"""What `urlopen` raises: for an address, a network or a server that is wrong."""


@dataclass(slots=True)
class Page:
    """A page with the scripts that it names."""

    texts: list[str] = field(default_factory=list)
    scripts: int = 0
    missed: list[str] = field(default_factory=list)
    """Scripts that could not be read, each with the reason."""

    def ids(self) -> list[str]:
        """The ids that stand in it, each once."""
        return list(dict.fromkeys(each for text in self.texts for each in _ID.findall(text)))

    def has(self, captcha_id: str) -> bool:
        """Does this id stand anywhere in it?"""
        return any(captcha_id in text for text in self.texts)


def checked_url(url: str) -> str:
    """Raises UsageError where it can be no page's."""
    if not re.match(r"https?://[^/?#]", url, re.IGNORECASE):
        raise UsageError(f"--page {url}: give a whole address, such as https://shop.example/login")
    return url


def write_page(report: Report, url: str, ours: Iterable[str], seconds: float) -> None:
    """Whether the captcha id of the page is one of `ours`."""
    report.head(f"Page {shown(url)}")
    try:
        page = read_page(url, seconds)
    except UNREADABLE as error:
        report.say("FAIL", f"it cannot be read: {shown(str(error))}")
        return
    for missed in page.missed:
        report.say("note", f"a script cannot be read: {shown(missed)}")
    report.say(*verdict(page, list(ours)))


def verdict(page: Page, ours: list[str]) -> tuple[str, str]:
    """A mark, and why."""
    foreign = [each for each in page.ids() if each not in ours]
    if foreign:
        return "FAIL", f"its captcha_id {shown(foreign[0])} is none of the rules', so its visitors are refused"
    if found := next((each for each in ours if page.has(each)), None):
        return "ok", f"its captcha_id is {shown(found)}, as a rule has it"
    return "note", f"no captcha_id was found in it and its {page.scripts} scripts; what they load was not looked at"


def read_page(url: str, seconds: float) -> Page:
    """The page and its scripts. Raises one of UNREADABLE where the page itself cannot be read."""
    page, (text, url) = Page(), _read(url, seconds)
    page.texts.append(text)
    finder = _Scripts()
    finder.feed(text)
    for source in finder.sources[:MOST_SCRIPTS]:
        try:
            page.texts.append(_read(checked_url(urljoin(url, source)), seconds)[0])
            page.scripts += 1
        except (*UNREADABLE, UsageError) as error:
            page.missed.append(f"{source}: {error}")
    return page


class _Scripts(HTMLParser):
    """The `src` of each script."""

    def __init__(self) -> None:
        super().__init__()
        self.sources: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """See HTMLParser."""
        if tag == "script":
            self.sources += [value for name, value in attrs if name == "src" and value]


def _read(url: str, seconds: float) -> tuple[str, str]:
    """The text, and the address that it came from in the end."""
    with urllib.request.urlopen(url, timeout=seconds) as answer:  # noqa: S310 - see checked_url
        return answer.read(MOST_BYTES).decode("utf-8", "replace"), answer.url
