"""FastAPI: a guarded login, and a handler that asks for a second factor during an outage.

GEETEST_CAPTCHA_ID=… GEETEST_CAPTCHA_KEY=… uvicorn examples.fastapi_app:app
"""

from typing import Annotated

from fastapi import FastAPI, Form

from geetest_asgi.fastapi import CaptchaResult, add_geetest

app = FastAPI()
add_geetest(app)


@app.post("/login")
async def login(captcha: CaptchaResult, username: Annotated[str, Form()]) -> dict[str, object]:
    if captcha.unverified:  # let in although GeeTest could not be reached
        return {"user": username, "next": "enter the code that we have sent you by mail"}
    return {"user": username, "next": "welcome", "captcha": captcha.captcha_args.get("used_type")}


@app.get("/")
async def home() -> dict[str, str]:
    return {"message": "POST /login wants a captcha"}
