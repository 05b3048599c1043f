"""Find the captcha fields in an `application/x-www-form-urlencoded` body, or in a query string."""

import re
from collections.abc import Iterator
from functools import lru_cache
from typing import Final
from urllib.parse import unquote_plus

from .gatherer import Gatherer

_LOOKED_AT: Final = 4096
"""Bytes at the beginning of a form whose names are shown."""


class UrlencodedScanner:
    """Finds the fields among pairs that are separated by `&`, as browsers write them."""

    def __init__(self, gatherer: Gatherer) -> None:
        self._gatherer = gatherer
        names = gatherer.spelling.form_bytes
        self._pairs = _pairs(names)
        # A percent escape has three bytes for one. Longer pairs are cut: their value is too long for a field anyway.
        self._longest = 3 * (max(map(len, names)) + gatherer.max_field + 1)
        self._pair = b"&"  # the beginning of the last pair, with the "&" before it
        self._start = b""
        self.broken = ""
        self.done = False
        """No later byte changes the result."""

    def feed(self, data: bytes) -> None:
        """Take the next bytes of the body."""
        self._start += data[: _LOOKED_AT - len(self._start)]
        data = self._pair + data
        last = data.rindex(b"&")
        for name, value in self._pairs.findall(data, 0, last):
            self._gatherer.offer(_text(name), _text(value))
        self._pair = data[last : last + self._longest]
        self.done = self._gatherer.complete

    def end(self) -> None:
        """The body is over."""
        self.feed(b"&")

    def names(self) -> Iterator[str]:
        """Yield the names of the pairs with a `=` at the beginning of the form, for developers."""
        for pair in self._start.split(b"&"):
            name, equals, _ = pair.partition(b"=")
            if equals:
                yield _text(name)


def _text(raw: bytes) -> str:
    """Decode a name or a value. Most have no escapes, and `unquote_plus` is slow."""
    text = raw.decode("latin-1")
    return unquote_plus(text) if "%" in text or "+" in text else text


@lru_cache(64)
def _pairs(names: frozenset[bytes]) -> re.Pattern[bytes]:
    """Return a pattern of the pairs that may be captcha fields.

    Such a pair has a value, and one of the names or a name with escapes. With possessive quantifiers the pattern never
    backtracks: each byte is read once.
    """
    escaped = rb"(?=[^=&%%+]*+[%%+])[^=&]{%d,}+" % min(map(len, names))
    return re.compile(rb"&(%b|%b)=([^&]++)" % (b"|".join(map(re.escape, sorted(names))), escaped))
