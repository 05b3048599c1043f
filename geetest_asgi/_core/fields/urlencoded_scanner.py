"""Find the captcha fields in an `application/x-www-form-urlencoded` body, or in a query string."""

import re
from collections.abc import Iterator
from functools import lru_cache

from .gatherer import Gatherer
from .names import LOOKED_AT, form_text, names_in_form


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
        self._start += data[: LOOKED_AT - len(self._start)]
        data = self._pair + data
        last = data.rindex(b"&")
        for name, value in self._pairs.findall(data, 0, last):
            self._gatherer.offer(form_text(name), form_text(value))
        self._pair = data[last : last + self._longest]
        self.done = self._gatherer.complete

    def end(self) -> None:
        """The body is over."""
        self.feed(b"&")

    def names(self) -> Iterator[str]:
        """Return the names in the form, for developers."""
        return names_in_form(self._start)


@lru_cache(64)
def _pairs(names: frozenset[bytes]) -> re.Pattern[bytes]:
    """Return a pattern of the pairs that may be captcha fields.

    Such a pair has a value, and one of the names or a name with escapes. With possessive quantifiers the pattern never
    backtracks: each byte is read once.
    """
    escaped = rb"(?=[^=&%%+]*+[%%+])[^=&]{%d,}+" % min(map(len, names))
    return re.compile(rb"&(%b|%b)=([^&]++)" % (b"|".join(map(re.escape, sorted(names))), escaped))
