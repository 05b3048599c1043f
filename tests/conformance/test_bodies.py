"""A body goes on byte for byte, whatever its type and however it comes; one that is cut off goes nowhere."""

import json
from collections.abc import Callable
from contextlib import closing
from hashlib import sha256

import httpx
import pytest

from . import wire
from .stage import Pair, Stage

FILE = bytes(range(256)) * 12 * 1024
"""3 MB with all bytes in it: more than the guard reads."""


def multipart(fields: dict[str, str], file: bytes = b"") -> tuple[str, bytes]:
    """The content type and the body; the file comes last, as where the form has the captcha above the file."""
    request = httpx.Request("POST", "http://site", data=fields, files={"file": ("a.bin", file)})
    return request.headers["content-type"], request.read()


def bodies(token: dict[str, str]) -> dict[str, tuple[str, bytes]]:
    fields = {"user": "Zoë & co", **token}
    return {
        "urlencoded": (wire.FORM, wire.form(fields)),
        "urlencoded, 900 KB before the fields": (wire.FORM, wire.form({"text": "y" * 900_000, **fields})),
        "urlencoded, 2 MB after the fields": (wire.FORM, wire.form({**fields, "text": "y" * 100_000})),
        "JSON": ("application/json", json.dumps(fields).encode()),
        "JSON, with more behind": ("application/json", json.dumps({**fields, "more": ["é"] * 9000}).encode()),
        "multipart": multipart(fields, b"\0\r\n--\xff"),
        "multipart, 3 MB": multipart(fields, FILE),
    }


BRIEF = ("urlencoded", "JSON", "multipart")


def chunks(body: bytes) -> tuple[dict[str, str], list[bytes]]:
    sizes = [1, 2, 3, 100, 65536, len(body)]
    pieces = [body[sum(sizes[:at]) : sum(sizes[: at + 1])] for at in range(len(sizes))]
    return {"transfer-encoding": "chunked"}, [wire.chunked(*filter(None, pieces))]


WAYS: dict[str, Callable[[bytes], tuple[dict[str, str], list[bytes]]]] = {
    "whole": lambda body: ({"content-length": f"{len(body)}"}, [body]),
    "chunked": chunks,
    "byte by byte": lambda body: ({"content-length": f"{len(body)}"}, [bytes([byte]) for byte in body]),
}
"""Headers, and what is sent after the head."""


@pytest.mark.parametrize(
    ("name", "way"),
    [(name, way) for name in bodies({}) for way in WAYS if way != "byte by byte" or name in BRIEF],
)
def test_a_body_goes_on_untouched(pair: Pair, name: str, way: str, stage: Stage) -> None:
    """The handler gets just this body, and GeeTest is asked once."""
    content_type, body = bodies(stage.token())[name]
    headers, pieces = WAYS[way](body)
    head = wire.request(pair.guarded, "/login", b"", headers, content_type=content_type)
    seen = wire.ask(pair.port, head, *pieces).seen
    wanted = {"handler": "login", "outcome": "passed", "size": len(body), "sha256": sha256(body).hexdigest()}
    assert {name: seen.get(name) for name in wanted} == wanted
    assert len(stage.calls) == 1


def test_a_body_that_waits_for_100_continue_goes_on(pair: Pair, stage: Stage) -> None:
    """The server says it when the body is first asked for: by the guard, who has to ask before the app runs."""
    body = wire.form(stage.token())
    headers = {"expect": "100-continue", "content-length": str(len(body))}
    with closing(wire.connect(pair.port)) as connection:
        connection.sendall(wire.request(pair.guarded, "/login", b"", headers))
        interim = connection.recv(65536)
        assert interim.startswith(b"HTTP/1.1 100 ")
        connection.sendall(body)
        answer = wire.read_answer(connection)
    assert answer.seen["size"] == len(body)


CUT_OFF: dict[str, Callable[[dict[str, str]], bytes]] = {
    "in the fields": lambda fields: wire.form(fields)[:60],
    "behind the fields": lambda fields: wire.form({**fields, "text": "y" * 100}),
    "before anything": lambda fields: b"",
}


@pytest.mark.parametrize("where", CUT_OFF)
def test_a_body_that_is_cut_off_is_not_a_body(pair: Pair, where: str, stage: Stage) -> None:
    """Where the fields were not there, nothing runs; the server goes on, and a token that was not used is good."""
    token = stage.token()
    entered = pair.entered()
    with closing(wire.connect(pair.port)) as connection:
        connection.sendall(wire.request(pair.guarded, "/login", CUT_OFF[where](token), {"content-length": "100000"}))
    assert pair.with_token().seen["outcome"] == "passed"
    ran = pair.entered()["login"] - entered["login"]
    assert ran == 1 or (ran == 2 and where == "behind the fields")
    if where == "in the fields":
        assert pair.ask(True, "/login", wire.form(token)).seen["outcome"] == "passed"
