"""Apps of FastAPI whose routes are marked in each of the ways there are."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, FastAPI, Form, WebSocket
from pydantic import BaseModel

from geetest_asgi import GeeTestResult
from geetest_asgi.fastapi import Captcha, CaptchaResult, add_geetest, captcha

JSON = {"accept": "application/json"}


class Order(BaseModel):
    item: str


FORGIVING = Captcha(forgive=(422,))


def shop(**settings: Any) -> FastAPI:
    app = FastAPI()
    add_geetest(app, protect=["POST /by-pattern"], **settings)

    @app.post("/login")
    async def login(captcha: CaptchaResult, username: Annotated[str, Form()]) -> dict[str, object]:
        return {"user": username, "verified": captcha.verified, "rule": captcha.rule}

    @app.put("/orders/{number:int}", dependencies=[Depends(captcha)])
    def order(number: int, order: Order) -> dict[str, object]:
        return {"number": number, "item": order.item}

    async def user(captcha: CaptchaResult) -> str:
        return str(captcha.outcome)

    @app.post("/nested")
    async def nested(user: Annotated[str, Depends(user)]) -> str:
        return user

    @app.post("/by-pattern")
    async def by_pattern() -> str:
        return "in"

    @app.post("/open")
    async def open_() -> str:
        return "in"

    account = Captcha(sources=["header"], name="account")
    router = APIRouter(prefix="/account", dependencies=[Depends(account)])

    @router.delete("/{name}")
    async def remove(name: str) -> str:
        return name

    @router.websocket("/live")
    async def live(socket: WebSocket, captcha: Annotated[GeeTestResult, Depends(account)]) -> None:
        await socket.accept()
        await socket.send_json({"rule": captcha.rule})
        await socket.close()

    app.include_router(router, prefix="/v1")
    inner = FastAPI()

    @inner.post("/upload")
    async def upload(captcha: CaptchaResult) -> bool:
        return captcha.verified

    app.mount("/files", inner)
    return app


def plain() -> FastAPI:
    app = FastAPI()
    add_geetest(app)
    return app


def marked(*marks: Any) -> FastAPI:
    """An app with one route, POST /login, which has these marks."""
    app = plain()
    app.post("/login", dependencies=[Depends(each) for each in marks])(lambda: "in")
    return app
