"""Apps of FastAPI whose routes are marked in each of the ways there are."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, FastAPI, Form, HTTPException, WebSocket

from geetest_asgi import GeeTestResult
from geetest_asgi.fastapi import Captcha, CaptchaResult, add_geetest, captcha

JSON = {"accept": "application/json"}
DOCUMENT = "/openapi.json"
GUARDED = ["/login", "/orders/7", "/nested", "/by-pattern", "/files/upload", "/shelf/late"]
"""Paths that are guarded for POST."""

account = Captcha(sources=["header"], name="account")


def shop(**settings: Any) -> FastAPI:
    app = routes()
    add_geetest(app, protect=["POST /by-pattern"], **settings)
    return app


def document(app: FastAPI) -> Any:
    return app.openapi()


def add_late(app: FastAPI) -> None:
    """Add POST /late, which is marked."""
    app.post("/late", dependencies=[Depends(captcha)])(lambda: "in")


def routes() -> FastAPI:
    """The app without a guard."""
    app = FastAPI()

    @app.post("/login")
    async def login(captcha: CaptchaResult, username: Annotated[str, Form()]) -> dict[str, object]:
        return {"user": username, "verified": captcha.verified, "rule": captcha.rule}

    @app.post("/orders/{number:int}", dependencies=[Depends(captcha)])
    def order(number: int) -> int:
        return number

    async def user(captcha: CaptchaResult) -> str:
        return str(captcha.outcome)

    @app.post("/nested")
    async def nested(user: Annotated[str, Depends(user)]) -> str:
        return user

    @app.post("/by-pattern")
    @app.post("/open")
    @app.post("/shelf/preview")
    async def open_() -> str:
        return "in"

    @app.post("/shelf/{name}", dependencies=[Depends(captcha)])
    async def buy(name: str) -> str:
        return name

    app.post("/shelf/late")(lambda: "the placeholder stands before it")

    @app.post("/register", dependencies=[Depends(Captcha(forgive=(422,)))])
    async def register(email: Annotated[str, Form()]) -> str:
        if "@" not in email:
            raise HTTPException(422, "no e-mail address")
        return "registered"

    @app.api_route("/any", methods=["OPTIONS", "POST"], include_in_schema=False)
    async def anything(decision: Annotated[GeeTestResult, Depends(Captcha(methods="*"))]) -> str:
        return decision.reason

    write = Captcha(methods=["PUT"], sources=["header"])

    @app.api_route("/write", methods=["GET", "POST", "PUT"], include_in_schema=False)
    async def written(captcha: Annotated[GeeTestResult, Depends(write)]) -> str:
        return str(captcha.outcome)

    @app.websocket("/live")
    async def live(socket: WebSocket, captcha: Annotated[GeeTestResult, Depends(account)]) -> None:
        await socket.accept()
        await socket.send_json({"rule": captcha.rule})
        await socket.close()

    _add_routers(app)
    return app


def _add_routers(app: FastAPI) -> None:
    router = APIRouter(prefix="/account", dependencies=[Depends(account)])
    router.delete("/{name}")(lambda name: name)
    items = APIRouter(prefix="/items", dependencies=[Depends(captcha)])
    items.get("/{number:int}")(lambda number: "read")
    items.post("/{number:int}")(lambda number: "bought")
    app.include_router(router, prefix="/v1")
    app.include_router(items)
    inner = FastAPI()

    @inner.post("/upload")
    async def upload(captcha: CaptchaResult) -> bool:
        return captcha.verified

    app.mount("/files", inner)


def plain() -> FastAPI:
    app = FastAPI()
    add_geetest(app)
    return app


def marked(*marks: Any) -> FastAPI:
    """An app with one route, POST /login, which has these marks."""
    app = plain()
    app.post("/login", dependencies=[Depends(each) for each in marks])(lambda: "in")
    return app
