"""Letters that a framework takes for one of ASCII: each is the same letter to a pattern. All of Unicode is tried."""

import re
import string
import sys
from collections.abc import Callable, Iterator

import pytest

from geetest_asgi._core.paths.forms import fold_case
from geetest_asgi._core.paths.patterns import parse
from geetest_asgi._core.paths.rule_table import RuleTable

EVERY_LETTER = "".join(map(chr, [*range(0xD800), *range(0xE000, sys.maxunicode + 1)]))
METHODS: list[Callable[[str], str]] = [str.lower, str.upper, str.casefold, lambda text: text.upper().lower()]


def equated() -> Iterator[tuple[str, str]]:
    """What `re.IGNORECASE` and the methods of `str` turn into text of ASCII: Django's `(?i)` routes are matched by the
    first; `str.lower` or `str.casefold` is what a site's own router would compare with.
    """
    for letter in string.ascii_letters + string.digits + "-_.~":
        for found in re.findall(re.escape(letter), EVERY_LETTER, re.IGNORECASE):
            yield found, letter
    for method in METHODS:
        for letter in EVERY_LETTER[0x80:]:
            if (plain := method(letter)).isascii():
                yield letter, plain


def test_each_of_them_is_the_same_to_a_pattern() -> None:
    """The dotted and the dotless i, the long s, the sign for kelvin, a ligature and more."""
    pairs = set(equated())
    assert {"\u0130", "\u0131", "\u017f", "\u212a", "\ufb01"} < {letter for letter, _ in pairs}
    assert [(letter, plain) for letter, plain in pairs if fold_case(letter) != fold_case(plain)] == []


def test_whatever_lower_or_casefold_make_equal_stays_equal() -> None:
    """Beyond ASCII too: a pattern may be written in any script."""
    for method in (str.lower, str.casefold):
        changed = [(letter, made) for letter in EVERY_LETTER if (made := method(letter)) != letter]
        assert [letter for letter, made in changed if fold_case(made) != fold_case(letter)] == []


@pytest.mark.parametrize("path", ["/LOGIN", "/log\u0131n", "/LOG\u0130N"])
@pytest.mark.parametrize("pattern", ["/login", "/log{rest}", "/log*n", re.compile("/login")])
def test_a_pattern_of_any_kind_takes_them(pattern: object, path: str) -> None:
    assert RuleTable([(parse(pattern), 0)]).decide("POST", path) == 0
