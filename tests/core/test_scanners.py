"""The push parsers of bodies: what a browser or a program encodes is found however it is cut, any bytes give an answer,
and memory does not grow with what is sent, but for JSON, which is kept until it has ended.
"""

import gc
import json
import logging
import re
import tracemalloc
from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from urllib.parse import parse_qsl, urlencode

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from geetest_asgi._core.fields.gatherer import Gatherer
from geetest_asgi._core.fields.json_scanner import MAX_VALUES
from geetest_asgi._core.fields.multipart_scanner import MAX_PARTS
from geetest_asgi._core.fields.scanners import MAX_CONTENT_TYPE, MultipartScanner, scanner_for
from geetest_asgi._core.fields.spelling import spelling
from geetest_asgi._core.model import FIELD_NAMES, CaptchaFields, Evidence, Outcome
from geetest_asgi._core.protocol import build_request

TOKEN: Mapping[str, str] = {
    "lot_number": "4dc3cfc2cdff448cad8d13107198d473",
    "captcha_output": "aGk_LS0t" * 20 + "YQ==",
    "pass_token": "3f" * 32,
    "gen_time": "1700000000",
}
FIELDS = CaptchaFields(**TOKEN)

FORM = b"application/x-www-form-urlencoded"
JSON = b"application/json"
MULTIPART = b"multipart/form-data; boundary=xYzZY"
TYPES = (FORM, JSON, MULTIPART)
Found = CaptchaFields | Evidence | None


def scan(content_type: bytes, pieces: Iterable[bytes], fields: Any = None, *, max_field: int = 8192) -> Found:
    """As the receive edge does it: feed until the scanner knows, tell it where the body ends."""
    gatherer = Gatherer(spelling(fields), max_field)
    scanner = scanner_for([content_type], [], gatherer)
    assert scanner is not None
    for piece in pieces:
        scanner.feed(piece)
        if scanner.done:
            break
    else:
        scanner.end()
    return gatherer.conclude(scanner.broken)


def outcome(answer: Found) -> str:
    if answer is None:
        return "missing"
    return "found" if isinstance(answer, CaptchaFields) else answer.outcome.value


def byte_by_byte(body: bytes) -> list[bytes]:
    return [body[at : at + 1] for at in range(len(body))]


def cut(body: bytes, places: Iterable[int]) -> list[bytes]:
    """The body in pieces; two equal places make an empty one, as servers may send them."""
    ends = sorted(place % (len(body) + 1) for place in places)
    return [body[start:end] for start, end in zip([0, *ends], [*ends, len(body)], strict=True)]


def part(name: str, value: bytes, filename: str | None = None) -> bytes:
    """One part as browsers write it: CR, LF and the quote are escaped in a name (HTML, multipart/form-data)."""
    escaped = [
        each.replace("\r", "%0D").replace("\n", "%0A").replace('"', "%22") for each in (name, filename or "") if each
    ]
    head = f'Content-Disposition: form-data; name="{escaped[0] if name else ""}"'
    if filename is not None:
        head += f'; filename="{escaped[-1] if filename else ""}"\r\nContent-Type: application/octet-stream'
    return b"--xYzZY\r\n" + head.encode() + b"\r\n\r\n" + value + b"\r\n"


def multipart(*parts: bytes) -> bytes:
    return b"".join(parts) + b"--xYzZY--\r\n"


def encode(content_type: bytes, pairs: Sequence[tuple[str, str]]) -> bytes:
    if content_type == FORM:
        return urlencode(pairs).encode()
    if content_type == JSON:
        return json.dumps(dict(pairs)).encode()
    return multipart(*(part(name, value.encode()) for name, value in pairs))


def small(content_type: bytes, **changes: object) -> bytes:
    """A body with the token and these changes; None leaves a field out."""
    pairs = [(name, str(value)) for name, value in {**TOKEN, **changes}.items() if value is not None]
    return encode(content_type, pairs)


printable = st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), min_size=1, max_size=100).filter(
    lambda text: text not in ("false", "null", "undefined") and "xYzZY" not in text
)
tokens = st.builds(
    lambda lot, output, padding, token, time: {
        "lot_number": lot,
        "captcha_output": output + padding,
        "pass_token": token,
        "gen_time": str(time),
    },
    printable,
    printable,
    st.sampled_from(["", "=", "=="]),
    printable,
    st.integers(0, 10**13 - 1),
)
encodable = st.text(st.characters(codec="utf-8"), max_size=12)
names = (
    encodable | st.sampled_from(["lot_numbe", "lot_number2", "LOT_NUMBER", "lotNumber", "captcha", " gen_time"])
).filter(lambda name: name not in FIELD_NAMES)
cuts = st.lists(st.integers(0, 10**6), max_size=12)


# What is encoded is found


@st.composite
def forms(draw: st.DrawFn) -> tuple[dict[str, str], bytes]:
    """A token, and a form with it among other fields, in any order."""
    token = draw(tokens)
    others = draw(st.lists(st.tuples(names, encodable), max_size=6))
    pairs = draw(st.permutations([*token.items(), *others]))
    body = urlencode(pairs).encode()
    if draw(st.booleans()):  # escapes that nobody needs are as good
        body = re.sub(rb"(?<![%0-9A-Fa-f])[a-z](?=[^%])", lambda found: b"%%%02x" % found[0][0], body, count=5)
    return token, body


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | encodable,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(names | st.sampled_from(FIELD_NAMES), inner, max_size=3)
    ),
    max_leaves=8,
)


@st.composite
def documents(draw: st.DrawFn) -> tuple[dict[str, str], bytes]:
    """A token, and a JSON object with it among other members; those of inner objects do not count."""
    token = draw(tokens)
    number = {"gen_time": int(token["gen_time"])} if draw(st.booleans()) else {}
    others = draw(st.dictionaries(names, json_values, max_size=5))
    members = draw(st.permutations([*{**token, **number, **others}.items()]))
    text = json.dumps(
        dict(members),
        indent=draw(st.sampled_from([None, None, 0, 2, "\t"])),
        ensure_ascii=draw(st.booleans()),
        separators=draw(st.sampled_from([None, (",", ":"), (" , ", " :\t"), ("\r\n,", "\n:")])),
    )
    if draw(st.booleans()):  # escapes that nobody needs are as good, in names and in values
        text = text.replace("lot_number", "lot\\u005fnumber").replace("a", "\\u0061").replace("\\\\u0061", "\\u0061")
        text = text if _still_means(text, members) else json.dumps(dict(members))
    bom = draw(st.sampled_from([b"", b"", b"\xef\xbb\xbf"]))
    return token, bom + draw(st.sampled_from([b"", b" ", b"\r\n\t"])) + text.encode() + draw(
        st.sampled_from([b"", b"\n"])
    )


def _still_means(text: str, members: Sequence[tuple[str, object]]) -> bool:
    try:
        return bool(json.loads(text) == dict(members))
    except ValueError:
        return False


@st.composite
def multiparts(draw: st.DrawFn) -> tuple[dict[str, str], bytes]:
    """A token, and a multipart body with it among other fields and files, in any order."""
    token = draw(tokens)
    contents = st.binary(max_size=200).filter(lambda data: b"xYzZY" not in data)
    others = draw(st.lists(st.builds(part, names, contents), max_size=4))
    files = draw(st.lists(st.builds(part, names | st.sampled_from(FIELD_NAMES), contents, encodable), max_size=3))
    parts = [part(name, value.encode()) for name, value in token.items()]
    return token, multipart(*draw(st.permutations([*parts, *others, *files])))


