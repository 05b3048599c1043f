"""Litestar: a guard on one route. It needs no pattern, so no spelling of the path can miss it.

GEETEST_CAPTCHA_ID=… GEETEST_CAPTCHA_KEY=… uvicorn examples.litestar_app:app
"""

from typing import Any

from litestar import Litestar, Request, get, post
from litestar.middleware import DefineMiddleware

from geetest_asgi import GeeTestMiddleware, geetest_result

guard = DefineMiddleware(GeeTestMiddleware)


@post("/login", status_code=200, middleware=[guard])
async def login(request: Request[Any, Any, Any]) -> dict[str, object]:
    form = await request.form()
    return {"user": form.get("username"), "verified": geetest_result(request).verified}


@get("/")
async def home() -> dict[str, str]:
    return {"message": "POST /login wants a captcha"}


app = Litestar([home, login])
