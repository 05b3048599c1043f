"""`python -m geetest_asgi explain FILE`: what the guard makes of a raw request."""

import json
from pathlib import Path
from urllib.parse import urlencode

import pytest
from commands import command

from geetest_asgi.testing import Simulator

TOKEN = Simulator().token()
NESTED = json.dumps({"username": "ada", "captcha": TOKEN}).encode()
LOGIN = ("--protect", "POST /login")


def request(*headers: str, body: bytes = b"", line: str = "POST /login HTTP/1.1", newline: str = "\r\n") -> bytes:
    return newline.join([line, "Host: shop.example", *headers, "", ""]).encode() + body


def explain(place: Path, raw: bytes, *arguments: str) -> tuple[int, str, str]:
    file = place / "request"
    file.write_bytes(raw)
    done = command("explain", str(file), *arguments)
    assert not [value for value in TOKEN.values() if value in done.stdout + done.stderr]
    return done.returncode, done.stdout, done.stderr


@pytest.mark.parametrize(("newline", "end"), [("\r\n", b""), ("\n", b"\n"), ("\r\n", b"\r\n")])
def test_the_fields_of_a_form_are_found(newline: str, end: bytes, tmp_path: Path) -> None:
    """As an editor saves it: other newlines, one at the end, no Content-Length."""
    body = urlencode({"username": "ada", **TOKEN}).encode() + end
    raw = request("Content-Type: application/x-www-form-urlencoded", body=body, newline=newline)
    status, said, _ = explain(tmp_path, raw, *LOGIN)
    assert (status, "ok    found" in said) == (0, True)


def test_json_a_chunked_body_a_query_and_a_websockets_handshake_are_read(tmp_path: Path) -> None:
    raw = request("Content-Type: application/json", f"Content-Length: {len(NESTED)}", body=NESTED + b"\nmore")
    assert explain(tmp_path, raw, *LOGIN, "--fields", "captcha")[0] == 0
    body = b"%x\r\n%b\r\n0\r\n\r\n" % (len(NESTED), NESTED)
    raw = request("Content-Type: text/plain", "Transfer-Encoding: chunked", body=body)
    assert explain(tmp_path, raw, *LOGIN, "--fields", "captcha", "--sources", "body,text")[0] == 0
    line = f"GET /export?{urlencode(TOKEN)} HTTP/1.1"
    assert explain(tmp_path, request(line=line), "--protect", "GET /export", "--sources", "query")[0] == 0
    headers = [f"X-GeeTest-{name.replace('_', '-')}: {value}" for name, value in TOKEN.items()]
    raw = request("Connection: Upgrade", "Upgrade: WebSocket", *headers, line="GET /ws HTTP/1.1")
    assert [explain(tmp_path, raw, "--protect", f"{method} /ws")[0] for method in ("WEBSOCKET", "GET")] == [0, 1]


def test_what_no_rule_protects_or_may_answer_is_not_looked_at(tmp_path: Path) -> None:
    status, said, _ = explain(tmp_path, request(line="POST /logn HTTP/1.1"), *LOGIN)
    assert (status, "captcha fields" in said) == (1, False)
    raw = request(line="POST /a%2fb HTTP/1.1", body=urlencode(TOKEN).encode())
    status, said, _ = explain(tmp_path, raw, "--protect", "POST /a/b", "--protect", "POST /*")
    assert (status, "FAIL  not looked for" in said) == (1, True)


def test_an_apps_own_settings_count(tmp_path: Path) -> None:
    body = urlencode({f"geetest_{name}": value for name, value in TOKEN.items()}).encode()
    raw = request("Content-Type: application/x-www-form-urlencoded", body=body)
    for given, status in ((raw, 1), (raw.replace(b"geetest_", b""), 0)):
        assert explain(tmp_path, given, "--app", "examples.starlette_app:app")[0] == status


@pytest.mark.parametrize(
    ("raw", "why"),
    [
        (b"", "it begins like POST /login HTTP/1.1"),
        (request("Content-Length: 99", body=b"short"), "received 5 bytes, expected 99"),
        (request("Transfer-Encoding: chunked", body=b"zz\r\n"), "no HTTP/1.1 request"),
    ],
)
def test_what_is_no_request_is_told(raw: bytes, why: str, tmp_path: Path) -> None:
    status, said, wrong = explain(tmp_path, raw, *LOGIN)
    assert (status, said, why in wrong) == (2, "", True)


@pytest.mark.parametrize("raw", [b"password=secret", b"POST /login HTTP/1.1\nHost: a\npassword=secret\n\n"])
def test_a_body_in_the_wrong_place_is_not_printed(raw: bytes, tmp_path: Path) -> None:
    status, said, wrong = explain(tmp_path, raw, *LOGIN)
    assert (status, said, "illegal" in wrong, "secret" in wrong) == (2, "", True, False)
