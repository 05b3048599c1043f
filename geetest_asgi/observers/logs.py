"""Every decision as a record of the logger "geetest_asgi". Neither key nor token ever gets here."""

import logging
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from .._core.model import GeeTestResult, Outage, Outcome

if TYPE_CHECKING:
    from starlette.types import Scope

logger: Final = logging.getLogger("geetest_asgi")

# What a visitor can cause is no warning: it would be one for each bot.
LEVELS: Final[Mapping[Outcome, int]] = {
    Outcome.PASSED: logging.DEBUG,
    Outcome.SKIPPED: logging.DEBUG,
    Outcome.UNAVAILABLE: logging.WARNING,
    Outcome.BUSY: logging.WARNING,
    Outcome.MISCONFIGURED: logging.ERROR,
}

_MAX_PATH: Final = 200


def log_result(result: GeeTestResult, scope: "Scope") -> None:
    """One record; the fields stand in it as attributes too: `geetest_outcome`, `_allowed`, `_rule`, `_code`, …"""
    level = LEVELS.get(result.outcome, logging.INFO)
    if result.outcome is Outcome.UNAVAILABLE and not result.elapsed:
        level = logging.INFO  # GeeTest was not asked: there was a warning when that began, and one for each is no help
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


def log_admissions_begin(reason: str) -> None:
    """One warning when the first request is let in unverified, or would be if there were room."""
    logger.warning("requests are let in unverified from now on: GeeTest is down (%r)", reason)


def log_admissions_end(let_in: int, turned_away: int, seconds: float) -> None:
    """One warning with the sum, when GeeTest answers again."""
    logger.warning(
        "nobody is let in unverified any more: in %.0f s there were %d, and %d more were turned away",
        seconds,
        let_in,
        turned_away,
        extra={"geetest_let_in": let_in, "geetest_turned_away": turned_away, "geetest_seconds": seconds},
    )
