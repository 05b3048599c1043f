"""Django: add the guard in `asgi.py` and its settings in `settings.py`; `manage.py check` checks them.

    # settings.py
    INSTALLED_APPS = [..., "geetest_asgi.django"]
    GEETEST: GeeTestSettings = {"protect": ["POST /login/"]}

    # asgi.py
    application = protect(get_asgi_application())

Views, synchronous ones too, read the decision by `geetest_asgi.geetest_result(request)`.
"""

import inspect
import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final, Required
from urllib.parse import parse_qsl, urlencode
from weakref import WeakSet

from django.conf import settings
from django.utils.module_loading import import_string

from .._core.errors import ConfigError
from .._core.rules import Accept, Credentials, OnDenied, OnLockout, OnOutage, OnResult, Rule, Skip
from .._routes.settings import PathSettings, ValueSettings

if TYPE_CHECKING:
    from starlette.types import ASGIApp

    from .._core.model import GeeTestResult
    from .._core.rules import Scope
    from .._middleware import GeeTestMiddleware

FUNCTIONS: Final = ("skip", "accept", "on_denied", "on_result", "on_outage", "on_lockout", "credentials", "client")
"""Settings that may be dotted paths, since settings.py is read before any model or view can be imported."""


class GeeTestSettings(ValueSettings, PathSettings, total=False):
    """The type of GEETEST, for type checkers and editors: GeeTestMiddleware's arguments, by name.

    A function may be given as its dotted path, such as "shop.captcha.accept".
    """

    protect: Required[Iterable[str | Any | Rule] | str | re.Pattern[str] | Rule]
    credentials: Credentials | str | None
    skip: Skip | str | None
    accept: Accept | str | None
    on_denied: OnDenied | str | None
    on_result: OnResult | str | None
    on_outage: OnOutage | str | None
    on_lockout: OnLockout | str | None


def protect(application: "ASGIApp") -> "GeeTestMiddleware":
    """Return `application` behind a guard with the settings of GEETEST, for `asgi.py`.

    GEETEST is a dict with the argument names of GeeTestMiddleware. It needs "protect", since the guard stands in front
    of the whole site. Without an id and key in it, GEETEST_CAPTCHA_ID and GEETEST_CAPTCHA_KEY are read from the
    environment. A function may be given as its dotted path. Raises ConfigError if a setting is wrong.

    `application`: the value of `get_asgi_application()`, or Channels' `ProtocolTypeRouter`.
    """
    from .._middleware import GeeTestMiddleware  # with Starlette: no need to load it for each command of manage.py

    guard = GeeTestMiddleware(application, **middleware_settings())
    _guards.add(guard)
    return guard


_guards: "Final[WeakSet[GeeTestMiddleware]]" = WeakSet()


def is_protected() -> bool:
    """Return whether `protect` has made a guard in this process."""
    return bool(_guards)


OUTCOME: Final = "geetest"
"""Query parameter that tells the form's page why the visitor was sent back."""


def back_to_form(result: "GeeTestResult", scope: "Scope") -> "ASGIApp":
    """An `on_denied` for forms: sends the visitor back to the form's page, where `forms.CaptchaErrorsMixin` says why.

        GEETEST = {"protect": ["POST /login/"], "on_denied": "geetest_asgi.django.back_to_form"}

    The answer is a 303 to the same address with `geetest=` and the outcome in its query, which the browser requests by
    GET. A client that does not prefer HTML, or that was refused at a GET, gets the default denial.
    """
    from starlette.responses import RedirectResponse

    from ..denials import default_denial

    denial = default_denial(result, scope)
    if scope.get("method") in (None, "GET", "HEAD") or not denial.headers["content-type"].startswith("text/html"):
        return denial
    kept = [(name, value) for name, value in parse_qsl(scope["query_string"].decode("latin-1")) if name != OUTCOME]
    # Without a path: one that the client chose, such as //elsewhere, would lead away from the site.
    return RedirectResponse(f"?{urlencode([*kept, (OUTCOME, str(result.outcome))])}", 303)


def middleware_settings() -> dict[str, Any]:
    """Return GEETEST as arguments of GeeTestMiddleware. Raises ConfigError, which quotes no value: one is the key."""
    given = getattr(settings, "GEETEST", None)
    if not isinstance(given, Mapping) or given.get("protect") is None:
        raise ConfigError("GEETEST: say in the settings what to protect, as in GEETEST = {'protect': ['POST /login/']}")
    _refuse_unknown(given)
    chosen = {name: _imported(name, value) for name, value in given.items()}
    chosen["protect"] = _with_functions(given["protect"])
    roots = given.get("root_paths", ())
    return chosen | {"root_paths": [*_script_name(), *(roots if isinstance(roots, list | tuple) else [roots])]}


def _refuse_unknown(given: Mapping[Any, Any]) -> None:
    from .._middleware import GeeTestMiddleware

    known = [name for name in inspect.signature(GeeTestMiddleware).parameters if name != "app"]
    if unknown := [name for name in given if name not in known]:
        raise ConfigError(f"GEETEST: there is no setting {unknown[0]!r}; there are {', '.join(known)}")


def _imported(name: str, value: Any) -> Any:
    if name not in FUNCTIONS or not isinstance(value, str):
        return value
    try:
        return import_string(value)
    except ImportError as error:
        raise ConfigError(f"GEETEST[{name!r}]: {error}; give a function, or its dotted path") from error


def _with_functions(given: Any) -> Any:
    """`protect`; a Rule in it may have functions of its own."""
    if isinstance(given, list | tuple):
        return [_with_functions(each) for each in given]
    if not isinstance(given, Rule):
        return given
    return replace(given, **{name: _imported(name, getattr(given, name)) for name in FUNCTIONS if hasattr(given, name)})


def _script_name() -> list[str]:
    """With FORCE_SCRIPT_NAME = "/shop" Django serves /login as /shop/login too, and only Django knows."""
    prefix = str(settings.FORCE_SCRIPT_NAME or "").rstrip("/")
    return [prefix] if prefix.startswith("/") else []
