"""One answer of HTTP/1.1: what is read, what is refused, and when a connection may be used again."""

import time
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fuzz import targets
from fuzz.http_answer import check
from geetest_asgi._core.protocol import MAX_REPLY
from geetest_asgi._line.reader import MAX_HEAD, MAX_RAW, BrokenReplyError, Reader

OK = b"HTTP/1.1 200 OK\r\n"
CHUNKED = OK + b"transfer-encoding: chunked\r\n\r\n"


def length(body: bytes, *lines: bytes) -> bytes:
    return OK + b"".join(line + b"\r\n" for line in lines) + b"content-length: %d\r\n\r\n" % len(body) + body


def read(*pieces: bytes) -> Reader:
    reader = Reader()
    for piece in pieces:
        reader.feed(piece)
    return reader


READ: dict[str, tuple[bytes, bool]] = {
    # an answer whose body is {}, and whether its connection may be used again
    "a length": (length(b"{}"), True),
    "chunks, an extension and trailers": (CHUNKED + b"1;a=b\r\n{\r\n1\r\n}\r\n0\r\nx: y\r\n\r\n", True),
    "until the end": (OK + b"\r\n{}", False),
    "HTTP/1.0": (length(b"{}").replace(b"1.1", b"1.0"), False),
    "a hint's length is not the answer's": (b"HTTP/1.1 103 X\r\ncontent-length: 1\r\n\r\n" + OK + b"\r\n{}", False),
    "continue, twice": (b"HTTP/1.1 100 Continue\r\n\r\n" * 2 + length(b"{}"), True),
    "no reason": (length(b"{}").replace(b" OK", b""), True),
    "connection: close": (length(b"{}", b"Connection: Keep-Alive, Close", b"Connection: x"), False),
    "garbage behind it": (length(b"{}") + b"\r\n", False),
    "as long as can be": (length(b"{}".ljust(MAX_REPLY)), True),
    "chunks as long as can be": (CHUNKED + b"10000\r\n" + b"{}".ljust(MAX_REPLY) + b"\r\n0\r\n\r\n", True),
    "a head as long as can be": (length(b"{}", b"x:" + b" " * (MAX_HEAD - len(length(b"", b"x:")))), True),
}

