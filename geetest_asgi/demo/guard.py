"""The demo's guard, told twice from one table: as a GeeTestMiddleware, and as the Python that makes one like it."""

import json
from collections.abc import Mapping
from dataclasses import fields
from inspect import signature
from types import MappingProxyType
from typing import Any, Final

from .._core.limits import Limits
from .._core.rules import OnUnavailable
from .._middleware import GeeTestMiddleware

PROTECTED: Final = "POST /login"

LIMITS: Final = Limits(max_body=16 * 1024, breaker_failures=0)
"""A login is under 1 KiB; beyond this the page's oversized request is refused, small as it is. And each call shows what
GeeTest does, though the one before it failed: nobody turns a switch to wait for the end of a pause."""

TIMEOUT: Final = 2.0
"""Seconds. Shorter than the default: somebody looks at the page and waits for a GeeTest that hangs."""

_ELSEWHERE: Final[Mapping[str, str]] = MappingProxyType(
    {
        "captcha_key": 'os.environ["GEETEST_CAPTCHA_KEY"]',
        "store": "MemoryStore()",
        "on_result": "remember",
    }
)
"""What is no plain value, or no value to show, as one would write it."""

_CODE: Final = """\
import os

from geetest_asgi import GeeTestMiddleware, Limits
from geetest_asgi.stores import MemoryStore

app = GeeTestMiddleware(
    app,
{arguments})
"""


def simulated(captcha_id: str, api_server: str, policy: OnUnavailable) -> dict[str, Any]:
    """The settings of the guard that asks a simulator. All that the environment could say is said here."""
    return live(captcha_id) | {"api_server": api_server, "on_unavailable": policy, "timeout": TIMEOUT}


def live(captcha_id: str) -> dict[str, Any]:
    """The settings of the guard that asks the real GeeTest; what is not said has its default."""
    return {"protect": [PROTECTED], "captcha_id": captcha_id, "limits": LIMITS}


def timeout(settings: Mapping[str, Any]) -> float:
    """Seconds for which a guard of these settings waits for GeeTest."""
    seconds: float = settings.get("timeout", signature(GeeTestMiddleware).parameters["timeout"].default)
    return seconds


def code(settings: Mapping[str, Any]) -> str:
    """The Python that makes a guard of these settings. The key is named and not shown."""
    written = {**{name: _written(value) for name, value in settings.items()}, **_ELSEWHERE}
    order = [name for name in signature(GeeTestMiddleware).parameters if name in written]
    return _CODE.format(arguments="".join(f"    {name}={written[name]},\n" for name in order))


def _written(value: object) -> str:
    """As one would type it: strings in double quotes, of the limits those that are not the defaults."""
    if isinstance(value, Limits):
        own = [each.name for each in fields(value) if getattr(value, each.name) != each.default]
        return f"Limits({', '.join(f'{name}={getattr(value, name)!r}' for name in own)})"
    if isinstance(value, list):
        return f"[{', '.join(map(_written, value))}]"
    return json.dumps(value) if isinstance(value, str) else repr(value)
