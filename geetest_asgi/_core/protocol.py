"""The server-side validation of GeeTest CAPTCHA v4, as documented by GeeTest. No I/O.

    sign_token = lower-case hex HMAC-SHA256, key = captcha_key, message = lot_number
    POST {api_server}/validate?captcha_id=…      lot_number, captcha_output, pass_token, gen_time, sign_token

GeeTest gives one of three answers, all with HTTP 200: success, fail with a `reason`, or `status: error` with a `code`.
A client can cause the error answer (`gen_time=abc`) and an HTTP 4xx, so neither counts as an outage.
"""

import hmac
import json
import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Final, NoReturn
from urllib.parse import quote_plus, urlencode

from .model import CaptchaFields, Evidence, Outcome, Reply, ValidateRequest

API_SERVERS: Final = (
    "https://gcaptcha4.geetest.com",
    "https://gcaptcha4.geevisit.com",
    "https://gcaptcha4.gsensebot.com",
)
"""GeeTest's host and its two backups: the same service (2026-11)."""

SERVICES: Final[Mapping[str, tuple[str, ...]]] = {
    "geetest": API_SERVERS,
    "geelab-global": ("https://cap-global.geelabapi.com",),
    "geelab-eu": ("https://cap-eu.geelabapi.com",),
    "geelab-na": ("https://cap-na.geelabapi.com",),
    "alicaptcha": ("https://captcha.alicaptcha.com",),
    "engagelab": ("https://captcha-api.engagelab.com",),
}
"""Services with this protocol, by the names that `api_server` takes: GeeTest; Geelab's regions; Alibaba Cloud;
EngageLab. The hosts come from their public documentation (2026-11). Each captcha id belongs to one service.
"""

MAX_REPLY: Final = 64 * 1024
"""Bytes. An answer of `/validate` is under 2 KiB; a longer one than this is not read."""

_WRONG_KEY: Final = "sign_token error"

KEY_CODES: Final = frozenset({"-50101", "-50102", "-50103", "-50104", "-50105"})
"""Error codes about the id itself (missing, illegal, unknown, deleted, paused), which only the operator can mend."""

_MAX_REASON: Final = 200


def sign_token(captcha_key: str, lot_number: str) -> str:
    """Return the signature for `/validate`: lower-case hex HMAC-SHA256 of the lot number under the key."""
    return hmac.digest(captcha_key.encode(), lot_number.encode(), "sha256").hex()


def build_request(captcha_id: str, captcha_key: str, fields: CaptchaFields) -> ValidateRequest:
    """Return the call that verifies `fields`. The body is a form: GeeTest answers -50005 to JSON."""
    values = {
        "lot_number": fields.lot_number,
        "captcha_output": fields.captcha_output,
        "pass_token": fields.pass_token,
        "gen_time": fields.gen_time,
        "sign_token": sign_token(captcha_key, fields.lot_number),
    }
    form = "&".join([f"{name}={_escape(value)}" for name, value in values.items()])
    return ValidateRequest(captcha_id, fields.lot_number, _query(captcha_id), form.encode())


_is_plain: Final = re.compile(r"[A-Za-z0-9_.~-]*").fullmatch


def _escape(value: str) -> str:
    """Do what `quote_plus` does, but fast for texts without escapes and for base64 that ends with `=`."""
    head = value.rstrip("=")
    return head + "%3D" * (len(value) - len(head)) if _is_plain(head) else quote_plus(value)


@lru_cache(64)
def _query(captcha_id: str) -> str:
    return urlencode({"captcha_id": captcha_id})


def parse_reply(reply: Reply, lot_number: str) -> Evidence:
    """Return the evidence in GeeTest's answer about the token with this `lot_number`. Never raises.

    HTTP 5xx and a 200 without a JSON object are an outage. Any other status than 200 is a refusal. So is a 200 with a
    Content-Encoding or not in UTF-8, since GeeTest repeats text of the client, which may cause both.
    """
    if 500 <= reply.status <= 599:
        return Evidence(Outcome.UNAVAILABLE, f"HTTP {reply.status}")
    if reply.status != 200:
        return Evidence(Outcome.REFUSED, f"HTTP {reply.status}")
    if reply.encoded:
        return Evidence(Outcome.REFUSED, "the answer has a Content-Encoding")
    try:
        answer = _json_object(reply.body)
    except _AlmostJsonError as error:
        return Evidence(Outcome.REFUSED, str(error))
    if answer is None:
        return Evidence(Outcome.UNAVAILABLE, "the answer is not a JSON object")
    if answer.get("status", "success") != "success":
        return _error(answer)
    return _verdict(answer, lot_number)


def is_about_the_key(evidence: Evidence) -> bool:
    """Return whether GeeTest refused the signature. Then the token is not used up, and another key may be tried."""
    return evidence.outcome is Outcome.MISCONFIGURED and evidence.reason == _WRONG_KEY


class _AlmostJsonError(Exception):
    """The answer is not JSON, and a client may have caused that."""


def _json_object(body: bytes | None) -> dict[str, Any] | None:
    if body is None or len(body) > MAX_REPLY:
        return None
    try:
        answer = _DECODER.decode(body.decode(json.detect_encoding(body)))  # UTF-8, -16 or -32, with or without a BOM
    except UnicodeDecodeError:
        raise _AlmostJsonError("the answer is not UTF-8") from None
    except (ValueError, RecursionError):  # ValueError covers bad JSON and numbers too long for int
        return None
    return answer if isinstance(answer, dict) else None


def _refuse_constant(name: str) -> NoReturn:
    raise _AlmostJsonError(f"the answer contains {name}, which JSON does not have")


_DECODER: Final = json.JSONDecoder(parse_constant=_refuse_constant)


def _error(answer: Mapping[str, Any]) -> Evidence:
    code = _text(answer.get("code"))
    if len(code) == 5 and code.isdecimal():  # one of GeeTest's codes without its minus sign
        code = f"-{code}"
    outcome = Outcome.MISCONFIGURED if code in KEY_CODES else Outcome.REFUSED
    return Evidence(outcome, _text(answer.get("msg")), code)


def _verdict(answer: Mapping[str, Any], lot_number: str) -> Evidence:
    result, reason, args = answer.get("result"), _text(answer.get("reason")), answer.get("captcha_args")
    if result == "fail":
        # The guard signs, not the client: a wrong signature means a wrong key.
        outcome = Outcome.MISCONFIGURED if reason == _WRONG_KEY else Outcome.FAILED
        return Evidence(outcome, reason, captcha_args=args if isinstance(args, dict) else {})
    if result != "success":
        return Evidence(Outcome.REFUSED, "neither success nor fail")
    if args is None:
        return Evidence(Outcome.PASSED, reason)
    if not isinstance(args, dict):
        return Evidence(Outcome.REFUSED, "captcha_args is not an object")
    if args.get("lot_number") not in (lot_number, None):
        return Evidence(Outcome.REFUSED, "the answer is about another token")
    return Evidence(Outcome.PASSED, reason, captcha_args=args)


def _text(value: object) -> str:
    """Return a string of GeeTest, cut to `_MAX_REASON` characters, or a number as text; "" for other values."""
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) < 10**9:
        return str(value)
    return value[:_MAX_REASON] if isinstance(value, str) else ""
