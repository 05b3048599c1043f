"""Reading one answer of HTTP/1.1, by httptools where it is installed, else by h11.

Both read what RFC 9112 allows, and each something more. So a head is first held against one strict grammar, and what
the two would frame differently is refused: whichever reads, the same bytes give the same answer.
"""

import re
from typing import Any, Final, Protocol

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
"""RFC 9112 §4 and §5, without folded lines and bare line feeds. A server may leave out the space before no reason."""

_FIELD: Final = re.compile(
    rb"\r\n(content-length|transfer-encoding|connection|content-encoding|x-geetest-simulator)"
    rb":[ \t]*(.*?)[ \t]*(?=\r\n)",
    re.IGNORECASE,
)
"""The header fields that count here."""

_LAST: Final = re.compile(rb"[^\r\n]\r\n\r\n")
"""The last bytes of a chunked body: the end of the last line, and an empty one."""


class BrokenReplyError(Exception):
    """This is no answer of HTTP/1.1, or not a whole one, or one that might be read in two ways."""


class TooLongReplyError(Exception):
    """A head was read, and no answer of `/validate` is as long as what follows it."""


class Parser(Protocol):
    """What reads an answer whose head was found good."""

    body: bytearray
    ended: bool
    """All of it was read."""
    more: bool
    """Something stands behind its end."""

    def __init__(self, *, framed: bool) -> None:
        """`framed`: the head says how long the body is; else it ends with the connection."""

    def feed(self, data: bytes) -> None:
        """Read on; b"" is the end of the connection. Raises what the library raises."""


class Reader:
    """One answer, read as it arrives. Only the body of a 200 is read; no other says anything that counts."""

    def __init__(self, parser: "type[Parser]") -> None:
        self.status = 0
        self.fields: dict[bytes, list[bytes]] = {}
        """The values of the header fields that count here, by their names in lower case."""
        self.done = False
        self.reusable = False
        """The answer has ended exactly, and the connection may be used again."""
        self._make = parser
        self._parser: Parser | None = None
        self._head = bytearray()
        self._raw = self._start = self._length = 0
        self._persists = self._framed = self._chunked = False
        self._tail = b""

    def headers(self) -> list[tuple[bytes, bytes]]:
        """Return all of the header, names in lower case."""
        lines = (line.partition(b":") for line in self._head.split(b"\r\n")[1:-2])
        return [(bytes(name.lower()), bytes(value.strip(b" \t"))) for name, _, value in lines]

    @property
    def body(self) -> bytes | None:
        """The body of a 200; None for any other."""
        return bytes(self._parser.body) if self._parser else None

    def feed(self, data: bytes) -> None:
        """Read what has come; b"" where the other end has hung up. Raises BrokenReplyError and TooLongReplyError."""
        room = MAX_RAW - self._raw
        self._raw += len(data)
        if self._parser is None:
            self._read_head(data[:room])
        else:
            self._read_body(data[:room])
        if not self.done and (self._raw >= MAX_RAW or not data):
            raise TooLongReplyError if self._parser and data else BrokenReplyError

    def _read_head(self, data: bytes) -> None:
        self._head += data
        while not self.done and (end := self._head.find(b"\r\n\r\n") + 4) > 3:
            head, rest = bytes(self._head[:end]), bytes(self._head[end:])
            self.status = self._check(head)
            if self.status >= 200:
                return self._begin(head, rest)
            del self._head[:end]  # 1xx: the answer is yet to come (RFC 9110 §15.2)
        if len(self._head) > MAX_HEAD or not b"HTTP/1.".startswith(bytes(self._head[:7])):
            raise BrokenReplyError
        return None

    def _check(self, head: bytes) -> int:
        match = _HEAD.fullmatch(head)
        if match is None or len(head) > MAX_HEAD or match[2] == b"101":
            raise BrokenReplyError
        fields: dict[bytes, list[bytes]] = {}
        for name, value in _FIELD.findall(head):
            fields.setdefault(name.lower(), []).append(value.lower())
        self.fields = fields
        lengths, codings = fields.get(b"content-length", []), fields.get(b"transfer-encoding", [])
        if len(lengths) + len(codings) > 1 or not all(re.fullmatch(rb"[0-9]{1,15}", each) for each in lengths):
            raise BrokenReplyError
        if codings and (codings != [b"chunked"] or match[1] == b"0"):
            raise BrokenReplyError
        options = b",".join(fields.get(b"connection", []))
        self._framed = bool(lengths or codings)
        self._persists = match[1] == b"1" and b"close" not in options and self._framed
        self._length = int(lengths[0]) if lengths else 0
        self._chunked = bool(codings)
        return int(match[2])

    def _begin(self, head: bytes, rest: bytes) -> None:
        del self._head[len(head) :]
        self._start = self._raw - len(rest)
        if self.status != 200:
            self.done = True
            return
        if self._length > MAX_REPLY:
            raise TooLongReplyError
        self._parser = self._make(framed=self._framed)
        self._read_body(head + rest)

    def _read_body(self, data: bytes) -> None:
        parser = self._parser
        assert parser is not None  # noqa: S101 - the head was read
        try:
            parser.feed(data)
        except Exception as error:  # each library has classes of its own
            if not parser.ended:
                raise BrokenReplyError from error
            parser.more = True
        if len(parser.body) > MAX_REPLY:
            raise TooLongReplyError
        self._tail = (self._tail + data)[-5:]
        self.done = parser.ended
        self.reusable = parser.ended and self._persists and not (parser.more or self._has_more())

    def _has_more(self) -> bool:
        """Whether something stands behind the end. llhttp passes over empty lines there, without a word."""
        if self._chunked:
            return self._raw > MAX_RAW or not _LAST.fullmatch(self._tail)
        return self._raw != self._start + self._length


