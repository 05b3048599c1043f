"""All that is logged: records of the logger "geetest_asgi", listed in docs/observability.md.

A record says its `geetest_event`, and has as attributes all that its message is made of. Neither key nor token ever
gets here.
"""

import logging
import os
import sys
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, Final

from .._core.address import client_address
from .._core.model import FOREIGN_ID, GeeTestResult, Lockout, Outage, Outcome

if TYPE_CHECKING:
    from starlette.types import Scope

logger: Final = logging.getLogger("geetest_asgi")

# What a visitor can cause is no warning: it would be one for each bot. Outages, lockouts and full bounds have two
# warnings of their own, one when they begin and one with the sum when they end.
LEVELS: Final[Mapping[Outcome, int]] = {
    Outcome.PASSED: logging.DEBUG,
    Outcome.SKIPPED: logging.DEBUG,
    Outcome.MISCONFIGURED: logging.ERROR,
}

_MAX_PATH: Final = 200
_MAX_METHOD: Final = 20


def _log(level: int, event: str, message: str, *, exc_info: bool = False, **fields: object) -> None:
    """`message` is made of the fields: "%(rule)r". What others have sent is shown by %r, and so begins no new line."""
    extra = {f"geetest_{name}": value for name, value in {"event": event, **fields}.items()}
    logger.log(level, message, fields or {"event": event}, exc_info=exc_info, extra=extra)


def log_decision(
    result: GeeTestResult, scope: "Scope | None" = None, mode: str = "enforce", *, log_client: bool = True
) -> None:
    """Every decision. `scope`: the request's; None where GeeTestClient was given none."""
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
        "method": _method(scope or {}),
        "path": (scope or {}).get("path", "")[:_MAX_PATH],
        "client": client_address(scope or {}) if log_client else None,
    }
    told = _decision(result, scope, mode) + (" from %(client)r" if fields["client"] else "")
    _log(level, "decision", told, **fields)


def _method(scope: Mapping[str, Any]) -> str:
    return "WEBSOCKET" if scope.get("type") == "websocket" else str(scope.get("method", ""))[:_MAX_METHOD]


def _decision(result: GeeTestResult, scope: "Scope | None", mode: str) -> str:
    verdict = "allowed" if result.allowed else "not allowed"
    if not result.allowed and mode == "monitor":
        verdict = "not allowed, but let in by mode 'monitor'"
    elif result.outcome is Outcome.UNAVAILABLE and result.allowed:
        verdict = "allowed unverified"
    why = ", ".join(f"%({name})r" for name in ("reason", "code") if getattr(result, name))
    where = "" if scope is None else "%(method)r %(path)r "
    by = "by rule %(rule)r" if result.rule or scope is None else "by no rule"
    return f"%(outcome)s, {verdict}{f' ({why})' if why else ''}: {where}{by}"


def log_hook_raised(hook: str) -> None:
    """From within `except`: an observer of the user's has raised. Nothing else comes of it."""
    _log(logging.ERROR, "hook_raised", "%(hook)s raised; the decision stands", exc_info=True, hook=hook)


def tell_hook(hook: str, function: Callable[[Any], object] | None, told: object) -> None:
    """Call a plain observer of the user's, if there is one. What it raises is logged."""
    if function is not None:
        try:
            function(told)
        except Exception:
            log_hook_raised(hook)


def log_outage(outage: Outage) -> None:
    """One warning when a server is no longer asked, one when it answers again."""
    server, reason = outage.server, outage.reason
    if outage.over:
        told = "%(server)s answers again, after %(seconds).1f s"
        _log(logging.WARNING, "server_answers", told, server=server, reason=reason, seconds=outage.seconds)
    else:
        told = "%(server)s is out of order (%(reason)r): asked only now and then"
        _log(logging.WARNING, "server_fails", told, server=server, reason=reason)


def log_outage_begins(reason: str, policy: str) -> None:
    """One warning when GeeTest is missed for the first time. `policy`: the rule's `on_unavailable`."""
    told = "GeeTest is down (%(reason)r): the rule says %(on_unavailable)r to requests that it cannot vouch for"
    _log(logging.WARNING, "outage_begins", told, reason=reason, on_unavailable=policy)


def log_outage_ends(let_in: int, refused: int, seconds: float) -> None:
    """One warning with the sum, when GeeTest answers again."""
    told = "GeeTest is back: in %(seconds).0f s %(let_in)d requests were let in unverified, and %(refused)d refused"
    _log(logging.WARNING, "outage_ends", told, let_in=let_in, refused=refused, seconds=seconds)


_LOOK_AT: Final[Mapping[str, str]] = {
    "refused: HTTP 429": "GeeTest's edge or a proxy limits the rate of calls: run geetest-asgi check, and ask GeeTest",
    "refused: HTTP": "a proxy, a firewall or GeeTest's edge answers instead of GeeTest: run geetest-asgi check here",
    "failed: pass_token error": "the captcha_id of the page is another one, or tokens are made up in great number",
    "failed": "run geetest-asgi check, and compare the page's captcha_id with this rule's; or a great attack",
    f"malformed: {FOREIGN_ID}": "compare the captcha_id of the page with those that `credentials` knows",
    "malformed": "compare what the page sends with the settings `fields` and `sources`; or a great attack",
    "refused": "GeeTest or a proxy answers otherwise than documented: run geetest-asgi check on this host",
}
"""What to look at, by how the reason begins. The first that fits."""


