"""From what the user wrote to values with nothing left open. Every mistake is a ConfigError, raised here."""

import inspect
import ipaddress
import os
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, cast
from urllib.parse import urlsplit

from ._core.errors import ConfigError
from ._core.fields.spelling import WITH_ID, spelling
from ._core.limits import Limits
from ._core.model import FIELD_NAMES
from ._core.paths.rule_table import EVERYTHING, RuleTable, as_rule, exempt_pattern, rule_pattern
from ._core.policy import Policy
from ._core.protocol import API_SERVERS, SERVICES
from ._core.rules import Rule
from .observers.logs import log_loopback
from .stores import FailSafe, MemoryStore, Store
from .stores.urls import from_url

_CHOICES: Final[Mapping[str, tuple[str, ...]]] = {
    "on_unavailable": ("allow", "deny"),
    "mode": ("enforce", "monitor", "off"),
}
_HOOKS: Final = ("skip", "accept", "on_denied", "on_result", "credentials")
_VERBS: Final = ("add", "pop", "delete", "count")
_LONGEST: Final = 3600.0
PER_RULE: Final = ("sources", "fields", "timeout", "limits", "forgive", "clearance", *_CHOICES, *_HOOKS)
"""The settings that a Rule may have of its own, besides the id and the key."""


def build_table(
    protect: object,
    exempt: object,
    root_paths: object,
    pair: tuple[str | None, "Key"],
    defaults: Mapping[str, Any],
) -> RuleTable[Policy]:
    """The rules with everything they inherit."""
    rules = [EVERYTHING] if protect is None else [as_rule(each) for each in _several("protect", protect)]
    if not rules:
        raise ConfigError("protect=[]: give at least one pattern, such as 'POST /login'; None means every request")
    roots = [_root_path(each) for each in _several("root_paths", root_paths)]
    table = [(rule_pattern(rule), build_policy(rule, pair, defaults)) for rule in rules]
    return RuleTable(table, [exempt_pattern(each) for each in _several("exempt", exempt)], roots)


def build_policy(rule: Rule, pair: tuple[str | None, "Key"], defaults: Mapping[str, Any]) -> Policy:
    """One rule's policy: its own settings, else the defaults."""
    own = {name: getattr(rule, name) for name in PER_RULE if getattr(rule, name) is not None}
    chosen = {**defaults, **own}
    if rule.captcha_id is not None:  # a pair of its own
        chosen["credentials"] = rule.credentials
    for name, choices in _CHOICES.items():
        if chosen[name] not in choices:
            raise ConfigError(f"{name}={chosen[name]!r}: write one of {', '.join(map(repr, choices))}")
    for name in _HOOKS:
        hook(name, chosen[name])
    limits(chosen["limits"])
    clearance(chosen["clearance"])
    by_id = _takes_id(chosen["credentials"])
    captcha_id, keys = _pair(rule, pair, needed=chosen["mode"] != "off" and chosen["credentials"] is None)
    text = rule.pattern if isinstance(rule.pattern, str) else rule.pattern.pattern
    return Policy(
        name=rule.name or text,
        captcha_id=captcha_id,
        keys=keys,
        sources=_sources(chosen.pop("sources")),
        spelling=spelling(chosen.pop("fields"), WITH_ID if by_id else FIELD_NAMES),
        credentials_by_id=by_id,
        timeout=_seconds(chosen.pop("timeout")),
        forgive=_statuses(chosen.pop("forgive")),
        **chosen,
    )


def _several(name: str, given: object) -> list[object]:
    if isinstance(given, str | re.Pattern | Rule):
        return [given]
    if not isinstance(given, Iterable) or isinstance(given, bytes | Mapping):
        raise ConfigError(f"{name}={given!r}: give a list of strings")
    return list(given)


def _root_path(given: object) -> str:
    if not isinstance(given, str) or not re.fullmatch(r"(/[^/?#%\s]+)+", given):
        raise ConfigError(f"root_paths: {given!r} is no prefix; write it as '/api', without a slash at its end")
    return given


def _sources(given: object) -> tuple[Any, ...]:
    sources = tuple(_several("sources", given))
    known = ("header", "query", "body")
    if not sources or any(sources.count(each) > 1 or each not in known for each in sources):
        raise ConfigError(f"sources={given!r}: list each of {', '.join(known)} once, those you want, in order")
    return sources


