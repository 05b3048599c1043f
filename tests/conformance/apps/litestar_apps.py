"""Litestar, which normalises slashes, and mounts whatever begins like the mount's path."""

from typing import Any

from litestar import Litestar, Request, WebSocket, asgi, get, post, route, websocket
from litestar.response import Response, Stream
from litestar.types import Receive, Scope, Send
from starlette.types import ASGIApp

from geetest_asgi import GeeTestMiddleware

from . import Build, endless, enter, in_front, lot_number, outcome, pieces, report

Asked = Request[Any, Any, Any]
Talk = WebSocket[Any, Any, Any]


@post("/login", status_code=200)
async def login(request: Asked) -> Response[str]:
    enter("login", request)
    return Response("in", headers=report("login", request, await request.body()))


@route("/users/{name:str}/reset", http_method=["POST", "PUT", "PATCH"], status_code=200)
async def reset(name: str, request: Asked) -> Response[str]:
    enter("reset", request)
    return Response("done", headers=report("reset", request, await request.body(), name=name))


@get("/page")
async def page(request: Asked) -> Response[str]:
    enter("page", request)
    return Response("page", headers=report("page", request))


@post("/json", status_code=200)
async def read_json(request: Asked) -> Response[str]:
    enter("json", request)
    return Response("ok", headers=report("json", request, lot_number=lot_number(await request.json())))


@post("/form", status_code=200)
async def read_form(request: Asked) -> Response[str]:
    enter("form", request)
    return Response("ok", headers=report("form", request, lot_number=lot_number(await request.form())))


@post("/stream", status_code=200)
async def stream(request: Asked) -> Stream:
    enter("stream", request)
    return Stream(pieces(), headers=report("stream", request, await request.body()))


@post("/endless", status_code=200)
async def never_ends(request: Asked) -> Stream:
    enter("endless", request)
    await request.body()
    return Stream(endless(request), headers=report("endless", request))


@post("/open", status_code=200)
async def unguarded(request: Asked) -> Response[str]:
    enter("open", request)
    return Response("open", headers=report("open", request, await request.body()))


@websocket("/ws")
async def chat(socket: Talk) -> None:
    enter("ws", socket)
    await socket.accept()
    await socket.send_text(f"{await socket.receive_text()} {outcome(socket)}")
    await socket.close()


HANDLERS = [login, reset, page, read_json, read_form, stream, never_ends, unguarded, chat]


def plain() -> ASGIApp:
    return Litestar(HANDLERS, openapi_config=None)  # type: ignore[return-value]  # its own ASGI types


def mounted() -> ASGIApp:
    inner = Litestar(HANDLERS, openapi_config=None)

    @asgi("/api", is_mount=True, copy_scope=True)
    async def mount(scope: Scope, receive: Receive, send: Send) -> None:
        await inner(scope, receive, send)

    return Litestar([mount], openapi_config=None)  # type: ignore[return-value]


def added(guarded: bool) -> ASGIApp:
    """In Litestar's own list of middleware, behind its router."""
    middleware = [lambda app: GeeTestMiddleware(app, protect=["POST /login"], timeout=30)] if guarded else []
    return Litestar(HANDLERS, middleware=middleware, openapi_config=None)  # type: ignore[return-value, arg-type]


APPS: dict[str, Build] = {
    "litestar": in_front(plain),
    "litestar-mounted": in_front(mounted, protect=["POST /api/login"], root_paths=["/api"]),
    "litestar-added": added,
}
