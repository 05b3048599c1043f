"""Nothing that one request holds or does looks like an outage, and so opens the door."""

import json
import os
import socket
import time

import pytest

from .door import Door
from .servers import GeeTest
from .site import Front, raw_request, read_all
from .visitors import FORM, as_parts, cut, form, in_headers, visit

pytestmark = pytest.mark.anyio


# --- what one request can hold ----------------------------------------------------------------------------------------

VALUES: dict[str, str] = {
    **{f"{size} characters": "a" * size for size in (31, 33, 63, 65, 511, 8192, 8193, 900_000)},
    "a blank": " ",
    "letters": "abc",
    "a line break": "a\r\nX: y",
    "an encoded line break": "%0d%0aX:%20y",
    "a final line break": "a" * 32 + "\n",
    "NUL": "\x00",
    "an emoji": "🙂",
    "Arabic digits": "".join(chr(0x660 + int(digit)) for digit in "1700000000"),
    "a letter that lower() lengthens": "\u0130" * 32,
    "below zero": "-1700000000",
    "a point": "1700000000.5",
    "5000 digits": "1" * 5000,
    "an ampersand": "a&captcha_id=1&sign_token=2",
    "a plus": "a+b",
    "a format": "%s%n{0}{self}",
    "quotes": "\"'`",
    "the word": "success",
    "capital hex": "ABCDEF0123456789" * 4,
}
JSON = "application/json"
FIELDS = ("lot_number", "captcha_output", "pass_token", "gen_time")


@pytest.mark.parametrize("value", VALUES)
async def test_a_visitor_cannot_fake_an_outage_by_the_value_of_a_field(value: str, geetest: GeeTest) -> None:
    """In a form, in JSON, in a multipart body, in the query, in a header."""
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
        "JSON in UTF-32": (JSON, text.encode("utf-32")),
        "JSON called a form": (FORM, text.encode()),
        "a charset that is a codec": (f"{FORM}; charset=zlib", sent),
        "a boundary of 300 bytes": ("multipart/form-data; boundary=" + "b" * 300, sent),
        "a boundary by RFC 2231": ("multipart/form-data; boundary*=utf-8''b; boundary*0=c", sent),
        "a boundary beyond ASCII": ("multipart/form-data; boundary=\xfc", sent),
        "a content type of 60 KiB": ("multipart/form-data; boundary=" + '";' * 30_000, sent),
        "a content type of quotes": ('multipart/form-data; boundary="\\', sent),
        "twice": (JSON, text.encode() * 2),
        "blanks": (JSON, b" " * 100_000),
        "percent signs": (FORM, b"%" * 100_000),
        "parts": ("multipart/form-data; boundary=b", b"--b\r\n\r\n\r\n" * 5000),
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
    "an unknown encoding": [("content-encoding", "no-such")],
    "a length of nothing": [("content-length", "0")],
    "a length past belief": [("content-length", "9" * 18)],
    "a length of 5000 digits": [("content-length", "9" * 5000)],
    "a length that is none": [("content-length", "-5")],
    "a proxy": [("proxy", "http://127.0.0.1:9"), ("x-forwarded-host", "evil"), ("forwarded", "for=1;host=evil")],
    "an upgrade": [("connection", "upgrade"), ("upgrade", "websocket"), ("transfer-encoding", "chunked")],
    "another method and path": [("x-http-method-override", "GET"), ("x-original-url", "/"), ("host", "evil:99999")],
    "a preflight's": [("origin", "null"), ("access-control-request-method", "POST")],
    "half a header token": [("x-geetest-lot-number", "x")],
    "a doubled header token": [("x-geetest-lot-number", "a" * 32)] * 2,
    "an object": [("x-geetest", "{" * 8000)],
    "an object in base64": [("x-geetest", "e3t7" * 2000)],
    "an object of NULs": [("x-geetest", "AAAA")],
    "five thousand headers": [(f"x-{number}", "y") for number in range(5000)],
    "an accept of 100 KiB": [("accept", "text/html;q=" * 10_000)],
}