def _statuses(given: object) -> tuple[int, ...]:
    statuses = tuple(given) if isinstance(given, Iterable) and not isinstance(given, str | bytes) else (given,)
    for each in statuses:
        if isinstance(each, bool) or not isinstance(each, int) or not 400 <= each <= 499:
            raise ConfigError(f"forgive={given!r}: list statuses from 400 to 499, such as (422,)")
    return statuses


def mode(given: object) -> tuple[Any, str]:
    """The mode, and the environment variable that it comes from, if it does."""
    if given is not None:
        return given, ""
    named = os.environ.get("GEETEST_MODE", "").strip()
    if named and named not in _CHOICES["mode"]:
        raise ConfigError(f"GEETEST_MODE={named!r}: write one of {', '.join(_CHOICES['mode'])}")
    return named or "enforce", "GEETEST_MODE" if named else ""


def _seconds(given: object) -> float:
    if isinstance(given, bool) or not isinstance(given, int | float) or not (0 < given <= _LONGEST):
        raise ConfigError(f"timeout={given!r}: give a positive number of seconds, {_LONGEST:g} at most")
    return float(given)


Key = str | Sequence[str] | None


def _pair(rule: Rule, pair: tuple[str | None, Key], *, needed: bool) -> tuple[str, tuple[str, ...]]:
    if (rule.captcha_id is None) is not (rule.captcha_key is None):
        raise ConfigError(f"Rule({rule.pattern!r}): captcha_id and captcha_key belong together; give both or neither")
    captcha_id, captcha_key = pair if rule.captcha_id is None else (rule.captcha_id, rule.captcha_key)
    given = captcha_id, captcha_key, os.environ.get("GEETEST_CAPTCHA_ID"), os.environ.get("GEETEST_CAPTCHA_KEY")
    if not needed and not any(given):
        return "", ("",)
    return credentials(captcha_id, captcha_key)


def credentials(captcha_id: str | None, captcha_key: Key) -> tuple[str, tuple[str, ...]]:
    """An id and its keys that can be meant: given here or in the environment, and free of white space."""
    captcha_id = os.environ.get("GEETEST_CAPTCHA_ID") if captcha_id is None else captcha_id
    captcha_key = os.environ.get("GEETEST_CAPTCHA_KEY", "").split(",") if captcha_key is None else captcha_key
    keys = captcha_key if isinstance(captcha_key, list | tuple) else [captcha_key]
    _check_credential("captcha_id", captcha_id, shown=repr(captcha_id))
    for key in keys or [None]:
        _check_credential("captcha_key", key, shown="…")
    return str(captcha_id), tuple(keys)


def _takes_id(function: Any) -> bool:
    """Whether `credentials` is to be called with the captcha_id that was sent, besides the scope."""
    try:
        parameters = [] if function is None else [*inspect.signature(function).parameters.values()]
    except ValueError:  # some of those written in C have no signature
        return False
    needed = [each for each in parameters if each.default is each.empty and each.kind < each.VAR_POSITIONAL]
    if len(needed) > 2:
        raise ConfigError(f"credentials={function!r}: give fn(scope) or fn(scope, sent_id)")
    return len(needed) == 2


def given_credentials(given: object) -> tuple[str, tuple[str, ...]]:
    """What the user's function has given for one request."""
    if not isinstance(given, tuple) or len(given) != 2 or None in given:
        raise ConfigError("credentials: the function must give (captcha_id, captcha_key), or None for the usual ones")
    return credentials(*given)


def _check_credential(name: str, value: object, *, shown: str) -> None:
    if value is None or value == "":
        raise ConfigError(f"{name} is missing: pass {name}=, or set GEETEST_{name.upper()} in the environment")
    if not isinstance(value, str) or not re.fullmatch(r"[!-~]+", value):
        raise ConfigError(f"{name}={shown}: must be the text from GeeTest's dashboard, without white space")


