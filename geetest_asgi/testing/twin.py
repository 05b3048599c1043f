"""Compare the simulator with a cassette: does it answer as GeeTest did?"""

import hmac
import time
from collections.abc import Iterator, Mapping
from typing import Any, Final

from ._answers import CODES, Answer, error
from ._service import Inquiry, SpentTokens, validate
from ._state import TokenOptions
from .cassette import KEPT, Recording
from .simulator import Simulator

_TOKENS: Final[Mapping[str, TokenOptions]] = {
    "": {},
    "pass_token error": {"forged": True},
    "pass_token expire": {"expired": True},
    "pass_token used": {"used": True},
    "sign_token error": {},
}
"""GeeTest's reason for a fail, empty for a success → the token that is answered so."""


def kind(call: Recording) -> str:
    """Return GeeTest's answer in short: "success", a reason, a code, or the HTTP status."""
    body = call.body or {}
    said = body.get("code") or body.get("reason") or body.get("result")
    return str(said) if call.status == 200 and said else f"HTTP {call.status}"


def differences(call: Recording) -> Iterator[tuple[bool, str]]:
    """Yield each difference between the two answers. True: the simulator is wrong; False: good to know."""
    if call.body is None:
        yield False, "no JSON object: none of GeeTest's three answers"
        return
    twin = _twin(call.body)
    if twin is None or not isinstance(twin.content, Mapping):
        yield True, "the simulator never says so"
    else:
        yield from _compared(call.body, twin.content, "")


def _twin(body: Mapping[str, Any]) -> Answer | None:
    code, reason = body.get("code"), str(body.get("reason"))
    if code is not None:
        return error(code) if code in CODES else None
    return _verdict(reason) if reason in _TOKENS else None


def _verdict(reason: str) -> Answer:
    simulator, spent = Simulator(), SpentTokens()
    fields = simulator.token(**_TOKENS[reason])
    if reason == "pass_token used":
        spent.spend(fields["pass_token"])
    key = "another" if reason == "sign_token error" else simulator.captcha_key
    sign_token = hmac.digest(key.encode(), fields["lot_number"].encode(), "sha256").hex()
    call = {**fields, "captcha_id": simulator.captcha_id, "sign_token": sign_token}
    keys = {simulator.captcha_id: simulator.captcha_key}
    return validate(Inquiry(call, "127.0.0.1", time.time(), keys, any_id=True, spent=spent))


def _compared(theirs: Mapping[str, Any], ours: Mapping[str, Any], place: str) -> Iterator[tuple[bool, str]]:
    for name, value in theirs.items():
        if name not in ours:
            yield True, f"{place}{name}: GeeTest sent {_type(value)}, the simulator nothing"
        else:
            yield from _pair(name, value, ours[name], place)
    if more := [name for name in ours if name not in theirs]:
        yield False, f"the simulator also sends {', '.join(place + name for name in more)}"


def _pair(name: str, theirs: Any, ours: Any, place: str) -> Iterator[tuple[bool, str]]:
    if _type(theirs) != _type(ours):
        yield True, f"{place}{name}: GeeTest sent {_type(theirs)}, the simulator {_type(ours)}"
    elif isinstance(theirs, dict):
        yield from _compared(theirs, ours, f"{place}{name}.")
    elif not place and name in KEPT and theirs != ours:
        yield True, f"{name}: GeeTest sent {theirs!r}, the simulator {ours!r}"


def _type(value: Any) -> str:
    return {dict: "an object", list: "a list", str: "a text", type(None): "null", bool: "a truth value"}.get(
        type(value), "a number"
    )
