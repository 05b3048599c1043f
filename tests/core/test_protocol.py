"""GeeTest's protocol without I/O: the signature, the exact request, and what every answer means. Most of all: `passed`
comes of one exact shape only, and what a visitor can cause is never taken for an outage.
"""

import json
from typing import Any
from urllib.parse import parse_qsl

import pytest
from hypothesis import given
from hypothesis import strategies as st

from geetest_asgi import CaptchaFields, Outcome
from geetest_asgi._core.model import Evidence, Reply
from geetest_asgi._core.protocol import MAX_REPLY, build_request, is_about_the_key, parse_reply, sign_token

# The public demonstration pair, printed in GeeTest's documentation and in each of its demos.
DEMO_ID = "647f5ed2ed8acb4be36784e01556bb71"
DEMO_KEY = "b09a7aafbfd83f73b35a9b530d0337bf"
LOT = "4dc3cfc2cdff448cad8d13107198d473"

SIGNED = "c99f3aa68104bdcd085f372dc6556a17a5a830a1a3d25125fb0010466977f3d8"


def test_the_published_signature() -> None:
    assert sign_token(DEMO_KEY, LOT) == SIGNED


def test_the_request_as_bytes() -> None:
    """The whole of it, written down: the id in the query, the rest in the form, each once, nothing more."""
    fields = CaptchaFields(LOT, "1X_RK3ag_IklW15iHhSywQ==", "3f" * 32, "1623828054")
    request = build_request(DEMO_ID, DEMO_KEY, fields)
    assert request.captcha_id == DEMO_ID
    assert request.lot_number == LOT
    assert request.query == f"captcha_id={DEMO_ID}"
    assert request.form == (
        f"lot_number={LOT}&captcha_output=1X_RK3ag_IklW15iHhSywQ%3D%3D&pass_token={'3f' * 32}"
        f"&gen_time=1623828054&sign_token={SIGNED}"
    ).encode("ascii")


def test_the_key_and_the_token_stay_out_of_the_url_and_the_representation() -> None:
    request = build_request(DEMO_ID, DEMO_KEY, CaptchaFields(LOT, "secret-output", "3f" * 32, "1623828054"))
    for secret in (DEMO_KEY, "secret-output", "3f" * 32, SIGNED):
        assert secret not in request.query
        assert secret not in repr(request)
    assert DEMO_KEY.encode() not in request.form


sent = st.text(min_size=1) | st.from_regex("[WXYZ~]{1,3}={0,2}", fullmatch=True)


@given(st.text(min_size=1), st.text(min_size=1), *[sent] * 4)
def test_any_text_arrives_as_it_is(captcha_id: str, key: str, lot: str, output: str, token: str, time: str) -> None:
    """An odd id is encoded; so would be odd values, though only those of GeeTest's shapes get this far."""
    request = build_request(captcha_id, key, CaptchaFields(lot, output, token, time))
    assert parse_qsl(request.query, keep_blank_values=True) == [("captcha_id", captcha_id)]
    names = ("lot_number", "captcha_output", "pass_token", "gen_time", "sign_token")
    values = (lot, output, token, time, sign_token(key, lot))
    assert parse_qsl(request.form.decode("ascii"), keep_blank_values=True) == list(zip(names, values, strict=True))


ARGS = {"used_type": "slide", "user_ip": "127.0.0.1", "lot_number": LOT, "scene": "反爬虫", "referer": "http://h/"}
SUCCESS: dict[str, Any] = {"status": "success", "result": "success", "reason": "", "captcha_args": ARGS}


def answered(answer: object, status: int = 200) -> Evidence:
    return parse_reply(Reply(status, json.dumps(answer).encode()), LOT)


PASSED = {
    "the documented success": SUCCESS,
    "without a status": {key: value for key, value in SUCCESS.items() if key != "status"},
    "lot_number null": {**SUCCESS, "captcha_args": {"lot_number": None}},
}


