"""A visit as the page is told of it, and the curl command that brings the same about once more.

A token that GeeTest was asked about is spent, so the command fetches another of the same sort; all else is sent as it
came. No command is better than one that brings something else, or that holds a token of the real GeeTest's.
"""

import re
from collections.abc import Mapping
from shlex import quote
from types import MappingProxyType
from typing import Any, Final
from urllib.parse import urlencode

from .._core.model import GeeTestResult, Outcome
from .guard import LIMITS
from .visits import Visit

_KINDS: Final[Mapping[tuple[Outcome, str], str]] = MappingProxyType(
    {
        (Outcome.PASSED, ""): "fresh",
        (Outcome.FAILED, "pass_token expire"): "expired",
        (Outcome.FAILED, "pass_token error"): "forged",
        (Outcome.FAILED, "pass_token used"): "used",
    }
)
"""A decision's outcome and reason → the sort of token that brings it. In an outage any will do."""

_MODES: Final = ("up", "down", "hanging", "garbled")
_LONGEST: Final = 300
"""Characters of a target that are shown."""

_TEXT: Final = re.compile(r"[^\x00-\x08\x0b-\x1f\x7f\ufffd]*")
"""What survives being copied and pasted."""

_GLOB: Final = re.compile(r"[\[\]{}]|/\.")
"""What curl would read as a pattern, or tidy up."""


def row(visit: Visit, site: str) -> dict[str, Any]:
    """The visit as JSON. `site`: the address that the page was fetched from."""
    result = visit.result
    return {
        "number": visit.number,
        "method": visit.method[:20],
        "target": visit.target[:_LONGEST],
        "status": visit.status,
        "handled": visit.handled,
        "asked": visit.asked,
        "policy": _policy(visit),
        "decision": None if result is None else _decision(result),
        "curl": curl(visit, site),
    }


def _policy(visit: Visit) -> str:
    """The guard's `on_unavailable`; without switches its default."""
    return "allow" if visit.state is None else visit.state["policy"]


def _decision(result: GeeTestResult) -> dict[str, Any]:
    return {
        "outcome": result.outcome,
        "allowed": result.allowed,
        "verified": result.verified,
        "reason": result.reason,
        "code": result.code,
        "milliseconds": round(result.elapsed * 1000),
    }


def curl(visit: Visit, site: str) -> str:
    """The command, for a POSIX shell; empty if there is none."""
    if len(visit.target) > _LONGEST:
        return ""
    if visit.result is not None and visit.result.outcome is Outcome.TOO_LARGE:
        size = max(visit.length, LIMITS.max_body + 1)
        return f"head -c {size} /dev/zero | {_curl(visit, site, _type(visit) + ' --data-binary @-')}"
    return _with_another_token(visit, site) if visit.asked else _as_it_came(visit, site)


def _with_another_token(visit: Visit, site: str) -> str:
    kind = _kind(visit)
    if kind is None or visit.state is None or visit.state["geetest"] not in _MODES:
        return ""
    state = quote(f"{site}/demo/state?{urlencode(visit.state)}")
    token = quote(f"{site}/demo/token?kind={kind}&format=form")
    return f"curl -s -X POST {state} &&\ncurl -s {token} | {_curl(visit, site, ' -d @-')}"


def _kind(visit: Visit) -> str | None:
    result = visit.result
    if result is None:
        return None
    if result.outcome is Outcome.UNAVAILABLE and _policy(visit) == "allow" and not result.allowed:
        return None  # enough were let in: the next one may find room again
    if (result.lot_number or "").startswith("V"):
        return "offline"
    return "fresh" if result.outcome is Outcome.UNAVAILABLE else _KINDS.get((result.outcome, result.reason))


def _as_it_came(visit: Visit, site: str) -> str:
    outcome = visit.result.outcome if visit.result is not None else None
    busy = outcome in (Outcome.BUSY, Outcome.TOO_SLOW)
    real = visit.state is None and outcome is not None and outcome is not Outcome.MISSING
    known = visit.whole or not (visit.length or visit.body)
    body = visit.body.decode("utf-8", "replace")
    if busy or real or not known or not _TEXT.fullmatch(body):
        return ""
    return _curl(visit, site, f"{_type(visit)} --data-raw {quote(body)}" if body else "")


def _curl(visit: Visit, site: str, data: str) -> str:
    """`data`: the options that say what is sent; empty for nothing."""
    by_itself = "POST" if data else "GET"
    method = "" if visit.method == by_itself else f" -X {quote(visit.method)}"
    odd = " -g --path-as-is" if _GLOB.search(visit.target) else ""
    return f"curl -i{' -I' if visit.method == 'HEAD' else method}{odd}{data} {quote(site + visit.target)}"


def _type(visit: Visit) -> str:
    # Which curl says by itself, but for the character set that a browser adds and nobody reads.
    form = visit.content_type.partition(";")[0].strip().lower() == "application/x-www-form-urlencoded"
    return "" if form else f" -H {quote('Content-Type: ' + visit.content_type)}"
