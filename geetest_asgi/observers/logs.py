"""All records of the logger "geetest_asgi"; docs/observability.md lists them.

A record has its `geetest_event`, and each value in its message, as attributes. No record contains a key or a token.
"""

import logging
import os
import sys
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

from .._core.address import client_address
from .._core.model import FOREIGN_ID, GeeTestResult, Lockout, Outage, Outcome

logger: Final = logging.getLogger("geetest_asgi")

# Decisions that a client can cause are no warnings: each bot would cause some. Outages, lockouts and full limits have
# two warnings of their own: one at the beginning, one with the sum at the end.
LEVELS: Final[Mapping[Outcome, int]] = {
    Outcome.PASSED: logging.DEBUG,
    Outcome.SKIPPED: logging.DEBUG,
    Outcome.MISCONFIGURED: logging.ERROR,
}

_MAX_PATH: Final = 200
_MAX_METHOD: Final = 20


def _log(event: str, message: str, *, level: int = logging.WARNING, exc_info: bool = False, **fields: object) -> None:
    """Log a message with its fields: "%(rule)r". Foreign text is formatted by %r, so that it begins no new line."""
    extra = {f"geetest_{name}": value for name, value in {"event": event, **fields}.items()}
    logger.log(level, message, fields or {"event": event}, exc_info=exc_info, extra=extra)


def log_decision(
    result: GeeTestResult, scope: Mapping[str, Any], mode: str = "enforce", *, log_client: bool = True
) -> None:
    """Log a decision. `scope`: the request's scope; empty for a GeeTestClient without one."""
    level = LEVELS.get(result.outcome, logging.INFO)
    if not logger.isEnabledFor(level):
        return
    fields: dict[str, Any] = {
        "outcome": str(result.outcome),
        "allowed": result.allowed,
        "verified": result.verified,
        "rule": result.rule,
        "reason": result.reason,
        "code": result.code,
        "lot_number": result.lot_number,
        "elapsed": result.elapsed,
        "mode": mode,
        "method": "WEBSOCKET" if scope.get("type") == "websocket" else str(scope.get("method", ""))[:_MAX_METHOD],
        "path": scope.get("path", "")[:_MAX_PATH],
        "client": client_address(scope) if log_client else None,
    }
    why = ", ".join(f"%({name})r" for name in ("reason", "code") if fields[name])
    message = f"%(outcome)s, {_verdict(result, mode)}{f' ({why})' if why else ''}: "
    message += "%(method)r %(path)r " if scope else ""
    message += "by rule %(rule)r" if result.rule else "by no rule"
    message += " from %(client)r" if fields["client"] else ""
    _log("decision", message, level=level, **fields)


def _verdict(result: GeeTestResult, mode: str) -> str:
    if result.allowed:
        return "allowed unverified" if result.unverified else "allowed"
    return "not allowed, but let in by mode 'monitor'" if mode == "monitor" else "not allowed"


def log_hook_raised(hook: str) -> None:
    """Log the current exception, raised by a function of the user that cannot change the decision."""
    _log("hook_raised", "%(hook)s raised; the decision stands", level=logging.ERROR, exc_info=True, hook=hook)


def notify_plain(hook: str, function: Callable[[Any], object] | None, event: object) -> None:
    """Call a plain function of the user, if there is one. An exception is logged."""
    if function is not None:
        try:
            function(event)
        except Exception:
            log_hook_raised(hook)


def log_outage(outage: Outage) -> None:
    """Warn when a server is skipped, and when it answers again."""
    fields: dict[str, Any] = {"server": outage.server, "reason": outage.reason}
    if outage.over:
        _log("server_answers", "%(server)s answers again, after %(seconds).1f s", **fields, seconds=outage.seconds)
    else:
        _log("server_fails", "%(server)s is out of order (%(reason)r): asked only now and then", **fields)


def log_outage_begins(reason: str, policy: str) -> None:
    """Warn at the first `unavailable` request. `policy`: the rule's `on_unavailable`."""
    message = "GeeTest is down (%(reason)r): the rule says on_unavailable=%(on_unavailable)r for unverified requests"
    _log("outage_begins", message, reason=reason, on_unavailable=policy)


def log_outage_ends(let_in: int, refused: int, seconds: float) -> None:
    """Warn with the sum when GeeTest answers again."""
    message = "GeeTest is back: in %(seconds).0f s %(let_in)d requests were let in unverified, and %(refused)d refused"
    _log("outage_ends", message, let_in=let_in, refused=refused, seconds=seconds)


_LOOK_AT: Final[Mapping[str, str]] = {
    "refused: HTTP 429": "GeeTest's edge or a proxy limits the rate of calls: run geetest-asgi check, and ask GeeTest",
    "refused: HTTP": "a proxy, a firewall or GeeTest's edge answers instead of GeeTest: run geetest-asgi check here",
    "failed: pass_token error": "the captcha_id of the page is another one, or tokens are made up in great number",
    "failed": "run geetest-asgi check, and compare the page's captcha_id with this rule's; or a great attack",
    f"malformed: {FOREIGN_ID}": "compare the captcha_id of the page with those that `credentials` knows",
    "malformed": "compare what the page sends with the settings `fields` and `sources`; or a great attack",
    "refused": "GeeTest or a proxy answers otherwise than documented: run geetest-asgi check on this host",
}
"""Advice by the beginning of the reason. The first one that matches is used."""


