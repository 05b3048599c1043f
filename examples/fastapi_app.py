"""FastAPI: a guarded login, and a handler that asks more of whom nobody could verify.

GEETEST_CAPTCHA_ID=… GEETEST_CAPTCHA_KEY=… uvicorn examples.fastapi_app:app
"""

from typing import Annotated

from fastapi import FastAPI, Form, Request

from geetest_asgi import GeeTestMiddleware, geetest_result

app = FastAPI()
app.add_middleware(GeeTestMiddleware, protect=["POST /login"])


@app.post("/login")
async def login(request: Request, username: Annotated[str, Form()]) -> dict[str, object]:
    result = geetest_result(request)
    if not result:  # let in while GeeTest is down: nobody has verified that this is a human
        return {"user": username, "next": "enter the code that we have sent you by mail"}
    return {"user": username, "next": "welcome", "captcha": result.captcha_args.get("used_type")}


@app.get("/")
async def home() -> dict[str, str]:
    return {"message": "POST /login wants a captcha"}