@pytest.mark.parametrize("answer", PASSED.values(), ids=PASSED.keys())
def test_a_clean_success_is_passed(answer: dict[str, Any]) -> None:
    evidence = answered(answer)
    assert evidence.outcome is Outcome.PASSED
    assert evidence.captcha_args == (answer.get("captcha_args") or {})


@pytest.mark.parametrize(("reason", "kept"), [("by the way", "by the way"), (None, "")])
def test_a_success_keeps_its_reason(reason: object, kept: str) -> None:
    assert answered({**SUCCESS, "reason": reason}) == Evidence(Outcome.PASSED, kept, captcha_args=ARGS)


ERROR = {"status": "error", "code": "-50005", "msg": "illegal gen_time", "desc": {"type": "x"}}
REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "the documented error": (ERROR, "illegal gen_time"),
    "an unknown status": ({**SUCCESS, "status": "ok"}, ""),
    "no result": ({"status": "success", "reason": ""}, "neither success nor fail"),
    "an unknown result": ({**SUCCESS, "result": "forbidden"}, "neither success nor fail"),
    "another token": ({**SUCCESS, "captcha_args": {"lot_number": LOT[::-1]}}, "the answer is about another token"),
    "captcha_args a list": ({**SUCCESS, "captcha_args": [ARGS]}, "captcha_args is not an object"),
}


@pytest.mark.parametrize(("answer", "reason"), REFUSED.values(), ids=REFUSED.keys())
def test_every_other_object_is_refused(answer: dict[str, Any], reason: str) -> None:
    evidence = answered(answer)
    assert (evidence.outcome, evidence.reason) == (Outcome.REFUSED, reason)


ERRORS: list[tuple[object, Outcome, str]] = [
    # a code, as GeeTest may send it; the outcome; what is kept of the code
    *((kind(code), Outcome.REFUSED, str(code)) for code in (-50005, -50301, -50100, -50106, 0) for kind in (int, str)),
    *((kind(code), Outcome.MISCONFIGURED, str(code)) for code in range(-50105, -50100) for kind in (int, str)),
    *((code, Outcome.MISCONFIGURED, "-50101") for code in ("50101", 50101)),  # without its minus sign
    *((code, Outcome.REFUSED, str(code)) for code in ("other", "-50101 ", 999_999_999)),
    *((code, Outcome.REFUSED, "") for code in (10**9, 10**40, True, None, {"a": 1}, "")),
]


@pytest.mark.parametrize(("sent", "outcome", "code"), ERRORS)
def test_an_error_is_about_the_token_or_the_operators_and_keeps_its_code(
    sent: object, outcome: Outcome, code: str
) -> None:
    answer = {"status": "error", "code": sent, "msg": "what is wrong", "desc": {}}
    evidence = answered(answer)
    assert evidence == Evidence(outcome, "what is wrong", code)
    assert not is_about_the_key(evidence)


FAILS: list[tuple[dict[str, Any], Evidence]] = [
    ({"reason": "pass_token expire"}, Evidence(Outcome.FAILED, "pass_token expire")),
    ({"reason": ["x"]}, Evidence(Outcome.FAILED)),
    ({"reason": "sign_token error"}, Evidence(Outcome.MISCONFIGURED, "sign_token error")),
    ({"captcha_args": {"ip_type": 1}}, Evidence(Outcome.FAILED, captcha_args={"ip_type": 1})),
    ({"captcha_args": "x"}, Evidence(Outcome.FAILED)),
]


@pytest.mark.parametrize(("answer", "expected"), FAILS)
@pytest.mark.parametrize("status", [{"status": "success"}, {}])
def test_a_fail_is_failed_but_for_a_wrong_signature_which_is_about_the_key(
    answer: dict[str, Any], expected: Evidence, status: dict[str, str]
) -> None:
    assert answered({**status, "result": "fail", **answer}) == expected
    assert is_about_the_key(expected) is (expected.outcome is Outcome.MISCONFIGURED)