def log_lockout(lockout: Lockout) -> None:
    """Warn when nearly all clients of a rule are refused, and with the numbers when they no longer are."""
    fields: dict[str, Any] = {
        "rule": lockout.rule,
        "reason": lockout.reason,
        "share": lockout.share,
        "clients": lockout.clients,
    }
    share = f"{lockout.share:.0%}".replace("%", "%%")
    if lockout.over:
        message = (
            "Rule %(rule)r lets clients in again: in %(seconds).0f s %(refused)d requests were refused (%(reason)r) "
            f"and %(passed)d let in; now {share} of the latest %(clients)d clients are refused"
        )
        fields |= {"seconds": lockout.seconds, "refused": lockout.refused, "passed": lockout.passed}
        _log("lockout_ends", message, **fields)
    else:
        look_at = next((each for begin, each in _LOOK_AT.items() if lockout.reason.startswith(begin)), "")
        message = f"Rule %(rule)r refuses {share} of the latest %(clients)d clients, mostly for %(reason)r: %(look_at)s"
        _log("lockout_begins", message, **fields, look_at=look_at)


def log_busy(bounds: Mapping[str, int], seconds: float, *, over: bool) -> None:
    """Warn when full limits of this process refuse requests, and with the sum when they no longer do.

    `bounds`: number of requests by reason, which names the limit.
    """
    fields: dict[str, Any] = {"refused": sum(bounds.values()), "bounds": bounds, "seconds": seconds}
    refused = "%(refused)d requests were refused as busy (%(bounds)r)"
    if over:
        _log("busy_ends", f"No bound is full any more: in %(seconds).0f s {refused}", **fields)
    else:
        _log("busy_begins", f"A bound is full: in %(seconds).1f s {refused}", **fields)


def log_monitor(requests: int, by_rule: Mapping[str, int], seconds: float) -> None:
    """Warn with the number of requests that mode "monitor" would have denied. `by_rule`: number by "outcome, rule"."""
    message = "mode='monitor': in %(seconds).0f s %(denied)d of %(requests)d requests would have been denied"
    message += " (%(by_rule)r)" if by_rule else ""
    denied = sum(by_rule.values())
    _log("monitor", message, requests=requests, denied=denied, by_rule=by_rule, seconds=seconds)


def log_store_fails(store: str, reason: str) -> None:
    """Warn when a store begins to fail. `store`: the name of its class; `reason`: its exception."""
    message = "%(store)s fails (%(reason)s): until it answers, each process knows the tokens that it has seen itself"
    _log("store_fails", message, store=store, reason=reason)


def log_store_answers(store: str, seconds: float) -> None:
    """Warn when the store answers again."""
    _log("store_answers", "%(store)s answers again, after %(seconds).1f seconds", store=store, seconds=seconds)


def log_modes(modes: Iterable[tuple[str, str]], source: str = "") -> None:
    """Warn, while the app is built, of each mode that denies no request, with its rules.

    `modes`: pairs of a rule and its mode. `source`: the environment variable with the mode, or "".
    """
    lenient: dict[str, list[str]] = {}
    for rule, mode in modes:
        if mode != "enforce":
            lenient.setdefault(mode, []).append(rule)
    message = "mode=%(mode)r" + (" (from %(source)s)" if source else "") + ": nothing is denied by %(rules)s"
    for mode, rules in lenient.items():
        _log("mode", message, mode=mode, rules=rules, source=source)


def log_marks(guarded: Iterable[str], left_open: Iterable[str]) -> None:
    """Log, while the app is built, the routes that its marks protect; warn of the marked routes that stay open.

    Each route is its methods and its path. A mark with `methods` leaves none open by mistake.
    """
    _log("marks", "marked, and guarded: %(routes)s", level=logging.INFO, routes=list(guarded))
    if left_open := list(left_open):
        message = "marked, but open: %(routes)s. A mark guards unsafe methods, unless it says others: methods='*'"
        _log("marks_open", message, routes=left_open)


def log_unguarded(interface: str) -> None:
    """Log an error when Django serves a request without a guard. `interface`: "WSGI" or "ASGI"."""
    message = (
        "Django serves by %(interface)s without GeeTest's guard: nothing is protected. Serve the ASGI application "
        "that geetest_asgi.django.protect() gives; 'manage.py runserver' does so with 'daphne' in INSTALLED_APPS"
    )
    _log("unguarded", message, level=logging.ERROR, interface=interface)


def _is_test_run() -> bool:
    # Processes that a test starts inherit the variable; a container image may always set it.
    return "PYTEST_VERSION" in os.environ and "pytest" in sys.modules


def log_loopback(server: str) -> None:
    """Warn, while the app is built, of an `api_server` on this machine. Not in tests."""
    if _is_test_run():
        return
    message = "%(server)s is this machine, not GeeTest: whatever listens there says who gets in"
    _log("loopback", message, server=server)


def log_simulator() -> None:
    """Warn of an answer that is marked as a simulator's. Not in tests."""
    if _is_test_run():
        return
    _log(
        "simulator",
        "a simulator answers instead of GeeTest: anyone can make tokens that it accepts",
    )
