"""FastAPI: as Starlette, with body models, sub-apps and a root path that the server does not know of."""

from typing import Annotated, Any

from fastapi import Body, FastAPI, Form, Request
from fastapi.responses import Response
from starlette.types import ASGIApp

from geetest_asgi import GeeTestMiddleware

from . import Build, endless, enter, guard, in_front, pieces, report
from .starlette_apps import chat, reads, streams


def add_handlers(app: FastAPI) -> FastAPI:
    """Starlette's handlers, and those that have parameters here."""
    for handler in ("login", "open"):
        app.post(f"/{handler}")(reads(handler))
    app.api_route("/users/{name}/reset", methods=["POST", "PUT", "PATCH", "DELETE", "FOO"])(reads("reset"))
    app.get("/page")(reads("page"))
    app.post("/stream")(streams("stream", pieces))
    app.post("/endless")(streams("endless", endless))
    app.websocket("/ws")(chat)

    @app.post("/json")
    async def read_json(request: Request, lot_number: Annotated[Any, Body(embed=True)] = None) -> Response:
        enter("json", request)
        return Response("ok", headers=report("json", request, lot_number=lot_number))

    @app.post("/form")
    async def read_form(request: Request, lot_number: Annotated[str | None, Form()] = None) -> Response:
        enter("form", request)
        return Response("ok", headers=report("form", request, lot_number=lot_number))

    return app


def plain() -> ASGIApp:
    return add_handlers(FastAPI())


def guard_on_a_sub_app(guarded: bool) -> ASGIApp:
    inner = add_handlers(FastAPI())
    if guarded:
        inner.add_middleware(GeeTestMiddleware, protect=["POST /login"])
    app = FastAPI()
    app.mount("/api", inner)
    return app


def with_root_path() -> ASGIApp:
    """FastAPI puts it into the scope by itself, behind a guard that stands in front: `root_paths` tells the guard."""
    return add_handlers(FastAPI(root_path="/api"))


def added_with_root_path(guarded: bool) -> ASGIApp:
    """Added with `add_middleware`, the guard finds it in the scope."""
    app = add_handlers(FastAPI(root_path="/api"))
    if guarded:
        app.add_middleware(GeeTestMiddleware, protect=["POST /login"])
    return app


def three_guards(guarded: bool) -> ASGIApp:
    app = add_handlers(FastAPI())
    if guarded:
        app.add_middleware(GeeTestMiddleware, protect=["POST /login"])
        app.add_middleware(GeeTestMiddleware, protect=["/**"])
    return guard(app) if guarded else app


APPS: dict[str, Build] = {
    "fastapi": in_front(plain),
    "fastapi-root-path": in_front(with_root_path, root_paths=["/api"]),
    "fastapi-root-path-added": added_with_root_path,
    "fastapi-guard-on-a-sub-app": guard_on_a_sub_app,
    "fastapi-three-guards": three_guards,
}
