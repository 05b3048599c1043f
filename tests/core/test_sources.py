"""What the four values must look like, the `fields` setting, headers, and mappings. Bodies have tests of their own."""

import json
from collections.abc import Mapping
from typing import Any

import pytest
from encoded import AS_JSON, CAMEL, FIELDS, TEXTS, TOKEN, Found, gatherer, outcome

from geetest_asgi import ConfigError
from geetest_asgi._core.fields.gatherer import Gatherer, fields_from_mapping, from_headers
from geetest_asgi._core.fields.spelling import WITH_ID, spelling
from geetest_asgi._core.model import FIELD_NAMES, CaptchaFields, Evidence, Outcome


def gathered(values: Mapping[str, object], fields: Any = None) -> Found:
    found = gatherer(fields)
    for name, value in values.items():
        found.offer(name, value)
    return found.conclude()


def in_headers(*headers: tuple[str, str], fields: Any = None) -> Found:
    raw = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers]
    return from_headers(raw, gatherer(fields))


@pytest.mark.parametrize("sent", [{}, {"captcha_id": "6-4+7/F_=".ljust(128, "~")}, {"captcha_id": "6 47f"}])
def test_the_id_of_the_captcha_is_read_where_it_is_wanted_and_may_be_absent(sent: dict[str, str]) -> None:
    found = Gatherer(spelling(None, WITH_ID), 8192)
    for name, value in {**TOKEN, **sent}.items():
        found.offer(name, value)
    if sent == {"captcha_id": "6 47f"}:
        assert found.conclude() == Evidence(Outcome.MALFORMED, "missing or of the wrong shape: captcha_id")
    else:
        assert found.conclude() == CaptchaFields(**TOKEN, **sent)


RIGHT = {"lot_number": "f" * 128, "captcha_output": "".join(map(chr, range(0x21, 0x7F))), "pass_token": "~" * 512}


def test_the_widest_shapes_are_right() -> None:
    for time in ("0", "1700000000000", 1700000000):
        assert gathered({**RIGHT, "gen_time": time}) == CaptchaFields(**RIGHT, gen_time=str(time))


ODD_TIMES = ["17000000000000", "1.7e9", "-1700000000", " 1700000000", "1700000000\n", "1_700", 1.7e9, -17, 10**13]
ODD: list[object] = ["x y", "x\n", "x\x00", "x\x7f", "é", "٣", "\ud800", True, b"x", ["x"], {"a": "b"}, 10**3000]
WRONG: dict[str, list[object]] = {
    "lot_number": ["f" * 129, 17, *ODD],
    "captcha_output": ["a" * 8193, 17, *ODD],
    "pass_token": ["f" * 513, 17, *ODD],
    "gen_time": [*ODD_TIMES, *ODD],
}


@pytest.mark.parametrize(("name", "value"), [(name, value) for name, values in WRONG.items() for value in values])
def test_a_value_of_the_wrong_shape_is_malformed_and_not_repeated(name: str, value: object) -> None:
    found = gathered({**TOKEN, name: value})
    assert found == Evidence(Outcome.MALFORMED, f"missing or of the wrong shape: {name}")


@pytest.mark.parametrize("name", FIELD_NAMES)
def test_three_fields_are_malformed_and_one_too(name: str) -> None:
    assert outcome(gathered({each: TOKEN[each] for each in FIELD_NAMES if each != name})) == "malformed"
    assert outcome(gathered({name: TOKEN[name]})) == "malformed"


@pytest.mark.parametrize("fields", [None, "camelCase", "gt_", {"lot_number": "lot"}, "captcha"], ids=str)
def test_each_spelling_may_want_the_id_of_the_captcha(fields: Any) -> None:
    assert spelling(fields, WITH_ID).wanted == WITH_ID


WRONG_SETTINGS: list[object] = [
    *("", "a b", "a..b", ".a", "a.", "a\n", 5, True, b"captcha", ["captcha"]),
    *({"lot": "lot_number"}, {"lot_number": ""}, {"lot_number": 5}, {5: "x"}),
    *("camelcase", "snake_case", "none", "geetest_lot_number", "my_captchaOutput"),
    *({"lot_number": "pass_token"}, {"lot_number": "x", "pass_token": "x"}),
]


@pytest.mark.parametrize("fields", WRONG_SETTINGS, ids=repr)
def test_a_wrong_setting_is_refused_and_quoted(fields: Any) -> None:
    with pytest.raises(ConfigError) as caught:
        spelling(fields)
    assert repr(fields) in str(caught.value)


