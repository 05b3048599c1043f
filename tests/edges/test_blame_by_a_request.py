"""Nothing that one request holds or does looks like an outage, and so opens the door."""

import json
import os

import pytest

from .door import Door
from .servers import GeeTest
from .visitors import FORM, as_parts, cut, form, in_headers, visit

pytestmark = pytest.mark.anyio

VALUES: dict[str, str] = {
    **{f"{size} characters": "a" * size for size in (31, 8193, 900_000)},
    "a line break": "a\r\nX: y",
    "an emoji": "🙂",
    "5000 digits": "1" * 5000,
    "an ampersand": "a&captcha_id=1&sign_token=2",
}
JSON = "application/json"
FIELDS = ("lot_number", "captcha_output", "pass_token", "gen_time")


@pytest.mark.parametrize("value", VALUES)
async def test_a_visitor_cannot_fake_an_outage_by_the_value_of_a_field(value: str, geetest: GeeTest) -> None:
    for name in FIELDS:
        door = Door(geetest)
        fields = geetest.token(forged=True) | {name: VALUES[value]}
        for sent in (
            visit(fields),
            visit(body=json.dumps(fields).encode(), content_type=JSON),
            visit(body=json.dumps(fields, ensure_ascii=False).encode(), content_type=JSON),
            visit(body=as_parts(fields) + b"--b--\r\n", content_type="multipart/form-data; boundary=b"),
            visit(query=form(fields)),
            visit(headers=in_headers(fields)),
        ):
            await sent.run(door.guard)
        assert door.is_shut(), name
        assert len(door.told.results) == 6


def odd_bodies(token: dict[str, str]) -> dict[str, tuple[str, bytes]]:
    """A body and how it is called."""
    sent, text = form(token), json.dumps(token)
    return {
        "JSON in UTF-16": ("application/json; charset=utf-16", text.encode("utf-16")),
        "a charset that is a codec": (f"{FORM}; charset=zlib", sent),
        "a boundary by RFC 2231": ("multipart/form-data; boundary*=utf-8''b; boundary*0=c", sent),
        "a part without an end": ("multipart/form-data; boundary=b", b"--b\r\n" + b"x" * 100_000),
        "random bytes": ("multipart/form-data; boundary=b", os.urandom(10_000)),
    }


@pytest.mark.parametrize("name", odd_bodies({}))
@pytest.mark.parametrize("size", [1000, 10**9])
async def test_a_visitor_cannot_fake_an_outage_by_an_odd_body(name: str, size: int, geetest: GeeTest) -> None:
    door = Door(geetest)
    content_type, body = odd_bodies(geetest.token(forged=True))[name]
    asked = visit(body=cut(body, size), content_type=None)
    asked.scope["headers"].append((b"content-type", content_type.encode("latin-1")))
    await asked.run(door.guard)
    assert door.is_shut()
    assert 400 <= asked.status < 600


HEADERS: dict[str, list[tuple[str, str]]] = {
    "two content types": [("content-type", JSON)],
    "gzip": [("content-encoding", "gzip")],
    "a length of 5000 digits": [("content-length", "9" * 5000)],
    "a proxy": [("proxy", "http://127.0.0.1:9"), ("x-forwarded-host", "evil"), ("forwarded", "for=1;host=evil")],
    "a doubled header token": [("x-geetest-lot-number", "a" * 32)] * 2,
    "an object": [("x-geetest", "{" * 8000)],
    "five thousand headers": [(f"x-{number}", "y") for number in range(5000)],
}


@pytest.mark.parametrize("name", HEADERS)
async def test_a_visitor_cannot_fake_an_outage_by_a_header(name: str, geetest: GeeTest) -> None:
    for settings in ({}, {"fields": "x-geetest"}, {"fields": "captcha"}):
        door = Door(geetest, **settings)
        asked = visit(geetest.token(forged=True), headers=HEADERS[name])
        await asked.run(door.guard)
        assert door.is_shut()
        assert 400 <= asked.status < 600
