"""What the four values must look like, the `fields` setting, headers, and mappings. Bodies have tests of their own."""

import json
from collections.abc import Mapping
from typing import Any

import pytest
from encoded import AS_JSON, CAMEL, FIELDS, OTHER_LOT, TEXTS, TOKEN, Found, gatherer, outcome

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


@pytest.mark.parametrize("sent", [{}, {"captcha_id": "647f"}, {"captcha_id": "6 47f"}])
def test_the_id_of_the_captcha_is_read_where_it_is_wanted_and_may_be_absent(sent: dict[str, str]) -> None:
    found = Gatherer(spelling(None, WITH_ID), 8192)
    for name, value in {**TOKEN, **sent}.items():
        found.offer(name, value)
    if sent == {"captcha_id": "6 47f"}:
        assert found.conclude() == Evidence(Outcome.MALFORMED, "missing or of the wrong shape: captcha_id")
    else:
        assert found.conclude() == CaptchaFields(**TOKEN, **sent)


RIGHT = {
    "a short lot number": ("lot_number", "7"),
    "the longest lot number": ("lot_number", "f" * 128),
    "an output of one sign": ("captcha_output", "A"),
    "an output of any signs": ("captcha_output", "".join(map(chr, range(0x21, 0x7F)))),
    "the longest pass token": ("pass_token", "~" * 512),
    "a time in milliseconds": ("gen_time", "1700000000000"),
    "a time of one digit": ("gen_time", "0"),
}


@pytest.mark.parametrize(("name", "value"), RIGHT.values(), ids=RIGHT.keys())
def test_these_shapes_are_right(name: str, value: str) -> None:
    found = gathered({**TOKEN, name: value})
    assert isinstance(found, CaptchaFields)
    assert getattr(found, name) == value
    assert type(getattr(found, name)) is str


BLANKS_AND_BEYOND = ["\n", "\t", "\x00", "\x1f", "\x7f", "\x80", "\xa0", "\u200b", "é", "٣", "\uff13", "\ud800"]
WRONG: dict[str, list[object]] = {
    **{
        name: [each + value for value in (" ", *BLANKS_AND_BEYOND) for each in ("", TOKEN[name])]
        for name in ("lot_number", "captcha_output", "pass_token")
    },
    "gen_time": [
        *("abc", "17000000000000", "1700000000.0", "1.7e9", "-1700000000", "+1700000000", " 1700000000", "1700000000 "),
        *("1700000000\n", "\u0661" + "\u0660" * 9, "\uff11" + "\uff10" * 9, "0x6553f100", "1_700_000_000", "9" * 5000),
        *(1.7e9, -1700000000, 10**13, 10**3000),
    ],
}
WRONG["lot_number"] += [f" {OTHER_LOT}", "f" * 129, "x" * 100_000, 17]
WRONG["captcha_output"] += ["a b", "a" * 8193, 17]
WRONG["pass_token"] += ["3f" * 257, 17]
NO_TEXT: list[object] = [True, 1.5, b"x", [], ["x"], {}, {"a": "b"}, object, float("nan"), float("inf"), ()]


@pytest.mark.parametrize(
    ("name", "value"),
    [(name, value) for name, values in WRONG.items() for value in [*values, *NO_TEXT]],
    ids=lambda value: repr(value)[:40],
)
def test_a_value_of_the_wrong_shape_is_malformed_and_not_repeated(name: str, value: object) -> None:
    answer = gathered({**TOKEN, name: value})
    assert isinstance(answer, Evidence)
    assert answer.outcome == "malformed"
    assert answer.reason == f"missing or of the wrong shape: {name}"


@pytest.mark.parametrize("name", FIELD_NAMES)
def test_three_fields_are_malformed_and_one_too(name: str) -> None:
    assert outcome(gathered({each: TOKEN[each] for each in FIELD_NAMES if each != name})) == "malformed"
    assert outcome(gathered({name: TOKEN[name]})) == "malformed"


def test_each_wrong_field_is_named() -> None:
    answer = gathered({**TOKEN, "gen_time": "x", "lot_number": "x y"})
    assert answer == Evidence(Outcome.MALFORMED, "missing or of the wrong shape: lot_number, gen_time")


def test_nothing_is_missing() -> None:
    assert gathered({}) is None
    assert gathered({"captcha_id": "x", "sign_token": "y", "lotNumber": OTHER_LOT}) is None


@pytest.mark.parametrize("word", ["False", "NULL", "None", "nil", " ", "true", "[object Object]"])
def test_other_words_are_malformed(word: str) -> None:
    assert outcome(gathered(dict.fromkeys(FIELD_NAMES, word))) == "malformed"


@pytest.mark.parametrize("fields", [None, "camelCase", "gt_", {"lot_number": "lot"}, "captcha"], ids=str)
def test_each_spelling_may_want_the_id_of_the_captcha(fields: Any) -> None:
    assert spelling(fields, WITH_ID).wanted == WITH_ID


