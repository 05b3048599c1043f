"""Where the fields live and how they are spelt: the `fields` setting, headers, containers in text, and what the four
values must look like. Bodies have tests of their own.
"""

import base64
import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from geetest_asgi import ConfigError
from geetest_asgi._core.fields.gatherer import Gatherer, fields_from_mapping, from_headers
from geetest_asgi._core.fields.spelling import WITH_ID, spelling
from geetest_asgi._core.model import FIELD_NAMES, CaptchaFields, Evidence, Outcome

TOKEN: Mapping[str, str] = {
    "lot_number": "4dc3cfc2cdff448cad8d13107198d473",
    "captcha_output": "aGk_LS0t" * 20 + "YQ==",
    "pass_token": "3f" * 32,
    "gen_time": "1700000000",
}
FIELDS = CaptchaFields(**TOKEN)
OTHER_LOT = "c4c69a52999045aea1d34b57f1ef29f2"
AS_JSON = json.dumps(dict(TOKEN))


Found = CaptchaFields | Evidence | None


def outcome(answer: Found) -> str:
    if answer is None:
        return "missing"
    return "found" if isinstance(answer, CaptchaFields) else answer.outcome.value


def gathered(values: Mapping[str, object], fields: Any = None, max_field: int = 8192) -> Found:
    gatherer = Gatherer(spelling(fields), max_field)
    for name, value in values.items():
        gatherer.offer(name, value)
    return gatherer.conclude()


def in_headers(*headers: tuple[str, str], fields: Any = None, max_field: int = 8192) -> Found:
    raw = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers]
    return from_headers(raw, Gatherer(spelling(fields), max_field))


# The shape of the four values


def test_a_token_of_the_right_shape_is_found() -> None:
    assert gathered(TOKEN) == FIELDS
    assert gathered({"captcha_id": "x", **TOKEN, "more": "y"}) == FIELDS


@pytest.mark.parametrize("sent", [{}, {"captcha_id": "647f"}, {"captcha_id": "6 47f"}])
def test_the_id_of_the_captcha_is_read_where_it_is_wanted_and_may_be_absent(sent: dict[str, str]) -> None:
    gatherer = Gatherer(spelling(None, WITH_ID), 8192)
    for name, value in {**TOKEN, **sent}.items():
        gatherer.offer(name, value)
    if sent == {"captcha_id": "6 47f"}:
        assert gatherer.conclude() == Evidence(Outcome.MALFORMED, "missing or of the wrong shape: captcha_id")
    else:
        assert gatherer.conclude() == CaptchaFields(**TOKEN, **sent)