@given(forms(), cuts)
def test_what_a_form_holds_is_found_however_it_is_cut(sent: tuple[dict[str, str], bytes], places: list[int]) -> None:
    token, body = sent
    assert dict(parse_qsl(body.decode(), keep_blank_values=True)).items() >= token.items(), (
        "the test encodes it rightly"
    )
    found = CaptchaFields(**token)
    assert scan(FORM, [body]) == scan(FORM, cut(body, places)) == scan(FORM, byte_by_byte(body)) == found


@given(documents(), cuts)
@example((dict(TOKEN), json.dumps({"é": "\u2028", **TOKEN}, ensure_ascii=False).encode()), [2, 3])
def test_what_a_json_object_holds_is_found_however_it_is_cut(
    sent: tuple[dict[str, str], bytes], places: list[int]
) -> None:
    token, body = sent
    found = CaptchaFields(**token)
    assert scan(JSON, [body]) == scan(JSON, cut(body, places)) == scan(JSON, byte_by_byte(body)) == found


@given(multiparts(), cuts)
def test_what_a_multipart_body_holds_is_found_however_it_is_cut(
    sent: tuple[dict[str, str], bytes], places: list[int]
) -> None:
    token, body = sent
    found = CaptchaFields(**token)
    assert scan(MULTIPART, [body]) == scan(MULTIPART, cut(body, places)) == found
    assert scan(MULTIPART, byte_by_byte(body)) == found


SPELLINGS: dict[str, tuple[Any, dict[str, str]]] = {
    "prefix": ("geetest_", {"geetest_" + name: value for name, value in TOKEN.items()}),
    "prefix with a dash": ("g-", {"g-" + name: value for name, value in TOKEN.items()}),
    "camelCase": (
        "camelCase",
        dict(zip(("lotNumber", "captchaOutput", "passToken", "genTime"), TOKEN.values(), strict=True)),
    ),
    "mapping of one": ({"lot_number": "lot"}, {"lot": TOKEN["lot_number"], **{n: TOKEN[n] for n in FIELD_NAMES[1:]}}),
    "mapping, names swapped": (
        {"lot_number": "pass_token", "pass_token": "lot_number"},
        {**TOKEN, "lot_number": TOKEN["pass_token"], "pass_token": TOKEN["lot_number"]},
    ),
    "names with odd signs": (
        dict(zip(FIELD_NAMES, ("a b", "c&d", 'e="', "f[%41]"), strict=True)),
        dict(zip(("a b", "c&d", 'e="', "f[%41]"), TOKEN.values(), strict=True)),
    ),
    "names beyond ASCII": (
        dict(zip(FIELD_NAMES, ("номер", "出力", "ключ", "zeit_für_é"), strict=True)),
        dict(zip(("номер", "出力", "ключ", "zeit_für_é"), TOKEN.values(), strict=True)),
    ),
}


@pytest.mark.parametrize("content_type", TYPES, ids=["form", "JSON", "multipart"])
@pytest.mark.parametrize(("fields", "sent"), SPELLINGS.values(), ids=SPELLINGS.keys())
def test_every_spelling_is_found_in_every_kind_of_body(content_type: bytes, fields: Any, sent: dict[str, str]) -> None:
    if "c&d" in sent and content_type == MULTIPART:
        sent = {name.replace('"', "%22"): value for name, value in sent.items()}
        fields = {name: sent_as.replace('"', "%22") for name, sent_as in fields.items()}
    body = encode(content_type, [("other", "x"), *sent.items(), ("last", "y")])
    assert scan(content_type, [body], fields) == scan(content_type, byte_by_byte(body), fields) == FIELDS


@pytest.mark.parametrize("content_type", TYPES, ids=["form", "JSON", "multipart"])
@pytest.mark.parametrize("fields", [each for each, _ in SPELLINGS.values() if each != {"lot_number": "lot"}][:3])
def test_another_spelling_than_the_one_asked_for_is_not_found(content_type: bytes, fields: Any) -> None:
    assert outcome(scan(content_type, [small(content_type)], fields)) == "missing"


@pytest.mark.parametrize("rest", [b"", b"}}", b"} x", b', "a"}', b', "a": nonsense}', b', "a": "\xff"}'])
def test_a_json_body_is_read_to_its_end_and_malformed_where_any_of_it_is(rest: bytes) -> None:
    body = small(JSON)[:-1] + rest
    assert outcome(scan(JSON, [body])) == outcome(scan(JSON, byte_by_byte(body))) == "malformed"


@pytest.mark.parametrize("end", [b"--xYzZY--\r\n", b"--xYzZY--", b"--xYzZY--\r\nepilogue", b"--xYzZY\r\n"])
def test_a_multipart_body_may_end_in_each_of_these_ways(end: bytes) -> None:
    parts = b"".join(part(name, value.encode()) for name, value in TOKEN.items())
    assert scan(MULTIPART, [parts + end]) == scan(MULTIPART, byte_by_byte(parts + end)) == FIELDS


@pytest.mark.parametrize(
    "lead", [b"\r\n", b"\n", b"\r\njunk", b"\r\njunk\r\n", b"\r\n \r\n", b"junk\r\n", b"\r\n\r\n-"]
)
def test_what_stands_before_the_first_boundary_gives_one_answer_however_it_is_cut(lead: bytes) -> None:
    body = lead + small(MULTIPART)
    whole = scan(MULTIPART, [body])
    assert [scan(MULTIPART, cut(body, [place])) for place in range(len(lead) + 4)] == [whole] * (len(lead) + 4)
    assert scan(MULTIPART, byte_by_byte(body)) == whole


HEADS = [
    b'content-disposition: FORM-DATA; NAME="lot_number"',
    b"Content-Disposition: form-data; name=lot_number",
    b'CONTENT-DISPOSITION:form-data;name="lot_number"',
    b'Content-Type: text/plain; charset=utf-8\r\nContent-Disposition: form-data; name="lot_number"',
    b'Content-Disposition: form-data; name="lot_number"\r\nContent-Transfer-Encoding: 8bit',
    b"Content-Disposition: form-data; name=\"lot_number\"; name*=utf-8''other",
]


@pytest.mark.parametrize("head", HEADS)
def test_the_headers_of_a_part_may_be_written_in_each_of_these_ways(head: bytes) -> None:
    rest = [part(name, TOKEN[name].encode()) for name in FIELD_NAMES[1:]]
    body = multipart(b"--xYzZY\r\n" + head + b"\r\n\r\n" + TOKEN["lot_number"].encode() + b"\r\n", *rest)
    assert scan(MULTIPART, [body]) == scan(MULTIPART, byte_by_byte(body)) == FIELDS


def test_a_part_with_a_file_name_is_no_field() -> None:
    for filename in ("a.txt", ""):
        parts = [part(name, value.encode(), filename) for name, value in TOKEN.items()]
        assert outcome(scan(MULTIPART, [multipart(*parts)])) == "missing"


@pytest.mark.parametrize("lead", [b" ", b"\t", b"\r\n "])
def test_no_blank_may_stand_before_the_first_boundary(lead: bytes) -> None:
    assert outcome(scan(MULTIPART, [lead + small(MULTIPART)])) == "malformed"


@pytest.mark.parametrize("name", [b"\xff", b"lot_number\xc3", b"\xed\xa0\x80"], ids=repr)
def test_a_part_whose_name_is_no_text_is_passed_over(name: bytes) -> None:
    odd = part("@", b"x").replace(b"@", name)
    assert scan(MULTIPART, [odd + small(MULTIPART)]) == scan(MULTIPART, byte_by_byte(odd + small(MULTIPART))) == FIELDS


