"""Apps of Litestar whose handlers are marked in each of the ways there are."""

from dataclasses import dataclass
from typing import Any

from litestar import Controller, Litestar, Router, asgi, delete, get, post, route, websocket
from litestar.connection import WebSocket
from litestar.di import Provide
from litestar.exceptions import HTTPException
from litestar.params import FromPath, URLEncodedBody
from litestar.types import Receive, Scope, Send
from starlette.responses import PlainTextResponse

from geetest_asgi import geetest_result
from geetest_asgi.litestar import Captcha, CaptchaResult, GeeTestPlugin, captcha, provide_captcha

DOCUMENT = "/schema/openapi.json"
GUARDED = [
    *("/login", "/login/", "//login", "/orders/7", "/more/7", "/shelf/PREVIEW"),
    *("/files", "/files/a/b", "//files/a", "/filesandmore"),
]
"""Paths that are guarded for POST, and spellings that Litestar takes for them."""

account = Captcha(sources=["header"], name="account")


@dataclass
class Login:
    username: str


@dataclass
class Registration:
    email: str


@post("/login", guards=[captcha], status_code=200)
async def login(captcha: CaptchaResult, data: URLEncodedBody[Login]) -> dict[str, object]:
    return {"user": data.username, "verified": captcha.verified, "rule": captcha.rule}


@post(["/orders/{number:int}", "/more/{number:int}"], guards=[captcha], sync_to_thread=False)
def order(number: FromPath[int], captcha: CaptchaResult) -> dict[str, object]:
    return {"number": number, "rule": captcha.rule}


@post(["/open", "/shelf/preview"], sync_to_thread=False)
def open_() -> str:
    return "in"


@post("/shelf/{name:str}", guards=[captcha], sync_to_thread=False)
def buy(name: FromPath[str]) -> str:
    return name


@post("/register", guards=[Captcha(forgive=(422,))], status_code=200)
async def register(data: URLEncodedBody[Registration]) -> str:
    if "@" not in data.email:
        raise HTTPException("no e-mail address", status_code=422)
    return "registered"


@route("/any", http_method=["OPTIONS", "POST"], guards=[Captcha(methods="*")], sync_to_thread=False)
def anything(scope: Scope) -> str:
    return geetest_result(scope).reason


write = Captcha(methods=["PUT"], sources=["header"])


@route("/write", http_method=["GET", "POST", "PUT"], guards=[write], status_code=200, sync_to_thread=False)
def written(captcha: CaptchaResult) -> str:
    return str(captcha.outcome)


@websocket("/live", guards=[account])
async def live(socket: WebSocket[Any, Any, Any], captcha: CaptchaResult) -> None:
    await socket.accept()
    await socket.send_json({"rule": captcha.rule})
    await socket.close()


@asgi("/files", is_mount=True, guards=[captcha], copy_scope=True)
async def files(scope: Scope, receive: Receive, send: Send) -> None:
    await PlainTextResponse("file")(scope, receive, send)  # type: ignore[arg-type]


class Account(Controller):
    path = "/account"
    guards = (account,)

    @delete("/{name:str}", status_code=200, sync_to_thread=False)
    def remove(self, name: FromPath[str]) -> str:
        return name

    @post("/mild", guards=[Captcha(mode="off", name="mild")], sync_to_thread=False)
    def mild(self, captcha: CaptchaResult) -> str:
        return captcha.rule


class Items(Controller):
    path = "/items"
    guards = (captcha,)

    @get("/{number:int}", sync_to_thread=False)
    def read(self, number: FromPath[int]) -> str:
        return "read"

    @post("/{number:int}", sync_to_thread=False)
    def buy(self, number: FromPath[int]) -> str:
        return "bought"


HANDLERS: list[Any] = [
    *(login, order, open_, buy, register, anything, written, live, files, Items),
    Router("/v1", route_handlers=[Account]),
]


@post("/late", guards=[captcha], sync_to_thread=False)
def late() -> str:
    return "in"


def shop(handlers: Any = None, **settings: Any) -> Litestar:
    return Litestar(handlers or HANDLERS, plugins=[GeeTestPlugin(**settings)])


def routes() -> Litestar:
    """The app without a guard."""
    return Litestar(HANDLERS, dependencies={"captcha": Provide(provide_captcha)})


def document(app: Litestar) -> Any:
    return app.openapi_schema.to_schema()


def add_late(app: Litestar) -> None:
    """Add POST /late, which is marked."""
    app.register(late)
