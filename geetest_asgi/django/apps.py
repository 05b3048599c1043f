"""The app for INSTALLED_APPS: it registers the checks, and reports requests that bypassed the guard."""

from collections.abc import Mapping
from typing import Any

from django.apps import AppConfig
from django.core.checks import Tags, register
from django.core.handlers.asgi import ASGIHandler
from django.core.handlers.wsgi import WSGIHandler
from django.core.signals import request_started

from ..observers.logs import log_unguarded
from . import is_protected
from .checks import check_settings


class GeeTestConfig(AppConfig):  # type: ignore[misc, unused-ignore]  # Django has no types
    """`"geetest_asgi.django"` in INSTALLED_APPS."""

    name = "geetest_asgi.django"
    label = "geetest"
    verbose_name = "GeeTest"

    def ready(self) -> None:
        """Called by Django once all apps are loaded."""
        register(check_settings, Tags.security)
        request_started.connect(notice_unguarded)


def notice_unguarded(sender: object, *, scope: Mapping[str, Any] | None = None, **_: object) -> None:
    """Log one error at the first request that bypassed the guard: over WSGI, or over ASGI without `protect`.

    Django sends this signal for every request, with an ASGI scope or with a WSGI environment. Requests of its test
    clients, which have handlers of their own, are ignored.
    """
    if sender in (ASGIHandler, WSGIHandler) and (scope is None or not is_protected()):
        request_started.disconnect(notice_unguarded)
        log_unguarded("WSGI" if scope is None else "ASGI")