RIGHT = {
    "the constant lot number of the browser's fallback": ("lot_number", "V000000cabf2f4f37bbb10c358b865c41"),
    "a lot number with dashes": ("lot_number", "4dc3cfc2-cdff-448c-ad8d-13107198d473"),
    "a lot number in upper case": ("lot_number", OTHER_LOT.upper()),
    "a short lot number": ("lot_number", "7"),
    "the longest lot number": ("lot_number", "f" * 128),
    "an output of one sign": ("captcha_output", "A"),
    "an output without padding": ("captcha_output", "1X_RK3ag-IklW15iHhSywQ"),
    "an output of the other alphabet": ("captcha_output", "a+b/c=="),
    "an output of any signs": ("captcha_output", "".join(map(chr, range(0x21, 0x7F)))),
    "a pass token in upper case": ("pass_token", "3F" * 32),
    "a pass token of another length": ("pass_token", "3f" * 20),
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


def test_a_time_may_be_a_number() -> None:
    assert gathered({**TOKEN, "gen_time": 1700000000}) == FIELDS


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


@pytest.mark.parametrize("placeholder", ["", "false", "null", "undefined", None, False], ids=repr)
def test_placeholders_of_an_unsolved_captcha_count_as_absent(placeholder: object) -> None:
    assert outcome(gathered(dict.fromkeys(FIELD_NAMES, placeholder))) == "missing"
    assert outcome(gathered({**TOKEN, "gen_time": placeholder})) == "malformed"
    gatherer = Gatherer(spelling(None), 8192)
    for value in (placeholder, TOKEN["lot_number"], placeholder, OTHER_LOT):
        gatherer.offer("lot_number", value)
    for name in FIELD_NAMES[1:]:
        gatherer.offer(name, TOKEN[name])
    assert gatherer.conclude() == FIELDS


@pytest.mark.parametrize("word", ["False", "NULL", "None", "nil", " ", "true", "[object Object]"])
def test_other_words_are_malformed(word: str) -> None:
    assert outcome(gathered(dict.fromkeys(FIELD_NAMES, word))) == "malformed"


def test_the_first_value_of_a_name_counts_even_a_wrong_one() -> None:
    for first, second, expected in ((TOKEN["lot_number"], OTHER_LOT, "found"), ("wr ong", OTHER_LOT, "malformed")):
        gatherer = Gatherer(spelling(None), 8192)
        gatherer.offer("lot_number", first)
        gatherer.offer("lot_number", second)
        for name in FIELD_NAMES[1:]:
            gatherer.offer(name, TOKEN[name])
        answer = gatherer.conclude()
        assert outcome(answer) == expected
        assert expected == "malformed" or answer == FIELDS


def test_after_the_fourth_field_nothing_changes_the_answer() -> None:
    gatherer = Gatherer(spelling(None), 8192)
    for name, value in TOKEN.items():
        assert not gatherer.complete
        gatherer.offer(name, value)
    assert gatherer.complete
    gatherer.offer("lot_number", OTHER_LOT)
    gatherer.offer_field("lot_number", OTHER_LOT)
    gatherer.offer_container("{}")
    assert gatherer.conclude("broken off") == FIELDS


def test_a_broken_body_is_malformed_unless_the_fields_came_first() -> None:
    gatherer = Gatherer(spelling(None), 8192)
    assert outcome(gatherer.conclude("broken")) == "malformed"
    for name in FIELD_NAMES[:3]:
        gatherer.offer(name, TOKEN[name])
    answer = gatherer.conclude("broken")
    assert isinstance(answer, Evidence)
    assert (answer.outcome, answer.reason) == ("malformed", "broken")


@pytest.mark.parametrize("length", [1, 100, 8192])
def test_the_longest_value_is_configurable(length: int) -> None:
    values = {**TOKEN, "captcha_output": "A" * length}
    longest = max(length, 64)
    assert outcome(gathered(values, max_field=longest)) == "found"
    assert outcome(gathered({**TOKEN, "captcha_output": "A" * (longest + 1)}, max_field=longest)) == "malformed"


# Containers in text: a form field or a header


def urlsafe(text: str, *, padded: bool = True) -> str:
    encoded = base64.urlsafe_b64encode(text.encode()).decode()
    return encoded if padded else encoded.rstrip("=")


CAMEL = dict(zip(("lotNumber", "captchaOutput", "passToken", "genTime"), TOKEN.values(), strict=True))
TEXTS = {
    "JSON": AS_JSON,
    "JSON with spaces": "\n " + json.dumps(dict(TOKEN), indent=2) + " ",
    "JSON with camelCase": json.dumps(CAMEL),
    "JSON with a number": json.dumps({**TOKEN, "gen_time": 1700000000}),
    "JSON with other members": json.dumps({"captcha_id": "x", "a": [{}], "ü": "\u2028", **TOKEN}),
    "JSON with escapes": AS_JSON.replace("lot_number", "lot\\u005fnumber"),
    "base64url": urlsafe(AS_JSON),
    "base64url, not padded": urlsafe(AS_JSON, padded=False),
    "base64url, one more": urlsafe(AS_JSON + " "),
    "base64url, one more, not padded": urlsafe(AS_JSON + " ", padded=False),
    "base64url, two more": urlsafe(AS_JSON + "  "),
    "base64url, two more, not padded": urlsafe(AS_JSON + "  ", padded=False),
    "base64url with its own signs": urlsafe(json.dumps({"a": "???>>>~~~ÿ", **TOKEN}, ensure_ascii=False)),
    "base64url of JSON with spaces": urlsafe(" " + AS_JSON + "\n"),
    "base64 of the other alphabet": base64.b64encode(AS_JSON.replace("{", '{"a": "???>>>", ').encode()).decode(),
}


@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS.keys())
def test_an_object_in_text_is_found(text: str) -> None:
    assert gathered({"captcha": text}, "captcha") == FIELDS
    assert gathered({"data.captcha": text}, "data.captcha") == FIELDS
    if text.isascii() and "\n" not in text:
        assert in_headers(("captcha", text), fields="captcha") == FIELDS


