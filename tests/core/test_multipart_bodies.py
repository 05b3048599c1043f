"""Multipart bodies: how parts may be written, which of them are fields, and what cannot be read."""

import logging

import pytest
from encoded import FIELDS, MULTIPART, TOKEN, cut, gatherer, made, multipart, outcome, part, read, scan, small

from geetest_asgi._core.fields.multipart_scanner import MAX_PARTS

PARTS = [part(name, value.encode()) for name, value in TOKEN.items()]
LOT = TOKEN["lot_number"].encode()


@pytest.mark.parametrize("end", [b"--xYzZY--\r\n", b"--xYzZY--", b"--xYzZY--\r\nepilogue", b"--xYzZY\r\n"])
def test_a_body_may_end_in_each_of_these_ways(end: bytes) -> None:
    assert read(MULTIPART, b"".join(PARTS) + end) == FIELDS


@pytest.mark.parametrize("lead", [b"\r\n", b"\n", b"\r\njunk\r\n", b"\r\n\r\n-", b" ", b"X"])
def test_what_stands_before_the_first_boundary_gives_one_answer_however_it_is_cut(lead: bytes) -> None:
    body = lead + small(MULTIPART)
    whole = read(MULTIPART, body)
    assert outcome(whole) == ("malformed" if lead.strip(b"\r\n") else "found")
    assert [scan(MULTIPART, cut(body, [place])) for place in range(len(lead) + 4)] == [whole] * (len(lead) + 4)


def test_a_part_without_a_name_has_an_empty_one_and_is_no_field() -> None:
    scanner = made(MULTIPART, gatherer())
    nameless = b"--xYzZY\r\nContent-Type: text/plain\r\n\r\nlot_number\r\n"
    scanner.feed(multipart(b"--xYzZY\r\n\r\nx\r\n", nameless))
    assert list(scanner.names()) == ["", ""]
    assert scan(MULTIPART, [multipart(nameless, part("lot_number", b"null"), nameless, *PARTS)]) == FIELDS


HEADS = [
    b'content-disposition: FORM-DATA; NAME="lot_number"',
    b"Content-Disposition: form-data; name=lot_number",
    b'Content-Type: text/plain; charset=utf-8\r\nContent-Disposition: form-data; name="lot_number"',
    b"Content-Disposition: form-data; name=\"lot_number\"; name*=utf-8''other",
]


@pytest.mark.parametrize("head", HEADS)
def test_the_headers_of_a_part_may_be_written_in_each_of_these_ways(head: bytes) -> None:
    assert read(MULTIPART, multipart(b"--xYzZY\r\n" + head + b"\r\n\r\n" + LOT + b"\r\n", *PARTS[1:])) == FIELDS


def test_a_part_with_a_file_name_is_no_field() -> None:
    for filename in ("a.txt", ""):
        assert outcome(scan(MULTIPART, [multipart(*(part(name, b"x", filename) for name in TOKEN))])) == "missing"
    second = b'Content-Disposition: form-data; name="lot_number"; filename="x"'
    head = b'--xYzZY\r\nContent-Disposition: form-data; name="lot_number"\r\n' + second + b"\r\n\r\n"
    assert outcome(scan(MULTIPART, [multipart(head + LOT + b"\r\n", *PARTS[1:])])) == "malformed", "in a second header"


@pytest.mark.parametrize("name", [b"\xff", b"lot_number\xc3", b"\xed\xa0\x80"], ids=repr)
def test_a_part_whose_name_is_no_text_is_passed_over(name: bytes) -> None:
    assert read(MULTIPART, part("@", b"x").replace(b"@", name) + small(MULTIPART)) == FIELDS


@pytest.mark.parametrize("more", [0, 1])
def test_parts_are_counted_up_to_the_fourth_field(more: int) -> None:
    body = multipart(*[part("x", b"y")] * (MAX_PARTS - 4 + more), *PARTS)
    for pieces in ([body], cut(body, range(0, len(body), 1000))):
        assert outcome(scan(MULTIPART, pieces)) == ("malformed" if more else "found")
    assert scan(MULTIPART, [multipart(*PARTS, *[part("x", b"y")] * 2 * MAX_PARTS)]) == FIELDS


UNREADABLE = {
    "no boundary": b"garbage",
    "cut off": part("lot_number", LOT),
    "a header without a colon": b"--xYzZY\r\nContent-Disposition\r\n\r\n",
    "a header that is too long": b"--xYzZY\r\na: " + b"b" * 1_000_000,
    "no line feed": b"--xYzZY\rx",
    "data after the end": small(MULTIPART, gen_time=None) + b"\r\nmore",
}


@pytest.mark.parametrize("body", UNREADABLE.values(), ids=UNREADABLE)
def test_a_body_that_cannot_be_read_writes_nothing_to_the_log(body: bytes, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    for pieces in ([body], cut(body, [5]), cut(body, range(0, len(body), 4096))):
        assert outcome(scan(MULTIPART, pieces)) == "malformed"
    assert not caplog.records
