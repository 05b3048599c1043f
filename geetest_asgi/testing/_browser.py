"""The browser's side of the service: JSONP `/load` returns a captcha, JSONP `/verify` judges an attempt at it.

The simulator remembers only which payloads were used. The signed payload itself says how many attempts have failed.
"""

import hmac
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from . import _static, tokens
from ._answers import Answer, as_json, error
from ._magic import Magic
from ._service import SpentTokens, is_known
from ._wire import Asked

SOLVED: Final = "solved"
"""The `w` of a correct attempt; any other is wrong. GeeTest's `w` is an encrypted record of the visitor's actions."""

_CALLBACK: Final = re.compile(r"[A-Za-z_$][A-Za-z0-9_$]{0,63}")
_LOT_NUMBER: Final = re.compile(r"[0-9a-f]{32}")
_RISK_TYPE: Final = re.compile(r"[a-z0-9_]{0,32}")
_JAVASCRIPT: Final = "text/javascript; charset=utf-8"
_FRESH: Final = {"cache-control": "no-store"}


@dataclass(frozen=True, slots=True)
class Visit:
    """One call by a browser, with all that is needed to answer it."""

    asked: Asked
    now: float
    keys: Mapping[str, str]
    any_id: bool
    """Whether an id that is not in `keys` is known as well."""
    magic: Magic
    used: SpentTokens
    """Payloads that were used."""

    def field(self, name: str) -> str:
        """Return the parameter; empty if it was not sent."""
        return self.asked.parameters.get(name, "")


def jsonp(parameters: Mapping[str, str], answer: Callable[[], Answer]) -> Answer:
    """Return the answer as a call of the page's function; as JSON if no `callback` was given.

    The name becomes part of a script. A `callback` that is more than a name is an error, and is not repeated in it.
    """
    callback = parameters.get("callback")
    if callback is not None and not _CALLBACK.fullmatch(callback):
        return error("-50004")
    plain = replace(answer(), headers=_FRESH)
    if callback is None or isinstance(plain.content, bytes):
        return plain
    script = b"%s(%s)" % (callback.encode(), as_json(plain.content))
    return replace(plain, content=script, content_type=_JAVASCRIPT)


def load(visit: Visit) -> Answer:
    """Return a new captcha, with the addresses of its scripts."""
    wrong = _captcha_id(visit) or _risk_type(visit)
    if wrong is not None:
        return wrong
    lot_number = tokens.new_lot()
    data = {
        "lot_number": lot_number,
        "captcha_type": visit.field("risk_type") or visit.magic.captcha_type,
        **_static.addresses(visit.asked.place),
        **_papers(visit.field("captcha_id"), lot_number, fail_count=0),
        "payload_protocol": 1,
        "pt": "1",
        "simulated": True,
    }
    return _success(data)


def verify(visit: Visit) -> Answer:
    """Return the result of one attempt: `seccode` has the token of a correct one, `payload` is for the next one."""
    wrong = next(filter(None, (check(visit) for check in _CHECKS)), None)
    if wrong is not None:
        return wrong
    fail_count = _fail_count(visit.field("payload"))
    right = visit.field("w") == SOLVED and fail_count >= visit.magic.failures
    return _solved(visit, fail_count) if right else _failed(visit, fail_count + 1)


def _solved(visit: Visit, fail_count: int) -> Answer:
    captcha_id, lot_number = visit.field("captcha_id"), visit.field("lot_number")
    fields = tokens.mint(captcha_id, visit.now, lot_number=lot_number, about=_about(visit, fail_count))
    seccode = {"captcha_id": captcha_id, **fields}
    return _success({"lot_number": lot_number, "result": "success", "fail_count": fail_count, "seccode": seccode})


def _about(visit: Visit, fail_count: int) -> dict[str, Any]:
    """Return the `captcha_args` that `/validate` will give for this captcha."""
    return {
        "used_type": visit.field("risk_type") or visit.magic.captcha_type,
        "user_ip": visit.asked.user_ip,
        "fail_count": fail_count,
        "client_type": visit.field("client_type")[:20],
        "user_info": visit.field("user_info")[:60],
        "referer": visit.asked.referer[:80],
        "ua": visit.asked.user_agent[:120],
    }


def _failed(visit: Visit, fail_count: int) -> Answer:
    lot_number = visit.field("lot_number")
    papers = _papers(visit.field("captcha_id"), lot_number, fail_count)
    return _success({"lot_number": lot_number, "result": "fail", "fail_count": fail_count, **papers})


def _success(data: Mapping[str, Any]) -> Answer:
    return Answer(content={"status": "success", "data": data})


def _papers(captcha_id: str, lot_number: str, fail_count: int) -> dict[str, str]:
    """The value that the browser sends back to `/verify`: which captcha this is, and which attempt."""
    payload = f"{fail_count}.{tokens.seal('payload', captcha_id, lot_number, str(fail_count))}"
    return {"payload": payload, "process_token": tokens.seal("process", captcha_id, lot_number)}


def _fail_count(payload: str) -> int:
    """Return the number in the payload; 0 if it has none, and then it cannot be genuine."""
    digits = payload.partition(".")[0]
    return int(digits) if re.fullmatch(r"[0-9]{1,6}", digits) else 0


def _captcha_id(visit: Visit) -> Answer | None:
    if not visit.field("captcha_id"):
        return error("-50101")
    return None if is_known(visit.field("captcha_id"), visit.keys, visit.any_id) else error("-50102")


def _risk_type(visit: Visit) -> Answer | None:
    return None if _RISK_TYPE.fullmatch(visit.field("risk_type")) else error("-50001")


def _lot_number(visit: Visit) -> Answer | None:
    if not visit.field("lot_number"):
        return error("-50302")
    return None if _LOT_NUMBER.fullmatch(visit.field("lot_number")) else error("-50303")


def _paper(name: str, code: str) -> Callable[[Visit], Answer | None]:
    def check(visit: Visit) -> Answer | None:
        fail_count = _fail_count(visit.field("payload"))
        right = _papers(visit.field("captcha_id"), visit.field("lot_number"), fail_count)[name]
        return None if hmac.compare_digest(visit.field(name).encode(), right.encode()) else error(code)

    return check


def _unused(visit: Visit) -> Answer | None:
    return None if visit.used.spend(visit.field("payload")) else error("-50308")


_CHECKS: Final[tuple[Callable[[Visit], Answer | None], ...]] = (
    _captcha_id,
    _risk_type,
    _lot_number,
    _paper("process_token", "-50306"),
    _paper("payload", "-50307"),
    _unused,  # last: it uses the payload up
)
