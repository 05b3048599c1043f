"""GeeTest CAPTCHA v4 in front of any path of any ASGI app.

    from geetest_asgi import GeeTestMiddleware

    app = GeeTestMiddleware(app, protect=["POST /login"])

Names are loaded when they are first used: importing the package imports neither Starlette nor httpx.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from ._client import GeeTestClient
    from ._core.address import client_address
    from ._core.errors import ConfigError, GeeTestError
    from ._core.limits import Limits
    from ._core.model import CaptchaFields, GeeTestResult, Lockout, Outage, Outcome
    from ._core.rules import Rule
    from ._middleware import GeeTestMiddleware
    from ._scope import geetest_result
    from .when import AfterFailures, report_failure

__version__ = "0.1.0"

_HOMES: Final = {
    "AfterFailures": "when",
    "CaptchaFields": "_core.model",
    "ConfigError": "_core.errors",
    "GeeTestClient": "_client",
    "GeeTestError": "_core.errors",
    "GeeTestMiddleware": "_middleware",
    "GeeTestResult": "_core.model",
    "Limits": "_core.limits",
    "Lockout": "_core.model",
    "Outage": "_core.model",
    "Outcome": "_core.model",
    "Rule": "_core.rules",
    "client_address": "_core.address",
    "geetest_result": "_scope",
    "report_failure": "when",
}

__all__ = [
    "AfterFailures",
    "CaptchaFields",
    "ConfigError",
    "GeeTestClient",
    "GeeTestError",
    "GeeTestMiddleware",
    "GeeTestResult",
    "Limits",
    "Lockout",
    "Outage",
    "Outcome",
    "Rule",
    "client_address",
    "geetest_result",
    "report_failure",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f".{_HOMES[name]}", __name__), name)


def __dir__() -> list[str]:
    return [*globals(), *__all__]
