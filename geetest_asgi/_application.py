"""Check that the `app` of the middleware is an ASGI application."""

from typing import Any, cast

from ._config import takes
from ._core.errors import ConfigError
from ._core.rules import ASGIApp


def application(given: Any) -> ASGIApp:
    """Return the ASGI application. Raises ConfigError for a class, a WSGI application or a factory."""
    if isinstance(given, type) or not callable(given):
        raise ConfigError(f"app={given!r}: give an ASGI application, the object itself")
    if takes(given, 3):
        return cast("ASGIApp", given)
    if takes(given, 2):
        raise ConfigError(
            "app: takes two arguments, as a WSGI application does; give an ASGI one "
            "(Flask: a2wsgi.WSGIMiddleware(app), Django: get_asgi_application())"
        )
    if takes(given, 1):
        raise ConfigError(
            "app: takes one argument, so it is no ASGI application. Django's MIDDLEWARE is not the place for this: "
            "wrap the application in asgi.py, application = geetest_asgi.django.protect(get_asgi_application())"
        )
    if takes(given, 0):
        raise ConfigError("app: takes no arguments; if that is a function which makes the application, call it here")
    raise ConfigError(f"app={given!r}: does not take (scope, receive, send); give an ASGI application")
