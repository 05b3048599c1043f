"""An answer of HTTP/1.1, read by both parsers. The first byte of an input says how it is cut, the rest is the answer.

Whichever library reads and however the bytes arrive, the answer is the same; and a connection is used again only where
nothing stands behind the end of its answer.
"""

from dataclasses import dataclass
from typing import Final

from geetest_asgi._core.protocol import MAX_REPLY
from geetest_asgi._line.reader import (
    BrokenReplyError,
    H11Parser,
    HttptoolsParser,
    Parser,
    Reader,
    TooLongReplyError,
)

from .targets import require

SIZES: Final = (1, 2, 3, 7, 64, 65536)
BAD: Final = "no answer"


@dataclass(frozen=True)
class Read:
    """What came of it. Broken and too long are one: neither is an answer, and both are an outage."""

    status: int
    body: bytes | None
    reusable: bool


def check(data: bytes) -> None:
    """Both parsers, in one piece and cut: the answer is the same. h11 alone takes a blank behind a chunk's size."""
    size, data = SIZES[(data[0] if data else 0) % len(SIZES)], data[1:]
    for ends in (True, False):
        found = {
            (parser, cut): read(parser, data, cut, ends=ends)
            for parser in (H11Parser, HttptoolsParser)
            for cut in (size, max(1, len(data)))
        }
        answers = {each for each in found.values() if each is not None}
        alone = found[H11Parser, size] is None and found[HttptoolsParser, size] is not None
        require(not alone, "read by httptools alone", found)
        require(len({(each.status, each.body) for each in answers}) <= 1, "read in two ways", found)
        for parser in (H11Parser, HttptoolsParser):
            pieces, whole = found[parser, size], found[parser, max(1, len(data))]
            require((pieces is None) == (whole is None), "the cut changes the answer", parser, found)
            if whole is not None and whole.reusable:
                _check_that_it_ends(parser, data)
        require(all(each.body is None or len(each.body) <= MAX_REPLY for each in answers), found)


def _check_that_it_ends(parser: type[Parser], data: bytes) -> None:
    """A byte less is no whole answer, and a byte more is not the answer's: the connection is not used again."""
    require(read(parser, data[:-1], len(data), ends=False) is None, "more than the answer", parser)
    more = read(parser, data + b"H", len(data) + 1, ends=False)
    require(more is None or not more.reusable, "garbage stays on the connection", parser)


def read(parser: type[Parser], data: bytes, size: int, *, ends: bool) -> Read | None:
    """Feed pieces until the answer is whole, as a connection does; None if it never is. `ends`: the server hangs up."""
    reader = Reader(parser)
    pieces = [data[at : at + size] for at in range(0, len(data), size)]
    try:
        for piece in pieces:
            if not reader.done:
                reader.feed(piece)
        if not reader.done and ends:
            reader.feed(b"")
    except (BrokenReplyError, TooLongReplyError):
        return None
    return Read(reader.status, reader.body, reader.reusable) if reader.done else None
