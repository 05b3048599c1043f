"""A push parser that finds a few values near the top of a JSON body, however large or deep the rest is.

Written as a generator that follows the grammar of RFC 8259 and yields where the input runs out, so that it reads
like a parser of a whole text. Values that nobody asked for are passed over without decoding or recursion; what is
in them is not checked, since that is the app's business.
"""

import json
import re
from collections.abc import Generator
from typing import Final

from .sources import UNREADABLE, Gatherer, JsonNumber

_BOM: Final = b"\xef\xbb\xbf"
_OPEN, _CLOSE, _QUOTE, _COLON, _COMMA = b'{}":,'
_SPACES: Final = re.compile(rb"[ \t\r\n]*")
_SCALAR: Final = re.compile(rb"[^,{}\[\]\":\s]*")
_NUMBER: Final = re.compile(rb"-?[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]+)?")
# Possessive quantifiers: each byte is looked at once, a match never goes back.
_STRING: Final = re.compile(rb'[^"\\]*+(?:\\.[^"\\]*+)*+', re.DOTALL)
_UNNESTED: Final = re.compile(rb'(?:[^"{}\[\]]++|"[^"\\]*+(?:\\.[^"\\]*+)*+")*+', re.DOTALL)
# A whole member with a plain key and a plain value, and its comma: what most members of most bodies look like.
_MEMBER: Final = re.compile(
    rb'[ \t\r\n]*+"([^"\\]*+)"[ \t\r\n]*+:[ \t\r\n]*+'
    rb'(?:"[^"\\]*+(?:\\.[^"\\]*+)*+"|[^,{}\[\]":\s]++)[ \t\r\n]*+,',
    re.DOTALL,
)
_MAX_KEY: Final = 512
_MAX_SCALAR: Final = 64

Parse = Generator[None, None, None]


class _BrokenError(Exception):
    """The text is not JSON. Does not leave this module."""


