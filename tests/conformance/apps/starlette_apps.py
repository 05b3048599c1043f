"""Starlette: routes, mounts, and the guard in each place where Starlette takes a middleware."""

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import BaseRoute, Mount, Route, WebSocketRoute
from starlette.types import ASGIApp
from starlette.websockets import WebSocket

from geetest_asgi import GeeTestMiddleware

from . import Build, endless, enter, guard, in_front, lot_number, outcome, pieces, report


async def login(request: Request) -> Response:
    enter("login", request)
    return Response("in", headers=report("login", request, await request.body()))


async def reset(request: Request) -> Response:
    enter("reset", request)
    seen = report("reset", request, await request.body(), name=request.path_params["name"])
    return Response("done", headers=seen)


async def page(request: Request) -> Response:
    enter("page", request)
    return Response("page", headers=report("page", request))


async def read_json(request: Request) -> Response:
    enter("json", request)
    return Response("ok", headers=report("json", request, lot_number=lot_number(await request.json())))


async def read_form(request: Request) -> Response:
    enter("form", request)
    async with request.form() as form:
        return Response("ok", headers=report("form", request, lot_number=lot_number(form)))


async def stream(request: Request) -> Response:
    enter("stream", request)
    return StreamingResponse(pieces(), headers=report("stream", request, await request.body()))


async def never_ends(request: Request) -> Response:
    enter("endless", request)
    await request.body()
    return StreamingResponse(endless(request), headers=report("endless", request))


async def unguarded(request: Request) -> Response:
    enter("open", request)
    return Response("open", headers=report("open", request, await request.body()))


async def chat(websocket: WebSocket) -> None:
    enter("ws", websocket)
    await websocket.accept()
    await websocket.send_text(f"{await websocket.receive_text()} {outcome(websocket)}")
    await websocket.close()


def routes(*, login_middleware: list[Middleware] | None = None) -> list[BaseRoute]:
    return [
        Route("/login", login, methods=["POST"], middleware=login_middleware),
        Route("/users/{name}/reset", reset, methods=["POST", "PUT", "PATCH", "DELETE", "FOO"]),
        Route("/page", page),
        Route("/json", read_json, methods=["POST"]),
        Route("/form", read_form, methods=["POST"]),
        Route("/stream", stream, methods=["POST"]),
        Route("/endless", never_ends, methods=["POST"]),
        Route("/open", unguarded, methods=["POST"]),
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
