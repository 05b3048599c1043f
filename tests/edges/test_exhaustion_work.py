"""The work grows with what a visitor sends and no faster: costs are compared with each other, never with a constant."""

import gc
import sys
import time
from collections.abc import Callable

import anyio
import pytest

from geetest_asgi import Limits
from geetest_asgi._core.fields.gatherer import Gatherer
from geetest_asgi._core.fields.scanners import scanner_for
from geetest_asgi._core.fields.spelling import spelling

from .servers import GeeTest
from .site import App
from .visitors import FORM, HEADER_VALUES, cut, visit

pytestmark = pytest.mark.anyio

KIB, MIB = 1024, 1024 * 1024
JSON, MULTIPART = "application/json", "multipart/form-data; boundary=b"


def grows_linearly(call: Callable[[int], object], size: int, times: int = 4) -> bool:
    """So many times as much takes as many times as long, or, where it is noisy, not twice that; not the square."""

    def cost(size: int) -> float:
        gc.disable()  # it looks at more objects now and then, and would be taken for the square
        try:
            start = time.process_time()
            call(size)
            return time.process_time() - start
        finally:
            gc.enable()

    def once_more() -> bool:
        small, large = (min(cost(each) for _ in range(3)) for each in (size, times * size))
        return large < 2 * times * max(small, 1e-4)

    return any(once_more() for _ in range(5))  # what grows with the square never does


def scan(content_type: str, body: bytes, piece: int, fields: str | None = None) -> None:
    scanner = scanner_for([content_type.encode()], [], Gatherer(spelling(fields), 8192))
    assert scanner is not None
    for each in cut(body, piece):
        scanner.feed(each)
    scanner.end()


MEMBERS = [b'"a":[],', b'"":{"":[[[[[]]]]]},', b'"\\n":1,', b'"\\u0061":[],', b'"lot_number":"",', b'"gen_time":1,']
NESTED = [b"[", b"[,", b"{},", b'["",', b"\\", b'"\\"",', b"1"]
PAIRS = [b"&", b"a&", b"=", b"%", b"%61%61%61%61&", b"lot_number=&"]
HARD: dict[str, tuple[str, bytes, bytes]] = {
    **{f"JSON {unit.decode()}": (JSON, b"{", unit) for unit in MEMBERS},
    **{f"JSON, in a list: {unit.decode()}": (JSON, b'{"a":[', unit) for unit in NESTED},
    **{f"JSON, in a text: {unit.decode()}": (JSON, b'{"a":"', unit) for unit in (b"a", b"\\", b"\\u0061", b"{[")},
    **{f"form {unit.decode()}": (FORM, b"", unit) for unit in PAIRS},
    "form: one value": (FORM, b"lot_number=", b"%61"),
    "multipart: boundaries, nearly": (MULTIPART, b"--b\r\n\r\n", b"\r\n--"),
    "multipart: returns": (MULTIPART, b"--b\r\n\r\n", b"\r"),
    "multipart: quotes": (MULTIPART, b"", b"--b\r\nContent-Disposition: " + b';"' * 2000 + b"\r\n\r\n\r\n"),
    "multipart: a long boundary": (MULTIPART[:-1] + "-" * 70, b"--" + b"-" * 70 + b"\r\n\r\n", b"-"),
}


@pytest.mark.slow_except('JSON "a"*one piece', "form a&-in many", "multipart: a long boundary-*")
@pytest.mark.parametrize("piece", [10**9, 50], ids=["in one piece", "in many"])
@pytest.mark.parametrize("name", HARD)
def test_the_work_for_a_body_grows_with_its_bytes_and_no_faster(name: str, piece: int) -> None:
    content_type, first, unit = HARD[name]
    assert grows_linearly(lambda size: scan(content_type, first + unit * (size // len(unit)), piece), 32 * KIB, 8)


CHEAP = [b'"a":[],', b'"a":{"b":[1]},', b'"\\n":1,', b'"\\u0061":1,', b'"":"",', b' "a" : null ,']


@pytest.mark.parametrize("unit", CHEAP)
@pytest.mark.parametrize("fields", [None, "captcha"])
def test_members_that_nobody_asked_for_are_passed_over_in_bulk(fields: str | None, unit: bytes) -> None:
    """Counted in Python's own function calls: some for each piece, none for each member."""
    body, calls = b"{" + unit * (MIB // len(unit)), 0

    def count(frame: object, event: str, argument: object) -> None:
        nonlocal calls
        calls += event == "call"

    scan(JSON, body, MIB, fields)  # the first body of a spelling costs the making of a pattern
    sys.setprofile(count)
    try:
        scan(JSON, body, 65536, fields)
    finally:
        sys.setprofile(None)
    assert calls < 100 * (MIB // 65536)


def test_the_work_for_a_body_in_small_messages_grows_with_their_number_and_no_faster(geetest: GeeTest) -> None:
    """What was kept of it is not copied for each."""

    def come(size: int) -> None:
        small = visit(body=cut(b"[" * size, 512), content_type=JSON)
        anyio.run(small.run, guard)

    guard = geetest.guard(App(), limits=Limits(max_body=4 * MIB))
    assert grows_linearly(come, MIB)


NAMES = ["x-geetest", "x-geetest-lot-number", "content-type", "content-length", "content-encoding", "accept"]


@pytest.mark.parametrize("name", NAMES)
def test_the_work_for_a_header_grows_with_its_bytes_and_no_faster(name: str, geetest: GeeTest) -> None:
    async def one(value: bytes) -> None:
        long = visit({}, content_type=None if name == "content-type" else FORM)
        long.scope["headers"].append((name.encode(), value))
        await long.run(geetest.guard(App(), sources=("header", "body")))

    for unit in HEADER_VALUES:
        assert grows_linearly(lambda size, unit=unit: anyio.run(one, unit * (size // len(unit))), MIB)  # type: ignore[misc]
