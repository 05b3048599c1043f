"""One object with all four fields: within JSON, in fields of a form, in a file, and as text."""

import json
from typing import Any
from urllib.parse import urlencode

import pytest
from encoded import (
    AS_JSON,
    CAMEL,
    FIELDS,
    FORM,
    JSON,
    MULTIPART,
    OTHER_LOT,
    TEXTS,
    TOKEN,
    each_form,
    each_kind,
    encode,
    gatherer,
    multipart,
    outcome,
    part,
    read,
    scan,
    small,
    urlsafe,
)

IN_JSON: list[tuple[str, Any, str]] = [
    # the setting; the body; what comes of it
    ("captcha", {"captcha": dict(TOKEN)}, "found"),
    ("captcha", {"captcha": CAMEL}, "found"),
    ("captcha", {"captcha": {**TOKEN, "gen_time": 1700000000, "captcha_id": "x", "more": [{}]}}, "found"),
    ("data.captcha", {"data": {"x": [], "captcha": dict(TOKEN)}}, "found"),
    ("data.captcha", {"captcha": 5, "data": {"captcha": AS_JSON}}, "found"),
    ("a.b.c", {"a": {"a": {"b": 1}, "b": {"c": dict(TOKEN)}}}, "found"),
    ("captcha", dict(TOKEN), "missing"),
    ("data.captcha", {"captcha": {"captcha": dict(TOKEN)}}, "missing"),
    ("data.captcha", {"data": "x", "captcha": dict(TOKEN)}, "missing"),
    *(("captcha", {"captcha": empty}, "missing") for empty in ({}, None, False, "", "undefined", {"captcha": TOKEN})),
    *(("captcha", {"captcha": odd}, "malformed") for odd in ("x", "{}", 17, True, [dict(TOKEN)])),
    ("captcha", {"captcha": {**TOKEN, "pass_token": {"a": 1}}}, "malformed"),
]


@pytest.mark.parametrize(("fields", "sent", "expected"), IN_JSON)
@pytest.mark.parametrize("ensure_ascii", [True, False])
def test_a_container_is_found_in_json_at_its_place(
    fields: str, sent: dict[str, object], expected: str, ensure_ascii: bool
) -> None:
    answer = read(JSON, json.dumps({"é": "ü", **sent}, ensure_ascii=ensure_ascii, default=dict).encode(), fields)
    assert outcome(answer) == expected
    assert expected != "found" or answer == FIELDS


@each_form
@pytest.mark.parametrize("name", ["captcha", "data.captcha"])
def test_a_container_is_found_in_a_field_of_its_name(content_type: bytes, name: str) -> None:
    body = encode(content_type, [("a", "b"), (name, AS_JSON), ("lot_number", OTHER_LOT)])
    assert read(content_type, body, name) == FIELDS
    assert outcome(scan(content_type, [small(content_type)], name)) == "missing"


SPREAD = {
    "brackets": ("captcha", "captcha[{}]"),
    "dots": ("captcha", "captcha.{}"),
    "brackets, deep": ("data.captcha", "data[captcha][{}]"),
}


@each_form
@pytest.mark.parametrize(("fields", "name"), SPREAD.values(), ids=SPREAD)
@pytest.mark.parametrize("sent", [TOKEN, CAMEL], ids=["as GeeTest's", "camelCase"])
def test_a_container_may_be_spread_over_the_fields_of_a_form(
    content_type: bytes, fields: str, name: str, sent: dict[str, str]
) -> None:
    pairs = [("lot_number", OTHER_LOT), *((name.format(each), value) for each, value in sent.items()), ("x", "y")]
    body = encode(content_type, pairs)
    assert read(content_type, body, fields) == FIELDS
    # as `qs` and URLSearchParams leave the brackets, or do not
    assert read(content_type, body.replace(b"%5B", b"[").replace(b"%5D", b"]"), fields) == FIELDS


@pytest.mark.parametrize(
    "name", ["captcha[{}", "captcha{}]", "captcha[[{}]]", "[captcha][{}]", "other[{}]", "a.captcha.{}"]
)
@each_form
def test_other_brackets_mean_nothing(content_type: bytes, name: str) -> None:
    body = encode(content_type, [(name.format(each), value) for each, value in TOKEN.items()])
    assert outcome(scan(content_type, [body], "captcha")) == "missing"


def blob(name: str, content: bytes, media_type: str = "application/json") -> bytes:
    """A part as `FormData.append(name, new Blob([content], {type}))` sends it."""
    head = f'Content-Disposition: form-data; name="{name}"; filename="blob"\r\nContent-Type: {media_type}'
    return f"--xYzZY\r\n{head}\r\n\r\n".encode() + content + b"\r\n"