BAD_TEXTS = {
    "no object": "5",
    "a word": "nonsense",
    "a list": f"[{AS_JSON}]",
    "an empty object": "{}",
    "another object": '{"a": "b"}',
    "a string of it": json.dumps(AS_JSON),
    "cut off": AS_JSON[:-1],
    "more behind it": AS_JSON + "x",
    "twice encoded": urlsafe(urlsafe(AS_JSON)),
    "base64 cut off": urlsafe(AS_JSON)[:-5],
    "base64 of an impossible length": urlsafe(AS_JSON, padded=False)[:-3] + "A" * 3,
    "one sign of base64": "A",
    "base64 of no text": urlsafe("x") + "_____w",
    "no ASCII": "ключ",
    "a lone surrogate": "\ud800",
    "deep": "[" * 8000,
    "deep objects": '{"a":' * 1600,
    "deep in base64": urlsafe('{"a":' * 1200),
    "5000 digits": '{"gen_time": ' + "1" * 5000 + "}",
    "too long": json.dumps({"x": "a" * 8192, **TOKEN}),
    "too long in spaces": AS_JSON + " " * 8192,
    "one field of a wrong shape": json.dumps({**TOKEN, "lot_number": "x y"}),
    "one field a list": json.dumps({**TOKEN, "lot_number": [TOKEN["lot_number"]]}),
    "one field null": json.dumps({**TOKEN, "lot_number": None}),
    "another field a number": json.dumps({**TOKEN, "captcha_output": 12345}),
    "infinity": json.dumps({**TOKEN, "gen_time": float("inf")}),
    "NaN": json.dumps({**TOKEN, "gen_time": float("nan")}),
    "prefixed names": json.dumps({"geetest_" + name: value for name, value in TOKEN.items()}),
}


@pytest.mark.parametrize("text", BAD_TEXTS.values(), ids=BAD_TEXTS.keys())
def test_a_container_that_cannot_be_read_is_malformed_and_settles_the_matter(text: str) -> None:
    gatherer = Gatherer(spelling("captcha"), 8192)
    gatherer.offer("captcha", text)
    assert gatherer.complete
    gatherer.offer("captcha", AS_JSON)
    assert outcome(gatherer.conclude()) == "malformed"


@pytest.mark.parametrize("placeholder", ["", "false", "null", "undefined", None, False], ids=repr)
def test_a_container_with_nothing_in_it_is_missing(placeholder: object) -> None:
    assert outcome(gathered({"captcha": placeholder}, "captcha")) == "missing"
    gatherer = Gatherer(spelling("captcha"), 8192)
    gatherer.offer("captcha", placeholder)
    gatherer.offer("captcha", AS_JSON)
    assert gatherer.conclude() == FIELDS


def test_with_a_container_flat_fields_do_not_count() -> None:
    assert outcome(gathered(TOKEN, "captcha")) == "missing"
    assert gathered({**dict.fromkeys(FIELD_NAMES, "x"), "captcha": AS_JSON}, "captcha") == FIELDS


def test_the_first_of_two_names_in_an_object_counts() -> None:
    both = AS_JSON[:-1] + f', "lotNumber": "{OTHER_LOT}"' + "}"
    assert gathered({"captcha": both}, "captcha") == FIELDS