def test_a_part_without_a_name_is_no_field() -> None:
    nameless = b"--xYzZY\r\nContent-Type: text/plain\r\n\r\nlot_number\r\n"
    unsolved, *fields = (part(name, value.encode()) for name, value in [("lot_number", "null"), *TOKEN.items()])
    assert scan(MULTIPART, [multipart(nameless, unsolved, nameless, *fields, nameless)]) == FIELDS
    assert outcome(scan(MULTIPART, [multipart(nameless)])) == "missing"


# Duplicates, placeholders, wrong kinds

OTHER_LOT = "c4c69a52999045aea1d34b57f1ef29f2"


@pytest.mark.parametrize("content_type", TYPES, ids=["form", "JSON", "multipart"])
def test_of_two_fields_of_one_name_the_first_counts(content_type: bytes) -> None:
    lot = ("lot_number", TOKEN["lot_number"])
    other = ("lot_number", OTHER_LOT)
    rest = [(name, TOKEN[name]) for name in FIELD_NAMES[1:]]
    for pairs, first in (
        ([lot, other, *rest], lot[1]),
        ([other, lot, *rest], OTHER_LOT),
        ([*rest, lot, other], lot[1]),
    ):
        if content_type == JSON:
            body = ("{" + ",".join(f'"{name}": "{value}"' for name, value in pairs) + "}").encode()
        else:
            body = encode(content_type, pairs)
        for pieces in ([body], byte_by_byte(body)):
            found = scan(content_type, pieces)
            assert isinstance(found, CaptchaFields)
            assert found.lot_number == first


@pytest.mark.parametrize("content_type", TYPES, ids=["form", "JSON", "multipart"])
@pytest.mark.parametrize("placeholder", ["", "false", "null", "undefined"])
def test_what_an_unsolved_captcha_leaves_counts_as_not_sent(content_type: bytes, placeholder: str) -> None:
    empty = [(name, placeholder) for name in FIELD_NAMES]
    assert outcome(scan(content_type, [encode(content_type, empty)])) == "missing"
    assert outcome(scan(content_type, [small(content_type, pass_token=placeholder)])) == "malformed"
    if content_type != JSON:  # a placeholder first, then the field
        assert scan(content_type, [encode(content_type, [*empty, *TOKEN.items()])]) == FIELDS


@pytest.mark.parametrize("value", ["null", "false"])
def test_null_and_false_of_json_count_as_not_sent(value: str) -> None:
    empty = ",".join(f'"{name}":{value}' for name in FIELD_NAMES)
    assert outcome(scan(JSON, [f"{{{empty}}}".encode()])) == "missing"
    token = json.dumps(dict(TOKEN))[1:]
    assert scan(JSON, [f"{{{empty},{token}".encode()]) == FIELDS


NO_STRINGS = ["true", "0", "1", "-1", "[]", "{}", '["a"]', '[{"a": null}]', '{"a": "b"}', "1e9", "NaN", "nonsense"]


@pytest.mark.parametrize("value", NO_STRINGS)
@pytest.mark.parametrize("name", FIELD_NAMES)
def test_a_json_value_that_is_no_string_is_malformed(name: str, value: str) -> None:
    body = json.dumps({**TOKEN, name: "@"}).replace('"@"', value).encode()
    expected = "found" if name == "gen_time" and value in ("0", "1") else "malformed"
    assert outcome(scan(JSON, [body])) == outcome(scan(JSON, byte_by_byte(body))) == expected


def test_a_json_number_may_be_the_time_and_nothing_else() -> None:
    assert scan(JSON, [json.dumps({**TOKEN, "gen_time": 1700000000}).encode()]) == FIELDS
    digits = {"lot_number": "1" * 32, "captcha_output": "12345", "pass_token": "2" * 64}
    assert isinstance(scan(JSON, [json.dumps({**TOKEN, **digits}).encode()]), CaptchaFields), "as strings they will do"
    for name, value in digits.items():
        assert outcome(scan(JSON, [json.dumps({**TOKEN, name: int(value)}).encode()])) == "malformed"


@pytest.mark.parametrize(
    "number", ["1.7e9", "1700000000.0", "1700000000e0", "-1700000000", "01700000000.", "+1700000000"]
)
def test_a_time_in_another_notation_is_malformed(number: str) -> None:
    body = json.dumps({**TOKEN, "gen_time": "@"}).replace('"@"', number).encode()
    assert outcome(scan(JSON, [body])) == "malformed"


@pytest.mark.parametrize("value", [b"\xff", b"\xe2\x82", b"1\xff", b"\xc3\xbc", b"\xff" * 100], ids=repr)
def test_a_bare_word_that_is_no_text_is_malformed(value: bytes) -> None:
    body = json.dumps({**TOKEN, "gen_time": 5}).encode().replace(b"5}", value + b"}")
    assert outcome(scan(JSON, [body])) == outcome(scan(JSON, byte_by_byte(body))) == "malformed"


def test_numbers_of_5000_digits_are_malformed() -> None:
    """As they are to `json.loads`, wherever they stand."""
    long = "1" * 5000
    fields = json.dumps(dict(TOKEN))[1:]
    assert outcome(scan(JSON, [f'{{"n": {long}, {fields}'.encode()])) == "malformed"
    assert scan(JSON, [f'{{"n": {long}.{long}e+{long}, {fields}'.encode()]) == FIELDS
    for name in FIELD_NAMES:
        body = json.dumps({**TOKEN, name: "@"}).replace('"@"', long).encode()
        assert outcome(scan(JSON, [body])) == outcome(scan(JSON, byte_by_byte(body))) == "malformed"


@pytest.mark.parametrize("escape", ["\\ud800", "\\udfff", "\\ud800\\ud800", "\\udc00\\ud800", "\\u12", "\\x", "\\"])
@pytest.mark.parametrize("name", FIELD_NAMES)
def test_lone_surrogates_and_broken_escapes_are_malformed(name: str, escape: str) -> None:
    whole = TOKEN[name]
    for value in (escape, whole + escape, escape + whole, whole[:-1] + escape):
        body = json.dumps({**TOKEN, name: "@"}).replace('"@"', f'"{value}"').encode()
        assert outcome(scan(JSON, [body])) == outcome(scan(JSON, byte_by_byte(body))) == "malformed"


@pytest.mark.parametrize("key", ["\\ud800", "\\ud83d\\ude00", "lot_number\\ud800", "\\u0000", ""])
def test_odd_keys_are_passed_over(key: str) -> None:
    body = f'{{"{key}": "x", {json.dumps(dict(TOKEN))[1:]}'.encode()
    assert scan(JSON, [body]) == scan(JSON, byte_by_byte(body)) == FIELDS


@pytest.mark.parametrize("key", ["\\u12", "\\x", "\x00"])
def test_keys_that_are_not_json_are_malformed(key: str) -> None:
    body = f'{{"{key}": "x", {json.dumps(dict(TOKEN))[1:]}'.encode()
    assert outcome(scan(JSON, [body])) == outcome(scan(JSON, byte_by_byte(body))) == "malformed"