BROKEN: dict[str, bytes] = {
    "both framings": OK + b"content-length: 2\r\ntransfer-encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
    "two lengths": OK + b"content-length: 2\r\ncontent-length: 2\r\n\r\n{}",
    "a length with a sign": OK + b"content-length: +2\r\n\r\n{}",
    "a coding that was not asked for": OK + b"transfer-encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
    "chunks in HTTP/1.0": CHUNKED.replace(b"1.1", b"1.0") + b"0\r\n\r\n",
    "101": b"HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\n\r\n",
    "a folded line": length(b"{}", b"x: y\r\n z"),
    "line feeds alone": b"HTTP/1.1 200 OK\ncontent-length: 2\n\n{}" + b"\r\n\r\n",
    "one line feed alone": OK + b"x: y\ncontent-length: 2\r\n\r\n{}",
    "a line feed after the status": b"HTTP/1.1 200 OK\ncontent-length: 2\r\n\r\n{}",
    "ssh": b"SSH-2.0-OpenSSH_9.6\r\n",
    "a chunk without an end": CHUNKED + b"2\r\n{}xx0\r\n\r\n",
    "a chunk size that is none": CHUNKED + b"0x2\r\n{}\r\n0\r\n\r\n",
    "a head without an end": OK + b"x: y\r\n" * (MAX_HEAD // 6),
    "a long head": length(b"{}", b"x: " + b"y" * MAX_HEAD),
}


@pytest.mark.parametrize(("data", "reusable"), READ.values(), ids=READ)
def test_an_answer_is_read(data: bytes, reusable: bool) -> None:
    reader = read(data)
    if not reader.done:
        reader.feed(b"")
    assert (reader.done, reader.status, reader.reusable) == (True, 200, reusable)
    assert reader.body in (b"{}", b"{}".ljust(MAX_REPLY))


@pytest.mark.parametrize("data", BROKEN.values(), ids=BROKEN)
def test_what_might_be_read_in_two_ways_is_refused(data: bytes) -> None:
    with pytest.raises(BrokenReplyError):
        read(data)


@pytest.mark.parametrize("data", [length(b"{}")[:-1], CHUNKED + b"2\r\n{}\r\n0\r\n", OK + b"x: y\r\n", b""])
def test_an_end_before_the_end_is_no_answer(data: bytes) -> None:
    with pytest.raises(BrokenReplyError):
        read(*([data] if data else []), b"")


@pytest.mark.parametrize(
    "pieces",
    [
        (OK + b"content-length: %d\r\n\r\nx" % (MAX_REPLY + 1),),  # what says that it is longer is not waited for
        (CHUNKED + b"10001\r\n" + b"x" * 65537,),
        (CHUNKED + b"20000\r\n" + b"x" * 10, b"x" * (MAX_REPLY + 1)),
        (OK + b"\r\n", b"x" * (MAX_REPLY + 1)),
    ],
)
def test_no_more_is_read_than_an_answer_can_have(pieces: tuple[bytes, ...]) -> None:
    reader = read(*pieces)
    assert (reader.done, reader.status, reader.body, reader.reusable) == (True, 200, None, False)


ENDLESS: dict[str, tuple[bytes, bytes]] = {
    "chunks of one byte": (CHUNKED, b"1\r\n \r\n"),
    "trailers": (CHUNKED + b"1\r\n \r\n0\r\n", b"x: y\r\n"),
    "hints": (b"HTTP/1.1 100 X\r\n\r\n", b"HTTP/1.1 103 Early Hints\r\n\r\n"),
    "a header": (OK + b"x: ", b"y" * 1000),
}


@pytest.mark.parametrize("name", ENDLESS)
def test_an_answer_without_end_is_given_up(name: str) -> None:
    first, then = ENDLESS[name]
    reader, length = read(first), len(first)
    with suppress(BrokenReplyError):
        while not reader.done and length < 2 * MAX_RAW:
            reader.feed(then)
            length += len(then)
    assert not reader.reusable
    assert length <= MAX_RAW


def test_blanks_in_a_value_are_read_once() -> None:
    """With backtracking this takes seconds."""
    value = b"connection: x" + b" " * (MAX_HEAD - 100) + b"y"
    start = time.thread_time()
    reader = read(b"HTTP/1.1 103 Early Hints\r\n%b\r\n\r\n" % value * 6 + length(b"{}", b"Connection: \t close \t"))
    assert time.thread_time() - start < 1
    assert (reader.done, reader.reusable) == (True, False)


@pytest.mark.parametrize("status", [201, 204, 304, 404, 503])
def test_the_body_of_no_other_status_is_read(status: int) -> None:
    """A page that comes with its head is dropped, and the connection kept; for another one nobody waits."""
    head = b"HTTP/1.1 %d X\r\ncontent-length: 4\r\n" % status
    for page, reusable in ((b"page", True), (b"pag", False), (b"pages", False)):
        reader = read(head + b"\r\n" + page)
        assert (reader.done, reader.status, reader.body, reader.reusable) == (True, status, None, reusable)
    assert not read(head + b"connection: close\r\n\r\npage").reusable


SEEDS = [path.read_bytes()[1:] for path in sorted((targets.CORPUS / "http_answer").iterdir())]
PARTS = st.sampled_from([part + b"\r\n" for seed in SEEDS for part in seed.split(b"\r\n")]) | st.binary(max_size=3)


@st.composite
def mutated(draw: st.DrawFn) -> bytes:
    data = bytearray(draw(st.sampled_from(SEEDS)))
    for _ in range(draw(st.integers(0, 3))):
        at = draw(st.integers(0, len(data)))
        data[at : at + draw(st.integers(0, 4))] = draw(PARTS)
    return bytes([draw(st.integers(0, 5))]) + bytes(data)


@given(mutated())
def test_two_libraries_read_the_same(data: bytes) -> None:
    """`python -m fuzz http_answer` tries more."""
    check(data)


def test_interim_answers_without_end_are_bounded() -> None:
    hint = b"HTTP/1.1 103 Early Hints\r\n\r\n"
    hints = (hint * (MAX_RAW // len(hint) + 1))[:MAX_RAW]
    reader = read(hints[:-1000], hints[-1000:])
    assert not reader.done
    with pytest.raises(BrokenReplyError):
        reader.feed(hint[MAX_RAW % len(hint) :][:1])
