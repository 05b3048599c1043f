"""Tokens that certify themselves: `pass_token` is a keyed hash over all that the token is about.

    pass_token = HMAC-SHA256(MINT_KEY, captcha_id, lot_number, captcha_output, gen_time)

So a token that one simulator mints is genuine for every other one in any process, and a token with a field changed,
or solved under another `captcha_id`, is not; but for `ANY_ID`. The formats are those of GeeTest's own tokens.
"""

import base64
import hmac
import json
import secrets
import uuid
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

MINT_KEY: Final = b"geetest_asgi.testing: anybody may mint simulator tokens"
"""Public on purpose: the simulator protects nothing, and GeeTest accepts none of these tokens."""

ANY_ID: Final = "*"
"""A token for this id is valid for every id, if any id is accepted: a test need not know which one its app has."""

LIFETIME: Final = 600
"""Seconds from `gen_time` for which a token is valid: GeeTest's documentation says about 10 minutes."""

OFFLINE: Final[Mapping[str, str]] = MappingProxyType(
    {
        "lot_number": "V000000cabf2f4f37bbb10c358b865c41",
        "captcha_output": "1X_RK3ag_IklW15iHhSywQ==",
        "pass_token": "2cc051e0".ljust(64, "0"),
        "gen_time": "1623828054",
    }
)
"""The constants that gt4.js returns to every visitor if it reaches none of its hosts (bypass.js 4.2.1). Never genuine.

The real `pass_token` begins `2cc051e0`; its other digits are not known here and stand as zeros.
"""

_FIELDS: Final = ("lot_number", "captcha_output", "gen_time")


def new_lot() -> str:
    """The number of one captcha, from `/load` on: 32 lower-case hex."""
    return uuid.uuid4().hex


def mint(
    captcha_id: str,
    gen_time: float,
    *,
    forged: bool = False,
    lot_number: str | None = None,
    about: Mapping[str, Any] = MappingProxyType({}),
) -> dict[str, str]:
    """The four fields of a captcha solved at `gen_time` (Unix seconds). `forged`: as GeeTest never made them.

    `lot_number`: the one that `/load` gave out; without it a new one. `about`: what `captcha_args` will say.
    """
    lot_number = lot_number or new_lot()
    fields = {
        "lot_number": lot_number,
        "captcha_output": _output({"lot_number": lot_number, **about}),
        "gen_time": f"{max(0, int(gen_time)):010d}",
    }
    pass_token = secrets.token_hex(32) if forged else _certificate(captcha_id, fields)
    return {**fields, "pass_token": pass_token}


def is_genuine(captcha_id: str, fields: Mapping[str, str]) -> bool:
    """Return whether these fields were made together, and for this `captcha_id`."""
    given = fields.get("pass_token", "").encode()
    return hmac.compare_digest(given, _certificate(captcha_id, fields).encode())


def about(captcha_output: str) -> dict[str, Any]:
    """Return what a `captcha_output` of the simulator says about its captcha; {} for any other."""
    try:
        told = json.loads(base64.urlsafe_b64decode(captcha_output).partition(b"\n")[0])
    except (ValueError, RecursionError):
        return {}
    return told if isinstance(told, dict) else {}


def _output(about: Mapping[str, Any]) -> str:
    """A `captcha_output` as real ones are: URL-safe base64 with its padding, of 96 to 384 bytes, or more if need be.

    It begins with what is known of the captcha, as a line of JSON; the rest is random.
    """
    line = json.dumps(about).encode() + b"\n"
    size = 96 + secrets.randbelow(289)
    return base64.urlsafe_b64encode(line + secrets.token_bytes(max(size - len(line), 8))).decode()


def _certificate(captcha_id: str, fields: Mapping[str, str]) -> str:
    return seal(captcha_id, *(fields.get(name, "") for name in _FIELDS))


def seal(*parts: str) -> str:
    """Return 64 hex digits: a keyed hash of these texts in this order, by which a simulator recognises them."""
    # Each part follows its length, so two different lists never give the same message.
    message = b"".join(b"%d:%s" % (len(part), part) for part in (part.encode() for part in parts))
    return hmac.digest(MINT_KEY, message, "sha256").hex()