@pytest.mark.parametrize("media_type", ["application/json", "Application/JSON; charset=utf-8"])
@pytest.mark.parametrize(("fields", "name"), [("captcha", "captcha"), ("a.b", "a.b"), ("a.b", "a[b]")])
def test_a_container_may_be_a_file_of_json(fields: str, name: str, media_type: str) -> None:
    body = multipart(part("x", b"y", "f.bin"), blob(name, AS_JSON.encode(), media_type))
    assert read(MULTIPART, body, fields) == FIELDS


def test_another_file_is_no_container() -> None:
    contained = AS_JSON.encode()
    for each in (blob("captcha", contained, "text/plain"), blob("other", contained)):
        assert outcome(scan(MULTIPART, [multipart(each)], "captcha")) == "missing"
        assert scan(MULTIPART, [multipart(each, part("captcha", contained))], "captcha") == FIELDS
    untyped = blob("captcha", contained).replace(b"Content-Type", b"X-Type")
    assert outcome(scan(MULTIPART, [multipart(blob("other", contained), untyped)], "captcha")) == "missing"


def test_a_file_of_json_is_bounded_like_any_value() -> None:
    for spaces, expected in ((8192 - len(AS_JSON), "found"), (8193 - len(AS_JSON), "malformed")):
        body = multipart(blob("captcha", AS_JSON.encode() + b" " * spaces))
        assert outcome(scan(MULTIPART, [body], "captcha")) == expected
    assert outcome(scan(MULTIPART, [multipart(blob("captcha", b"\xff"))], "captcha")) == "malformed"


@each_kind
def test_the_length_of_a_container_counts_in_bytes_and_nothing_is_cut_off(content_type: bytes) -> None:
    """Spaces of three bytes each, which no one needs to read the object before them."""
    limit = len((AS_JSON + "\u3000" * 10).encode())
    for spaces, wanted in ((0, "found"), (10, "found"), (11, "malformed"), (200, "malformed"), (3000, "malformed")):
        body = encode(content_type, [("captcha", AS_JSON + "\u3000" * spaces)])
        assert outcome(read(content_type, body, "captcha", max_field=limit)) == wanted, spaces


@each_kind
@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)
def test_an_object_in_text_is_found(text: str, content_type: bytes) -> None:
    assert read(content_type, encode(content_type, [("captcha", text)]), "captcha") == FIELDS


BAD_TEXTS = {
    "no object": "5",
    "an empty object": "{}",
    "cut off": AS_JSON[:-1],
    "more behind it": AS_JSON + "x",
    "base64 cut off": urlsafe(AS_JSON)[:-5],
    "base64 of an impossible length": urlsafe(AS_JSON, padded=False)[:-3] + "A" * 3,
    "base64 of no object": urlsafe("5"),
    "base64 of no text": urlsafe("x") + "_____w",
    "a lone surrogate": "\ud800",
    "deep": "[" * 8000,
    "deep in base64": urlsafe('{"a":' * 1200),
    "too long": json.dumps({"x": "a" * 8192, **TOKEN}),
    "one field of a wrong shape": json.dumps({**TOKEN, "lot_number": "x y"}),
    "URL-encoded, one name another": urlencode(TOKEN).replace("gen_time", "time"),
}


@pytest.mark.parametrize("text", BAD_TEXTS.values(), ids=BAD_TEXTS)
def test_a_container_that_cannot_be_read_is_malformed_and_settles_the_matter(text: str) -> None:
    found = gatherer("captcha")
    found.offer("captcha", text)
    assert found.complete
    found.offer("captcha", AS_JSON)
    assert outcome(found.conclude()) == "malformed"


@pytest.mark.parametrize("placeholder", ["", "false", "null", "undefined", None, False], ids=repr)
def test_a_container_with_nothing_in_it_is_missing(placeholder: object) -> None:
    found = gatherer("captcha")
    found.offer("captcha", placeholder)
    assert outcome(found.conclude()) == "missing"
    found.offer("captcha", AS_JSON)
    assert found.conclude() == FIELDS


def test_with_a_container_flat_fields_do_not_count() -> None:
    for sent in (TOKEN, dict.fromkeys(TOKEN, "x")):
        assert outcome(scan(FORM, [encode(FORM, [*sent.items()])], "captcha")) == "missing"
        assert scan(FORM, [encode(FORM, [*sent.items(), ("captcha", AS_JSON)])], "captcha") == FIELDS
