"""Starlette: routes, mounts, and the guard in each place where Starlette takes a middleware."""

from collections.abc import Awaitable, Callable
from typing import Any

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import BaseRoute, Mount, Route, WebSocketRoute
from starlette.types import ASGIApp
from starlette.websockets import WebSocket

from geetest_asgi import GeeTestMiddleware

from . import Build, Stream, endless, enter, guard, in_front, lot_number, outcome, pieces, report

Endpoint = Callable[[Request], Awaitable[Response]]


def reads(handler: str) -> Endpoint:
    async def endpoint(request: Request) -> Response:
        enter(handler, request)
        return Response("ok", headers=report(handler, request, await request.body(), **request.path_params))

    return endpoint


def parses(handler: str, parse: Callable[[Request], Awaitable[Any]]) -> Endpoint:
    async def endpoint(request: Request) -> Response:
        enter(handler, request)
        return Response("ok", headers=report(handler, request, lot_number=lot_number(await parse(request))))

    return endpoint


def streams(handler: str, stream: Stream) -> Endpoint:
    async def endpoint(request: Request) -> Response:
        enter(handler, request)
        return StreamingResponse(stream(request), headers=report(handler, request, await request.body()))

    return endpoint


async def chat(websocket: WebSocket) -> None:
    enter("ws", websocket)
    await websocket.accept()
    await websocket.send_text(f"{await websocket.receive_text()} {outcome(websocket)}")
    await websocket.close()


def routes(*, login_middleware: list[Middleware] | None = None) -> list[BaseRoute]:
    return [
        Route("/login", reads("login"), methods=["POST"], middleware=login_middleware),
        Route("/users/{name}/reset", reads("reset"), methods=["POST", "PUT", "PATCH", "DELETE", "FOO"]),
        Route("/page", reads("page")),
        Route("/json", parses("json", Request.json), methods=["POST"]),
        Route("/form", parses("form", Request.form), methods=["POST"]),
        Route("/stream", streams("stream", pieces), methods=["POST"]),
        Route("/endless", streams("endless", endless), methods=["POST"]),
        Route("/open", reads("open"), methods=["POST"]),
        WebSocketRoute("/ws", chat),
    ]


def plain() -> ASGIApp:
    return Starlette(routes=routes())


def mounted() -> ASGIApp:
    return Starlette(routes=[Mount("/api", app=plain())])


def guard_in_a_mount(guarded: bool) -> ASGIApp:
    """The guard sees the whole path and `root_path`; its patterns are written as the inner app's routes are."""
    return Starlette(routes=[Mount("/api", app=guard(plain()) if guarded else plain())])


def guard_in_a_mount_by_the_whole_path(guarded: bool) -> ASGIApp:
    inner = guard(plain(), protect=["POST /api/login"]) if guarded else plain()
    return Starlette(routes=[Mount("/api", app=inner)])


def guard_on_a_mount(guarded: bool) -> ASGIApp:
    middleware = [Middleware(GeeTestMiddleware, protect=["POST /login"])] if guarded else []
    return Starlette(routes=[Mount("/api", app=plain(), middleware=middleware)])


def guard_on_a_route(guarded: bool) -> ASGIApp:
    """No pattern at all: the router has decided, and the guard cannot differ from it."""
    return Starlette(routes=routes(login_middleware=[Middleware(GeeTestMiddleware)] if guarded else None))


def two_guards(guarded: bool) -> ASGIApp:
    """One before the app and one on its route."""
    app = guard_on_a_route(guarded)
    return guard(app) if guarded else app


APPS: dict[str, Build] = {
    "starlette": in_front(plain),
    "starlette-mounted": in_front(mounted, protect=["POST /api/login"]),
    "starlette-guard-in-a-mount": guard_in_a_mount,
    "starlette-guard-in-a-mount-whole-path": guard_in_a_mount_by_the_whole_path,
    "starlette-guard-on-a-mount": guard_on_a_mount,
    "starlette-guard-on-a-route": guard_on_a_route,
    "starlette-two-guards": two_guards,
}