def log_lockout(lockout: Lockout) -> None:
    """One warning when nearly all clients of a rule are refused, one with the numbers when they no longer are."""
    fields: dict[str, Any] = {
        "rule": lockout.rule,
        "reason": lockout.reason,
        "share": lockout.share,
        "clients": lockout.clients,
    }
    share = f"{lockout.share:.0%}".replace("%", "%%")
    if lockout.over:
        told = "Rule %(rule)r lets clients in again: in %(seconds).0f s %(refused)d requests were refused (%(reason)r) "
        told += f"and %(passed)d let in; now {share} of the latest %(clients)d clients are refused"
        fields |= {"seconds": lockout.seconds, "refused": lockout.refused, "passed": lockout.passed}
        _log(logging.WARNING, "lockout_ends", told, **fields)
    else:
        look_at = next((each for begin, each in _LOOK_AT.items() if lockout.reason.startswith(begin)), "")
        told = f"Rule %(rule)r refuses {share} of the latest %(clients)d clients, mostly for %(reason)r: %(look_at)s"
        _log(logging.WARNING, "lockout_begins", told, **fields, look_at=look_at)


def log_busy(refused: int, bounds: Mapping[str, int], seconds: float, *, over: bool) -> None:
    """One warning when bounds of our own have refused some requests, one with the sum when they no longer do.

    `bounds`: number of requests by the reason, which names the bound.
    """
    fields: dict[str, Any] = {"refused": refused, "bounds": dict(bounds), "seconds": seconds}
    if over:
        told = "No bound is full any more: in %(seconds).0f s %(refused)d requests were refused as busy (%(bounds)r)"
        _log(logging.WARNING, "busy_ends", told, **fields)
    else:
        told = "A bound is full: in %(seconds).1f s %(refused)d requests were refused as busy (%(bounds)r)"
        _log(logging.WARNING, "busy_begins", told, **fields)


def log_monitor(requests: int, denied: int, by_rule: Mapping[str, int], seconds: float) -> None:
    """A warning every few minutes: what mode "monitor" would have denied. `by_rule`: by "outcome, rule"."""
    fields: dict[str, Any] = {"requests": requests, "denied": denied, "by_rule": dict(by_rule), "seconds": seconds}
    told = "mode='monitor': in %(seconds).0f s %(denied)d of %(requests)d requests would have been denied"
    told += " (%(by_rule)r)" if by_rule else ""
    _log(logging.WARNING, "monitor", told, **fields)


def log_store_fails(store: str, reason: str) -> None:
    """One warning when a store begins to fail. `store`: its class; `reason`: what it raised."""
    told = "%(store)s fails (%(reason)s): until it answers, each process knows the tokens that it has seen itself"
    _log(logging.WARNING, "store_fails", told, store=store, reason=reason)


def log_store_answers(store: str, seconds: float) -> None:
    """One warning when it answers again."""
    told = "%(store)s answers again, after %(seconds).1f seconds"
    _log(logging.WARNING, "store_answers", told, store=store, seconds=seconds)


def log_modes(modes: Iterable[tuple[str, str]], source: str = "") -> None:
    """While the app is built: one warning for each mode that denies nobody, with the rules that have it.

    `source`: the environment variable that the mode comes from, if it does.
    """
    lenient: dict[str, list[str]] = {}
    for rule, mode in modes:
        if mode != "enforce":
            lenient.setdefault(mode, []).append(rule)
    told = "mode=%(mode)r" + (" (from %(source)s)" if source else "") + ": nothing is denied by %(rules)s"
    for mode, rules in lenient.items():
        _log(logging.WARNING, "mode", told, mode=mode, rules=rules, source=source)


def log_marks(guarded: Iterable[str], left_open: Iterable[str]) -> None:
    """While the app is built: what its marks guard; one warning with the marked routes that stay open.

    Each is a methods and a path. A mark that says its `methods` leaves nothing open by mistake.
    """
    _log(logging.INFO, "marks", "marked, and guarded: %(routes)s", routes=list(guarded))
    if left_open := list(left_open):
        told = "marked, but open: %(routes)s. A mark guards unsafe methods, unless it says others: methods='*'"
        _log(logging.WARNING, "marks_open", told, routes=left_open)


def log_unguarded(interface: str) -> None:
    """One error when Django serves a request that no guard has seen. `interface`: "WSGI" or "ASGI"."""
    told = "Django serves by %(interface)s without GeeTest's guard: nothing is protected. Serve the ASGI application "
    told += "that geetest_asgi.django.protect() gives; 'manage.py runserver' does so with 'daphne' in INSTALLED_APPS"
    _log(logging.ERROR, "unguarded", told, interface=interface)


def _is_test_run() -> bool:
    # pytest sets the variable, and what a test starts inherits it; an image may have it set for good.
    return "PYTEST_VERSION" in os.environ and "pytest" in sys.modules


def log_loopback(server: str) -> None:
    """One warning while the app is built, in tests none: this `api_server` can only be reached from this machine."""
    if _is_test_run():
        return
    told = "%(server)s is this machine, not GeeTest: whatever listens there says who gets in"
    _log(logging.WARNING, "loopback", told, server=server)


def log_simulator() -> None:
    """One warning at the first answer that is marked as a simulator's; in tests none."""
    if _is_test_run():
        return
    _log(
        logging.WARNING,
        "simulator",
        "a simulator answers in GeeTest's place: anybody can make tokens that it takes for good",
    )