def api_servers(given: str | Sequence[str] | None, *, allow_http: bool) -> tuple[str, ...]:
    """The servers to ask, in order: given here, or GEETEST_API_SERVER (commas between several), or GeeTest's own.

    A name of SERVICES stands for all of that service's.
    """
    if given is None:
        environment = os.environ.get("GEETEST_API_SERVER", "").strip()
        given = environment.split(",") if environment else API_SERVERS
    servers = tuple(url for each in _several("api_server", given) for url in _api_servers(each, allow_http))
    if not servers:
        raise ConfigError("api_server=[]: give at least one base URL, or None for GeeTest's own")
    near = [server for server in servers if is_loopback(urlsplit(server).hostname or "")]
    if near:
        log_loopback(near[0])
    return servers


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach `host`: 127.0.0.0/8, ::1 or localhost. No other name is looked up."""
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _api_servers(given: object, allow_http: bool) -> tuple[str, ...]:
    known = SERVICES.get(given.strip()) if isinstance(given, str) else None
    return known or (_api_server(given, allow_http),)


def _api_server(given: object, allow_http: bool) -> str:
    if not isinstance(given, str):
        raise ConfigError(f"api_server={given!r}: give a base URL such as {API_SERVERS[0]!r}")
    if "@" in given:
        raise ConfigError("api_server: a user name or password in a URL ends up in logs; give a client= that sends it")
    url = given.strip().rstrip("/")
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError as error:
        raise ConfigError(f"api_server={given!r}: not a URL ({error})") from None
    plain = re.fullmatch(r"[!-~]+", url) and parts.scheme in ("http", "https") and host
    if not plain or re.search("[?#]", url) or url.endswith("/validate"):
        others = f"'/validate' is added; or one of {', '.join(map(repr, SERVICES))}"
        raise ConfigError(f"api_server={given!r}: give a base URL such as {API_SERVERS[0]!r}; {others}")
    if parts.scheme == "http" and not allow_http and not is_loopback(str(host)):
        raise ConfigError(f"api_server={given!r}: whoever forges an answer is let in; use https, or allow_http=True")
    return url


def limits(given: object) -> Limits:
    """The bounds: those given, or the defaults."""
    if given is None:
        return Limits()
    if not isinstance(given, Limits):
        raise ConfigError(f"limits={given!r}: give Limits(max_body=…) or the like")
    return given


def store(given: Any) -> Store:
    """The store: the one given, or a new one in memory. A store outside of this process may fail: see FailSafe."""
    if given is None:
        return MemoryStore()
    if isinstance(given, str):
        given = from_url(given)
    _check_store(given)
    trusted = type(given) is MemoryStore or isinstance(given, FailSafe)
    return cast("Store", given if trusted else FailSafe(given))


def _check_store(given: object) -> None:
    wanted = "give an object with async add, pop, delete and count (geetest_asgi.stores.Store), a URL, or None"
    if isinstance(given, type):
        raise ConfigError(f"store={given!r} is a class: {wanted}")
    missing = [verb for verb in _VERBS if not callable(getattr(given, verb, None))]
    if missing:
        earlier = " (claim and release are no longer used)" if hasattr(given, "claim") else ""
        raise ConfigError(f"store={given!r} has no {', '.join(missing)}{earlier}: {wanted}")


def clearance(given: object) -> None:
    """Something that admits and grants, or nothing."""
    if given is not None and not (hasattr(given, "admits") and hasattr(given, "grant")):
        raise ConfigError(f"clearance={given!r}: give a geetest_asgi.clearance.Clearance(secret)")


def switch(name: str, given: object) -> bool:
    """A yes or a no; the text "false" out of an environment variable is neither."""
    if not isinstance(given, bool):
        raise ConfigError(f"{name}={given!r}: give True or False")
    return given


def hook(name: str, given: Any) -> Any:
    """A function, or None."""
    if given is not None and not callable(given):
        raise ConfigError(f"{name}={given!r}: give a function")
    return given


def plain_hook(name: str, given: Any) -> Any:
    """A function that is not asynchronous, or None."""
    if inspect.iscoroutinefunction(hook(name, given)):
        raise ConfigError(f"{name}={given!r}: give a plain function; nobody would await an asynchronous one")
    return given


def client(given: Any) -> Any:
    """A client or a transport of httpx's or httpx2's, or a function that makes one, or None."""
    known = hasattr(given, "stream") or hasattr(given, "handle_async_request") or callable(given)
    if given is not None and not known:
        raise ConfigError(f"client={given!r}: give an httpx.AsyncClient, a transport, or a function that makes one")
    return given
