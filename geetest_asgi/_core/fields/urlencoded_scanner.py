"""Find the captcha fields in an `application/x-www-form-urlencoded` body, or in a query string."""

import re
from functools import lru_cache
from urllib.parse import unquote_plus

from .gatherer import Gatherer


class UrlencodedScanner:
    """Finds the fields among pairs that are separated by `&`, as browsers write them."""

    def __init__(self, gatherer: Gatherer) -> None:
        self._gatherer = gatherer
        self._plain_names = gatherer.spelling.plain_names
        self._pairs = _pairs(gatherer.spelling.form_bytes)
        # Percent escapes treble what they stand for. Pairs are cut off here: the rest is too long for its field anyway.
        self._longest = 3 * (max(map(len, gatherer.spelling.form_bytes)) + gatherer.max_field + 1)
        self._pair = b"&"  # what has come of the last pair, with the sign before it
        self.broken = ""

    @property
    def done(self) -> bool:
        """Nothing that comes later can change the answer."""
        return self._gatherer.complete

    def feed(self, data: bytes) -> None:
        """Take the next bytes of the body."""
        if b"&" in data:
            data = self._pair + data
            last = data.rindex(b"&")
            self._search(data[:last])
            self._pair, data = b"", data[last:]
        self._pair += data[: self._longest - len(self._pair)]

    def end(self) -> None:
        """The body is over."""
        self._search(self._pair)

    def _search(self, pairs: bytes) -> None:
        for found in self._pairs.finditer(pairs):
            name, value = found.groups()
            text = _unquote(value[: self._longest - len(name) - 2])
            if (field := self._plain_names.get(name)) is not None:
                self._gatherer.offer_field(field, text)
            else:
                self._gatherer.offer(_unquote(name), text)


@lru_cache(64)
def _pairs(names: frozenset[bytes]) -> re.Pattern[bytes]:
    """The pairs that have a value, and one of the names or a name with escapes that may stand for one.

    Possessive quantifiers: each byte is looked at once, a match never goes back.
    """
    lengths = sorted(map(len, names))
    escaped = rb"(?=[^=&%%+]*+[%%+])[^=&]{%d,%d}+" % (lengths[0], 3 * lengths[-1])
    return re.compile(rb"&(?![=&])(%b|%b)=([^&]++)" % (b"|".join(map(re.escape, sorted(names))), escaped))


def _unquote(text: bytes) -> str:
    decoded = text.decode("latin-1")
    return unquote_plus(decoded) if "%" in decoded or "+" in decoded else decoded
