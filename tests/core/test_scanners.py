"""The push parsers of bodies: what a browser or a program encodes is found however it is cut, any bytes give an answer,
and memory does not grow with what is sent, but for JSON, which is kept until it has ended.
"""

import tracemalloc
from typing import Any
from urllib.parse import urlencode

import pytest
from encoded import (
    FIELDS,
    FORM,
    JSON,
    MULTIPART,
    OTHER_LOT,
    TOKEN,
    byte_by_byte,
    cut,
    each_form,
    each_kind,
    encode,
    gatherer,
    made,
    outcome,
    part,
    read,
    scan,
    small,
)

from geetest_asgi._core.fields.scanners import MAX_CONTENT_TYPE, scanner_for
from geetest_asgi._core.model import FIELD_NAMES, CaptchaFields, Evidence, Outcome

ODD_NAMES = ("a b", "c&d", "e=%22", "出力 f[%41]")

SPELLINGS: dict[str, tuple[Any, tuple[str, ...]]] = {
    # the setting; the names that are sent
    "GeeTest's": ({}, FIELD_NAMES),
    "prefix": ("geetest_", tuple(f"geetest_{name}" for name in FIELD_NAMES)),
    "prefix with a dash": ("g-", tuple(f"g-{name}" for name in FIELD_NAMES)),
    "camelCase": ("camelCase", ("lotNumber", "captchaOutput", "passToken", "genTime")),
    "mapping, names swapped": (
        {"lot_number": "pass_token", "pass_token": "lot_number"},
        ("pass_token", "captcha_output", "lot_number", "gen_time"),
    ),
    "mapping, odd names": (dict(zip(FIELD_NAMES, ODD_NAMES, strict=True)), ODD_NAMES),
}


@each_kind
@pytest.mark.parametrize(("fields", "sent"), SPELLINGS.values(), ids=SPELLINGS)
def test_every_spelling_is_found_in_every_kind_of_body_and_no_other(
    content_type: bytes, fields: Any, sent: tuple[str, ...]
) -> None:
    pairs = [*zip(sent, TOKEN.values(), strict=True)]
    assert read(content_type, encode(content_type, [("other", "x"), *pairs, ("last", "y")]), fields) == FIELDS
    swapped = encode(content_type, [(name.swapcase(), value) for name, value in pairs])
    assert scan(content_type, [swapped], fields) != FIELDS
    if not {*sent} & {*FIELD_NAMES}:
        assert outcome(read(content_type, small(content_type), fields)) == "missing"


@pytest.mark.parametrize("name", ["lot%41", "lot+number", "lotñ"])
def test_a_name_that_has_to_be_escaped_is_not_found_without(name: str) -> None:
    fields = {"lot_number": name}
    rest = urlencode({each: TOKEN[each] for each in FIELD_NAMES[1:]})
    assert scan(FORM, [f"{urlencode({name: TOKEN['lot_number']})}&{rest}".encode()], fields) == FIELDS
    assert outcome(scan(FORM, [f"{name}={TOKEN['lot_number']}&{rest}".encode()], fields)) == "malformed"


@each_kind
def test_of_two_fields_of_one_name_the_first_counts_even_a_wrong_one(content_type: bytes) -> None:
    lot, other, wrong = (("lot_number", value) for value in (TOKEN["lot_number"], OTHER_LOT, "wr ong"))
    rest = [(name, TOKEN[name]) for name in FIELD_NAMES[1:]]
    for pairs in ([lot, other, *rest], [*rest, lot, other]):
        assert read(content_type, encode(content_type, pairs)) == FIELDS
    assert outcome(read(content_type, encode(content_type, [wrong, lot, *rest]))) == "malformed"


@each_kind
@pytest.mark.parametrize("placeholder", ["", "false", "null", "undefined"])
def test_what_an_unsolved_captcha_leaves_counts_as_not_sent(content_type: bytes, placeholder: str) -> None:
    empty = [(name, placeholder) for name in FIELD_NAMES]
    assert outcome(read(content_type, encode(content_type, empty))) == "missing"
    assert outcome(read(content_type, small(content_type, pass_token=placeholder))) == "malformed"
    assert read(content_type, encode(content_type, [*empty, *TOKEN.items(), *empty])) == FIELDS


@each_form
def test_a_scanner_knows_with_the_fourth_field_and_not_before(content_type: bytes) -> None:
    """What comes later need not be read: an upload of a gigabyte goes on to the app as it comes."""
    last = {FORM: b"&", MULTIPART: b"\r\n--xYzZY\r\n"}[content_type]
    body = small(content_type)
    scanner = made(content_type, gatherer())
    for piece in byte_by_byte(body if content_type == FORM else body[: body.rindex(b"\r\n--xYzZY")]):
        scanner.feed(piece)
        assert not scanner.done
    scanner.feed(last)
    assert scanner.done


@each_kind
def test_a_value_of_just_the_allowed_length_is_found(content_type: bytes) -> None:
    body = small(content_type, captcha_output="A" * 999)
    assert outcome(read(content_type, body, max_field=999)) == "found"
    assert outcome(read(content_type, body, max_field=998)) == "malformed"


@pytest.mark.parametrize(("content_type", "escape"), [(FORM, b"%41"), (JSON, b"\\u0041")])
def test_a_value_in_escapes_counts_as_what_it_means(content_type: bytes, escape: bytes) -> None:
    body = small(content_type, captcha_output="@").replace(b"%40", b"@").replace(b"@", escape * 150)
    assert outcome(read(content_type, body, max_field=150)) == "found"
    assert outcome(read(content_type, body, max_field=149)) == "malformed"


