"""BlackSheep: the guard in front of the whole application, the decision as a handler's parameter.

GEETEST_CAPTCHA_ID=… GEETEST_CAPTCHA_KEY=… uvicorn examples.blacksheep_app:app
"""

from dataclasses import dataclass

from blacksheep import Application, FromForm
from blacksheep.server.routing import Router

from geetest_asgi import GeeTestMiddleware
from geetest_asgi.blacksheep import CaptchaResult

router = Router()


@dataclass
class Login:
    username: str


@router.post("/login")
async def login(form: FromForm[Login], captcha: CaptchaResult) -> dict[str, object]:
    return {"user": form.value.username, "unverified": captcha.unverified}


@router.get("/")
async def home() -> dict[str, str]:
    return {"message": "POST /login wants a captcha"}


app = GeeTestMiddleware(Application(router=router), protect=["POST /login"])
