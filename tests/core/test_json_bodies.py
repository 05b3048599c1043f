"""JSON bodies: which values count, what is malformed, and how deep and how long a document may be."""

import gc
import json
import tracemalloc

import pytest
from encoded import (
    AS_JSON,
    FIELDS,
    JSON,
    MEMBERS,
    TOKEN,
    gatherer,
    made,
    outcome,
    read,
    scan,
    small,
    with_json,
)

from geetest_asgi._core.fields.json_scanner import MAX_VALUES
from geetest_asgi._core.model import FIELD_NAMES, Evidence, Outcome

MISSING = {
    "a list": b'[{"lot_number": "x"}]',
    "null": b"null",
    "nothing": b"",
    "null for each field": json.dumps(dict.fromkeys(FIELD_NAMES)).encode(),
}


@pytest.mark.parametrize("body", MISSING.values(), ids=MISSING)
def test_only_the_members_of_the_outermost_object_count(body: bytes) -> None:
    assert outcome(read(JSON, body)) == "missing"


MALFORMED = {
    "UTF-16": AS_JSON.encode("utf-16"),
    "white space alone": b" \n ",
    "more after the token": small(JSON) + b" x",
    "nonsense after the token": small(JSON)[:-1] + b', "a": nonsense}',
    "no UTF-8 after the token": small(JSON)[:-1] + b', "a": "\xff"}',
    "a broken key": f'{{"\\u12": "x", {MEMBERS}}}'.encode(),
    **{f"a time {value!r}": with_json("gen_time", value) for value in (b"1\xff", b"1.7e9", b"-1700000000", b"1" * 14)},
    "a control": with_json("lot_number", '"x\n"'),
    "a number of 5000 digits": f'{{"n": {"1" * 5000}, {MEMBERS}}}'.encode(),
}


@pytest.mark.parametrize("body", MALFORMED.values(), ids=MALFORMED)
def test_a_body_is_read_to_its_end_and_malformed_where_any_of_it_is(body: bytes) -> None:
    assert outcome(read(JSON, body)) == "malformed"


@pytest.mark.parametrize("value", ["true", "0", "-1", "[]", '{"a": "b"}', "1e9", "NaN", "1" * 32])
@pytest.mark.parametrize("name", FIELD_NAMES)
def test_a_value_that_is_no_string_is_malformed_but_for_a_number_as_the_time(name: str, value: str) -> None:
    expected = "found" if name == "gen_time" and value == "0" else "malformed"
    assert outcome(read(JSON, with_json(name, value))) == expected


@pytest.mark.parametrize("escape", ["\\ud800", "\\udc00\\ud800", "\\u12", "\\x"])
@pytest.mark.parametrize("name", FIELD_NAMES)
def test_lone_surrogates_and_broken_escapes_are_malformed(name: str, escape: str) -> None:
    assert outcome(read(JSON, with_json(name, f'"{TOKEN[name]}{escape}"'))) == "malformed"


PASSED_OVER = {
    **{f"a key {key!r}": f'"{key}": "x"' for key in ("lot_number\\ud800", "\\u0000", "")},
    "null for each field": json.dumps(dict.fromkeys(FIELD_NAMES))[1:-1],
    "brackets and quotes within strings": json.dumps(
        {"a": ['}]\\"{[', {"b": "\\"}], "c": '"}', "d": {"e": [[["]"]]]}, '"\\': "x"}
    )[1:-1],
}


@pytest.mark.parametrize("members", PASSED_OVER.values(), ids=PASSED_OVER)
def test_what_stands_before_the_fields_is_passed_over(members: str) -> None:
    assert scan(JSON, [f"{{{members}, {MEMBERS}}}".encode()]) == FIELDS


@pytest.mark.parametrize("signs", ["[]", "{}"])
def test_nesting_is_passed_over_or_malformed_and_never_raises(signs: str) -> None:
    def nested(depth: int) -> str:
        opening = "[" if signs == "[]" else '{"lot_number":'
        return opening * depth + ("1" if signs == "{}" else "") + signs[1] * depth

    assert scan(JSON, [f'{{"deep": {nested(100)}, {MEMBERS}}}'.encode()]) == FIELDS
    for name in FIELD_NAMES:
        assert outcome(scan(JSON, [f'{{"{name}": {nested(100)}, {MEMBERS}}}'.encode()])) == "malformed"
    too_deep = f'{{{MEMBERS}, "deep": {nested(100_000)}}}'.encode()
    assert scan(JSON, [too_deep]) == Evidence(Outcome.MALFORMED, "the body is nested too deeply")


@pytest.mark.parametrize("unit", ["0,", "[],", "{},"])
def test_json_of_too_many_values_is_not_decoded(unit: str) -> None:
    def crowded(values: int, before: int) -> bytes:
        filler = " " * before + unit * values
        return f'{{"a": [{filler[:-1]}], {MEMBERS}}}'.encode()

    million = 1_000_000
    most = MAX_VALUES // (len(unit) - 1)
    assert scan(JSON, [crowded(most - 10, million)]) == FIELDS
    assert outcome(scan(JSON, [crowded(most + 1, million)])) == "malformed"
    assert scan(JSON, [crowded((2**20 - 500) // len(unit), 0)]) == FIELDS, "the hardest mebibyte"


def test_json_is_kept_until_it_has_ended() -> None:
    """Twice its length while it grows, some times its length while it is decoded, nothing afterwards."""
    length, piece = 64 * 65536, b"a" * 65536
    scanner = made(JSON, gatherer())
    tracemalloc.start()
    try:
        scanner.feed(b'{"a": "')
        for _ in range(64):
            scanner.feed(piece)
        _, fed = tracemalloc.get_traced_memory()
        assert not scanner.done
        scanner.end()
        assert scanner.done
        held, ended = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert fed < 2.5 * length
    assert ended < 6 * length
    assert held < 200_000


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
