"""Captcha ids that decide how a test ends, in any language and without a control call. One table, `MAGIC`.

Any key goes with them. They are there while any id is taken; with strict pairs they are ids like any other.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from . import _outages as _faults
from ._answers import fail
from ._outages import Fault
from ._service import Check


@dataclass(frozen=True, slots=True)
class Magic:
    """What is special about an id."""

    widget: str = "solves"
    """In words: what the visitor sees."""
    says: str = "the right answer"
    """In words: what `/validate` answers."""
    fault: Fault = _faults.UP
    """The fault of `/validate`."""
    load: Fault = _faults.UP
    """The fault of `/load` and `/verify`."""
    verdict: Check | None = None
    """The answer about every token, used or not; None: the token is checked."""
    failures: int = 0
    """Number of attempts that fail before one succeeds."""
    captcha_type: str = "slide"
    """The `risk_type` that `/load` returns if the page names none; "ai" is solved without a box."""


def _fails(reason: str) -> Magic:
    return Magic(says=f"fail, {reason}", verdict=lambda _: fail(reason))


_UNKNOWN: Final = _faults.error("-50102")
_NO_CAPTCHA: Final = _faults.error("-50103")

ORDINARY: Final = Magic()
"""Any other id."""

MAGIC: Final[Mapping[str, Magic]] = MappingProxyType(
    {
        "sim-pass": Magic(says="success, whatever the token, as often as it is asked", verdict=lambda _: None),
        "sim-fail": _fails("pass_token error"),
        "sim-expired": _fails("pass_token expire"),
        "sim-used": _fails("pass_token used"),
        "sim-wrong-key": _fails("sign_token error"),
        "sim-error": Magic(says="error -50005, illegal gen_time", fault=_faults.error("-50005")),
        "sim-unknown": Magic("onError, -50102", "error -50102, illegal captcha_id", _UNKNOWN, _UNKNOWN),
        "sim-down": Magic(says="HTTP 503", fault=_faults.DOWN),
        "sim-slow": Magic(says="the right answer, 2 seconds late", fault=_faults.slow(2)),
        "sim-hang": Magic(says="nothing, ever", fault=_faults.HANGING),
        "sim-garbled": Magic(says="HTTP 200, a page of HTML", fault=_faults.GARBLED),
        "sim-retry": Magic("fails once, then solves", failures=1),
        "sim-one-tap": Magic("solves without a box", captcha_type="ai"),
        "sim-no-captcha": Magic("onError, -50103", "error -50103, not captcha", _NO_CAPTCHA, _NO_CAPTCHA),
        "sim-offline": Magic("offline mode", "HTTP 503", _faults.OFFLINE, _faults.OFFLINE),
    }
)
"""The magic ids. A fault that was ordered (`Simulator.down()` …) comes before them."""


def magic_of(captcha_id: str, keys: Mapping[str, str], any_id: bool) -> Magic:
    """What is special about this id; `ORDINARY` if nothing is."""
    return MAGIC.get(captcha_id, ORDINARY) if any_id or captcha_id in keys else ORDINARY


def table() -> str:
    """`MAGIC` as lines of text."""
    rows = [("captcha id", "the widget", "/validate"), *((name, it.widget, it.says) for name, it in MAGIC.items())]
    return "\n".join(f"  {name:14} {widget:24} {says}".rstrip() for name, widget, says in rows)