@pytest.mark.parametrize("answer", [{"result": "fail"}, {"result": "success"}, {"status": "error", "code": "x" * 5000}])
def test_texts_of_the_answer_are_kept_short(answer: dict[str, object]) -> None:
    evidence = answered({**answer, "reason": "x" * 5000, "msg": "x" * 5000})
    assert len(evidence.reason) <= 200
    assert len(evidence.code) <= 200


@pytest.mark.parametrize(
    ("outcome", "statuses"),
    [(Outcome.UNAVAILABLE, (500, 503, 599)), (Outcome.REFUSED, (0, 199, 201, 204, 302, 400, 413, 429, 499, 600, 999))],
)
def test_a_5xx_is_an_outage_and_every_other_status_a_refusal_whatever_it_says(
    outcome: Outcome, statuses: tuple[int, ...]
) -> None:
    for status in statuses:
        assert answered(SUCCESS, status) == Evidence(outcome, f"HTTP {status}")
        assert parse_reply(Reply(status, None), LOT).outcome is outcome


AS_BYTES = json.dumps(SUCCESS).encode()
NO_OBJECT: dict[str, bytes | None] = {
    "unreadable": None,
    "a list": b"[" + AS_BYTES + b"]",
    "cut off": AS_BYTES[:-1],
    "deep": b'{"result": "success", "x": ' + b"[" * 30_000 + b"]" * 30_000 + b"}",
    "a number of 5000 digits": b'{"result": "success", "x": ' + b"1" * 5000 + b"}",
    "one byte too long": AS_BYTES + b" " * (MAX_REPLY + 1 - len(AS_BYTES)),
}


@pytest.mark.parametrize("body", NO_OBJECT.values(), ids=NO_OBJECT.keys())
def test_an_answer_that_is_no_json_object_is_an_outage(body: bytes | None) -> None:
    assert parse_reply(Reply(200, body), LOT) == Evidence(Outcome.UNAVAILABLE, "the answer is not a JSON object")


NOT_UTF_8 = "the answer is not UTF-8"
UNLIKE_JSON: dict[str, tuple[bytes, str]] = {
    "no UTF-8": (AS_BYTES.replace(b"slide", b"\xff\xfe"), NOT_UTF_8),
    **{
        name: (b'{"result":"success","x":%b}' % name.encode(), f"the answer contains {name}, which JSON does not have")
        for name in ("NaN", "Infinity", "-Infinity")
    },
}


@pytest.mark.parametrize(("body", "reason"), UNLIKE_JSON.values(), ids=UNLIKE_JSON.keys())
def test_an_answer_that_is_nearly_json_is_refused_and_no_outage(body: bytes, reason: str) -> None:
    """What GeeTest repeats of a visitor's own words may be in any encoding."""
    assert parse_reply(Reply(200, body), LOT) == Evidence(Outcome.REFUSED, reason)


def test_an_answer_with_a_content_encoding_is_refused() -> None:
    assert parse_reply(Reply(200, None, encoded=True), LOT).outcome is Outcome.REFUSED
    assert parse_reply(Reply(503, None, encoded=True), LOT).outcome is Outcome.UNAVAILABLE


@pytest.mark.parametrize(
    "body",
    [b"\xef\xbb\xbf" + AS_BYTES, json.dumps(SUCCESS).encode("utf-16"), AS_BYTES + b" " * (MAX_REPLY - len(AS_BYTES))],
)
def test_a_success_may_be_written_in_each_of_these_ways(body: bytes) -> None:
    evidence = parse_reply(Reply(200, body), LOT)
    assert evidence.outcome is Outcome.PASSED
    assert evidence.captcha_args["scene"] == "反爬虫"


def test_an_error_about_the_id_is_not_about_the_key() -> None:
    assert not is_about_the_key(answered({"status": "error", "code": -50101, "msg": "not captcha_id"}))
