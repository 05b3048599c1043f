"""Push parsers that look for the captcha fields in a request body as it arrives.

    scanner = scanner_for(content_types, encodings, gatherer)     None: a body of this type has no fields
    scanner.feed(chunk) … scanner.end()        until scanner.done
    gatherer.conclude(scanner.broken)          the answer

Laws: how the input is cut never changes the answer; what comes after the four fields changes nothing; nothing
raises; memory is bounded by `max_field`, whatever comes.
"""

from collections.abc import Callable, Sequence
from typing import Final
from urllib.parse import unquote_plus

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from .gatherer import UNREADABLE, Gatherer
from .json_scanner import JsonScanner

MAX_CONTENT_TYPE: Final = 512
"""Bytes. A longer header is not parsed: it names no type we know, and parsers of it have been slow."""

MAX_PARTS: Final = 1000
"""Parts of a multipart body before the fourth field; Starlette's own default for a whole form."""


class UrlencodedScanner:
    """`application/x-www-form-urlencoded`, and query strings: pairs cut at `&`, as browsers write them."""

    def __init__(self, gatherer: Gatherer) -> None:
        self._gatherer = gatherer
        container = gatherer.spelling.container_name
        self._wanted = gatherer.spelling.wanted if container is None else {container.encode()}
        # A name may be sent in percent escapes, which treble it; one of another length need not be decoded.
        self._lengths = range(min(map(len, self._wanted)), 3 * max(map(len, self._wanted)) + 1)
        self._tail = b""
        # Percent escapes treble a value. A pair that is cut off here is too long for its field anyway.
        self._longest = 3 * gatherer.max_field + 256
        self.broken = ""

    @property
    def done(self) -> bool:
        """Whether what comes next can still change the answer."""
        return self._gatherer.complete

    def feed(self, data: bytes) -> None:
        """Take the next bytes of the body."""
        *pairs, last = data.split(b"&")
        if pairs:
            self._pair(self._tail + pairs[0][: self._longest])
            for pair in pairs[1:]:
                self._pair(pair)
            self._tail = b""
        self._tail += last[: self._longest - len(self._tail)]

    def end(self) -> None:
        """The body is over."""
        self._pair(self._tail)

    def _pair(self, pair: bytes) -> None:
        name, _, value = pair[: self._longest].partition(b"=")
        if name in self._wanted or (len(name) in self._lengths and (b"%" in name or b"+" in name)):
            self._gatherer.offer(_unquote(name), _unquote(value))


def _unquote(text: bytes) -> str:
    return unquote_plus(text.decode("latin-1"))


class MultipartScanner:
    """`multipart/form-data`, by the parser that Starlette and FastAPI use. A part with a file name is no field."""

    def __init__(self, gatherer: Gatherer, boundary: bytes) -> None:
        self._gatherer = gatherer
        self.broken = ""
        self.done = False
        self._parts = 0
        self._started = False
        self._header = self._header_value = b""
        self._name: str | None = None
        self._value = bytearray()
        self._parser = MultipartParser(
            boundary,
            {
                "on_part_begin": self._on_part_begin,
                "on_header_field": self._on_header_field,
                "on_header_value": self._on_header_value,
                "on_header_end": self._on_header_end,
                "on_part_data": self._on_part_data,
                "on_part_end": self._on_part_end,
                "on_end": self._on_end,
            },
        )

    def feed(self, data: bytes) -> None:
        """Take the next bytes of the body."""
        if not self._started:  # the parser passes over more than newlines here, and how much depends on the cuts
            data = data.lstrip(b"\r\n")
            self._started = bool(data)
        try:
            self._parser.write(data)
        except FormParserError:
            self._stop("the multipart body cannot be read")

    def end(self) -> None:
        """The body is over: without its closing boundary it is broken."""
        self._stop("the multipart body is cut off")

    def _stop(self, why: str = "") -> None:
        if not self.done:
            self.broken, self.done = why, True

    def _on_part_begin(self) -> None:
        self._parts += 1
        self._name = None
        self._value.clear()
        if self._parts > MAX_PARTS:
            self._stop(f"more than {MAX_PARTS} parts before the captcha fields")

    def _on_header_field(self, data: bytes, start: int, end: int) -> None:
        self._header += data[start:end]

    def _on_header_value(self, data: bytes, start: int, end: int) -> None:
        self._header_value += data[start:end]

    def _on_header_end(self) -> None:
        if self._header.lower() == b"content-disposition":
            _, options = parse_options_header(self._header_value)
            self._name = None if b"filename" in options else options.get(b"name", b"").decode(errors="replace")
        self._header = self._header_value = b""

    def _on_part_data(self, data: bytes, start: int, end: int) -> None:
        if self._name is not None and not self.done:
            room = self._gatherer.max_field + 1 - len(self._value)
            self._value += data[start : min(end, start + room)]

    def _on_part_end(self) -> None:
        if self._name is not None and not self.done:
            whole = len(self._value) <= self._gatherer.max_field
            self._gatherer.offer(self._name, _text(self._value) if whole else UNREADABLE)
            self.done = self._gatherer.complete

    def _on_end(self) -> None:
        self._stop()


def _text(value: bytearray) -> object:
    try:
        return value.decode()
    except UnicodeDecodeError:
        return UNREADABLE


Scanner = UrlencodedScanner | JsonScanner | MultipartScanner


def scanner_for(content_types: Sequence[bytes], encodings: Sequence[bytes], gatherer: Gatherer) -> Scanner | None:
    """The scanner for a body with these `Content-Type` and `Content-Encoding` headers, or None.

    None, which means no fields: no content type, two of them, an overlong or unknown one, or a content encoding.
    """
    if len(content_types) != 1 or len(content_types[0]) > MAX_CONTENT_TYPE:
        return None
    if any(encoding.strip().lower() not in (b"", b"identity") for encoding in encodings):
        return None
    media_type, options = parse_options_header(content_types[0])
    media_type = media_type.lower()  # python-multipart below 0.0.33 leaves that to us where there are parameters
    if media_type == b"multipart/form-data":
        return _multipart(options.get(b"boundary", b""), gatherer)
    if media_type.startswith(b"application/") and media_type.endswith(b"+json"):
        return JsonScanner(gatherer)
    make = _SIMPLE.get(media_type)
    return make(gatherer) if make else None


_SIMPLE: Final[dict[bytes, Callable[[Gatherer], Scanner]]] = {
    b"application/x-www-form-urlencoded": UrlencodedScanner,
    b"application/json": JsonScanner,
}


def _multipart(boundary: bytes, gatherer: Gatherer) -> Scanner | None:
    try:
        return MultipartScanner(gatherer, boundary) if boundary else None
    except FormParserError:  # a boundary longer than any that a client makes
        return None