def test_the_first_of_a_doubled_name_in_a_text_counts() -> None:
    doubled = f'{{"lot_number": "{OTHER_LOT}", ' + AS_JSON[1:]
    assert gathered({"captcha": doubled}, "captcha") == replace(FIELDS, lot_number=OTHER_LOT)


# The setting


@pytest.mark.parametrize(
    ("fields", "sent"),
    [
        (None, TOKEN),
        ({}, TOKEN),
        ("camelCase", CAMEL),
        ("geetest_", {"geetest_" + name: value for name, value in TOKEN.items()}),
        ("gt-", {"gt-" + name: value for name, value in TOKEN.items()}),
        ("_", {"_" + name: value for name, value in TOKEN.items()}),
        ({"lot_number": "lot"}, {**{name: TOKEN[name] for name in FIELD_NAMES[1:]}, "lot": TOKEN["lot_number"]}),
        (dict(zip(FIELD_NAMES, "abcd", strict=True)), dict(zip("abcd", TOKEN.values(), strict=True))),
    ],
)
def test_what_the_setting_means(fields: Any, sent: Mapping[str, str]) -> None:
    assert gathered(sent, fields) == FIELDS
    assert spelling(fields).form_bytes == {name.encode() for name in sent}
    assert gathered({name.swapcase(): value for name, value in sent.items()}, fields) != FIELDS


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


# Headers


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


@pytest.mark.parametrize(
    "text", [AS_JSON, urlsafe(AS_JSON), urlsafe(AS_JSON + " ", padded=False), json.dumps({"a": "\u2028", **TOKEN})]
)
def test_one_header_may_hold_all_four(text: str) -> None:
    assert in_headers(("X-GeeTest", text)) == FIELDS
    assert in_headers(("x-geetest", text), ("Accept", "*/*")) == FIELDS
    assert in_headers(("Captcha-Token", text), fields="captcha-token") == FIELDS
    assert in_headers(("captcha-token", text), fields="Captcha-Token") == FIELDS
    assert in_headers(("X-GeeTest", text), fields="captcha-token") == FIELDS
    assert in_headers(("X-GeeTest", text), fields="geetest_") == FIELDS


def test_one_header_is_never_mixed_with_the_four() -> None:
    partial = ("X-GeeTest", json.dumps({"lot_number": TOKEN["lot_number"]}))
    assert outcome(in_headers(partial, *FOUR)) == "malformed"
    assert in_headers(*FOUR, partial) == FIELDS


def test_where_a_container_is_asked_for_the_documented_headers_count_as_well() -> None:
    assert in_headers(*FOUR, fields="captcha") == FIELDS
    assert in_headers(*FOUR[:2], ("captcha", AS_JSON), fields="captcha") == FIELDS


def test_one_header_in_the_spelling_that_is_set() -> None:
    assert in_headers(("X-GeeTest", json.dumps(CAMEL)), fields="camelCase") == FIELDS
    assert outcome(in_headers(("X-GeeTest", json.dumps(CAMEL)))) == "malformed"


def test_headers_without_any_field_are_missing() -> None:
    assert outcome(in_headers()) == "missing"
    assert outcome(in_headers(("lot_number", TOKEN["lot_number"]), ("Cookie", AS_JSON))) == "missing"
    assert outcome(in_headers(*((name, "undefined") for name, _ in FOUR))) == "missing"
    assert outcome(in_headers(("X-GeeTest", "null"))) == "missing"
    assert outcome(in_headers(*FOUR[:3])) == "malformed"


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


def test_other_headers_may_be_doubled() -> None:
    assert (
        in_headers(("Cookie", "a"), *FOUR, ("Cookie", "b"), ("X-GeeTest-Else", "1"), ("X-GeeTest-Else", "2")) == FIELDS
    )


