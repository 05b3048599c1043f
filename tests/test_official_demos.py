"""GeeTest's official demos, byte for byte on a socket: an unmodified one must be able to use the simulator.

Each builder gives the request that its HTTP library sends: the header names and order, the spelling of the
escapes, and the place of the parameters are what tells the demos apart.
"""

import json
import re
import socket
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode, urlsplit

import pytest
from simulators import failure, refusal, signed

from geetest_asgi.testing import DEMO_ID, DEMO_KEY, Simulator, serve

SIGNED_IN_DEMO_ORDER = ("lot_number", "captcha_output", "pass_token", "gen_time", "sign_token")


@dataclass(frozen=True)
class Reply:
    status_line: bytes
    answer: dict[str, Any]


@pytest.fixture(scope="module")
def simulator() -> Simulator:
    return Simulator({DEMO_ID: DEMO_KEY})


@pytest.fixture(scope="module")
def url(simulator: Simulator) -> Iterator[str]:
    with serve(simulator) as base:
        yield base


def request(start: str, headers: str, body: str = "") -> bytes:
    """The bytes of a request. `{length}` in the headers is the body's, the host is GeeTest's own."""
    lines = [start, *headers.strip().format(length=len(body), host="gcaptcha4.geetest.com").splitlines()]
    return "".join(f"{line.strip()}\r\n" for line in lines).encode() + b"\r\n" + body.encode()


def form(fields: Mapping[str, str]) -> str:
    return urlencode({name: fields[name] for name in SIGNED_IN_DEMO_ORDER})


def python_requests(fields: Mapping[str, str]) -> bytes:
    headers = """Host: {host}
        User-Agent: python-requests/2.32.3
        Accept-Encoding: gzip, deflate
        Accept: */*
        Connection: keep-alive
        Content-Length: {length}
        Content-Type: application/x-www-form-urlencoded"""
    return request(f"POST /validate?captcha_id={DEMO_ID} HTTP/1.1", headers, form(fields))


def node_axios(fields: Mapping[str, str]) -> bytes:
    """Everything in the query, since axios' `params` are; the body is empty."""
    headers = """Accept: application/json, text/plain, */*
        Content-Type: application/x-www-form-urlencoded
        User-Agent: axios/0.21.1
        Host: {host}
        Connection: close
        Content-Length: 0"""
    return request(f"POST /validate?captcha_id={DEMO_ID}&{form(fields)} HTTP/1.1", headers)


def go_post_form(fields: Mapping[str, str]) -> bytes:
    """`url.Values` is encoded with its keys sorted."""
    headers = """Host: {host}
        User-Agent: Go-http-client/1.1
        Content-Length: {length}
        Content-Type: application/x-www-form-urlencoded
        Accept-Encoding: gzip"""
    body = urlencode({name: fields[name] for name in sorted(SIGNED_IN_DEMO_ORDER)})
    return request(f"POST /validate?captcha_id={DEMO_ID} HTTP/1.1", headers, body)


def java_rest_template(fields: Mapping[str, str]) -> bytes:
    headers = """Accept: text/plain, */*
        Content-Type: application/x-www-form-urlencoded;charset=UTF-8
        User-Agent: Java/1.8.0_302
        Host: {host}
        Connection: keep-alive
        Content-Length: {length}"""
    return request(f"POST /validate?captcha_id={DEMO_ID} HTTP/1.1", headers, form(fields))


def java_rest_template_plain(fields: Mapping[str, str]) -> bytes:
    return java_rest_template(fields).replace(b";charset=UTF-8", b"")


PHP_HEADERS = """Host: {host}
    Connection: close
    Content-type: application/x-www-form-urlencoded
    Content-Length: {length}"""


def php_1_0(fields: Mapping[str, str]) -> bytes:
    """PHP's http stream spoke HTTP/1.0 before PHP 8."""
    return request(f"POST /validate?captcha_id={DEMO_ID} HTTP/1.0", PHP_HEADERS, form(fields))


def php_1_1(fields: Mapping[str, str]) -> bytes:
    return request(f"POST /validate?captcha_id={DEMO_ID} HTTP/1.1", PHP_HEADERS, form(fields))


def ruby_post_form(fields: Mapping[str, str]) -> bytes:
    headers = """Accept-Encoding: gzip;q=1.0,deflate;q=0.6,identity;q=0.3
        Accept: */*
        User-Agent: Ruby
        Host: {host}
        Content-Type: application/x-www-form-urlencoded
        Connection: close
        Content-Length: {length}"""
    return request(f"POST /validate?captcha_id={DEMO_ID} HTTP/1.1", headers, form(fields))


def c_sharp(fields: Mapping[str, str]) -> bytes:
    """Lower-case escapes; a blank value is left out, name and all."""
    headers = """Content-Type: application/x-www-form-urlencoded
        Host: {host}
        Content-Length: {length}
        Connection: Keep-Alive"""
    given = urlencode({name: fields[name] for name in SIGNED_IN_DEMO_ORDER if fields[name]})
    body = re.sub("%[0-9A-F]{2}", lambda escape: escape[0].lower(), given)
    return request(f"POST /validate?captcha_id={DEMO_ID} HTTP/1.1", headers, body)


