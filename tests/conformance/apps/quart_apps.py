"""Quart, which takes a request target in absolute form apart by itself."""

from collections.abc import Awaitable, Callable
from typing import Any

from quart import Quart, request, websocket
from starlette.types import ASGIApp

from . import Build, Stream, endless, enter, in_front, lot_number, outcome, pieces, report

Answer = tuple[Any, int, dict[str, str]]


View = Callable[..., Awaitable[Answer]]


async def body() -> bytes:
    """Bytes, unless asked for text."""
    data: Any = await request.get_data(cache=True)
    return bytes(data)


def reads(handler: str) -> View:
    async def view(**names: str) -> Answer:
        enter(handler, request)
        return "ok", 200, report(handler, request, await body(), **names)

    return view


def parses(handler: str, parse: Callable[[], Awaitable[Any]]) -> View:
    async def view() -> Answer:
        enter(handler, request)
        return "ok", 200, report(handler, request, lot_number=lot_number(await parse()))

    return view


def streams(handler: str, stream: Stream) -> View:
    async def view() -> Answer:
        enter(handler, request)
        # The proxy `request` ends with the handler; the answer is made after it.
        return stream(request.scope), 200, report(handler, request, await body())

    return view


POSTED = {
    "json": parses("json", lambda: request.get_json(silent=True)),
    "form": parses("form", lambda: request.form),
    "stream": streams("stream", pieces),
    "endless": streams("endless", endless),
    "login": reads("login"),
    "open": reads("open"),
}


def add_handlers(app: Quart) -> Quart:
    for name, view in POSTED.items():
        app.add_url_rule(f"/{name}", name, view, methods=["POST"])
    app.add_url_rule("/folder/", "folder", reads("folder"), methods=["POST"])
    app.add_url_rule("/page", "page", reads("page"))
    app.add_url_rule("/users/<name>/reset", "reset", reads("reset"), methods=["POST", "PUT", "PATCH", "DELETE", "FOO"])

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