WRONG_SETTINGS: list[object] = [
    *("", " ", "a b", "a..b", ".a", "a.", ".", "a\n", 5, True, b"captcha", ["captcha"], ("a", "b"), object),
    *({"lot": "lot_number"}, {"lot_number": ""}, {"lot_number": None}, {"lot_number": 5}, {5: "x"}),
    *("camelcase", "snake_case", "none", "lot_number", "geetest_lot_number", "my_captchaOutput"),
    *({"lot_number": "pass_token"}, {"lot_number": "x", "pass_token": "x"}, {"lot_number": ["x"]}),
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


@pytest.mark.parametrize("fields", [None, "camelCase", "geetest_", {"lot_number": "lot"}])
@pytest.mark.parametrize("change", [str, str.lower, str.upper])
def test_four_headers_are_found_in_any_case(fields: Any, change: Any) -> None:
    headers = [("Host", "x"), *((change(name), value) for name, value in FOUR), ("Accept", "*/*")]
    assert in_headers(*headers, fields=fields) == FIELDS
    assert in_headers(*reversed(headers), fields=fields) == FIELDS


def test_headers_by_names_of_ones_own() -> None:
    fields = {"lot_number": "X-Lot", "pass_token": "X-Pass"}
    own = (("x-lot", TOKEN["lot_number"]), ("X-PASS", TOKEN["pass_token"]), FOUR[1], FOUR[3])
    assert in_headers(*own, fields=fields) == FIELDS


@pytest.mark.parametrize("text", [text for text in TEXTS.values() if "\n" not in text])
def test_one_header_may_hold_all_four(text: str) -> None:
    assert in_headers(("X-GeeTest", text)) == FIELDS
    assert in_headers(("x-geetest", text), ("Accept", "*/*")) == FIELDS
    assert in_headers(("Captcha-Token", text), fields="captcha-token") == FIELDS
    assert in_headers(("captcha-token", text), fields="Captcha-Token") == FIELDS
    assert in_headers(("X-GeeTest", text), fields="captcha-token") == FIELDS
    assert in_headers(("X-GeeTest", text), fields="geetest_") == FIELDS


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
    (None, [("Cookie", "a"), *FOUR, ("Cookie", "b"), ("X-GeeTest-Else", "1"), ("X-GeeTest-Else", "2")], "found"),
]


@pytest.mark.parametrize(("fields", "headers", "expected"), HEADERS)
def test_what_headers_hold(fields: Any, headers: list[tuple[str, str]], expected: str) -> None:
    answer = in_headers(*headers, fields=fields)
    assert outcome(answer) == expected
    assert expected != "found" or answer == FIELDS


@pytest.mark.parametrize("twice", [*FOUR, ("X-GeeTest", AS_JSON)])
@pytest.mark.parametrize("second", ["same", "other", "undefined"])
def test_a_doubled_header_is_malformed(twice: tuple[str, str], second: str) -> None:
    name, value = twice
    again = (name.lower(), value if second == "same" else second)
    first = FOUR if twice in FOUR else (twice,)
    for headers in ((*first, again), (again, *first)):
        answer = in_headers(*headers)
        assert isinstance(answer, Evidence)
        assert answer.outcome == "malformed"
        assert "twice" in answer.reason


def test_a_mapping_is_checked_like_what_is_scanned() -> None:
    for sent in ({**TOKEN, "captcha_id": "x"}, {**TOKEN, "gen_time": 1700000000}):
        assert fields_from_mapping(sent, 8192) == FIELDS
    for wrong in ({"lot_number": 5}, {"gen_time": 10**5000}, {"gen_time": -(10**5000)}, {"gen_time": True}):
        assert outcome(fields_from_mapping({**TOKEN, **wrong}, 8192)) == "malformed"
    assert outcome(fields_from_mapping({**TOKEN, "captcha_output": "A" * 101}, 100)) == "malformed"
    for empty in (dict.fromkeys(FIELD_NAMES), {}, {"lotNumber": "x"}):
        assert outcome(fields_from_mapping(empty, 8192)) == "missing"


@pytest.mark.parametrize("sent", [None, False, "", "false", "null", "undefined"], ids=repr)
def test_what_an_unsolved_captcha_leaves_in_place_of_a_mapping_is_missing(sent: object) -> None:
    assert fields_from_mapping(sent, 8192) == Evidence(Outcome.MISSING, "no object with the captcha fields")


@pytest.mark.parametrize("sent", [True, 0, 5, "x", AS_JSON, [], [dict(TOKEN)], b"{}", object], ids=repr)
def test_what_else_is_in_place_of_a_mapping_is_malformed(sent: object) -> None:
    assert fields_from_mapping(sent, 8192) == Evidence(Outcome.MALFORMED, "no object with the captcha fields")
