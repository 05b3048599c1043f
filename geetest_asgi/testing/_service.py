"""The checks of GeeTest's `/validate`, as a table, in the service's own order.

Order: `captcha_id` present, well-formed and known, `gen_time` digits, the signature (before empty fields are looked
at), `lot_number`, and the token: genuine, in time, unused.
"""

import hmac
import re
import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from . import tokens
from ._answers import Answer, error, fail, success

MAX_SPENT: Final = 100_000
"""Number of spent tokens that are remembered (about 20 MB). Beyond it the oldest is forgotten, and would pass again."""

_CAPTCHA_ID: Final = re.compile(r"[0-9A-Za-z_-]{1,64}")
# The documentation's example; a scene may be non-ASCII.
_ARGS: Final[Mapping[str, Any]] = {
    "used_type": "slide",
    "ip_type": 1,
    "fail_count": 0,
    "client_type": "web",
    "user_info": "",
    "ua": "",
    "scene": "反爬虫",
    "referer": "http://127.0.0.1:8077/",
}
_SIGNATURE: Final = re.compile(r"[0-9a-f]{64}")
# The offline token has a V in front: GeeTest reads it as a lot number and says `pass_token error`.
_LOT_NUMBER: Final = re.compile(r"V?[0-9a-f]{32}")


class SpentTokens:
    """The tokens that passed before, with a lock for several threads."""

    def __init__(self, capacity: int = MAX_SPENT) -> None:
        self._capacity = capacity
        self._spent: OrderedDict[str, None] = OrderedDict()
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._spent)

    def spend(self, pass_token: str) -> bool:
        """Record the token as spent; return False if it was spent already. One of two simultaneous calls gets True."""
        with self._lock:
            if pass_token in self._spent:
                return False
            self._spent[pass_token] = None
            if len(self._spent) > self._capacity:
                self._spent.popitem(last=False)
            return True


@dataclass(frozen=True, slots=True)
class Inquiry:
    """One call to `/validate`, with all that is needed to judge it."""

    parameters: Mapping[str, str]
    user_ip: str
    now: float
    keys: Mapping[str, str]
    any_id: bool
    """Whether an id that is not in `keys` is accepted, too; its signature cannot be checked."""
    spent: SpentTokens

    def field(self, name: str) -> str:
        """Return the parameter; empty if it was not sent. GeeTest does not distinguish an empty from an absent one."""
        return self.parameters.get(name, "")


Check = Callable[[Inquiry], Answer | None]
"""Returns the answer to a call that fails this check, or None."""


def validate(inquiry: Inquiry, verdict: Check | None = None) -> Answer:
    """Return the service's answer. A token that passes is spent.

    `verdict`: the answer about the token that is given without a check of the token, if the call itself is valid.
    """
    objection = _first(OF_THE_CALL, inquiry)
    if objection is not None:
        return objection
    objection = _first(OF_THE_TOKEN if verdict is None else (verdict,), inquiry)
    return success(_args(inquiry)) if objection is None else _with_args(objection, inquiry)


def _first(checks: tuple[Check, ...], inquiry: Inquiry) -> Answer | None:
    return next((objection for check in checks if (objection := check(inquiry)) is not None), None)


def _with_args(objection: Answer, inquiry: Inquiry) -> Answer:
    """Return a fail. For a genuine token it contains the details of its captcha; for any other it has none."""
    if objection.said("result") != "fail" or _genuine(inquiry) is not None:
        return objection
    return fail(objection.said("reason"), _args(inquiry))


def _args(inquiry: Inquiry) -> dict[str, Any]:
    told = tokens.about(inquiry.field("captcha_output"))
    return {**_ARGS, "user_ip": inquiry.user_ip, **told, "lot_number": inquiry.field("lot_number")}


def is_known(captcha_id: str, keys: Mapping[str, str], any_id: bool) -> bool:
    """Whether the id is in `keys`, or any id is taken and this one is well-formed: no blanks, quotes or the like."""
    return captcha_id in keys or (any_id and bool(_CAPTCHA_ID.fullmatch(captcha_id)))


def _captcha_id(inquiry: Inquiry) -> Answer | None:
    captcha_id = inquiry.field("captcha_id")
    if not captcha_id:
        return error("-50101")
    return None if is_known(captcha_id, inquiry.keys, inquiry.any_id) else error("-50102")


def _gen_time(inquiry: Inquiry) -> Answer | None:
    gen_time = inquiry.field("gen_time")
    # isdigit() alone takes the digits of every script.
    return None if gen_time.isascii() and gen_time.isdigit() else error("-50005")


def _signature(inquiry: Inquiry) -> Answer | None:
    given, key = inquiry.field("sign_token"), inquiry.keys.get(inquiry.field("captcha_id"))
    if key is None:  # the key of this id is unknown: check only that the call was signed
        return None if _SIGNATURE.fullmatch(given) else fail("sign_token error")
    # Computed here and not by the middleware's code, so that a mistake there is noticed.
    right = hmac.new(key.encode(), inquiry.field("lot_number").encode(), "sha256").hexdigest()
    return None if hmac.compare_digest(given.encode(), right.encode()) else fail("sign_token error")


def _lot_number(inquiry: Inquiry) -> Answer | None:
    lot_number = inquiry.field("lot_number")
    if not lot_number:
        return error("-50302")
    return None if _LOT_NUMBER.fullmatch(lot_number) else error("-50303")


def _lot_matches(inquiry: Inquiry) -> Answer | None:
    lot_number = inquiry.field("lot_number")
    about = tokens.about(inquiry.field("captcha_output"))
    return None if about.get("lot_number", lot_number) == lot_number else error("-50304")


def _genuine(inquiry: Inquiry) -> Answer | None:
    ids = [inquiry.field("captcha_id"), *([tokens.ANY_ID] if inquiry.any_id else [])]
    genuine = any(tokens.is_genuine(each, inquiry.parameters) for each in ids)
    return None if genuine else fail("pass_token error")


def _in_time(inquiry: Inquiry) -> Answer | None:
    age = inquiry.now - int(inquiry.field("gen_time"))
    return None if age <= tokens.LIFETIME else fail("pass_token expire")


def _unused(inquiry: Inquiry) -> Answer | None:
    return None if inquiry.spent.spend(inquiry.field("pass_token")) else fail("pass_token used")


OF_THE_CALL: Final[tuple[Check, ...]] = (_captcha_id, _gen_time, _signature, _lot_number, _lot_matches)
"""The checks of the call. The first that fails gives the answer."""

OF_THE_TOKEN: Final[tuple[Check, ...]] = (_genuine, _in_time, _unused)
"""The checks of the token. The last one spends it."""
