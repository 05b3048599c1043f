"""GeeTest's official demos, byte for byte: an unmodified one must be able to use the simulator."""

import json
import re
import socket
from collections.abc import Iterator, Mapping
from http.client import HTTPResponse
from typing import Any
from urllib.parse import urlencode

import httpx
import pytest
from simulators import refusal, signed

from geetest_asgi.testing import DEMO_ID, DEMO_KEY, Simulator, serve

ORDER = ("lot_number", "captcha_output", "pass_token", "gen_time", "sign_token")
POST, IN_QUERY = "POST /validate?captcha_id={id} HTTP/1.1", "/validate?captcha_id={id}&{form} HTTP/1.1"
HOST, LENGTH = "Host: gcaptcha4.geetest.com", "Content-Length: {length}"
FORM, ANYTHING, CLOSE = "Content-Type: application/x-www-form-urlencoded", "Accept: */*", "Connection: close"
PHP = (HOST, CLOSE, "Content-type: application/x-www-form-urlencoded", LENGTH)
JAVA = ("Accept: text/plain, */*", f"{FORM};charset=UTF-8", "User-Agent: Java/1.8.0_302", HOST, LENGTH)
REQUESTS = ("User-Agent: python-requests/2.32.3", "Accept-Encoding: gzip, deflate", ANYTHING, "Connection: keep-alive")
AXIOS = ("Accept: application/json, text/plain, */*", FORM, "User-Agent: axios/0.21.1", HOST, CLOSE, LENGTH)
DEMOS: dict[str, tuple[str, tuple[str, ...]]] = {
    "python": (POST, (HOST, *REQUESTS, LENGTH, FORM)),
    "node": (f"POST {IN_QUERY}", AXIOS),
    "java": (POST, JAVA),
    "php": (POST.replace("1.1", "1.0"), PHP),
    "c#": (POST, (FORM, HOST, LENGTH, "Connection: Keep-Alive")),
    "the server behind the front-end demos": (f"GET {IN_QUERY}", (HOST, CLOSE)),
}
"""The first line and the headers of what each sends."""


@pytest.fixture(scope="module")
def simulator() -> Simulator:
    return Simulator({DEMO_ID: DEMO_KEY})


@pytest.fixture(scope="module")
def url(simulator: Simulator) -> Iterator[str]:
    with serve(simulator) as base:
        yield base


def form(demo: str, fields: Mapping[str, str]) -> str:
    """C# writes escapes in lower case, and leaves out what is blank."""
    if demo == "c#":
        given = urlencode({name: fields[name] for name in ORDER if fields[name]})
        return re.sub("%[0-9A-F]{2}", lambda escape: escape[0].lower(), given)
    return urlencode({name: fields[name] for name in ORDER})


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


def ask(url: str, demo: str, call: Mapping[str, str]) -> dict[str, Any]:
    place = httpx.URL(url)
    with socket.create_connection((place.host, place.port or 0), timeout=5) as connection:
        connection.sendall(request(demo, call))
        reply = HTTPResponse(connection)
        reply.begin()
        assert (reply.status, reply.headers["content-type"]) == (200, "application/json")
        answer: dict[str, Any] = json.load(reply)
        return answer


@pytest.mark.parametrize("demo", DEMOS)
def test_a_minted_token_passes_once_and_a_blank_value_is_refused(demo: str, simulator: Simulator, url: str) -> None:
    call = signed(token(simulator))
    answer, again = (ask(url, demo, call) for _ in range(2))
    # Java and C# fail without both strings; Python and Ruby read `result`.
    assert (answer["result"], answer["reason"]) == ("success", "")
    assert answer["captcha_args"]["lot_number"] == call["lot_number"]
    assert (again["result"], again["reason"]) == ("fail", "pass_token used")
    assert ask(url, demo, signed(simulator.token() | {"gen_time": ""})) == refusal("-50005"), "left out or blank"
