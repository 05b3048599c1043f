"""Find the captcha fields in a `multipart/form-data` body, with the parser that Starlette and FastAPI use."""

import logging
from collections.abc import Iterator
from typing import Final

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from .gatherer import UNREADABLE, Gatherer

MAX_PARTS: Final = 1000
"""Parts before the fourth field; Starlette's own default for a whole form."""

_MAX_NAME: Final = 64
"""Characters of a name that are kept for messages."""

_SILENT: Final = logging.Logger("geetest_asgi.multipart", logging.CRITICAL + 1)
"""Replaces the parser's logger. That one warns of malformed bodies, so clients could fill the log."""


class MultipartScanner:
    """Finds the fields among the parts. Of the parts with a file name only a container in JSON counts.

    Raises FormParserError for a boundary that is too long.
    """

    # Of the part that is being read:
    _name: str
    _is_file: bool
    _is_json: bool
    _wanted: bool

    def __init__(self, gatherer: Gatherer, boundary: bytes) -> None:
        self._gatherer = gatherer
        self.broken = ""
        self.done = False
        self._parts = 0
        self._started = False
        self._header = self._header_value = b""
        self._names: list[str] = []
        self._value = bytearray()
        self._parser = MultipartParser(
            boundary,
            {
                "on_part_begin": self._on_part_begin,
                "on_header_field": self._on_header_field,
                "on_header_value": self._on_header_value,
                "on_header_end": self._on_header_end,
                "on_headers_finished": self._on_headers_finished,
                "on_part_data": self._on_part_data,
                "on_part_end": self._on_part_end,
                "on_end": self._stop,
            },
        )
        self._parser.logger = _SILENT

    def feed(self, data: bytes) -> None:
        """Take the next bytes of the body."""
        if not self._started:  # how much the parser itself skips here depends on how the body is cut
            data = data.lstrip(b"\r\n")
            self._started = bool(data)
        try:
            self._parser.write(data)
        except FormParserError:
            self._stop("the multipart body cannot be read")

    def end(self) -> None:
        """The body is over: without its closing boundary it is broken."""
        self._stop("the multipart body is cut off")

    def names(self) -> Iterator[str]:
        """Return the names of the parts, for developers."""
        return iter(self._names)

    def _stop(self, why: str = "") -> None:
        if not self.done:
            self.broken, self.done = why, True

    def _on_part_begin(self) -> None:
        self._parts += 1
        self._name = ""
        self._is_file = self._is_json = False
        if self._parts > MAX_PARTS:
            self._stop(f"more than {MAX_PARTS} parts before the captcha fields")

    def _on_header_field(self, data: bytes, start: int, end: int) -> None:
        self._header += data[start:end]

    def _on_header_value(self, data: bytes, start: int, end: int) -> None:
        self._header_value += data[start:end]

    def _on_header_end(self) -> None:
        name = self._header.lower()
        if name == b"content-disposition":
            _, options = parse_options_header(self._header_value)
            self._name = options.get(b"name", b"").decode(errors="replace")
            self._is_file = b"filename" in options
        elif name == b"content-type":
            self._is_json |= self._header_value.partition(b";")[0].strip().lower() == b"application/json"
        self._header = self._header_value = b""

    def _on_headers_finished(self) -> None:
        spelling = self._gatherer.spelling
        contained = self._name in spelling.form_containers
        self._wanted = (
            (contained and self._is_json) if self._is_file else (contained or self._name in spelling.form_names)
        )
        self._value.clear()
        self._names.append(self._name[:_MAX_NAME])

    def _on_part_data(self, data: bytes, start: int, end: int) -> None:
        if self._wanted:
            room = self._gatherer.max_field + 1 - len(self._value)
            self._value += data[start : min(end, start + room)]

    def _on_part_end(self) -> None:
        if not self.done:  # the value of a part that is not wanted is empty
            self._gatherer.offer(self._name, _text(self._value))  # which refuses a value that is too long
            self.done = self._gatherer.complete


def _text(value: bytearray) -> object:
    try:
        return value.decode()
    except UnicodeDecodeError:
        return UNREADABLE