@pytest.mark.parametrize("name", HEADERS)
async def test_a_visitor_cannot_fake_an_outage_by_a_header(name: str, geetest: GeeTest) -> None:
    for settings in ({}, {"fields": "x-geetest"}, {"fields": "captcha"}):
        door = Door(geetest, **settings)
        asked = visit(geetest.token(forged=True), headers=HEADERS[name])
        await asked.run(door.guard)
        assert door.is_shut()
        assert 400 <= asked.status < 600


async def test_a_visitor_cannot_fake_an_outage_by_the_constant_offline_token(geetest: GeeTest) -> None:
    door = Door(geetest)
    assert (await visit(geetest.token(offline=True)).run(door.guard)).code == "captcha_failed"
    with_flag = geetest.token(offline=True) | {"isOffline": "true", "offline": "1"}
    assert (await visit(with_flag).run(door.guard)).code == "captcha_failed"
    assert door.is_shut()


# --- over a socket: what an ASGI scope cannot show --------------------------------------------------------------------


def raw_tricks(token: dict[str, str]) -> dict[str, bytes]:
    body = form(token)
    good = raw_request(body, f"Content-Type: {FORM}", "Connection: close")
    head = good.removesuffix(body)
    chunked = head.replace(b"Content-Length: %d\r\n" % len(body), b"Transfer-Encoding: chunked\r\n")
    return {
        "as it should be": good,
        "both lengths": head.replace(b"Host", b"Transfer-Encoding: chunked\r\nHost")
        + b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body),
        "two lengths": head.replace(b"Host", b"Content-Length: 0\r\nHost") + body,
        "chunks of one byte": chunked + b"".join(b"1\r\n%c\r\n" % byte for byte in body) + b"0\r\n\r\n",
        "a bad chunk": chunked + b"zz\r\n" + body,
        "a chunk without an end": chunked + b"%x\r\n%s" % (len(body) + 50, body),
        "HTTP/1.0": good.replace(b"HTTP/1.1", b"HTTP/1.0"),
        "an absolute target": good.replace(b"POST /login", b"POST http://127.0.0.1:9/login"),
        "a lower-case method": good.replace(b"POST", b"post"),
        "a target with an escape": good.replace(b"/login", b"/%6c%6Fgin"),
        "a target with a line break": good.replace(b"/login", b"/login%0a"),
        "two requests at once": good.replace(b"Connection: close\r\n", b"") + good,
        "a header beyond ASCII": head.replace(b"Host", b"X-GeeTest-Lot-Number: \xff\xfe\r\nHost") + body,
        "a folded header": head.replace(b"Host: front", b"Host: front\r\n more") + body,
        "a header of 100 KiB": head.replace(b"Host", b"X: " + b"y" * 100_000 + b"\r\nHost") + body,
    }


@pytest.mark.parametrize("name", raw_tricks({}))
def test_a_visitor_cannot_fake_an_outage_by_what_is_on_the_wire(name: str, geetest: GeeTest, front: Front) -> None:
    door = Door(geetest)
    front.put_on(door.guard)
    with front.connect() as wire:
        wire.sendall(raw_tricks(geetest.token(forged=True))[name])
        wire.shutdown(socket.SHUT_WR)
        read_all(wire)
    assert door.is_shut()


def test_a_visitor_cannot_fake_an_outage_by_leaving(geetest: GeeTest, front: Front) -> None:
    """At every stage: within the head, within the body, at its end, while GeeTest is asked."""
    geetest.simulator.slow(0.05)
    door = Door(geetest)
    front.put_on(door.guard)
    request = raw_request(form(geetest.token(forged=True)), f"Content-Type: {FORM}")
    for at in (10, len(request) // 2, len(request) - 1, len(request)):
        for abrupt in (True, False):
            with front.connect() as wire:
                wire.sendall(request[:at])
                time.sleep(0.02)
                if abrupt:
                    wire.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    time.sleep(0.2)
    assert door.is_shut()
