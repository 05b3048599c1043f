"""Litestar, which normalises slashes, and mounts whatever begins like the mount's path."""

from collections.abc import Awaitable, Callable
from typing import Any

from litestar import Litestar, Request, WebSocket, asgi, get, post, route, websocket
from litestar.response import Response, Stream
from litestar.types import Receive, Scope, Send
from starlette.types import ASGIApp

from geetest_asgi import GeeTestMiddleware

from . import Build, endless, enter, in_front, lot_number, outcome, pieces, report
from . import Stream as Streamed

Asked = Request[Any, Any, Any]
Talk = WebSocket[Any, Any, Any]
Endpoint = Callable[[Asked], Awaitable[Any]]


def reads(handler: str) -> Endpoint:
    async def endpoint(request: Asked) -> Response[str]:
        enter(handler, request)
        return Response("ok", headers=report(handler, request, await request.body(), **request.path_params))

    return endpoint


def parses(handler: str, parse: Callable[[Asked], Awaitable[Any]]) -> Endpoint:
    async def endpoint(request: Asked) -> Response[str]:
        enter(handler, request)
        return Response("ok", headers=report(handler, request, lot_number=lot_number(await parse(request))))

    return endpoint


def streams(handler: str, stream: Streamed) -> Endpoint:
    async def endpoint(request: Asked) -> Stream:
        enter(handler, request)
        return Stream(stream(request), headers=report(handler, request, await request.body()))

    return endpoint


@websocket("/ws")
async def chat(socket: Talk) -> None:
    enter("ws", socket)
    await socket.accept()
    await socket.send_text(f"{await socket.receive_text()} {outcome(socket)}")
    await socket.close()


POSTED = {
    "json": parses("json", Request.json),
    "form": parses("form", Request.form),
    "stream": streams("stream", pieces),
    "endless": streams("endless", endless),
    "login": reads("login"),
    "open": reads("open"),
}
HANDLERS = [
    *(post(f"/{name}", status_code=200)(endpoint) for name, endpoint in POSTED.items()),
    route("/users/{name:str}/reset", http_method=["POST", "PUT", "PATCH"], status_code=200)(reads("reset")),
    get("/page")(reads("page")),
    chat,
]


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
