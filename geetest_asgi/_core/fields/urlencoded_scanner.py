"""Find the captcha fields in an `application/x-www-form-urlencoded` body, or in a query string."""

import re
from collections.abc import Iterator
from functools import lru_cache
from urllib.parse import unquote_plus

from .gatherer import Gatherer
from .names import LOOKED_AT, names_in_form


class UrlencodedScanner:
    """Finds the fields among pairs that are separated by `&`, as browsers write them."""

    def __init__(self, gatherer: Gatherer) -> None:
        self._gatherer = gatherer
        self._pairs, longest_name = _pairs(gatherer.spelling.form_bytes)
        # A percent escape has three bytes for one. Longer pairs are cut: their value is too long for a field anyway.
        self._longest = 3 * (longest_name + gatherer.max_field + 1)
        self._pair = b"&"  # the beginning of the last pair, with the "&" before it
        self._start = b""
        self.broken = ""
        self.done = False
        """No later byte changes the result."""

    def feed(self, data: bytes) -> None:
        """Take the next bytes of the body."""
        self._start += data[: LOOKED_AT - len(self._start)]
        if b"&" in data:
            data = self._pair + data
            last = data.rindex(b"&")
            self._search(data[:last])
            self._pair, data = b"", data[last:]
        self._pair += data[: self._longest - len(self._pair)]

    def end(self) -> None:
        """The body is over."""
        self._search(self._pair)

    def names(self) -> Iterator[str]:
        """Return the names in the form, for developers."""
        return names_in_form(self._start)

    def _search(self, pairs: bytes) -> None:
        for found in self._pairs.finditer(pairs):
            name, value = found.groups()
            text = value[: self._longest - len(name) - 2]
            self._gatherer.offer(unquote_plus(name.decode("latin-1")), unquote_plus(text.decode("latin-1")))
        self.done = self._gatherer.complete


@lru_cache(64)
def _pairs(names: frozenset[bytes]) -> tuple[re.Pattern[bytes], int]:
    """Return a pattern of the pairs that may be captcha fields, and the length of the longest name.

    Such a pair has a value, and one of the names or a name with escapes. With possessive quantifiers the pattern never
    backtracks: each byte is read once.
    """
    lengths = sorted(map(len, names))
    escaped = rb"(?=[^=&%%+]*+[%%+])[^=&]{%d,%d}+" % (lengths[0], 3 * lengths[-1])
    pairs = rb"&(?![=&])(%b|%b)=([^&]++)" % (b"|".join(map(re.escape, sorted(names))), escaped)
    return re.compile(pairs), lengths[-1]