@pytest.mark.parametrize("depth", [1, 100, 100_000])
@pytest.mark.parametrize("signs", ["[]", "{}"])
def test_deep_nesting_is_passed_over_or_malformed_and_never_raises(depth: int, signs: str) -> None:
    opening = "[" if signs == "[]" else '{"lot_number":'
    nested = opening * depth + ("1" if signs == "{}" else "") + signs[1] * depth
    fields = json.dumps(dict(TOKEN))[1:]
    assert scan(JSON, [f'{{"deep": {nested}, {fields}'.encode()]) == FIELDS
    assert scan(JSON, [f'{{"deep": [1, {nested}, "]"], {fields}'.encode()]) == FIELDS
    inner = f'{{"deep": {nested}, "captcha": {{"deep": {nested}, {fields}, "deep": "x"}}'.encode()
    assert scan(JSON, [inner], "captcha") == FIELDS
    for name in FIELD_NAMES:
        assert outcome(scan(JSON, [f'{{"{name}": {nested}, {fields}'.encode()])) == "malformed"
    assert outcome(scan(JSON, [f'{{"deep": {nested}'.encode()])) == "malformed", "cut off"
    assert outcome(scan(JSON, [nested.encode()])) == ("missing" if signs == "[]" else "malformed")


too_deep = "[" * 5000 + "]" * 5000


@given(documents(), st.recursive(json_values, st.lists).map(json.dumps), st.integers(0, 2), cuts)
def test_beside_what_is_too_deep_for_python_all_is_read_as_ever(
    sent: tuple[dict[str, str], bytes], other: str, where: int, places: list[int]
) -> None:
    """The deep value stands before the other members, among them in a list, or after them."""
    token, body = sent
    members = body.decode("utf-8-sig").strip()[1:-1]
    deep = [f'"d":{too_deep},"o":{other},{members}', f'"o":[{other},{too_deep},{{}},{other}],{members}']
    deep += [f'{members},"o":[{{"":{other}}},{{"":[{other},{too_deep}]}}]']
    whole = f"{{{deep[where]}}}".encode()
    assert scan(JSON, [whole]) == scan(JSON, cut(whole, places)) == CaptchaFields(**token)


def test_brackets_and_quotes_within_strings_do_not_count() -> None:
    odd = {"a": ['}]\\"{[', {"b": "\\"}], "c": '"}', "d": {"e": [[["]"]]]}, '"\\': "x"}
    body = json.dumps({**odd, **TOKEN}).encode()
    assert scan(JSON, [body]) == scan(JSON, byte_by_byte(body)) == FIELDS


NO_OBJECTS = {
    "a list": b'[{"lot_number": "x"}]',
    "a list of the token": json.dumps([dict(TOKEN)]).encode(),
    "a string": b'"lot_number"',
    "a number": b"17",
    "a word": b"true",
    "null": b"null",
    "an empty object": b"{}",
    "an empty object with spaces": b" \r\n\t{ \n } ",
    "an object within": json.dumps({"data": dict(TOKEN)}).encode(),
    "nothing": b"",
}


@pytest.mark.parametrize("body", NO_OBJECTS.values(), ids=NO_OBJECTS.keys())
def test_only_the_members_of_the_outermost_object_count(body: bytes) -> None:
    assert outcome(scan(JSON, [body])) == outcome(scan(JSON, byte_by_byte(body))) == "missing"


BROKEN = {
    "UTF-16": json.dumps(dict(TOKEN)).encode("utf-16"),
    "UTF-16, no mark": json.dumps(dict(TOKEN)).encode("utf-16-le"),
    "UTF-16, big": json.dumps(dict(TOKEN)).encode("utf-16-be"),
    "UTF-32": json.dumps(dict(TOKEN)).encode("utf-32"),
    "half a mark": b"\xef\xbb",
    "a form": urlencode(TOKEN).encode(),
    "white space alone": b" \n ",
    "cut in a name": b'{"lot_nu',
    "cut after a name": b'{"a"',
    "cut after a colon": b'{"a":',
    "cut in a value": b'{"a": "b',
    "cut after a value": b'{"a": "b"',
    "cut in a number": b'{"a": 1',
    "cut after a comma": b'{"a": 1,',
    "no colon": b'{"a" 1}',
    "no comma": b'{"a": 1 "b": 2}',
    "no quotes": b"{a: 1}",
    "single quotes": b"{'a': 1}",
    "comma at the end": b'{"a": 1,}',
    "comma alone": b"{,}",
    "no value": b'{"a": }',
    "no value, comma": b'{"a":, "b": 1}',
    "brackets that do not match": b'{"a": [}',
    "a comment": b'/* a */{"a": 1}',
    "a vertical tab between": b'{\x0b"a": 1}',
}


@pytest.mark.parametrize("body", BROKEN.values(), ids=BROKEN.keys())
def test_a_body_that_is_not_json_is_malformed(body: bytes) -> None:
    assert outcome(scan(JSON, [body])) == outcome(scan(JSON, byte_by_byte(body))) == "malformed"


@pytest.mark.parametrize("value", [TOKEN["lot_number"] + "\n", "\t" + TOKEN["lot_number"], "\x00"])
def test_a_control_character_in_a_json_string_is_malformed(value: str) -> None:
    body = json.dumps({**TOKEN, "lot_number": "@"}).replace("@", value).encode()
    assert outcome(scan(JSON, [body])) == "malformed"


# Containers

CAMEL = {"lotNumber": "lot_number", "captchaOutput": "captcha_output", "passToken": "pass_token", "genTime": "gen_time"}
CONTAINED = json.dumps(dict(TOKEN))


@pytest.mark.parametrize(
    ("fields", "sent"),
    [
        ("captcha", {"captcha": dict(TOKEN)}),
        ("captcha", {"captcha": CONTAINED}),
        ("captcha", {"captcha": {camel: TOKEN[name] for camel, name in CAMEL.items()}}),
        ("captcha", {"captcha": {**TOKEN, "gen_time": 1700000000, "captcha_id": "x", "more": [{}]}}),
        ("captcha", {"a": {"captcha": {}}, "captcha": dict(TOKEN), "b": 1}),
        ("data.captcha", {"data": {"x": [], "captcha": dict(TOKEN)}}),
        ("data.captcha", {"captcha": 5, "data": {"captcha": CONTAINED}}),
        ("a.b.c", {"a": {"a": {"b": 1}, "b": {"c": dict(TOKEN)}}}),
        ("captcha", {"captcha": None, "x": "y"} | {"captcha": dict(TOKEN)}),
    ],
)
@pytest.mark.parametrize("ensure_ascii", [True, False])
def test_a_container_is_found_in_json(fields: str, sent: dict[str, object], ensure_ascii: bool) -> None:
    body = json.dumps({"é": "ü", **sent}, ensure_ascii=ensure_ascii).encode()
    assert scan(JSON, [body], fields) == scan(JSON, byte_by_byte(body), fields) == FIELDS


@pytest.mark.parametrize(
    ("fields", "sent", "expected"),
    [
        ("captcha", dict(TOKEN), "missing"),
        ("captcha", {"data": {"captcha": dict(TOKEN)}}, "missing"),
        ("data.captcha", {"captcha": dict(TOKEN)}, "missing"),
        ("data.captcha", {"captcha": {"captcha": dict(TOKEN)}}, "missing"),
        ("data.captcha", {"data.captcha": dict(TOKEN)}, "missing"),
        ("data.captcha", {"data": "x", "captcha": dict(TOKEN)}, "missing"),
        ("captcha", {"captcha": {}}, "missing"),
        ("captcha", {"captcha": None}, "missing"),
        ("captcha", {"captcha": False}, "missing"),
        ("captcha", {"captcha": ""}, "missing"),
        ("captcha", {"captcha": "undefined"}, "missing"),
        ("captcha", {"captcha": "x"}, "malformed"),
        ("captcha", {"captcha": "{}"}, "malformed"),
        ("captcha", {"captcha": 17}, "malformed"),
        ("captcha", {"captcha": True}, "malformed"),
        ("captcha", {"captcha": [dict(TOKEN)]}, "malformed"),
        ("captcha", {"captcha": {"captcha": dict(TOKEN)}}, "missing"),
        ("captcha", {"captcha": {**TOKEN, "pass_token": {"a": 1}}}, "malformed"),
        ("captcha", {"captcha": {**TOKEN, "lot_number": None}}, "malformed"),
    ],
)
def test_what_is_in_no_container_does_not_count(fields: str, sent: dict[str, object], expected: str) -> None:
    body = json.dumps(sent).encode()
    assert outcome(scan(JSON, [body], fields)) == outcome(scan(JSON, byte_by_byte(body), fields)) == expected


