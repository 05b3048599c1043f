"""Denials of your own: the visitor is sent back to the form, and an outage looks like the rest of the site.

GEETEST_CAPTCHA_ID=… GEETEST_CAPTCHA_KEY=… uvicorn examples.custom_denial:app
"""

from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, RedirectResponse, Response
from starlette.routing import Route

from geetest_asgi import GeeTestMiddleware, GeeTestResult, Outcome
from geetest_asgi.denials import default_denial

SOLVE = {Outcome.MISSING, Outcome.MALFORMED, Outcome.FAILED, Outcome.REPLAYED, Outcome.REFUSED}


def on_denied(result: GeeTestResult, scope: Any) -> Response:
    if result.outcome in SOLVE:  # 303: the browser GETs the form, and posts nothing again
        return RedirectResponse(f"/comment?captcha={result.outcome}", status_code=303)
    if result.outcome is Outcome.UNAVAILABLE:
        return HTMLResponse("<h1>Comments are closed for a moment</h1>", 503, {"Retry-After": "60"})
    return default_denial(result, scope)


async def form(request: Request) -> Response:
    return PlainTextResponse(f"the form; captcha: {request.query_params.get('captcha', 'unsolved')}")


async def comment(request: Request) -> Response:
    return PlainTextResponse("published")


site = Starlette(routes=[Route("/comment", form), Route("/comment", comment, methods=["POST"])])
app = GeeTestMiddleware(site, protect=["POST /comment"], on_denied=on_denied, on_unavailable="deny")
