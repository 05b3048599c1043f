"""Litestar: a handler says by a guard that it wants a captcha; there is no pattern for a spelling of a path to miss.

GEETEST_CAPTCHA_ID=… GEETEST_CAPTCHA_KEY=… uvicorn examples.litestar_app:app
"""

from dataclasses import dataclass

from litestar import Litestar, get, post
from litestar.params import URLEncodedBody

from geetest_asgi.litestar import CaptchaResult, GeeTestPlugin, captcha


@dataclass
class Login:
    username: str


@post("/login", status_code=200, guards=[captcha])
async def login(captcha: CaptchaResult, data: URLEncodedBody[Login]) -> dict[str, object]:
    return {"user": data.username, "unverified": captcha.unverified}


@get("/")
async def home() -> dict[str, str]:
    return {"message": "POST /login wants a captcha"}


app = Litestar([home, login], plugins=[GeeTestPlugin()])
