"""Every decision as a record of the logger "geetest_asgi". Neither key nor token ever gets here."""

import logging
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from .._core.model import GeeTestResult, Outage, Outcome

if TYPE_CHECKING:
    from starlette.types import Scope

logger: Final = logging.getLogger("geetest_asgi")

# What a visitor can cause is no warning: it would be one for each bot. Nor is each of an outage's: that has two of its
# own, one when it begins and one with the sum when it ends.
LEVELS: Final[Mapping[Outcome, int]] = {
    Outcome.PASSED: logging.DEBUG,
    Outcome.SKIPPED: logging.DEBUG,
    Outcome.BUSY: logging.WARNING,
    Outcome.MISCONFIGURED: logging.ERROR,
}

_MAX_PATH: Final = 200


def log_result(result: GeeTestResult, scope: "Scope") -> None:
    """One record; the fields stand in it as attributes too: `geetest_outcome`, `_allowed`, `_rule`, `_code`, …"""
    level = LEVELS.get(result.outcome, logging.INFO)
    if not logger.isEnabledFor(level):
        return
    extra: dict[str, Any] = {
        "geetest_outcome": str(result.outcome),
        "geetest_allowed": result.allowed,
        "geetest_rule": result.rule,
        "geetest_reason": result.reason,
        "geetest_code": result.code,
        "geetest_elapsed": result.elapsed,
    }
    # %r: what a visitor or GeeTest sends cannot begin a new line in the log.
    logger.log(
        level,
        "%s %s (%r, %r) %r by rule %r",
        "allowed" if result.allowed else "not allowed",
        result.outcome,
        result.reason,
        result.code,
        scope.get("path", "")[:_MAX_PATH],
        result.rule,
        extra=extra,
    )


def log_outage(outage: Outage) -> None:
    """One warning when a server is no longer asked, one when it answers again."""
    extra = {"geetest_server": outage.server, "geetest_over": outage.over, "geetest_seconds": outage.seconds}
    if outage.over:
        logger.warning("%s answers again, after %.1f s", outage.server, outage.seconds, extra=extra)
    else:
        logger.warning("%s is out of order (%r): asked only now and then", outage.server, outage.reason, extra=extra)


def log_outage_begins(reason: str, policy: str) -> None:
    """One warning when GeeTest is missed for the first time. `policy`: the rule's `on_unavailable`."""
    logger.warning("GeeTest is down (%r): the rule says %r to requests that it cannot vouch for", reason, policy)


def log_outage_ends(let_in: int, refused: int, seconds: float) -> None:
    """One warning with the sum, when GeeTest answers again."""
    logger.warning(
        "GeeTest is back: in %.0f s %d requests were let in unverified, and %d refused",
        seconds,
        let_in,
        refused,
        extra={"geetest_let_in": let_in, "geetest_refused": refused, "geetest_seconds": seconds},
    )
