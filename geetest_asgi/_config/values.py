"""Check single settings. Each function returns the value to use, or raises ConfigError."""

import inspect
import re
from collections.abc import Iterable, Mapping
from typing import Any, Final

from .._core.errors import ConfigError
from .._core.limits import Limits
from .._core.rules import Rule


def several(name: str, given: object) -> list[object]:
    """Return one value or several as a list."""
    if isinstance(given, str | re.Pattern | Rule):
        return [given]
    if not isinstance(given, Iterable) or isinstance(given, bytes | Mapping):
        raise ConfigError(f"{name}={given!r}: give a list of strings")
    return list(given)


def statuses(name: str, given: object) -> tuple[int, ...]:
    """Return statuses from 400 to 499 as a tuple."""
    statuses = tuple(given) if isinstance(given, Iterable) and not isinstance(given, str | bytes) else (given,)
    for each in statuses:
        if isinstance(each, bool) or not isinstance(each, int) or not 400 <= each <= 499:
            raise ConfigError(f"{name}={given!r}: list statuses from 400 to 499, such as (422,)")
    return statuses


def limits(given: object) -> Limits:
    """Return the limits that are given, or the defaults."""
    if given is None:
        return Limits()
    if not isinstance(given, Limits):
        raise ConfigError(f"limits={given!r}: give Limits(max_body=…) or the like")
    return given


def switch(name: str, given: object) -> bool:
    """Return a bool. Text such as the "false" of an environment variable is refused."""
    if not isinstance(given, bool):
        raise ConfigError(f"{name}={given!r}: give True or False")
    return given


MODES: Final = ("enforce", "monitor", "off")
_CHOICES: Final[Mapping[str, tuple[str, ...]]] = {
    "on_unavailable": ("allow", "deny"),
    "preflight": ("allow", "deny"),
    "mode": MODES,
}


def choice(name: str, given: Any) -> Any:
    """Return one of the words that this setting takes."""
    if given not in _CHOICES[name]:
        raise ConfigError(f"{name}={given!r}: write one of {', '.join(map(repr, _CHOICES[name]))}")
    return given


_HOOKS: Final[Mapping[str, tuple[str, ...]]] = {
    "skip": ("scope",),
    "accept": ("result", "scope"),
    "on_denied": ("result", "scope"),
    "on_result": ("result", "scope"),
    "on_outage": ("outage",),
    "on_lockout": ("lockout",),
    "key": ("scope",),
    "bind": ("scope",),
}
"""Parameters of each function."""


def hook(name: str, given: Any) -> Any:
    """Return None or a function that takes the parameters of this hook."""
    if given is None:
        return None
    arguments = _HOOKS[name]
    if not takes(given, len(arguments)):
        raise ConfigError(f"{name}={given!r}: give fn({', '.join(arguments)})")
    return given


def takes(function: Any, arguments: int) -> bool:
    """Return whether it can be called with so many positional arguments; True if its signature is unknown.

    A generator function cannot: what it returns is true, whatever it yields.
    """
    if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
        return False
    try:
        inspect.signature(function).bind(*range(arguments))
    except ValueError:  # some functions in C have no signature
        return True
    except TypeError:
        return False
    return True


def plain_hook(name: str, given: Any) -> Any:
    """Return None or a function of this hook that is not asynchronous."""
    function = hook(name, given)
    if function is not None and not _is_plain(function):
        raise ConfigError(f"{name}={given!r}: give a plain function; nobody would await an asynchronous one")
    return given


def _is_plain(given: Any) -> bool:
    """Return whether it can be called and is not asynchronous."""
    asynchronous = map(inspect.iscoroutinefunction, (given, getattr(given, "__call__", None)))  # noqa: B004 - its own
    return callable(given) and not any(asynchronous)


def client(given: Any) -> Any:
    """Return None, a client or a transport of httpx or httpx2, or a function that makes one."""
    blocking = hasattr(given, "__enter__") and not hasattr(given, "__aenter__")
    made = hasattr(given, "stream") or hasattr(given, "handle_async_request")
    if given is not None and (blocking or not (made or (_is_plain(given) and takes(given, 0)))):
        raise ConfigError(f"client={given!r}: give an httpx.AsyncClient, a transport, or a function that makes one")
    return given
