"""A push parser that finds a few values near the top of a JSON body, however large or deep the rest is.

Written as a generator that follows the grammar of RFC 8259 and yields where the input runs out, so that it reads
like a parser of a whole text. Values that nobody asked for are passed over without decoding or recursion; what is
in them is not checked, since that is the app's business.
"""

import json
import re
from collections.abc import Generator
from functools import cache
from typing import Final

from .gatherer import UNREADABLE, Gatherer, JsonNumber

_BOM: Final = b"\xef\xbb\xbf"
_OPEN, _CLOSE, _QUOTE, _COLON, _COMMA = b'{}":,'
# Pieces of patterns. Possessive quantifiers: each byte is looked at once, a match never goes back.
_GAP: Final = rb"[ \t\r\n]*+"
_CHARS: Final = rb'[^"\\]*+(?:\\.[^"\\]*+)*+'
_TEXT: Final = rb'"%b"' % _CHARS
_WORD: Final = rb'[^,{}\[\]":\s]'
_SPACES: Final = re.compile(_GAP)
_SCALAR: Final = re.compile(_WORD + rb"*+")
_NUMBER: Final = re.compile(rb"-?[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]+)?")
_STRING: Final = re.compile(_CHARS, re.DOTALL)
_WHOLE_STRING: Final = re.compile(_TEXT, re.DOTALL)
# The next bracket of a nested value, one that opens or one that closes; or the place where this chunk has no more.
_BRACKET: Final = re.compile(rb'(?:[^"{}\[\]]++|%b)*+(?:([{\[])|([}\]])|(?=")|\Z)' % _TEXT, re.DOTALL)
_PARSE: Final = json.JSONDecoder().raw_decode
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
        others = _members_but(path[:1] or tuple(self._gatherer.spelling.names))
        while True:
            self._at = _end(others, self._data, self._at)  # for speed: it decides nothing
            if (self._ready() or (yield from self._peek())) != _QUOTE:
                raise _BrokenError
            key = _decode((yield from self._string(_MAX_KEY)))
            if (self._ready() or (yield from self._peek())) != _COLON:
                raise _BrokenError
            self._at += 1
            yield from self._member(key, path)
            if self._gatherer.complete:
                return
            after = self._ready() or (yield from self._peek())
            self._at += 1
            if after == _CLOSE:
                return
            if after != _COMMA:
                raise _BrokenError

    def _member(self, key: object, path: tuple[str, ...]) -> Parse:
        first = self._ready() or (yield from self._peek())
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
        while depth := self._sink(depth):
            if (yield from self._some()) == _QUOTE:
                yield from self._string(0)

    def _sink(self, depth: int) -> int:
        """How deep a nested value is at the end of this chunk, or at a string that may not end in it; 0: it is over."""
        for bracket in _BRACKET.finditer(self._data, self._at):
            self._at = bracket.end()
            if bracket.lastindex is None:
                break
            depth += 1 if bracket.lastindex == 1 else -1
            if not depth:
                break
        return depth

    def _string(self, limit: int) -> Generator[None, None, bytes | None]:
        """A string with its quotes, not decoded; None where it has more than `limit` bytes."""
        if whole := _WHOLE_STRING.match(self._data, self._at):
            start, self._at = self._at, whole.end()
            return whole[0] if self._at - start <= limit + 2 else None
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

    def _ready(self) -> int:
        """The next byte if it is there and no white space, else 0: `_peek` looks closer."""
        char = self._data[self._at] if self._at < len(self._data) else 0
        return char if char > 0x20 else 0

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


@cache
def _members_but(names: tuple[str, ...]) -> re.Pattern[bytes]:
    """As many whole members, each with its comma, as there are before one that may be called one of `names`.

    Most of most bodies is passed over by this. It stops early where a value is nested deeper, or cut off.
    """
    spelt = b"|".join(b"".join(map(_spelt, name)) for name in names)
    key = rb'(?!"(?:%b)")%b' % (spelt, _TEXT)
    value = rb"(?:%b|%b++|%b)" % (_TEXT, _WORD, _shallow(3))
    return re.compile(rb"(?:%b,)*+" % _GAP.join((b"", key, b":", value, b"")), re.DOTALL)


def _shallow(depth: int) -> bytes:
    """A list or an object with at most so many levels of others in it."""
    inner = b"|" + _shallow(depth - 1) if depth else b""
    return rb'[{\[](?:[^"{}\[\]]++|%b%b)*+[}\]]' % (_TEXT, inner)


def _spelt(char: str) -> bytes:
    """A character of a key, as it is or as an escape. Any four digits will do: what stops here is looked at again."""
    units = len(char.encode("utf-16-le")) // 2
    short = rb"|\\." if char in '"\\/\b\f\n\r\t' else b""
    return rb"(?:%b|(?:\\u....){%d}%b)" % (re.escape(char.encode()), units, short)


def _end(pattern: re.Pattern[bytes], data: bytes, start: int) -> int:
    match = pattern.match(data, start)
    return match.end() if match else start


def _decode(raw: bytes | None) -> object:
    try:
        return _PARSE(raw.decode())[0] if raw is not None else UNREADABLE
    except ValueError:
        return UNREADABLE


def _decode_scalar(raw: bytes) -> object:
    if raw in (b"null", b"false"):
        return None
    return JsonNumber(raw.decode()) if _NUMBER.fullmatch(raw) and len(raw) <= _MAX_SCALAR else UNREADABLE
