"""Check that the `app` of the middleware is an ASGI application."""

import inspect
from typing import Any, cast

from ._core.errors import ConfigError
from ._core.rules import ASGIApp


def application(given: Any) -> ASGIApp:
    """Return the ASGI application. Raises ConfigError for a class, a WSGI application or a factory."""
    if isinstance(given, type) or not callable(given):
        raise ConfigError(f"app={given!r}: give an ASGI application, the object itself")
    takes = _positional(given)
    if takes == 1:
        raise ConfigError(
            "app: takes one argument, so it is no ASGI application. Django's MIDDLEWARE is not the place for this: "
            "wrap the application in asgi.py, application = geetest_asgi.django.protect(get_asgi_application())"
        )
    if takes == 0:
        raise ConfigError("app: takes no arguments; if that is a function which makes the application, call it here")
    if takes is not None and takes < len(("scope", "receive", "send")):
        raise ConfigError(
            f"app: takes {takes} arguments, as a WSGI application does; give an ASGI one "
            "(Flask: a2wsgi.WSGIMiddleware(app), Django: get_asgi_application())"
        )
    return cast("ASGIApp", given)


def _positional(given: Any) -> int | None:
    """Return how many positional arguments it takes at most; None if that is unknown or unlimited."""
    try:
        parameters = inspect.signature(given).parameters.values()
    except (TypeError, ValueError):
        return None
    if any(each.kind is each.VAR_POSITIONAL for each in parameters):
        return None
    return sum(each.kind in (each.POSITIONAL_ONLY, each.POSITIONAL_OR_KEYWORD) for each in parameters)