FOUR = (
    ("X-GeeTest-Lot-Number", TOKEN["lot_number"]),
    ("X-GeeTest-Captcha-Output", TOKEN["captcha_output"]),
    ("X-GeeTest-Pass-Token", TOKEN["pass_token"]),
    ("X-GeeTest-Gen-Time", TOKEN["gen_time"]),
)


@pytest.mark.parametrize("fields", [None, "camelCase", "geetest_", {"lot_number": "X-Lot"}])
def test_four_headers_are_found_in_any_case_and_order(fields: Any) -> None:
    names = ("X-Lot" if isinstance(fields, dict) else FOUR[0][0], *(name for name, _ in FOUR[1:]))
    for change in (str.lower, str.upper):
        headers = [(change(name), value) for name, value in zip(names, TOKEN.values(), strict=True)]
        assert in_headers(("Host", "x"), *headers, fields=fields) == FIELDS
        assert in_headers(*reversed(headers), fields=fields) == FIELDS


@pytest.mark.parametrize("text", [text for text in TEXTS.values() if "\n" not in text])
def test_one_header_may_hold_all_four(text: str) -> None:
    assert in_headers(("x-geetest", text), ("Accept", "*/*")) == FIELDS
    assert in_headers(("Captcha-Token", text), fields="captcha-token") == FIELDS
    assert in_headers(("X-GeeTest", text), fields="captcha-token") == FIELDS


PADDED = AS_JSON[:-1] + " " * (8192 - len(AS_JSON)) + "}"
PARTIAL = json.dumps({"lot_number": TOKEN["lot_number"]})
HEADERS: list[tuple[Any, list[tuple[str, str]], str]] = [
    # the setting; the headers; what comes of them
    (None, [("X-GeeTest", PARTIAL), *FOUR], "malformed"),  # one header is never mixed with the four
    (None, [*FOUR, ("X-GeeTest", PARTIAL)], "found"),
    ("captcha", [*FOUR], "found"),  # the documented headers count beside a container
    (None, [("X-GeeTest", json.dumps(CAMEL))], "malformed"),
    (None, [("X-GeeTest", PADDED)], "found"),
    (None, [("X-GeeTest", " " + PADDED)], "malformed"),  # too long
    (None, [("lot_number", TOKEN["lot_number"]), ("Cookie", AS_JSON)], "missing"),
    (None, [(name, "undefined") for name, _ in FOUR], "missing"),
    (None, [("Cookie", "a"), *FOUR, ("Cookie", "b")], "found"),
]


@pytest.mark.parametrize(("fields", "headers", "expected"), HEADERS)
def test_what_headers_hold(fields: Any, headers: list[tuple[str, str]], expected: str) -> None:
    answer = in_headers(*headers, fields=fields)
    assert outcome(answer) == expected
    assert expected != "found" or answer == FIELDS


@pytest.mark.parametrize("twice", [*FOUR, ("X-GeeTest", AS_JSON)])
def test_a_doubled_header_is_malformed(twice: tuple[str, str]) -> None:
    name, value = twice
    first = FOUR if twice in FOUR else (twice,)
    for second in (value, "other", "undefined"):
        answers = (in_headers(*first, (name.lower(), second)), in_headers((name.lower(), second), *first))
        assert [outcome(each) for each in answers] == ["malformed"] * 2


def test_a_mapping_is_checked_like_what_is_scanned() -> None:
    assert fields_from_mapping({**TOKEN, "captcha_id": "x", "gen_time": 1700000000}, 8192) == FIELDS
    for odd in ({"lot_number": 5}, {"gen_time": 10**5000}, {"gen_time": -(10**5000)}):  # which str() refuses
        assert outcome(fields_from_mapping({**TOKEN, **odd}, 8192)) == "malformed"
    assert outcome(fields_from_mapping({**TOKEN, "captcha_output": "A" * 101}, 100)) == "malformed"
    for empty in (dict.fromkeys(FIELD_NAMES), {}, {"lotNumber": "x"}):
        assert outcome(fields_from_mapping(empty, 8192)) == "missing"


@pytest.mark.parametrize(
    ("expected", "values"),
    [(Outcome.MISSING, (None, False, "", "undefined")), (Outcome.MALFORMED, (True, 0, AS_JSON, [dict(TOKEN)]))],
)
def test_what_is_no_mapping_is_missing_where_no_captcha_was_solved(
    expected: Outcome, values: tuple[object, ...]
) -> None:
    for sent in values:
        assert fields_from_mapping(sent, 8192) == Evidence(expected, "no object with the captcha fields")
