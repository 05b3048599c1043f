"""Django: views that run for every method, and patterns that a site wrote as regular expressions."""

import json
import sys
from types import ModuleType
from typing import Any

import django
from django.conf import settings
from django.core.handlers.asgi import ASGIHandler
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.urls import include, path, re_path
from starlette.types import ASGIApp

from . import Build, endless, enter, in_front, lot_number, pieces, report


async def login(request: HttpRequest) -> HttpResponse:
    enter("login", request)
    return HttpResponse("in", headers=report("login", request, request.body))


async def reset(request: HttpRequest, name: str = "") -> HttpResponse:
    enter("reset", request)
    return HttpResponse("done", headers=report("reset", request, request.body, name=name))


async def page(request: HttpRequest) -> HttpResponse:
    enter("page", request)
    return HttpResponse("page", headers=report("page", request))


async def read_json(request: HttpRequest) -> HttpResponse:
    enter("json", request)
    return HttpResponse("ok", headers=report("json", request, lot_number=lot_number(json.loads(request.body))))


async def read_form(request: HttpRequest) -> HttpResponse:
    enter("form", request)
    return HttpResponse("ok", headers=report("form", request, lot_number=lot_number(request.POST)))


async def stream(request: HttpRequest) -> StreamingHttpResponse:
    enter("stream", request)
    return StreamingHttpResponse(pieces(), headers=report("stream", request, request.body))


async def never_ends(request: HttpRequest) -> StreamingHttpResponse:
    enter("endless", request)
    return StreamingHttpResponse(endless(request), headers=report("endless", request))


async def unguarded(request: HttpRequest) -> HttpResponse:
    enter("open", request)
    return HttpResponse("open", headers=report("open", request, request.body))


urlpatterns = [
    path("login", login),
    path("users/<str:name>/reset", reset),
    path("page", page),
    path("json", read_json),
    path("form", read_form),
    path("stream", stream),
    path("endless", never_ends),
    path("open", unguarded),
    # `$` also matches before a newline at the end, as in many a site's patterns.
    path("old/", include([re_path(r"^login$", login)])),
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
