"""Django, a project in one file: settings, URLs, views and the ASGI application.

GEETEST_CAPTCHA_ID=… GEETEST_CAPTCHA_KEY=… uvicorn examples.django_app:app
"""

from django.conf import settings
from django.core.asgi import get_asgi_application
from django.http import HttpRequest, JsonResponse
from django.urls import path

from geetest_asgi import geetest_result
from geetest_asgi.django import protect

settings.configure(
    ALLOWED_HOSTS=["localhost", "127.0.0.1"],
    INSTALLED_APPS=["geetest_asgi.django"],
    ROOT_URLCONF=__name__,
    GEETEST={"protect": ["POST /login"]},
)


async def login(request: HttpRequest) -> JsonResponse:
    return JsonResponse({"user": request.POST["username"], "unverified": geetest_result(request).unverified})


def home(request: HttpRequest) -> JsonResponse:
    return JsonResponse({"message": "POST /login wants a captcha"})


urlpatterns = [path("login", login), path("", home)]
app = protect(get_asgi_application())