MEGABYTE = 1_000_000
A, B, C = b"a" * 65536, b"a" * 65535 + b"\\", b"%61" * 21845
LONG = {  # what comes first, and what then comes until 20 MB are sent
    "form: a field": (FORM, b"lot_number=", A),
    "form: an escaped name": (FORM, b"", C),
    "form: short pairs": (FORM, b"", b"a=b&" * 16384),
    "multipart: a field": (MULTIPART, part("lot_number", b"x")[:-2], A),
    "multipart: a file": (MULTIPART, part("x", b"", "a.bin")[:-2], A),
    "multipart: near boundaries": (MULTIPART, part("x", b"")[:-2], b"\r\n--xYzZ" * 7281),
    "multipart: a header": (MULTIPART, b"--xYzZY\r\nContent-Disposition: ", A),
    "multipart: headers": (MULTIPART, b"--xYzZY\r\n", b"a: b\r\n" * 10922),
}


@pytest.mark.parametrize(("content_type", "first", "then"), LONG.values(), ids=LONG.keys())
@pytest.mark.parametrize("fields", [None, "captcha"], ids=["flat", "container"])
def test_the_scanner_holds_little_whatever_comes(content_type: bytes, first: bytes, then: bytes, fields: Any) -> None:
    if fields is not None:
        first, then = (each.replace(b"lot_number", fields.encode()) for each in (first, then))
    scanner = made(content_type, gatherer(fields))
    long_values = A in then or then in (B, C)
    total = 20 * MEGABYTE if long_values else MEGABYTE // 2  # tracing many small things takes a minute
    tracemalloc.start()
    try:
        scanner.feed(first)
        for _ in range(total // len(then)):
            if scanner.done:
                break
            scanner.feed(then)
        held, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert held < 200_000
    assert peak < 2 * MEGABYTE, "some times the longest piece"


FOUND = [
    (FORM, b"application/x-www-form-urlencoded; charset=UTF-8"),
    (JSON, b"application/json ; charset=utf-8"),
    (JSON, b"application/VND.API+JSON"),
    (JSON, b"application/json" + b" " * (MAX_CONTENT_TYPE - 16)),
    (MULTIPART, b"Multipart/Form-Data; Boundary=xYzZY"),
    (MULTIPART, b'multipart/form-data; boundary="xYzZY"'),
    (MULTIPART, b"multipart/form-data; charset=utf-8; boundary=xYzZY"),
]


@pytest.mark.parametrize(("kind", "content_type"), FOUND)
def test_the_content_types_that_have_fields(kind: bytes, content_type: bytes) -> None:
    assert scan(content_type, [small(kind)]) == FIELDS


UNKNOWN = {
    "none": [],
    "two": [FORM, FORM],
    "plain text": [b"text/plain"],
    "other multipart": [b"multipart/mixed; boundary=xYzZY"],
    "multipart without a boundary": [b"multipart/form-data"],
    "multipart with an endless boundary": [b"multipart/form-data; boundary=" + b"x" * 300],
    "over-long JSON": [b"application/json" + b" " * (MAX_CONTENT_TYPE - 15)],
}


@pytest.mark.parametrize("content_types", UNKNOWN.values(), ids=UNKNOWN.keys())
def test_a_body_of_another_content_type_has_no_fields(content_types: list[bytes]) -> None:
    assert scanner_for(content_types, [], gatherer()) is None


@each_kind
def test_only_a_body_that_is_not_encoded_has_fields(content_type: bytes) -> None:
    for plain in ([], [b""], [b" Identity ", b"identity"]):
        assert scanner_for([content_type], plain, gatherer()) is not None
    for coded in ([b"gzip"], [b"identity", b"gzip"], [b"gzip, identity"]):
        assert scanner_for([content_type], coded, gatherer()) is None


def test_a_plus_in_a_form_is_a_blank_and_no_part_of_base64() -> None:
    body = small(FORM, captcha_output="@").replace(b"%40", b"YQ+b")
    assert outcome(read(FORM, body)) == "malformed"


@each_kind
@pytest.mark.parametrize("name", FIELD_NAMES)
def test_a_value_that_is_too_long_is_malformed(content_type: bytes, name: str) -> None:
    for length in (1000, 100_000):
        body = small(content_type, **{name: "a" * length})
        for pieces in ([body], cut(body, range(0, length, 777))):
            assert outcome(scan(content_type, pieces, max_field=999)) == "malformed"


@each_kind
def test_the_reasons_never_repeat_what_was_sent(content_type: bytes) -> None:
    answer = scan(content_type, [small(content_type, lot_number="<script> x", pass_token="my secret")])
    assert isinstance(answer, Evidence)
    assert answer.outcome is Outcome.MALFORMED
    assert "script" not in repr(answer)
    assert "secret" not in repr(answer)
    assert "lot_number" in answer.reason


def test_names_and_values_of_the_greatest_length_may_be_escaped_whole() -> None:
    def escaped(text: str) -> str:
        return "".join(f"%{ord(letter):02X}" for letter in text)

    token = {**TOKEN, "captcha_output": "A" * 8192}
    pairs = sorted(token.items(), key=lambda pair: len(pair[1]))
    body = "&".join(f"{escaped(name)}={escaped(value)}" for name, value in pairs).encode()
    assert scan(FORM, [body]) == scan(FORM, cut(body, [30, 500, -1])) == CaptchaFields(**token)
