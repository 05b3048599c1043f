"""What an answer to an impossible token shows, and what it does not. Pure: findings in, words out.

The service looks at the id first, then at the signature, then at the token; that order is observed, not documented
(2026-11). So the key is shown to be right only where the same call, signed with another key, is answered differently.
"""

from collections.abc import Mapping
from typing import Final

from .._core.model import Evidence, Outcome
from .._core.protocol import KEY_CODES
from .report import shown

Verdict = tuple[str, str]
"""A mark of `Report`, and why."""

_WRONG_KEY: Final = "sign_token error"

_ID_HINTS: Final[Mapping[str, str]] = {
    "-50104": "the id was deleted in GeeTest's dashboard",
    "-50105": "the id is paused in GeeTest's dashboard",
}
_ID_HINT: Final = "the service does not know this id; copy it from GeeTest's dashboard"


def answered(evidence: Evidence) -> bool:
    """Was it the service that spoke, in one of its three shapes?"""
    if evidence.outcome is Outcome.REFUSED:
        return bool(evidence.code)
    if evidence.outcome is Outcome.MISCONFIGURED:
        return bool(evidence.code) or evidence.reason == _WRONG_KEY
    return evidence.outcome in (Outcome.PASSED, Outcome.FAILED)


def why_not(evidence: Evidence) -> str:
    """What there was in place of an answer."""
    reason = shown(evidence.reason)
    if evidence.outcome is Outcome.BUSY:
        return f"{reason}: this machine's doing"
    if reason.startswith("HTTP 3"):
        return f"{reason}: a redirect, which is never followed; give the address that it leads to"
    if evidence.outcome is Outcome.REFUSED:
        return f"{reason}: something answers there, but not GeeTest's /validate"
    return reason


def on_pair(right: Evidence, wrong: Evidence) -> Verdict:
    """About an id and its key. `right` was signed with the key, `wrong` with one that is certainly another."""
    said = _said(right)
    if right.outcome is Outcome.PASSED:
        return "FAIL", "lets a token pass that nobody solved: whoever answers there lets everybody in"
    if right.code in KEY_CODES:
        return "FAIL", f"{said}: {_ID_HINTS.get(right.code, _ID_HINT)}"
    if right.reason == _WRONG_KEY:
        return "FAIL", f"{said}: the key does not belong to this id; copy both from GeeTest's dashboard"
    if not answered(right):
        return "FAIL", why_not(right)
    if wrong.reason == _WRONG_KEY:
        return "ok", "the id is known, and the key fits: another key is answered otherwise"
    if right.outcome is Outcome.FAILED or right.code.startswith("-503"):
        return "note", f"the id is known; the key is not shown to be wrong, nor right: every key is answered {said!r}"
    return "warn", f"answered {said!r}, which shows nothing about the id and the key"


def _said(evidence: Evidence) -> str:
    return shown(" ".join(filter(None, (evidence.code, evidence.reason))))
