"""Django: views that run for every method, and patterns that a site wrote as regular expressions."""

import json
import sys
from collections.abc import Awaitable, Callable
from types import ModuleType
from typing import Any

import django
from django.conf import settings
from django.core.handlers.asgi import ASGIHandler
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.urls import include, path, re_path
from starlette.types import ASGIApp

from . import Build, Stream, endless, enter, in_front, lot_number, pieces, report

View = Callable[..., Awaitable[HttpResponseBase]]


def reads(handler: str) -> View:
    async def view(request: HttpRequest, **names: str) -> HttpResponse:
        enter(handler, request)
        return HttpResponse("ok", headers=report(handler, request, request.body, **names))

    return view


def parses(handler: str, parse: Callable[[HttpRequest], Any]) -> View:
    async def view(request: HttpRequest) -> HttpResponse:
        enter(handler, request)
        return HttpResponse("ok", headers=report(handler, request, lot_number=lot_number(parse(request))))

    return view


def streams(handler: str, stream: Stream) -> View:
    async def view(request: HttpRequest) -> StreamingHttpResponse:
        enter(handler, request)
        return StreamingHttpResponse(stream(request), headers=report(handler, request, request.body))

    return view


urlpatterns = [
    path("login", reads("login")),
    path("users/<str:name>/reset", reads("reset")),
    path("page", reads("page")),
    path("json", parses("json", lambda request: json.loads(request.body))),
    path("form", parses("form", lambda request: request.POST)),
    path("stream", streams("stream", pieces)),
    path("endless", streams("endless", endless)),
    path("open", reads("open")),
    # `$` also matches before a newline at the end, as in many a site's patterns.
    path("old/", include([re_path(r"^login$", reads("login"))])),
]


def plain() -> ASGIApp:
    urls = ModuleType("conformance_urls")
    urls.urlpatterns = urlpatterns  # type: ignore[attr-defined]
    sys.modules[urls.__name__] = urls
    if not settings.configured:
        settings.configure(
            ALLOWED_HOSTS=["*"],
            DATA_UPLOAD_MAX_MEMORY_SIZE=None,
            ROOT_URLCONF=urls.__name__,
            SECRET_KEY="of no use here",
        )
        django.setup()
    app: Any = ASGIHandler()
    return app  # type: ignore[no-any-return]


APPS: dict[str, Build] = {
    "django": in_front(plain),
    # Some servers take `http://old/login` for `/login`, which this site has as well.
    "django-regex": in_front(plain, protect=["POST /old/login", "POST /login"]),
}
