"""Read one HTTP/1.1 answer.

The head must match one strict grammar, and an answer whose end could be found in two ways is refused. A body ends with
its Content-Length or with the connection; h11 reads the chunks of a chunked one.
"""

import re
from typing import Final

import h11

from .._core.protocol import MAX_REPLY

MAX_HEAD: Final = 16 * 1024
"""Bytes of a status line and its header lines. h11's bound, and twice nginx's."""

MAX_RAW: Final = 2 * MAX_REPLY
"""Bytes of everything: interim answers, head, chunk sizes and trailers included."""

_TOKEN: Final = rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
_HEAD: Final = re.compile(
    rb"HTTP/1\.([01]) ([1-9][0-9]{2})(?: [\t !-~\x80-\xff]*)?\r\n"
    rb"(?:" + _TOKEN + rb":[\t !-~\x80-\xff]*\r\n)*\r\n"
)
"""RFC 9112 §4 and §5, without folded lines and bare line feeds. The space before an empty reason may be missing."""

_FIELD: Final = re.compile(
    rb"\r\n(content-length|transfer-encoding|connection|content-encoding|x-geetest-simulator):([^\r]*)"
)
"""The header fields that count here, in lower case."""

_LENGTH: Final = re.compile(rb"[0-9]{1,15}")


class BrokenReplyError(Exception):
    """The bytes are no HTTP/1.1 answer, or an incomplete one, or one that could be read in two ways."""


class Reader:
    """One answer, read as it arrives. Only the body of a 200 is kept; GeeTest gives verdicts in no other."""

    def __init__(self) -> None:
        self.status = 0
        self.fields: dict[bytes, bytes] = {}
        """The header fields that count here, names and values in lower case."""
        self.body: bytes | None = None
        """The body of a 200, if it is short enough for an answer of `/validate`."""
        self.done = False
        self.reusable = False
        """The answer has ended exactly, and the connection may be used again."""
        self._head = b""
        self._data = bytearray()
        self._received = 0
        self._persists = False
        self._length: int | None = None
        self._chunks: Chunks | None = None

    def feed(self, data: bytes) -> None:
        """Read what has come; b"" where the other end has hung up. Raises BrokenReplyError."""
        self._received += len(data)
        self._data += data
        while self.status < 200 and (end := self._data.find(b"\r\n\r\n") + 4) > 3:  # 1xx come before it, RFC 9110 §15.2
            self._read_head(bytes(self._data[:end]))
            del self._data[:end]
        if self.status >= 200:
            self._read_body(ended=not data)
        elif len(self._data) > MAX_HEAD or not b"HTTP/1.".startswith(bytes(self._data[:7])):
            raise BrokenReplyError
        if not self.done and (not data or self._received > MAX_RAW):
            raise BrokenReplyError

    def _read_head(self, head: bytes) -> None:
        match = _HEAD.fullmatch(head)
        if match is None or len(head) > MAX_HEAD or match[2] == b"101":
            raise BrokenReplyError
        fields: dict[bytes, bytes] = {}
        for name, raw in _FIELD.findall(head.lower()):
            value = raw.strip(b" \t")  # a pattern that excludes the blanks would backtrack over long ones
            fields[name] = b"%b,%b" % (fields[name], value) if name in fields else value
        length, coding = fields.get(b"content-length"), fields.get(b"transfer-encoding")
        if length is not None and (coding is not None or not _LENGTH.fullmatch(length)):
            raise BrokenReplyError
        self._length = None if length is None else int(length)
        if coding is not None and (coding != b"chunked" or match[1] == b"0"):
            raise BrokenReplyError
        framed = length is not None or coding is not None
        self._persists = framed and match[1] == b"1" and b"close" not in fields.get(b"connection", b"")
        self._head, self.fields, self.status = head, fields, int(match[2])

    def _read_body(self, *, ended: bool) -> None:
        """Read on. `body` stays None where it is longer than any answer of `/validate`."""
        length, have = self._length, len(self._data)
        exact = self._persists and have == length
        if self.status != 200:
            self.done, self.reusable = True, exact
        elif b"transfer-encoding" in self.fields:
            self._read_chunks()
        elif (have if length is None else length) > MAX_REPLY:
            self.done = True
        elif ended if length is None else have >= length:
            self.body, self.done, self.reusable = bytes(self._data[:length]), True, exact

    def _read_chunks(self) -> None:
        if self._chunks is None:
            self._chunks = Chunks()
            self._data[:0] = self._head
        self._chunks.feed(bytes(self._data))
        self._data.clear()
        self.done = self._chunks.ended
        if len(self._chunks.body) > MAX_REPLY:
            self.done = True
        elif self.done:
            self.body, self.reusable = bytes(self._chunks.body), self._persists and not self._chunks.more


class Chunks:
    """A chunked body, by h11."""

    def __init__(self) -> None:
        self.body, self.ended, self.more = bytearray(), False, False
        self._connection = h11.Connection(h11.CLIENT, max_incomplete_event_size=MAX_HEAD)

    def feed(self, data: bytes) -> None:
        """Read on; b"" is the end of the connection. Raises BrokenReplyError."""
        try:
            self._connection.receive_data(data)
            while not self.ended and (event := self._connection.next_event()) is not h11.NEED_DATA:
                if isinstance(event, h11.Data):
                    self.body += event.data
                self.ended = isinstance(event, h11.EndOfMessage)
        except h11.RemoteProtocolError as error:
            raise BrokenReplyError from error
        self.more = bool(self._connection.trailing_data[0])
