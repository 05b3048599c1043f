"""Request lines, headers and framing that no client library would write."""

from contextlib import closing, suppress

import pytest

from . import wire
from .servers import each_server
from .stage import Pair, Stage
from .wire import Answer

HEAD = "host: h\r\nx-app: {app}\r\nconnection: close\r\n"
TYPED = HEAD + "content-type: application/x-www-form-urlencoded\r\n"
CHUNKED = "transfer-encoding: chunked\r\n"


def post(line: str = "POST /login HTTP/1.1", more: str = "content-length: 1\r\n", body: str = "x") -> str:
    return f"{line}\r\n{TYPED}{more}\r\n{body}"


RAW = {
    "no host": post("POST /login HTTP/1.0").replace("host: h\r\n", ""),
    "HTTP/2.0": post("POST /login HTTP/2.0"),
    "two spaces": post("POST  /login HTTP/1.1"),
    "bare newlines": post().replace("\r", ""),
    "raw UTF-8": post("POST /login\u00a0 HTTP/1.1"),
    "no body at all": f"POST /login HTTP/1.1\r\n{HEAD}\r\n",
    "no length": post(more="", body=""),
    "chunked": post(more=CHUNKED, body="1\r\nx\r\n0\r\n\r\n"),
    "chunked and a length": post(more=f"content-length: 1\r\n{CHUNKED}", body="1\r\nx\r\n0\r\n\r\n"),
    "trailers": post(more=CHUNKED, body="1\r\nx\r\n0\r\nlot_number: x\r\n\r\n"),
    "upgrade to HTTP/2": "POST /login HTTP/1.1\r\nhost: h\r\nx-app: {app}\r\nconnection: upgrade, http2-settings\r\n"
    "upgrade: h2c\r\nhttp2-settings: AAMAAABkAAQAAP__\r\n\r\n",
    "upgrade to a websocket": "POST /login HTTP/1.1\r\nhost: h\r\nx-app: {app}\r\nconnection: upgrade\r\n"
    "upgrade: websocket\r\nsec-websocket-version: 13\r\nsec-websocket-key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n",
    "GET upgraded": "GET /page HTTP/1.1\r\nhost: h\r\nx-app: {app}\r\nconnection: upgrade\r\nupgrade: foo\r\n\r\n",
    "odd host": post().replace("host: h", "host: h/../x?"),
    "paths in headers": post(
        more="x-original-url: /open\r\nx-rewrite-url: /open\r\nx-forwarded-prefix: /x\r\nx-script-name: /login\r\n"
        "forwarded: for=1;proto=https\r\nx-forwarded-path: /open\r\ncontent-length: 1\r\n"
    ),
    "the other way round": post(
        "POST /open HTTP/1.1",
        "x-original-url: /login\r\nx-rewrite-url: /login\r\nx-script-name: /login\r\ncontent-length: 1\r\n",
    ),
}

GUARDED = {"login", "page"}


def answers(pair: Pair, app: str) -> dict[str, Answer]:
    """Nothing comes where a server waits for the rest of what it does not take for a request yet."""
    found = {}
    for name, raw in RAW.items():
        found[name] = Answer()
        with suppress(TimeoutError):
            found[name] = wire.ask(pair.port, raw.format(app=app).encode(), seconds=1.0)
    return found


def test_no_way_to_write_a_request_gets_past(pair: Pair, stage: Stage) -> None:
    bare = answers(pair, pair.bare)
    reached = {name for name in RAW if bare[name].handler in GUARDED}
    assert {"chunked", "no body at all", "paths in headers"} <= reached
    entered = pair.entered()
    guarded = answers(pair, pair.guarded)
    assert {name for name in RAW if guarded[name].handler in GUARDED} == set()
    assert not GUARDED & set(pair.entered() - entered)
    assert {guarded[name].code for name in reached} == {"captcha_missing"}
    assert {name for name in RAW if guarded[name].status == 500 and bare[name].status != 500} == set()
    assert stage.calls == []


@pytest.mark.parametrize("content_type", ["text/plain", wire.FORM, "application/json"])
@each_server
def test_a_refused_body_is_no_next_request(pair: Pair, content_type: str) -> None:
    """A denial may come before the body is read: what is left of it must not be taken for a request."""
    inner = wire.request(pair.guarded, "/open", b"x")
    outer = wire.request(pair.guarded, "/login", inner, content_type=content_type, close=False)
    entered = pair.entered()["open"]
    assert wire.ask(pair.port, outer).status == 403
    assert pair.entered()["open"] == entered


@pytest.mark.parametrize("content_type", ["text/plain", wire.FORM])
@each_server
def test_the_connection_serves_on_after_a_denial(pair: Pair, content_type: str, stage: Stage) -> None:
    """A person who forgot the captcha sends the form again on the same connection."""
    with closing(wire.connect(pair.port)) as connection:
        connection.sendall(wire.request(pair.guarded, "/login", b"user=x", content_type=content_type, close=False))
        assert wire.read_answer(connection).code == "captcha_missing"
        connection.sendall(wire.request(pair.guarded, "/login", wire.form(stage.token())))
        assert wire.read_answer(connection).seen["outcome"] == "passed"


@each_server
def test_pipelined_requests_are_judged_one_by_one(pair: Pair) -> None:
    entered = pair.entered()["login"]
    requests = [
        wire.request(pair.guarded, "/open", b"x", close=False),
        wire.request(pair.guarded, "/login", b"user=x", close=False),
        wire.request(pair.guarded, "/login", b"user=x"),
    ]
    wire.ask(pair.port, b"".join(requests))
    assert pair.entered()["login"] == entered