@pytest.mark.parametrize("content_type", [FORM, MULTIPART], ids=["form", "multipart"])
@pytest.mark.parametrize("name", ["captcha", "data.captcha"])
def test_a_container_is_found_in_a_field_of_its_name(content_type: bytes, name: str) -> None:
    body = encode(content_type, [("a", "b"), (name, CONTAINED), ("lot_number", OTHER_LOT)])
    assert scan(content_type, [body], name) == scan(content_type, byte_by_byte(body), name) == FIELDS
    assert outcome(scan(content_type, [small(content_type)], name)) == "missing"


IN_FORMS = {
    "brackets": ("captcha", "captcha[{}]"),
    "dots": ("captcha", "captcha.{}"),
    "brackets, deep": ("data.captcha", "data[captcha][{}]"),
    "dots, deep": ("data.captcha", "data.captcha.{}"),
}


@pytest.mark.parametrize("content_type", [FORM, MULTIPART], ids=["form", "multipart"])
@pytest.mark.parametrize(("fields", "name"), IN_FORMS.values(), ids=IN_FORMS)
@pytest.mark.parametrize("camel", [False, True])
def test_a_container_may_be_spread_over_the_fields_of_a_form(
    content_type: bytes, fields: str, name: str, camel: bool
) -> None:
    sent = {camel_name: TOKEN[each] for camel_name, each in CAMEL.items()} if camel else TOKEN
    pairs = [("lot_number", OTHER_LOT), *((name.format(each), value) for each, value in sent.items()), ("x", "y")]
    body = encode(content_type, pairs)
    assert scan(content_type, [body], fields) == scan(content_type, byte_by_byte(body), fields) == FIELDS
    if content_type == FORM:  # as `qs` and URLSearchParams leave the brackets, or do not
        plain = body.replace(b"%5B", b"[").replace(b"%5D", b"]")
        assert scan(FORM, [plain], fields) == scan(FORM, byte_by_byte(plain), fields) == FIELDS


@pytest.mark.parametrize(
    "name", ["captcha[{}", "captcha{}]", "captcha[[{}]]", "[captcha][{}]", "other[{}]", "a.captcha.{}"]
)
@pytest.mark.parametrize("content_type", [FORM, MULTIPART], ids=["form", "multipart"])
def test_other_brackets_mean_nothing(content_type: bytes, name: str) -> None:
    body = encode(content_type, [(name.format(each), value) for each, value in TOKEN.items()])
    assert outcome(scan(content_type, [body], "captcha")) == "missing"


@pytest.mark.parametrize("content_type", TYPES, ids=["form", "JSON", "multipart"])
def test_a_container_may_be_url_encoded_text(content_type: bytes) -> None:
    text = urlencode({"captcha_id": "x", **TOKEN})
    for value in (text, text.replace("%3D", "="), urlencode({**TOKEN, "more": "&=%+ é"})):
        body = encode(content_type, [("captcha", value)])
        assert scan(content_type, [body], "captcha") == scan(content_type, byte_by_byte(body), "captcha") == FIELDS
    for value in ("a=b&c=d", "&", text.replace("gen_time", "time")):
        assert outcome(scan(content_type, [encode(content_type, [("captcha", value)])], "captcha")) == "malformed"


def blob(name: str, content: bytes, media_type: str) -> bytes:
    """A part as `FormData.append(name, new Blob([content], {type}))` sends it."""
    head = f'Content-Disposition: form-data; name="{name}"; filename="blob"\r\nContent-Type: {media_type}'
    return f"--xYzZY\r\n{head}\r\n\r\n".encode() + content + b"\r\n"


@pytest.mark.parametrize("media_type", ["application/json", "Application/JSON; charset=utf-8"])
@pytest.mark.parametrize(("fields", "name"), [("captcha", "captcha"), ("a.b", "a.b"), ("a.b", "a[b]")])
def test_a_container_may_be_a_file_of_json(fields: str, name: str, media_type: str) -> None:
    body = multipart(part("x", b"y", "f.bin"), blob(name, CONTAINED.encode(), media_type))
    assert scan(MULTIPART, [body], fields) == scan(MULTIPART, byte_by_byte(body), fields) == FIELDS


def test_another_file_is_no_container() -> None:
    contained = CONTAINED.encode()
    for each in (blob("captcha", contained, "text/plain"), blob("other", contained, "application/json")):
        assert outcome(scan(MULTIPART, [multipart(each)], "captcha")) == "missing"
        assert scan(MULTIPART, [multipart(each, part("captcha", contained))], "captcha") == FIELDS
    flat = [blob(name, value.encode(), "application/json") for name, value in TOKEN.items()]
    assert outcome(scan(MULTIPART, [multipart(*flat)])) == "missing"


HEADERS = {
    "without a type after one with a type": (
        ["name=other; filename=x\r\nContent-Type: application/json", "name=captcha; filename=x"]
    ),
    "with the type in another header": ["name=captcha; filename=x\r\nX-Type: application/json"],
}


@pytest.mark.parametrize("headers", HEADERS.values(), ids=HEADERS)
def test_a_file_of_json_says_so_itself(headers: list[str]) -> None:
    parts = [f"--xYzZY\r\nContent-Disposition: form-data; {each}\r\n\r\n{CONTAINED}\r\n".encode() for each in headers]
    assert outcome(scan(MULTIPART, [multipart(*parts)], "captcha")) == "missing"


def test_a_part_without_a_name_has_an_empty_one() -> None:
    scanner = scanner_for([MULTIPART], [], Gatherer(spelling(None), 8192))
    assert scanner is not None
    scanner.feed(multipart(b"--xYzZY\r\n\r\nx\r\n", b"--xYzZY\r\nContent-Disposition: form-data\r\n\r\nx\r\n"))
    assert list(scanner.names()) == ["", ""]


def test_a_file_of_json_is_bounded_like_any_value() -> None:
    for spaces, expected in ((8192 - len(CONTAINED), "found"), (8193 - len(CONTAINED), "malformed")):
        body = multipart(blob("captcha", CONTAINED.encode() + b" " * spaces, "application/json"))
        assert outcome(scan(MULTIPART, [body], "captcha")) == expected
    assert outcome(scan(MULTIPART, [multipart(blob("captcha", b"\xff", "application/json"))], "captcha")) == "malformed"


# Nothing raises, cutting never matters


