"""GeeTest CAPTCHA v4's secondary validation, as its documentation gives it, without any I/O.

    sign_token = lower-case hex HMAC-SHA256, key = captcha_key, message = lot_number
    POST {api_server}/validate?captcha_id=…      lot_number, captcha_output, pass_token, gen_time, sign_token

Three answers, all with HTTP 200: success, fail with a `reason`, or `status: error` with a `code`. A visitor
causes the error shape at will (`gen_time=abc`), and an HTTP 4xx too, so neither is ever taken for an outage.
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
"""Who speaks this protocol, by the names that `api_server` takes: GeeTest; Geelab's regions; Alibaba Cloud; EngageLab.
The hosts are those of public documentation (2026-11). A captcha id belongs to one service, so none is another's backup.
"""

MAX_REPLY: Final = 64 * 1024
"""Bytes. An answer is under 2 KiB; past this it is no answer of `/validate`."""

_WRONG_KEY: Final = "sign_token error"

KEY_CODES: Final = frozenset({"-50101", "-50102", "-50103", "-50104", "-50105"})
"""Error codes about the id itself (missing, illegal, unknown, deleted, paused): the operator's to mend."""

_MAX_REASON: Final = 200


def sign_token(captcha_key: str, lot_number: str) -> str:
    """The signature that `/validate` wants: lower-case hex HMAC-SHA256 of the lot number under the key."""
    return hmac.digest(captcha_key.encode(), lot_number.encode(), "sha256").hex()


def build_request(captcha_id: str, captcha_key: str, fields: CaptchaFields) -> ValidateRequest:
    """The call about `fields`. Form-encoded, since GeeTest does not read a JSON body (it answers -50005)."""
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
    """`quote_plus`, which takes long even where there is nothing to escape, or only the `=` that end base64."""
    head = value.rstrip("=")
    return head + "%3D" * (len(value) - len(head)) if _is_plain(head) else quote_plus(value)


@lru_cache(64)
def _query(captcha_id: str) -> str:
    return urlencode({"captcha_id": captcha_id})


def parse_reply(reply: Reply, lot_number: str) -> Evidence:
    """Return what GeeTest's answer says about the token with this `lot_number`. Any bytes give an answer.

    HTTP 5xx and a 200 that is no JSON object are an outage. Every other status but 200 is a refusal; so is a 200 in an
    encoding that was not asked for, since what GeeTest repeats of a visitor's own words may not be UTF-8.
    """
    if 500 <= reply.status <= 599:
        return Evidence(Outcome.UNAVAILABLE, f"HTTP {reply.status}")
    if reply.status != 200:
        return Evidence(Outcome.REFUSED, f"HTTP {reply.status}")
    if reply.encoded:
        return Evidence(Outcome.REFUSED, "the answer has a Content-Encoding")
    try:
        answer = _json_object(reply.body)
    except _UnlikeJsonError as error:
        return Evidence(Outcome.REFUSED, str(error))
    if answer is None:
        return Evidence(Outcome.UNAVAILABLE, "the answer is not a JSON object")
    if answer.get("status", "success") != "success":
        return _error(answer)
    return _verdict(answer, lot_number)


def is_about_the_key(evidence: Evidence) -> bool:
    """GeeTest has refused our signature, and so has not looked at the token: another key may be tried."""
    return evidence.outcome is Outcome.MISCONFIGURED and evidence.reason == _WRONG_KEY


class _UnlikeJsonError(Exception):
    """An answer that is nearly JSON."""


def _json_object(body: bytes | None) -> dict[str, Any] | None:
    if body is None or len(body) > MAX_REPLY:
        return None
    try:
        answer = _DECODER.decode(body.decode(json.detect_encoding(body)))  # UTF-8, -16 or -32, with or without a BOM
    except UnicodeDecodeError:
        raise _UnlikeJsonError("the answer is not UTF-8") from None
    except (ValueError, RecursionError):  # ValueError covers bad JSON and numbers too long for int
        return None
    return answer if isinstance(answer, dict) else None


def _refuse_constant(name: str) -> NoReturn:
    raise _UnlikeJsonError(f"the answer contains {name}, which JSON does not have")


_DECODER: Final = json.JSONDecoder(parse_constant=_refuse_constant)


def _error(answer: Mapping[str, Any]) -> Evidence:
    code = _text(answer.get("code"))
    if len(code) == 5 and code.isdecimal():  # as GeeTest's codes are, without their minus
        code = f"-{code}"
    outcome = Outcome.MISCONFIGURED if code in KEY_CODES else Outcome.REFUSED
    return Evidence(outcome, _text(answer.get("msg")), code)


def _verdict(answer: Mapping[str, Any], lot_number: str) -> Evidence:
    result, reason, args = answer.get("result"), _text(answer.get("reason")), answer.get("captcha_args")
    if result == "fail":
        # We sign, not the visitor: a wrong signature means a wrong key.
        ours = reason == _WRONG_KEY
        kept = args if isinstance(args, dict) else {}
        return Evidence(Outcome.MISCONFIGURED if ours else Outcome.FAILED, reason, captcha_args=kept)
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
    """A string of GeeTest's, fit for a log line; error codes come as strings, a number is taken for one."""
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) < 10**9:
        return str(value)
    return value[:_MAX_REASON] if isinstance(value, str) else ""
