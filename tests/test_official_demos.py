"""GeeTest's official demos, byte for byte on a socket: an unmodified one must be able to use the simulator.

The names and the order of the headers, the spelling of the escapes, and the place of the parameters tell them apart.
"""

import json
import re
import socket
from collections.abc import Iterator, Mapping
from http.client import parse_headers
from typing import Any
from urllib.parse import urlencode, urlsplit

import pytest
from simulators import refusal, signed

from geetest_asgi.testing import DEMO_ID, DEMO_KEY, Simulator, serve

ORDER = ("lot_number", "captcha_output", "pass_token", "gen_time", "sign_token")
POST, IN_QUERY = "POST /validate?captcha_id={id} HTTP/1.1", "/validate?captcha_id={id}&{form} HTTP/1.1"
HOST, LENGTH = "Host: gcaptcha4.geetest.com", "Content-Length: {length}"
FORM, ANYTHING, CLOSE = "Content-Type: application/x-www-form-urlencoded", "Accept: */*", "Connection: close"
PHP = (HOST, CLOSE, "Content-type: application/x-www-form-urlencoded", LENGTH)
JAVA = ("Accept: text/plain, */*", f"{FORM};charset=UTF-8", "User-Agent: Java/1.8.0_302", HOST, LENGTH)
RUBY = ("Accept-Encoding: gzip;q=1.0,deflate;q=0.6,identity;q=0.3", ANYTHING, "User-Agent: Ruby", HOST, FORM, CLOSE)
REQUESTS = ("User-Agent: python-requests/2.32.3", "Accept-Encoding: gzip, deflate", ANYTHING, "Connection: keep-alive")
AXIOS = ("Accept: application/json, text/plain, */*", FORM, "User-Agent: axios/0.21.1", HOST, CLOSE, LENGTH)
DEMOS: dict[str, tuple[str, tuple[str, ...]]] = {
    "python": (POST, (HOST, *REQUESTS, LENGTH, FORM)),
    "node": (f"POST {IN_QUERY}", AXIOS),
    "go": (POST, (HOST, "User-Agent: Go-http-client/1.1", LENGTH, FORM, "Accept-Encoding: gzip")),
    "java": (POST, JAVA),
    "php 7": (POST.replace("1.1", "1.0"), PHP),
    "php 8": (POST, PHP),
    "ruby": (POST, (*RUBY, LENGTH)),
    "c#": (POST, (FORM, HOST, LENGTH, "Connection: Keep-Alive")),
    "the server behind the front-end demos": (f"GET {IN_QUERY}", (HOST, CLOSE)),
}
"""The first line and the headers of what each sends."""

each_demo = pytest.mark.parametrize("demo", DEMOS)


@pytest.fixture(scope="module")
def simulator() -> Simulator:
    return Simulator({DEMO_ID: DEMO_KEY})


@pytest.fixture(scope="module")
def url(simulator: Simulator) -> Iterator[str]:
    with serve(simulator) as base:
        yield base


def form(demo: str, fields: Mapping[str, str]) -> str:
    """Go sorts the names; C# writes escapes in lower case, and leaves out what is blank."""
    if demo == "c#":
        given = urlencode({name: fields[name] for name in ORDER if fields[name]})
        return re.sub("%[0-9A-F]{2}", lambda escape: escape[0].lower(), given)
    return urlencode({name: fields[name] for name in (sorted(ORDER) if demo == "go" else ORDER)})


def request(demo: str, fields: Mapping[str, str]) -> bytes:
    start, headers = DEMOS[demo]
    given = form(demo, fields)
    body = "" if "{form}" in start else given
    head = [start.format(id=DEMO_ID, form=given), *headers, "", ""]
    return "\r\n".join(head).replace("{length}", str(len(body))).encode() + body.encode()


def token(simulator: Simulator) -> dict[str, str]:
    """A token whose output ends with `=`, the one character that forms and queries must escape."""
    while not (fields := simulator.token())["captcha_output"].endswith("="):
        pass
    return fields


def connect(url: str) -> socket.socket:
    return socket.create_connection((str(urlsplit(url).hostname), urlsplit(url).port or 0), timeout=5)


def read_reply(connection: socket.socket) -> dict[str, Any]:
    """One answer, read by its Content-Length, as a client that keeps the connection does."""
    with connection.makefile("rb") as stream:
        assert stream.readline().rstrip() == b"HTTP/1.1 200 OK", "old copies of the PHP demo compare this line"
        headers = parse_headers(stream)
        assert headers["content-type"] == "application/json"
        answer: dict[str, Any] = json.loads(stream.read(int(headers["content-length"])))
        return answer


def ask(url: str, demo: str, call: Mapping[str, str]) -> dict[str, Any]:
    with connect(url) as connection:
        connection.sendall(request(demo, call))
        return read_reply(connection)


@each_demo
def test_a_minted_token_passes_once_and_a_blank_value_is_refused(demo: str, simulator: Simulator, url: str) -> None:
    call = signed(token(simulator))
    answer, again = (ask(url, demo, call) for _ in range(2))
    # Java and C# fail without both strings; Python and Ruby read `result`.
    assert (answer["result"], answer["reason"]) == ("success", "")
    assert answer["captcha_args"]["lot_number"] == call["lot_number"]
    assert (again["result"], again["reason"]) == ("fail", "pass_token used")
    assert ask(url, demo, signed(simulator.token() | {"gen_time": ""})) == refusal("-50005"), "left out or blank"


def test_a_kept_connection_serves_one_demo_after_another(simulator: Simulator, url: str) -> None:
    with connect(url) as connection:
        for demo in ("python", "go", "java", "c#"):
            connection.sendall(request(demo, signed(token(simulator))))
            assert read_reply(connection)["result"] == "success"


def test_a_client_that_waits_for_100_continue_gets_it(simulator: Simulator, url: str) -> None:
    """HttpWebRequest of the .NET Framework sends its body only then."""
    head, _, body = request("c#", signed(token(simulator))).partition(b"\r\n\r\n")
    with connect(url) as connection:
        connection.sendall(head + b"\r\nExpect: 100-continue\r\n\r\n")
        interim = b""
        while not interim.endswith(b"\r\n\r\n"):
            interim += connection.recv(1)
        assert interim.startswith(b"HTTP/1.1 100 ")
        connection.sendall(body)
        assert read_reply(connection)["result"] == "success"