@st.composite
def damaged(draw: st.DrawFn, content_type: bytes) -> bytes:
    """A body that is nearly right: some bytes put in, taken out or replaced."""
    changes: dict[str, object] = draw(st.sampled_from([{}, {"pass_token": None}, {"gen_time": ""}]))
    body = bytearray(small(content_type, **changes))
    for _ in range(draw(st.integers(0, 6))):
        at = draw(st.integers(0, len(body)))
        drop = draw(st.integers(0, 3))
        signs = b'"\\{}[]:,&=%+-\r\n \x00\xffeE0alotxYzZY;'
        body[at : at + drop] = draw(st.binary(max_size=4) | st.lists(st.sampled_from(signs), max_size=4).map(bytes))
    return bytes(body[: draw(st.integers(len(body) // 2, len(body) + 1))])


any_fields = st.sampled_from([None, "camelCase", "g_", "captcha", "a.b", {"lot_number": "a"}])


@given(st.data(), st.sampled_from(TYPES), any_fields, cuts)
def test_any_bytes_give_one_answer_however_they_are_cut(
    data: st.DataObject, content_type: bytes, fields: Any, places: list[int]
) -> None:
    body = data.draw(st.binary(max_size=300) | damaged(content_type))
    answer = scan(content_type, [body], fields)
    assert answer == scan(content_type, cut(body, places), fields) == scan(content_type, byte_by_byte(body), fields)
    assert outcome(answer) in ("found", "missing", "malformed")


@given(
    st.lists(
        st.sampled_from(
            [
                *'{}[]",:\\ ',
                "\\u0061",
                "1",
                "true",
                '"lot_number"',
                '"pass_token":',
                '"a":',
                '"b":',
                f'"{"3f" * 32}"',
                "é",
            ]
        )
    ).map("".join),
    st.sampled_from([None, "a", "a.b"]),
    cuts,
)
def test_any_signs_of_json_give_one_answer_however_they_are_cut(text: str, fields: Any, places: list[int]) -> None:
    body = ("{" + text).encode()
    answer = scan(JSON, [body], fields)
    assert answer == scan(JSON, cut(body, places), fields) == scan(JSON, byte_by_byte(body), fields)


@given(
    damaged(JSON)
    | documents().map(lambda sent: sent[1])
    | st.recursive(json_values, st.lists).map(json.dumps).map(str.encode)
)
def test_what_python_reads_as_json_is_read_alike(body: bytes) -> None:
    """The plain way, by `json.loads`, gives the same answer wherever it gives one."""
    try:
        members = json.loads(body, object_pairs_hook=tuple)
    except ValueError:
        return
    gatherer = Gatherer(spelling(None), 8192)
    for name, value in members if isinstance(members, tuple) else ():
        gatherer.offer(name, value)
    assert scan(JSON, [body]) == gatherer.conclude()


@given(documents() | forms() | multiparts(), st.sampled_from(TYPES))
def test_a_body_under_the_wrong_content_type_raises_nothing(
    sent: tuple[dict[str, str], bytes], content_type: bytes
) -> None:
    assert outcome(scan(content_type, [sent[1]])) in ("found", "missing", "malformed")


@given(st.lists(st.binary(max_size=600), max_size=3), st.lists(st.binary(max_size=20), max_size=2))
def test_any_content_type_and_encoding_is_no_error(content_types: list[bytes], encodings: list[bytes]) -> None:
    scanner_for(content_types, encodings, Gatherer(spelling(None), 8192))


@given(st.binary(max_size=400))
def test_any_boundary_is_no_error(boundary: bytes) -> None:
    gatherer = Gatherer(spelling(None), 8192)
    scanner = scanner_for([b"multipart/form-data; boundary=" + boundary], [], gatherer)
    if scanner is not None:
        scanner.feed(b"--" + boundary + b"\r\n\r\n\r\n--" + boundary + b"--")
        scanner.end()
        assert outcome(gatherer.conclude(scanner.broken)) in ("missing", "malformed")


@given(st.data(), st.sampled_from([FORM, MULTIPART]), st.binary(max_size=300))
def test_what_comes_after_the_fourth_field_changes_nothing(
    data: st.DataObject, content_type: bytes, rest: bytes
) -> None:
    token = data.draw(tokens)
    more = data.draw(st.sampled_from([b"", rest, b"lot_number=x&", part("lot_number", b"x")]))
    if content_type == FORM:
        body = urlencode(token).encode() + b"&"
    else:
        body = b"".join(part(name, value.encode()) for name, value in token.items()) + b"--xYzZY\r\n"
    assert scan(content_type, [body + more + rest]) == CaptchaFields(**token)
    assert scan(content_type, byte_by_byte(body + more + rest)) == CaptchaFields(**token)


@pytest.mark.parametrize("content_type", [FORM, MULTIPART], ids=["form", "multipart"])
def test_a_scanner_knows_with_the_fourth_field_and_not_before(content_type: bytes) -> None:
    """What comes later need not be read: an upload of a gigabyte goes on to the app as it comes."""
    last = {FORM: b"&", MULTIPART: b"\r\n--xYzZY\r\n"}[content_type]
    body = small(content_type)
    before = body if content_type == FORM else body[: body.rindex(b"\r\n--xYzZY")]
    scanner = scanner_for([content_type], [], Gatherer(spelling(None), 8192))
    assert scanner is not None
    for piece in byte_by_byte(before):
        scanner.feed(piece)
        assert not scanner.done
    scanner.feed(last)
    assert scanner.done


def test_json_is_known_with_its_end_and_not_before() -> None:
    gatherer = Gatherer(spelling(None), 8192)
    scanner = scanner_for([JSON], [], gatherer)
    assert scanner is not None
    scanner.feed(small(JSON))
    assert not scanner.done
    scanner.end()
    assert scanner.done
    scanner.feed(b"garbage")
    scanner.end()
    assert gatherer.conclude(scanner.broken) == FIELDS


@given(st.data(), st.sampled_from(TYPES))
def test_whatever_is_found_can_be_signed_and_sent(data: st.DataObject, content_type: bytes) -> None:
    """Of a body that is nearly right too: what is called found is ASCII of the right shape, and arrives as it is."""
    token = data.draw(tokens)
    name = data.draw(st.sampled_from(FIELD_NAMES))
    token[name] = data.draw(
        st.sampled_from([token[name], token[name] + "\n", "٣" * 10, token[name].upper()]) | encodable
    )
    found = scan(content_type, [encode(content_type, [*token.items()])])
    if isinstance(found, CaptchaFields):
        request = build_request("id", "key", found)
        assert request.form.isascii()
        sent = dict(parse_qsl(request.form.decode(), strict_parsing=True))
        assert sent.pop("sign_token").isalnum()
        assert sent == {each: getattr(found, each) for each in FIELD_NAMES}
        assert all(re.fullmatch(r"[!-~]+", getattr(found, each)) for each in FIELD_NAMES)
        assert re.fullmatch(r"[0-9]{1,13}", found.gen_time)


# Bounds


@pytest.mark.parametrize("content_type", TYPES, ids=["form", "JSON", "multipart"])
@pytest.mark.parametrize("name", FIELD_NAMES)
def test_a_value_that_is_too_long_is_malformed(content_type: bytes, name: str) -> None:
    for length in (1000, 100_000):
        body = small(content_type, **{name: "a" * length})
        assert outcome(scan(content_type, [body], max_field=999)) == "malformed"
        assert outcome(scan(content_type, cut(body, range(0, length, 777)), max_field=999)) == "malformed"


@pytest.mark.parametrize("content_type", TYPES, ids=["form", "JSON", "multipart"])
def test_a_value_of_just_the_allowed_length_is_found(content_type: bytes) -> None:
    body = small(content_type, captcha_output="A" * 999)
    assert outcome(scan(content_type, [body], max_field=999)) == "found"
    assert outcome(scan(content_type, [body], max_field=998)) == "malformed"
    assert outcome(scan(content_type, byte_by_byte(body), max_field=998)) == "malformed"


def test_a_value_in_percent_escapes_counts_as_what_it_means() -> None:
    escaped = urlencode({**TOKEN, "captcha_output": "@"}).replace("%40", "%41" * 999).encode()
    assert outcome(scan(FORM, [escaped], max_field=999)) == "found"
    assert outcome(scan(FORM, [escaped], max_field=998)) == "malformed"


@pytest.mark.parametrize("more", [0, 1])
def test_the_longest_value_in_json_escapes_is_the_same_however_it_is_cut(more: int) -> None:
    body = small(JSON, captcha_output="@").replace(b"@", b"A" * (8192 - 1 + more) + b"\\u0041")
    for pieces in ([body], byte_by_byte(body), cut(body, [2000]), cut(body, [len(body) - 100])):
        assert outcome(scan(JSON, pieces)) == ("malformed" if more else "found")


def test_a_body_may_be_cut_within_an_escape() -> None:
    body = b'{"a\\"": "\\"", "b": ["\\\\", "\\\\\\""], "\\\\": "\\n", ' + json.dumps(dict(TOKEN))[1:].encode()
    for place in range(len(body)):
        assert scan(JSON, cut(body, [place])) == FIELDS


def test_a_value_in_json_escapes_counts_as_what_it_means() -> None:
    escaped = json.dumps({**TOKEN, "captcha_output": "@"}).replace("@", "\\u0041" * 150).encode()
    for pieces in ([escaped], byte_by_byte(escaped)):
        assert outcome(scan(JSON, pieces, max_field=150)) == "found"
        assert outcome(scan(JSON, pieces, max_field=149)) == "malformed"


@pytest.mark.parametrize("content_type", TYPES, ids=["form", "JSON", "multipart"])
def test_the_length_of_a_container_counts_in_bytes_and_nothing_is_cut_off(content_type: bytes) -> None:
    """Spaces of three bytes each, which no one needs to read the object before them."""
    inner = json.dumps(TOKEN)
    for spaces, wanted in ((0, "found"), (10, "found"), (11, "malformed"), (200, "malformed"), (3000, "malformed")):
        value = inner + "\u3000" * spaces
        limit = len((inner + "\u3000" * 10).encode())
        body = (
            json.dumps({"captcha": value}, ensure_ascii=False).encode()
            if content_type == JSON
            else encode(content_type, [("captcha", value)])
        )
        for pieces in ([body], byte_by_byte(body)):
            assert outcome(scan(content_type, pieces, "captcha", max_field=limit)) == wanted, spaces


def test_a_part_that_is_called_a_file_in_a_second_header_is_no_field() -> None:
    second = b'Content-Disposition: form-data; name="lot_number"; filename="x"'
    head = b'--xYzZY\r\nContent-Disposition: form-data; name="lot_number"\r\n' + second + b"\r\n\r\n"
    rest = [part(name, TOKEN[name].encode()) for name in FIELD_NAMES[1:]]
    assert outcome(scan(MULTIPART, [multipart(head + TOKEN["lot_number"].encode() + b"\r\n", *rest)])) == "malformed"


def test_names_may_be_escaped_in_full() -> None:
    def escape(text: str) -> str:
        return "".join(f"%{ord(char):02x}" for char in text)

    body = "&".join(f"{escape(name)}={escape(value)}" for name, value in TOKEN.items()).encode()
    assert scan(FORM, [body]) == scan(FORM, byte_by_byte(body)) == FIELDS


@pytest.mark.parametrize("name", ["lot%41", "lot+number", "lotñ"])
def test_a_name_that_has_to_be_escaped_is_not_found_without(name: str) -> None:
    fields = {"lot_number": name}
    rest = urlencode({each: TOKEN[each] for each in FIELD_NAMES[1:]})
    assert scan(FORM, [f"{urlencode({name: TOKEN['lot_number']})}&{rest}".encode()], fields) == FIELDS
    assert outcome(scan(FORM, [f"{name}={TOKEN['lot_number']}&{rest}".encode()], fields)) == "malformed"


@pytest.mark.parametrize("more", [0, 1])
def test_parts_are_counted_up_to_the_fourth_field(more: int) -> None:
    others = [part("x", b"y")] * (MAX_PARTS - 4 + more)
    body = multipart(*others, *(part(name, value.encode()) for name, value in TOKEN.items()))
    assert outcome(scan(MULTIPART, [body])) == ("malformed" if more else "found")
    assert outcome(scan(MULTIPART, cut(body, range(0, len(body), 1000)))) == ("malformed" if more else "found")


UNREADABLE = {
    "no boundary": b"garbage",
    "another boundary": small(MULTIPART).replace(b"--xYzZY", b"--xYzZX", 1),
    "a boundary that goes on": b"--xYzZYx\r\n",
    "a header without a colon": b"--xYzZY\r\nContent-Disposition\r\n\r\n",
    "a header of odd signs": b"--xYzZY\r\nContent\x00: x\r\n\r\n",
    "a header that is too long": b"--xYzZY\r\na: " + b"b" * 1_000_000,
    "too many headers": b"--xYzZY\r\n" + b"a: b\r\n" * 1000,
    "no line feed": b"--xYzZY\rx",
    "no line feed after a header": b"--xYzZY\r\na: b\rx",
    "no line feed after the headers": b"--xYzZY\r\na: b\r\n\rx",
    "one dash": b"--xYzZY\r\n\r\nx\r\n--xYzZY-x",
    "data after the end": small(MULTIPART, gen_time=None) + b"\r\nmore",
}


@pytest.mark.parametrize("body", UNREADABLE.values(), ids=UNREADABLE)
def test_a_multipart_body_that_cannot_be_read_writes_nothing_to_the_log(
    body: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    for pieces in ([body], cut(body, [5]), cut(body, range(0, len(body), 4096))):
        assert outcome(scan(MULTIPART, pieces)) == "malformed"
    assert not caplog.records


def test_parts_after_the_fourth_field_are_not_counted() -> None:
    body = multipart(*(part(name, value.encode()) for name, value in TOKEN.items()), *[part("x", b"y")] * 2 * MAX_PARTS)
    assert scan(MULTIPART, [body]) == FIELDS


def test_a_multipart_body_without_the_fields_says_why_it_is_refused() -> None:
    ended = scan(MULTIPART, [multipart(part("a", b"b"))])
    cut_off = scan(MULTIPART, [part("a", b"b")])
    crowded = scan(MULTIPART, [multipart(*[part("x", b"y")] * (MAX_PARTS + 1))])
    garbage = scan(MULTIPART, [b"garbage"])
    assert [outcome(each) for each in (ended, cut_off, crowded, garbage)] == ["missing", *["malformed"] * 3]
    reasons = [each.reason for each in (ended, cut_off, crowded, garbage) if isinstance(each, Evidence)]
    assert len(set(reasons)) == 3


MEGABYTE = 1_000_000
A, B, C = b"a" * 65536, b"a" * 65535 + b"\\", b"%61" * 21845
LONG = {  # what comes first, and what then comes until 20 MB are sent
    "form: a field": (FORM, b"lot_number=", A),
    "form: a field, escaped": (FORM, b"lot_number=", C),
    "form: another field": (FORM, b"x=", A),
    "form: a name": (FORM, b"", A),
    "form: an escaped name": (FORM, b"", C),
    "form: short pairs": (FORM, b"", b"a=b&" * 16384),
    "form: the field again and again": (FORM, b"", b"&lot_number=" + A),
    "multipart: a field": (MULTIPART, part("lot_number", b"x")[:-2], A),
    "multipart: a file": (MULTIPART, part("x", b"", "a.bin")[:-2], A),
    "multipart: near boundaries": (MULTIPART, part("x", b"")[:-2], b"\r\n--xYzZ" * 7281),
    "multipart: a header": (MULTIPART, b"--xYzZY\r\nContent-Disposition: ", A),
    "multipart: headers": (MULTIPART, b"--xYzZY\r\n", b"a: b\r\n" * 10922),
    "multipart: parts": (MULTIPART, b"", part("lot_numbe", b"x") * 800),
}


@pytest.mark.parametrize(("content_type", "first", "then"), LONG.values(), ids=LONG.keys())
@pytest.mark.parametrize("fields", [None, "captcha"], ids=["flat", "container"])
def test_the_scanner_holds_little_whatever_comes(content_type: bytes, first: bytes, then: bytes, fields: Any) -> None:
    if fields is not None:
        first, then = (each.replace(b"lot_number", fields.encode()) for each in (first, then))
    gatherer = Gatherer(spelling(fields), 8192)
    scanner = scanner_for([content_type], [], gatherer)
    assert scanner is not None
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


def test_json_is_kept_until_it_has_ended() -> None:
    """Twice its length while it grows, some times its length while it is decoded, nothing afterwards."""
    length, piece = 64 * 65536, b"a" * 65536
    scanner = scanner_for([JSON], [], Gatherer(spelling(None), 8192))
    assert scanner is not None
    tracemalloc.start()
    try:
        scanner.feed(b'{"a": "')
        for _ in range(64):
            scanner.feed(piece)
        _, fed = tracemalloc.get_traced_memory()
        scanner.end()
        held, ended = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert fed < 2.5 * length
    assert ended < 6 * length
    assert held < 200_000


@pytest.mark.parametrize("unit", ["0,", "[],", "{},"])
def test_json_of_too_many_values_is_not_decoded(unit: str) -> None:
    most = MAX_VALUES // (len(unit) - 1)
    for values, expected in ((most - 10, "found"), (most + 1, "malformed")):
        filler = " " * MEGABYTE + unit * values
        body = json.dumps({"a": ["@"], **TOKEN}).replace('"@"', filler[:-1]).encode()
        assert outcome(scan(JSON, [body])) == expected


def test_the_hardest_mebibyte_has_not_too_many_values() -> None:
    for unit in ("0,", "[],", "{},"):
        filler = unit * ((2**20 - 500) // len(unit))
        body = json.dumps({"a": ["@"], **TOKEN}).replace('"@"', filler[:-1]).encode()
        assert scan(JSON, [body]) == FIELDS


@pytest.mark.parametrize("collecting", [True, False])
@pytest.mark.parametrize("body", [small(JSON), b"{", b"[" * 100_000])
def test_the_garbage_collector_is_left_as_it_was(body: bytes, collecting: bool) -> None:
    before = gc.isenabled()
    (gc.enable if collecting else gc.disable)()
    try:
        scan(JSON, [body])
        assert gc.isenabled() is collecting
    finally:
        (gc.enable if before else gc.disable)()


# Content types

FOUND = [
    (FORM, FORM),
    (FORM, b"APPLICATION/X-WWW-FORM-URLENCODED"),
    (FORM, b"application/x-www-form-urlencoded; charset=UTF-8"),
    (FORM, b"application/x-www-form-urlencoded;charset=iso-8859-1"),
    (FORM, b" application/x-www-form-urlencoded "),
    (JSON, JSON),
    (JSON, b"Application/JSON"),
    (JSON, b"application/json; charset=utf-8"),
    (JSON, b"application/json ; charset=utf-8"),
    (JSON, b"application/vnd.api+json"),
    (JSON, b"application/VND.API+JSON"),
    (JSON, b"application/merge-patch+json; charset=utf-8"),
    (JSON, b"application/json" + b" " * (MAX_CONTENT_TYPE - 16)),
    (MULTIPART, MULTIPART),
    (MULTIPART, b"Multipart/Form-Data; Boundary=xYzZY"),
    (MULTIPART, b'multipart/form-data; boundary="xYzZY"'),
    (MULTIPART, b"multipart/form-data; charset=utf-8; boundary=xYzZY"),
]


@pytest.mark.parametrize(("kind", "content_type"), FOUND)
def test_the_content_types_that_have_fields(kind: bytes, content_type: bytes) -> None:
    assert scan(content_type, [small(kind)]) == FIELDS


UNKNOWN = {
    "none": [],
    "empty": [b""],
    "blank": [b" "],
    "two": [FORM, FORM],
    "two of different kinds": [JSON, FORM],
    "two in one line": [b"application/json, application/json"],
    "plain text": [b"text/plain"],
    "text/json": [b"text/json"],
    "a list of JSON": [b"application/x-ndjson"],
    "JSON, nearly": [b"application/jsonx"],
    "another tree": [b"text/vnd.api+json"],
    "graphql": [b"application/graphql"],
    "XML": [b"application/xml"],
    "bytes": [b"application/octet-stream"],
    "other multipart": [b"multipart/mixed; boundary=xYzZY"],
    "multipart without a boundary": [b"multipart/form-data"],
    "multipart with an empty boundary": [b"multipart/form-data; boundary="],
    "multipart with an extended boundary": [b"multipart/form-data; boundary*=utf-8''xYzZY"],
    "multipart with an endless boundary": [b"multipart/form-data; boundary=" + b"x" * 300],
    "over-long JSON": [b"application/json" + b" " * (MAX_CONTENT_TYPE - 15)],
    "over-long, of semicolons": [b"application/json" + b";" * 60_000],
    "garbage": [b"\xff\x00;=\"'"],
}


@pytest.mark.parametrize("content_types", UNKNOWN.values(), ids=UNKNOWN.keys())
def test_a_body_of_another_content_type_has_no_fields(content_types: list[bytes]) -> None:
    assert scanner_for(content_types, [], Gatherer(spelling(None), 8192)) is None


@pytest.mark.parametrize(
    "encodings", [[b"gzip"], [b"GZIP"], [b"br"], [b"deflate"], [b"identity", b"gzip"], [b"gzip, identity"], [b"x"]]
)
@pytest.mark.parametrize("content_type", TYPES)
def test_an_encoded_body_has_no_fields(content_type: bytes, encodings: list[bytes]) -> None:
    assert scanner_for([content_type], encodings, Gatherer(spelling(None), 8192)) is None


@pytest.mark.parametrize("encodings", [[], [b""], [b"identity"], [b" Identity "], [b"identity", b"identity"]])
@pytest.mark.parametrize("content_type", TYPES)
def test_a_body_that_is_not_encoded_may_say_so(content_type: bytes, encodings: list[bytes]) -> None:
    assert scanner_for([content_type], encodings, Gatherer(spelling(None), 8192)) is not None


def test_only_a_multipart_scanner_is_called_so() -> None:
    """The guard reads a multipart body only as far as its fields, and goes by this."""
    made = [scanner_for([each], [], Gatherer(spelling(None), 8192)) for each in TYPES]
    assert [isinstance(each, MultipartScanner) for each in made] == [False, False, True]


def test_the_reasons_never_repeat_what_was_sent() -> None:
    for content_type in TYPES:
        answer = scan(content_type, [small(content_type, lot_number="<script> x", pass_token="my secret")])
        assert isinstance(answer, Evidence)
        assert answer.outcome is Outcome.MALFORMED
        assert "script" not in repr(answer)
        assert "secret" not in repr(answer)
        assert "lot_number" in answer.reason