def test_a_header_that_is_too_long_is_malformed() -> None:
    padded = AS_JSON[:-1] + " " * (8192 - len(AS_JSON)) + "}"
    assert in_headers(("X-GeeTest", padded)) == FIELDS
    assert outcome(in_headers(("X-GeeTest", " " + padded))) == "malformed"
    assert outcome(in_headers(*FOUR[:3], ("X-GeeTest-Gen-Time", "1" * 100_000))) == "malformed"


header_names = st.sampled_from([name.lower() for name, _ in FOUR] + ["x-geetest", "host"]).map(str.encode)


@given(
    st.lists(st.tuples(header_names | st.binary(max_size=30), st.binary(max_size=60)), max_size=8),
    st.sampled_from([None, "captcha", "x-", "camelCase", {"lot_number": "host"}]),
)
def test_any_headers_give_an_answer(headers: list[tuple[bytes, bytes]], fields: Any) -> None:
    assert outcome(from_headers(headers, Gatherer(spelling(fields), 8192))) in ("found", "missing", "malformed")


# A mapping that a handler has parsed itself

any_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(exclude_categories=())),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


@given(st.dictionaries(st.sampled_from(FIELD_NAMES) | st.text(max_size=5), any_json | st.binary() | st.just(object())))
def test_any_mapping_gives_an_answer(values: dict[str, Any]) -> None:
    assert outcome(fields_from_mapping(values, 8192)) in ("found", "missing", "malformed")


@given(any_json | st.text('{}[]":,0123456789abcdef_=-', max_size=60) | st.binary())
def test_any_container_gives_an_answer(value: object) -> None:
    answer = gathered({"captcha": value}, "captcha")
    assert outcome(answer) in ("missing", "malformed")
    if isinstance(value, str) and value.isascii():
        assert outcome(gathered({"captcha": urlsafe(value)}, "captcha")) in ("missing", "malformed")


def test_a_mapping_is_checked_like_what_is_scanned() -> None:
    assert fields_from_mapping({**TOKEN, "captcha_id": "x"}, 8192) == FIELDS
    assert fields_from_mapping({**TOKEN, "gen_time": 1700000000}, 8192) == FIELDS
    assert outcome(fields_from_mapping({**TOKEN, "lot_number": 5}, 8192)) == "malformed"
    assert outcome(fields_from_mapping({**TOKEN, "gen_time": 10**5000}, 8192)) == "malformed"
    assert outcome(fields_from_mapping({**TOKEN, "gen_time": -1700000000}, 8192)) == "malformed"
    assert outcome(fields_from_mapping({**TOKEN, "gen_time": True}, 8192)) == "malformed"
    assert outcome(fields_from_mapping({**TOKEN, "captcha_output": "A" * 101}, 100)) == "malformed"
    assert outcome(fields_from_mapping(dict.fromkeys(FIELD_NAMES), 8192)) == "missing"
    assert outcome(fields_from_mapping({}, 8192)) == "missing"
    assert outcome(fields_from_mapping({"lotNumber": "x"}, 8192)) == "missing"


@pytest.mark.parametrize("sent", [None, False, "", "false", "null", "undefined"], ids=repr)
def test_what_an_unsolved_captcha_leaves_in_place_of_a_mapping_is_missing(sent: object) -> None:
    assert fields_from_mapping(sent, 8192) == Evidence(Outcome.MISSING, "no object with the captcha fields")


@pytest.mark.parametrize("sent", [True, 0, 5, "x", AS_JSON, [], [dict(TOKEN)], b"{}", object], ids=repr)
def test_what_else_is_in_place_of_a_mapping_is_malformed(sent: object) -> None:
    assert fields_from_mapping(sent, 8192) == Evidence(Outcome.MALFORMED, "no object with the captcha fields")


def test_a_token_stays_out_of_the_representation() -> None:
    assert TOKEN["pass_token"] not in repr(FIELDS)
    assert TOKEN["captcha_output"] not in repr(FIELDS)
    assert TOKEN["lot_number"] in repr(FIELDS)