class H11Parser:
    """By h11."""

    def __init__(self, *, framed: bool) -> None:
        import h11

        self.body, self.ended, self.more = bytearray(), False, False
        self._h11, self._connection = h11, h11.Connection(h11.CLIENT, max_incomplete_event_size=MAX_HEAD)
        for event in _h11_request():
            self._connection.send(event)

    def feed(self, data: bytes) -> None:
        """Read on."""
        if self.ended:
            self.more = self.more or bool(data)
            return
        self._connection.receive_data(data)
        while not self.ended:
            event = self._connection.next_event()
            if event is self._h11.NEED_DATA:
                return
            if isinstance(event, self._h11.Data):
                self.body += event.data
            self.ended = isinstance(event, self._h11.EndOfMessage)
        self.more = bool(self._connection.trailing_data[0])


def _h11_request(made: list[Any] = []) -> list[Any]:  # noqa: B006 - the same for each answer
    """What h11 must be told to have sent, before it reads an answer."""
    if not made:
        import h11

        made += [h11.Request(method="POST", target="/validate", headers=[("Host", "a")]), h11.EndOfMessage()]
    return made


class HttptoolsParser:
    """By httptools."""

    def __init__(self, *, framed: bool) -> None:
        import httptools

        self.body, self.ended, self.more = bytearray(), False, False
        self._framed = framed
        self._parser = httptools.HttpResponseParser(self)

    def feed(self, data: bytes) -> None:
        """Read on."""
        if self.ended:
            self.more = self.more or bool(data)
        elif data:
            self._parser.feed_data(data)
        else:
            self._end()

    def _end(self) -> None:
        # httptools is not told that the connection has ended: without a length the body ends with it (RFC 9112 §6.3).
        if self._framed:
            raise BrokenReplyError
        self.ended = True

    def on_body(self, body: bytes) -> None:
        """By httptools."""
        if not self.ended:
            self.body += body

    def on_message_begin(self) -> None:
        """By httptools."""
        self.more = self.more or self.ended

    def on_message_complete(self) -> None:
        """By httptools. Asked later, `should_keep_alive` says no."""
        self.ended = True
        self.more = self.more or not self._parser.should_keep_alive()


def parsers() -> "list[type[Parser]]":
    """Return those whose library is installed, the faster first."""
    found: list[type[Parser]] = [H11Parser]
    try:
        import httptools  # noqa: F401
    except ImportError:
        return found
    return [HttptoolsParser, *found]
