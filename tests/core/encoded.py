"""A token in bodies of each kind, and what the scanners make of them."""

import base64
import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from urllib.parse import urlencode

import pytest

from geetest_asgi._core.fields.gatherer import Gatherer
from geetest_asgi._core.fields.scanners import Scanner, scanner_for
from geetest_asgi._core.fields.spelling import spelling
from geetest_asgi._core.model import CaptchaFields, Evidence

TOKEN: Mapping[str, str] = {
    "lot_number": "4dc3cfc2cdff448cad8d13107198d473",
    "captcha_output": "aGk_LS0t" * 20 + "YQ==",
    "pass_token": "3f" * 32,
    "gen_time": "1700000000",
}
FIELDS = CaptchaFields(**TOKEN)
OTHER_LOT = "c4c69a52999045aea1d34b57f1ef29f2"
CAMEL = dict(zip(("lotNumber", "captchaOutput", "passToken", "genTime"), TOKEN.values(), strict=True))
AS_JSON = json.dumps(dict(TOKEN))
MEMBERS = AS_JSON[1:-1]
"""The token as members of a JSON object."""

FORM = b"application/x-www-form-urlencoded"
JSON = b"application/json"
MULTIPART = b"multipart/form-data; boundary=xYzZY"

Found = CaptchaFields | Evidence | None

each_kind = pytest.mark.parametrize("content_type", [FORM, JSON, MULTIPART], ids=["form", "JSON", "multipart"])
each_form = pytest.mark.parametrize("content_type", [FORM, MULTIPART], ids=["form", "multipart"])


def gatherer(fields: Any = None, max_field: int = 8192) -> Gatherer:
    return Gatherer(spelling(fields), max_field)


def made(content_type: bytes, gatherer: Gatherer) -> Scanner:
    scanner = scanner_for([content_type], [], gatherer)
    assert scanner is not None
    return scanner


def scan(content_type: bytes, pieces: Iterable[bytes], fields: Any = None, *, max_field: int = 8192) -> Found:
    """As the guard does it: feed until the scanner knows, tell it where the body ends."""
    found = gatherer(fields, max_field)
    scanner = made(content_type, found)
    for piece in pieces:
        scanner.feed(piece)
        if scanner.done:
            break
    else:
        scanner.end()
    return found.conclude(scanner.broken)


def read(content_type: bytes, body: bytes, fields: Any = None, *, max_field: int = 8192) -> Found:
    """What is found in the whole body, and byte by byte as well."""
    found = scan(content_type, [body], fields, max_field=max_field)
    assert scan(content_type, byte_by_byte(body), fields, max_field=max_field) == found, "cut, it gives another answer"
    return found


def outcome(answer: Found) -> str:
    if answer is None:
        return "missing"
    return "found" if isinstance(answer, CaptchaFields) else answer.outcome.value


def byte_by_byte(body: bytes) -> list[bytes]:
    return [body[at : at + 1] for at in range(len(body))]


def cut(body: bytes, places: Iterable[int]) -> list[bytes]:
    """The body in pieces; two equal places make an empty one, as servers may send them."""
    ends = sorted(place % (len(body) + 1) for place in places)
    return [body[start:end] for start, end in zip([0, *ends], [*ends, len(body)], strict=True)]


def part(name: str, value: bytes, filename: str | None = None) -> bytes:
    """One part as browsers write it: CR, LF and the quote are escaped in a name (HTML, multipart/form-data)."""
    name, file = (each.replace("\r", "%0D").replace("\n", "%0A").replace('"', "%22") for each in (name, filename or ""))
    head = f'Content-Disposition: form-data; name="{name}"'
    if filename is not None:
        head += f'; filename="{file}"\r\nContent-Type: application/octet-stream'
    return b"--xYzZY\r\n" + head.encode() + b"\r\n\r\n" + value + b"\r\n"


def multipart(*parts: bytes) -> bytes:
    return b"".join(parts) + b"--xYzZY--\r\n"


def encode(content_type: bytes, pairs: Sequence[tuple[str, str]]) -> bytes:
    """A body with these pairs, those of equal names too."""
    if content_type == FORM:
        return urlencode(pairs).encode()
    if content_type == JSON:
        return f"{{{','.join(f'{json.dumps(name)}:{json.dumps(value)}' for name, value in pairs)}}}".encode()
    return multipart(*(part(name, value.encode()) for name, value in pairs))


def small(content_type: bytes, **changes: object) -> bytes:
    """A body with the token and these changes; None leaves a field out."""
    pairs = [(name, str(value)) for name, value in {**TOKEN, **changes}.items() if value is not None]
    return encode(content_type, pairs)


def with_json(name: str, value: str | bytes) -> bytes:
    """A JSON body in which this field has a value as it is written here."""
    value = value.encode() if isinstance(value, str) else value
    return json.dumps({**TOKEN, name: "@"}).encode().replace(b'"@"', value)


def urlsafe(text: str, *, padded: bool = True) -> str:
    encoded = base64.urlsafe_b64encode(text.encode()).decode()
    return encoded if padded else encoded.rstrip("=")


TEXTS = {
    "JSON": AS_JSON,
    "JSON with spaces": f"\n {json.dumps(dict(TOKEN), indent=2)} ",
    "JSON with other members": json.dumps({"captcha_id": "x", "a": [{}], "ü": "\u2028", **TOKEN}),
    "JSON with escapes": AS_JSON.replace("lot_number", "lot\\u005fnumber"),
    "base64url": urlsafe(json.dumps({"a": "???>>>~~~ÿ", **TOKEN}, ensure_ascii=False)),
    **{f"base64url, {more} more, not padded": urlsafe(AS_JSON + " " * more, padded=False) for more in range(3)},
    "base64 of the other alphabet": base64.b64encode(AS_JSON.replace("{", '{"a": "???>>>", ').encode()).decode(),
    "URL-encoded, equals signs left": urlencode({"captcha_id": "x", **TOKEN}).replace("%3D", "="),
    "URL-encoded, odd signs in it": urlencode({**TOKEN, "more": "&=%+ é"}),
}
"""Texts that hold the token."""
