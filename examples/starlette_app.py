"""Starlette: a guard for two paths, in front of everything that reads the body.

GEETEST_CAPTCHA_ID=… GEETEST_CAPTCHA_KEY=… uvicorn examples.starlette_app:app
"""

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from geetest_asgi import GeeTestMiddleware


async def login(request: Request) -> JSONResponse:
    form = await request.form()  # the whole body is here, captcha fields included
    return JSONResponse({"user": form.get("username"), "unverified": request.state.geetest.unverified})


async def order(request: Request) -> JSONResponse:
    return JSONResponse({"order": request.path_params["id"]})


async def webhook(request: Request) -> JSONResponse:
    return JSONResponse({"heard": True})  # called by a machine, which solves no captcha


app = Starlette(
    routes=[
        Route("/login", login, methods=["POST"]),
        Route("/orders/webhook", webhook, methods=["POST"]),
        Route("/orders/{id}", order, methods=["POST"]),
    ],
    middleware=[Middleware(GeeTestMiddleware, protect=["POST /login", "/orders/**"], exempt=["/orders/webhook"])],
)
