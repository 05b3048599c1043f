"""Quart, which takes a request target in absolute form apart by itself."""

from typing import Any

from quart import Quart, request, websocket
from starlette.types import ASGIApp

from . import Build, endless, enter, in_front, lot_number, outcome, pieces, report

Answer = tuple[Any, int, dict[str, str]]


async def body() -> bytes:
    """Bytes, unless asked for text."""
    data: Any = await request.get_data(cache=True)
    return bytes(data)


def add_handlers(app: Quart) -> Quart:
    @app.post("/login")
    async def login() -> Answer:
        enter("login", request)
        return "in", 200, report("login", request, await body())

    @app.route("/users/<name>/reset", methods=["POST", "PUT", "PATCH", "DELETE", "FOO"])
    async def reset(name: str) -> Answer:
        enter("reset", request)
        return "done", 200, report("reset", request, await body(), name=name)

    @app.get("/page")
    async def page() -> Answer:
        enter("page", request)
        return "page", 200, report("page", request)

    @app.post("/json")
    async def read_json() -> Answer:
        enter("json", request)
        return "ok", 200, report("json", request, lot_number=lot_number(await request.get_json(silent=True)))

    @app.post("/form")
    async def read_form() -> Answer:
        enter("form", request)
        return "ok", 200, report("form", request, lot_number=lot_number(await request.form))

    @app.post("/stream")
    async def stream() -> Answer:
        enter("stream", request)
        return pieces(), 200, report("stream", request, await body())

    @app.post("/endless")
    async def never_ends() -> Answer:
        enter("endless", request)
        await request.get_data()
        # The proxy `request` ends with the handler; the answer is made after it.
        return endless(request.scope), 200, report("endless", request)

    @app.post("/open")
    async def unguarded() -> Answer:
        enter("open", request)
        return "open", 200, report("open", request, await body())

    @app.post("/folder/")
    async def folder() -> Answer:
        enter("folder", request)
        return "in", 200, report("folder", request, await body())

    @app.websocket("/ws")
    async def chat() -> None:
        enter("ws", websocket)
        await websocket.accept()
        await websocket.send(f"{await websocket.receive()!s} {outcome(websocket)}")
        await websocket.close(1000)

    return app


def plain() -> ASGIApp:
    return add_handlers(Quart(__name__))  # type: ignore[return-value, unused-ignore]  # its own ASGI types


def lenient() -> ASGIApp:
    app = Quart(__name__)
    app.url_map.strict_slashes = False
    return add_handlers(app)  # type: ignore[return-value, unused-ignore]


APPS: dict[str, Build] = {"quart": in_front(plain), "quart-lenient": in_front(lenient)}
