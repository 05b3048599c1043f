"""Quart: the guard in front, where Quart's own documentation puts middleware; `app` stays a Quart.

GEETEST_CAPTCHA_ID=… GEETEST_CAPTCHA_KEY=… uvicorn examples.quart_app:app
"""

from quart import Quart, request

from geetest_asgi import GeeTestMiddleware, geetest_result

app = Quart(__name__)


@app.post("/login")
async def login() -> dict[str, object]:
    form = await request.form
    return {"user": form["username"], "unverified": geetest_result(request).unverified}


@app.get("/")
async def home() -> dict[str, str]:
    return {"message": "POST /login wants a captcha"}


# Quart has ASGI types of its own: hence the word to mypy.
app.asgi_app = GeeTestMiddleware(app.asgi_app, protect=["POST /login"])  # type: ignore
