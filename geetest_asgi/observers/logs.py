"""Every decision as a record of the logger "geetest_asgi". Neither key nor token ever gets here."""

import logging
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from .._core.model import GeeTestResult, Outcome

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