def front_end_demo_server(fields: Mapping[str, str]) -> bytes:
    """GeeTest's server behind its front-end demos: GET, everything in the query."""
    headers = """Host: {host}
        Connection: close"""
    return request(f"GET /validate?captcha_id={DEMO_ID}&{form(fields)} HTTP/1.1", headers)


Demo = Callable[[Mapping[str, str]], bytes]
DEMOS: list[Demo] = [
    python_requests,
    node_axios,
    go_post_form,
    java_rest_template,
    java_rest_template_plain,
    php_1_0,
    php_1_1,
    ruby_post_form,
    c_sharp,
    front_end_demo_server,
]

each_demo = pytest.mark.parametrize("demo", DEMOS, ids=lambda demo: demo.__name__)


def escaped_token(simulator: Simulator) -> dict[str, str]:
    """A token whose output ends with `=`, the one character that forms and queries must escape."""
    while not (fields := simulator.token())["captcha_output"].endswith("="):
        pass
    return fields


def connect(url: str) -> socket.socket:
    return socket.create_connection((str(urlsplit(url).hostname), urlsplit(url).port or 0), timeout=5)


def read_reply(connection: socket.socket) -> Reply:
    """One answer, read by its Content-Length, as a client that keeps the connection does."""
    with connection.makefile("rb") as stream:
        status_line = stream.readline().rstrip()
        lines = iter(stream.readline, b"\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(b":") for line in lines)}
        assert headers[b"content-type"] == b"application/json"
        return Reply(status_line, json.loads(stream.read(int(headers[b"content-length"]))))


def exchange(url: str, request_bytes: bytes) -> Reply:
    with connect(url) as connection:
        connection.sendall(request_bytes)
        return read_reply(connection)


@each_demo
def test_a_minted_token_passes(demo: Demo, simulator: Simulator, url: str) -> None:
    fields = escaped_token(simulator)
    reply = exchange(url, demo(signed(fields)))
    assert reply.status_line == b"HTTP/1.1 200 OK", "old copies of the PHP demo compare this line"
    # Java and C# fail without both strings; Python and Ruby read `result`.
    assert (reply.answer["result"], reply.answer["reason"]) == ("success", "")
    assert reply.answer["captcha_args"]["lot_number"] == fields["lot_number"]
    again = exchange(url, demo(signed(fields)))
    assert (again.answer["result"], again.answer["reason"]) == ("fail", "pass_token used")


BAD: dict[str, tuple[dict[str, bool], dict[str, str], dict[str, Any]]] = {
    "forged": ({"forged": True}, {}, failure("pass_token error")),
    "offline": ({"offline": True}, {}, failure("pass_token error")),
    "gen_time undefined": ({}, {"gen_time": "undefined"}, refusal("-50005")),
    # A blank value is refused, left out or not.
    "lot_number blank": ({}, {"lot_number": ""}, refusal("-50302")),
    "gen_time blank": ({}, {"gen_time": ""}, refusal("-50005")),
    "pass_token blank": ({}, {"pass_token": ""}, failure("pass_token error")),
}


@pytest.mark.parametrize(("kind", "changed", "answer"), BAD.values(), ids=BAD)
@each_demo
def test_a_bad_token_is_refused(
    demo: Demo, kind: dict[str, bool], changed: dict[str, str], answer: dict[str, Any], simulator: Simulator, url: str
) -> None:
    fields = simulator.token(**kind) | changed  # type: ignore[arg-type]
    reply = exchange(url, demo(signed(fields)))
    assert (reply.status_line, reply.answer) == (b"HTTP/1.1 200 OK", answer)


@each_demo
def test_an_expired_token_and_a_wrong_key_are_refused(demo: Demo, simulator: Simulator, url: str) -> None:
    expired = exchange(url, demo(signed(simulator.token(expired=True)))).answer
    assert (expired["result"], expired["reason"]) == ("fail", "pass_token expire")
    assert exchange(url, demo(signed(simulator.token(), key="0" * 32))).answer == failure("sign_token error")


def test_a_kept_connection_serves_one_demo_after_another(simulator: Simulator, url: str) -> None:
    with connect(url) as connection:
        for demo in (python_requests, go_post_form, java_rest_template, c_sharp):
            connection.sendall(demo(signed(escaped_token(simulator))))
            assert read_reply(connection).answer["result"] == "success"


def test_a_body_that_follows_its_head_late_and_in_pieces_is_read(simulator: Simulator, url: str) -> None:
    head, blank_line, body = ruby_post_form(signed(escaped_token(simulator))).partition(b"\r\n\r\n")
    with connect(url) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for piece in (head + blank_line, body[:7], body[7:]):
            connection.sendall(piece)
        assert read_reply(connection).answer["result"] == "success"


def test_a_client_that_waits_for_100_continue_gets_it(simulator: Simulator, url: str) -> None:
    """HttpWebRequest of the .NET Framework sends its body only then."""
    head, _, body = c_sharp(signed(escaped_token(simulator))).partition(b"\r\n\r\n")
    with connect(url) as connection:
        connection.sendall(head + b"\r\nExpect: 100-continue\r\n\r\n")
        interim = b""
        while not interim.endswith(b"\r\n\r\n"):
            interim += connection.recv(1)
        assert interim.startswith(b"HTTP/1.1 100 ")
        connection.sendall(body)
        assert read_reply(connection).answer["result"] == "success"
