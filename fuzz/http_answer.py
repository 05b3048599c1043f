"""An answer of HTTP/1.1, read by the guard and by two libraries. The first byte says how it is cut, the rest is it.

However the bytes arrive, the answer is the same. What the guard reads, h11 reads alike, and httptools where it does not
refuse it. A connection is used again only where nothing stands behind the end of its answer.
"""

from dataclasses import dataclass
from typing import Any, Final

import h11
import httptools

from geetest_asgi._core.protocol import MAX_REPLY
from geetest_asgi._line.reader import BrokenReplyError, Reader

from .targets import require

SIZES: Final = (1, 2, 3, 7, 64, 65536)


@dataclass(frozen=True)
class Read:
    """What came of it. Broken and too long are one: neither is an answer, and both are an outage."""

    status: int
    body: bytes | None
    reusable: bool


def check(data: bytes) -> None:
    """Read it in one piece and cut, and by both libraries."""
    size, data = SIZES[(data[0] if data else 0) % len(SIZES)], data[1:]
    for ends in (True, False):
        pieces, whole = read(data, size, ends=ends), read(data, max(1, len(data)), ends=ends)
        require(_but_for_reuse(pieces) == _but_for_reuse(whole), "the cut changes the answer", pieces, whole)
        if whole is None:
            continue
        require(whole.body is None or len(whole.body) <= MAX_REPLY, whole)
        if whole.reusable:
            _check_that_it_ends(data)
        if whole.body is not None:
            ours = (whole.status, whole.body)
            require(by_h11(data, ends=ends) == ours, "h11 reads it in another way", ours)
            require(by_httptools(data, ends=ends) in (ours, None), "httptools reads it in another way", ours)


def _but_for_reuse(read: Read | None) -> tuple[int, bytes | None] | None:
    return None if read is None else (read.status, read.body)


def _check_that_it_ends(data: bytes) -> None:
    """A byte less is no whole answer, and a byte more is not the answer's: the connection is not used again."""
    less, more = read(data[:-1], len(data), ends=False), read(data + b"H", len(data) + 1, ends=False)
    require(less is None or (less.body is None and not less.reusable), "more than the answer")
    require(more is None or not more.reusable, "garbage stays on the connection")


def read(data: bytes, size: int, *, ends: bool) -> Read | None:
    """Feed pieces until the answer is whole, as a connection does; None if it never is. `ends`: the server hangs up."""
    reader = Reader()
    try:
        for at in range(0, len(data), size):
            if not reader.done:
                reader.feed(data[at : at + size])
        if not reader.done and ends:
            reader.feed(b"")
    except BrokenReplyError:
        return None
    return Read(reader.status, reader.body, reader.reusable) if reader.done else None


def by_h11(data: bytes, *, ends: bool) -> tuple[int, bytes] | None:
    """The status and the body; None for no whole answer."""
    connection, status, body = h11.Connection(h11.CLIENT, max_incomplete_event_size=len(data) + 1), 0, b""
    connection.send(h11.Request(method="POST", target="/", headers=[("Host", "a")]))
    connection.send(h11.EndOfMessage())
    try:
        for piece in (data, b"") if ends else (data,):
            connection.receive_data(piece)
            while (event := connection.next_event()) is not h11.NEED_DATA:
                if isinstance(event, h11.Response):
                    status = event.status_code
                elif isinstance(event, h11.Data):
                    body += event.data
                elif isinstance(event, h11.EndOfMessage):
                    return status, body
    except h11.RemoteProtocolError:
        pass
    return None


def by_httptools(data: bytes, *, ends: bool) -> tuple[int, bytes] | None:
    """The same. A body without a length ends with the connection, of which httptools is not told."""
    answers, refused = _Answers(), False
    try:
        answers.parser.feed_data(data)
    except httptools.HttpParserError:
        refused = True
    final = [each for each in answers.found if each[0] >= 200]
    if not final:
        return None
    status, body, whole = final[0]
    return (status, bytes(body)) if whole or (ends and not refused) else None


class _Answers:
    """What httptools calls back: every message's status, body, and whether it has ended."""

    def __init__(self) -> None:
        self.parser = httptools.HttpResponseParser(self)
        self.found: list[list[Any]] = []

    def on_headers_complete(self) -> None:
        self.found.append([self.parser.get_status_code(), bytearray(), False])

    def on_body(self, body: bytes) -> None:
        self.found[-1][1] += body

    def on_message_complete(self) -> None:
        self.found[-1][2] = True
