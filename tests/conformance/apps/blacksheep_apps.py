"""BlackSheep, which routes on the raw path and in any letter case."""

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

from blacksheep import Application, Content, Request, Response, StreamedContent, WebSocket
from blacksheep.server.routing import Router
from starlette.types import ASGIApp

from . import Build, Stream, endless, enter, in_front, lot_number, outcome, pieces, report


def _answer(content: bytes | StreamedContent, headers: dict[str, str]) -> Response:
    pairs = [(name.encode(), value.encode()) for name, value in headers.items()]
    return Response(200, pairs, Content(b"text/plain", content) if isinstance(content, bytes) else content)


Handler = Callable[[Request], Awaitable[Response]]


def reads(handler: str) -> Handler:
    async def endpoint(request: Request) -> Response:
        enter(handler, request)
        return _answer(b"ok", report(handler, request, await request.read() or b""))

    return endpoint


def parses(handler: str, parse: Callable[[Request], Awaitable[Any]]) -> Handler:
    async def endpoint(request: Request) -> Response:
        enter(handler, request)
        return _answer(b"ok", report(handler, request, lot_number=lot_number(await parse(request))))

    return endpoint


def streams(handler: str, stream: Stream) -> Handler:
    async def endpoint(request: Request) -> Response:
        enter(handler, request)
        scope = request.scope  # the answer is made when the request is gone

        async def chunks() -> AsyncIterator[bytes]:
            async for chunk in stream(scope):
                yield chunk

        return _answer(StreamedContent(b"text/plain", chunks), report(handler, request, await request.read() or b""))

    return endpoint


async def reset(request: Request, name: str) -> Response:
    enter("reset", request)
    return _answer(b"ok", report("reset", request, await request.read() or b"", name=name))


POSTED = {
    "json": parses("json", lambda request: request.json()),
    "form": parses("form", lambda request: request.form()),
    "stream": streams("stream", pieces),
    "endless": streams("endless", endless),
    "login": reads("login"),
    "open": reads("open"),
}


def make() -> Application:
    app = Application(router=Router())
    for name, endpoint in POSTED.items():
        app.router.add("POST", f"/{name}", endpoint)
    for method in ("POST", "PUT", "PATCH", "DELETE"):
        app.router.add(method, "/users/{name}/reset", reset)
    app.router.add("GET", "/page", reads("page"))

    @app.router.ws("/ws")
    async def chat(websocket: WebSocket) -> None:
        enter("ws", websocket)
        await websocket.accept()
        await websocket.send_text(f"{await websocket.receive_text()} {outcome(websocket)}")
        await websocket.close()

    return app


def plain() -> ASGIApp:
    return make()


def mounted() -> ASGIApp:
    app = Application(router=Router())
    app.mount("/api", make())
    app.mount_registry.auto_events = True
    return app


APPS: dict[str, Build] = {
    "blacksheep": in_front(plain),
    "blacksheep-mounted": in_front(mounted, protect=["POST /api/login"]),
}