class JsonScanner:
    """Finds the captcha fields at the top level of a JSON object, or in the container that the spelling names."""

    def __init__(self, gatherer: Gatherer) -> None:
        self._gatherer = gatherer
        self.broken = ""
        self.done = False
        self._data, self._at, self._over = b"", 0, False
        self._parse: Parse | None = None

    def feed(self, data: bytes) -> None:
        """Take the next bytes of the body."""
        if data and not self.done:
            self._parse = self._parse or self._document()
            self._run(data)

    def end(self) -> None:
        """The body is over."""
        self._over = True
        if not self.done:
            self._run(b"")

    def _run(self, data: bytes) -> None:
        self._data, self._at = data, 0
        try:
            for _ in self._parse or ():
                return
        except _BrokenError:
            self.broken = "the body is not JSON"
        self.done = True

    def _document(self) -> Parse:
        if self._data[:1] == _BOM[:1]:
            for _ in _BOM:
                yield from self._some()
                self._at += 1
        first = yield from self._peek()
        if first == _OPEN:
            yield from self._object(self._gatherer.spelling.container or ())
        elif first not in b'["-0123456789tfn':
            raise _BrokenError

    def _object(self, path: tuple[str, ...]) -> Parse:
        """One object, from its brace on. `path`: the keys that lead on to the fields; empty: they are in here."""
        self._at += 1
        if (yield from self._peek()) == _CLOSE:
            self._at += 1
            return
        while True:
            self._pass_over(path)
            key = yield from self._key()
            yield from self._expect(_COLON)
            yield from self._member(key, path)
            if self._gatherer.complete or (yield from self._peek()) == _CLOSE:
                self._at += 1
                return
            yield from self._expect(_COMMA)

    def _pass_over(self, path: tuple[str, ...]) -> None:
        """Skip members that cannot matter, as far as they are in this chunk. For speed: it decides nothing."""
        matter = (path[0].encode(),) if path else self._gatherer.spelling.wanted
        while (member := _MEMBER.match(self._data, self._at)) and member[1] not in matter:
            self._at = member.end()

    def _key(self) -> Generator[None, None, object]:
        if (yield from self._peek()) != _QUOTE:
            raise _BrokenError
        raw = yield from self._string(_MAX_KEY)
        return _decode(raw)

    def _member(self, key: object, path: tuple[str, ...]) -> Parse:
        first = yield from self._peek()
        field = self._gatherer.spelling.names.get(key) if isinstance(key, str) and not path else None
        if field is not None:
            self._gatherer.offer_field(field, (yield from self._value(first)))
        elif path[:1] == (key,) and first == _OPEN:
            yield from self._object(path[1:])
        elif path == (key,):
            self._gatherer.offer_container((yield from self._value(first)))
        else:
            yield from self._value(first)

    def _value(self, first: int) -> Generator[None, None, object]:
        """Pass over one value; what it is, where it is short enough to be one of ours."""
        if first == _QUOTE:
            raw = yield from self._string(self._gatherer.max_field)
            return _decode(raw)
        if first in b"{[":
            yield from self._nested()
            return UNREADABLE
        raw = yield from self._scalar()
        return _decode_scalar(raw)

    def _nested(self) -> Parse:
        """Pass over an object or a list by counting brackets, without a stack."""
        depth = 0
        while True:
            self._at = _end(_UNNESTED, self._data, self._at)
            char = yield from self._some()
            if char == _QUOTE:  # of a string that this chunk does not end
                yield from self._string(0)
            elif char in b"{[]}":
                self._at += 1
                depth += 1 if char in b"{[" else -1
                if not depth:
                    return

    def _string(self, limit: int) -> Generator[None, None, bytes | None]:
        """A string with its quotes, not decoded; None where it has more than `limit` bytes."""
        raw = bytearray(b'"')
        self._at += 1
        while (yield from self._some()) != _QUOTE:
            end = _end(_STRING, self._data, self._at)
            if end == self._at:  # a backslash that ends this chunk: what it escapes comes with the next
                self._keep(raw, end + 1, limit)
                yield from self._some()
                end = 1
            self._keep(raw, end, limit)
        self._at += 1
        return bytes(raw + b'"') if len(raw) <= limit + 1 else None

    def _keep(self, raw: bytearray, end: int, limit: int) -> None:
        """Take the input up to `end`, and keep of it what shows that there are more than `limit` bytes."""
        room = max(0, limit + 2 - len(raw))
        raw += self._data[self._at : min(end, self._at + room)]
        self._at = end

    def _scalar(self) -> Generator[None, None, bytes]:
        """A number or a word: all up to the next sign or space."""
        raw = b""
        while True:
            yield from self._some()
            end = _end(_SCALAR, self._data, self._at)
            if end == self._at:
                break
            raw = (raw + self._data[self._at : end])[: _MAX_SCALAR + 1]
            self._at = end
        if not raw:
            raise _BrokenError
        return raw

    def _expect(self, char: int) -> Parse:
        if (yield from self._peek()) != char:
            raise _BrokenError
        self._at += 1

    def _peek(self) -> Generator[None, None, int]:
        """The next byte that is no white space; it is not taken."""
        while True:
            yield from self._some()
            self._at = _end(_SPACES, self._data, self._at)
            if self._at < len(self._data):
                return self._data[self._at]

    def _some(self) -> Generator[None, None, int]:
        """The next byte, waiting for input where there is none; it is not taken."""
        while self._at >= len(self._data):
            if self._over:
                raise _BrokenError
            yield
        return self._data[self._at]


def _end(pattern: re.Pattern[bytes], data: bytes, start: int) -> int:
    match = pattern.match(data, start)
    return match.end() if match else start


def _decode(raw: bytes | None) -> object:
    try:
        return json.loads(raw.decode()) if raw is not None else UNREADABLE
    except ValueError:
        return UNREADABLE


def _decode_scalar(raw: bytes) -> object:
    if raw in (b"null", b"false"):
        return None
    return JsonNumber(raw.decode()) if _NUMBER.fullmatch(raw) and len(raw) <= _MAX_SCALAR else UNREADABLE
