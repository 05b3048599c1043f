"""Build a policy for each rule: its own settings, and those of the middleware."""

import os
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, Final

from .._core.errors import ConfigError
from .._core.fields.spelling import WITH_ID, spelling
from .._core.model import FIELD_NAMES
from .._core.paths.patterns import Pattern
from .._core.paths.rule_table import EVERYTHING, RuleTable, as_rule, exempt_pattern, rule_pattern
from .._core.policy import Policy
from .._core.rules import Rule
from .credentials import Key, credentials, takes_id
from .values import MODES, choice, hook, limits, several, statuses

_LONGEST: Final = 60.0
"""Seconds. Whoever writes 3000 means milliseconds."""
UNCLEAR_PATH: Final = "the spellings of this path fall under different rules, or it is too long to be looked at"


def build_table(
    protect: object,
    exempt: object,
    root_paths: object,
    pair: tuple[str | None, Key],
    defaults: Mapping[str, Any],
) -> RuleTable[Policy]:
    """Return the table of all rules, with their policies. Raises ConfigError."""
    defaults = _checked(defaults)  # all of them: requests without a clear rule use some that each rule may override
    rules = [EVERYTHING] if protect is None else [as_rule(each) for each in several("protect", protect)]
    if not rules:
        raise ConfigError("protect=[]: give at least one pattern, such as 'POST /login'; None means every request")
    roots = [_root_path(each) for each in several("root_paths", root_paths)]
    table = [(rule_pattern(rule), build_policy(rule, pair, defaults)) for rule in rules]
    exemptions = [exempt_pattern(each) for each in several("exempt", exempt)]
    return RuleTable(table, exemptions, roots, _unclear([policy for _, policy in table], defaults))


def _unclear(policies: Sequence[Policy], defaults: Mapping[str, Any]) -> Policy:
    """Return the policy for requests whose rule is unclear: it has no name, and the middleware's own hooks."""
    return replace(
        policies[0],
        name="",
        refuses=UNCLEAR_PATH,
        mode="monitor" if all(policy.mode != "enforce" for policy in policies) else "enforce",
        on_denied=defaults["on_denied"],
        on_result=defaults["on_result"],
    )


def build_policy(rule: Rule, pair: tuple[str | None, Key], defaults: Mapping[str, Any]) -> Policy:
    """Return the policy of one rule: its own settings, else the defaults. Raises ConfigError."""
    if rule.name is not None and (not isinstance(rule.name, str) or not rule.name):
        raise ConfigError(f"Rule({rule.pattern!r}, name={rule.name!r}): give a text, or leave it out")
    own = {name: getattr(rule, name) for name in PER_RULE if getattr(rule, name) is not None}
    chosen = _checked({**defaults, **own})
    if rule.captcha_id is not None:  # a pair of its own
        chosen["credentials"] = rule.credentials
    by_id = takes_id(chosen["credentials"])
    pattern = rule_pattern(rule)
    if chosen["clearance"] is not None:
        _check_realm(rule, pattern, by_id)
    captcha_id, keys = _pair(rule, pair, needed=chosen["mode"] != "off" and chosen["credentials"] is None)
    name = rule.name or pattern.text
    return Policy(
        name=name,
        captcha_id=captcha_id,
        keys=keys,
        credentials=chosen["credentials"],
        credentials_by_id=by_id,
        spelling=spelling(chosen["fields"], WITH_ID if by_id else FIELD_NAMES),
        methods=str(pattern.methods),
        identity=f"{pattern.methods} {pattern.text} {name}",
        **{name: chosen[name] for name in _CHECKS},
    )


def _checked(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings with each value as a policy has it. Raises ConfigError."""
    spelling(settings["fields"], WITH_ID)
    takes_id(settings["credentials"])
    return {**settings, **{name: check(settings[name]) for name, check in _CHECKS.items()}}


def _check_realm(rule: Rule, pattern: Pattern, by_id: bool) -> None:
    """Check that a clearance has something to bind its passes to."""
    if pattern.segments == ("**",) and rule.name in (None, EVERYTHING.name):
        raise ConfigError(
            "clearance: a pass is bound to its rule's name, and a rule for every request has none of its own; "
            "write protect=Rule('/**', methods='*', name='comments')"
        )
    if by_id:
        raise ConfigError(
            "clearance: a pass is bound to the captcha id, which credentials(scope, sent_id) knows too late; "
            "give credentials(scope), or a rule for each id"
        )


def _root_path(given: object) -> str:
    if not isinstance(given, str) or not re.fullmatch(r"(/[^/?#%,*{}\s]+)+", given):
        raise ConfigError(f"root_paths: {given!r} is no prefix; write it as '/api', without a slash at its end")
    return given


def _sources(given: object) -> tuple[Any, ...]:
    sources = tuple(several("sources", given))
    known = ("header", "query", "body", "text")
    if not sources or any(sources.count(each) > 1 or each not in known for each in sources):
        raise ConfigError(f"sources={given!r}: list each of {', '.join(known)} once, those you want, in order")
    return sources


def mode(given: object) -> tuple[Any, str]:
    """Return the mode, and the environment variable that it comes from, or "". Raises ConfigError."""
    if given is not None:
        return given, ""
    named = os.environ.get("GEETEST_MODE", "").strip()
    if named and named not in MODES:
        raise ConfigError(f"GEETEST_MODE={named!r}: write one of {', '.join(MODES)}")
    return named or "enforce", "GEETEST_MODE" if named else ""


def _seconds(given: object) -> float:
    if isinstance(given, bool) or not isinstance(given, int | float) or not (0 < given <= _LONGEST):
        raise ConfigError(f"timeout={given!r}: give a positive number of seconds, {_LONGEST:g} at most")
    return float(given)


def _pair(rule: Rule, pair: tuple[str | None, Key], *, needed: bool) -> tuple[str, tuple[str, ...]]:
    if (rule.captcha_id is None) is not (rule.captcha_key is None):
        raise ConfigError(f"Rule({rule.pattern!r}): captcha_id and captcha_key belong together; give both or neither")
    captcha_id, captcha_key = pair if rule.captcha_id is None else (rule.captcha_id, rule.captcha_key)
    given = captcha_id, captcha_key, os.environ.get("GEETEST_CAPTCHA_ID"), os.environ.get("GEETEST_CAPTCHA_KEY")
    if not needed and not any(given):
        return "", ("",)
    return credentials(captcha_id, captcha_key)


def _object(name: str, verbs: tuple[str, ...], example: str, given: object) -> object:
    """Return None, or an object with the methods that the setting needs."""
    if given is not None and (isinstance(given, type) or not all(hasattr(given, verb) for verb in verbs)):
        raise ConfigError(f"{name}={given!r}: give {example}")
    return given


_CHECKS: Final[Mapping[str, Callable[[Any], Any]]] = {
    "sources": _sources,
    "timeout": _seconds,
    "forgive": partial(statuses, "forgive"),
    "limits": limits,
    "clearance": partial(_object, "clearance", ("admits", "grant"), "a geetest_asgi.clearance.Clearance(secret)"),
    "when": partial(_object, "when", ("wanted", "answered"), "a geetest_asgi.AfterFailures()"),
    **{name: partial(choice, name) for name in ("on_unavailable", "mode")},
    **{name: partial(hook, name) for name in ("skip", "accept", "on_denied", "on_result")},
}
"""For each setting the function that returns it as the policy has it."""

PER_RULE: Final = ("credentials", "fields", *_CHECKS)
"""Settings that a Rule may have of its own, besides the id and the key."""
