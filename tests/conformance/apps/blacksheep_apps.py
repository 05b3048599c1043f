"""BlackSheep, which routes on the raw path and in any letter case."""

from collections.abc import AsyncIterator

from blacksheep import Application, Content, Request, Response, StreamedContent, WebSocket
from blacksheep.server.routing import Router
from starlette.types import ASGIApp

from . import Build, endless, enter, in_front, lot_number, outcome, pieces, report


def _answer(content: bytes | StreamedContent, headers: dict[str, str]) -> Response:
    pairs = [(name.encode(), value.encode()) for name, value in headers.items()]
    return Response(200, pairs, Content(b"text/plain", content) if isinstance(content, bytes) else content)


def make() -> Application:
    app = Application(router=Router())

    @app.router.post("/login")
    async def login(request: Request) -> Response:
        enter("login", request)
        return _answer(b"in", report("login", request, await request.read() or b""))

    async def reset(request: Request, name: str) -> Response:
        enter("reset", request)
        return _answer(b"done", report("reset", request, await request.read() or b"", name=name))

    for method in ("POST", "PUT", "PATCH", "DELETE"):
        app.router.add(method, "/users/{name}/reset", reset)

    @app.router.get("/page")
    async def page(request: Request) -> Response:
        enter("page", request)
        return _answer(b"page", report("page", request))

    @app.router.post("/json")
    async def read_json(request: Request) -> Response:
        enter("json", request)
        return _answer(b"ok", report("json", request, lot_number=lot_number(await request.json())))

    @app.router.post("/form")
    async def read_form(request: Request) -> Response:
        enter("form", request)
        return _answer(b"ok", report("form", request, lot_number=lot_number(await request.form())))

    @app.router.post("/stream")
    async def stream(request: Request) -> Response:
        enter("stream", request)
        return _answer(StreamedContent(b"text/plain", pieces), report("stream", request, await request.read() or b""))

    @app.router.post("/endless")
    async def never_ends(request: Request) -> Response:
        enter("endless", request)
        await request.read()
        scope = request.scope  # the answer is made when the request is gone

        async def ticks() -> AsyncIterator[bytes]:
            async for tick in endless(scope):
                yield tick

        return _answer(StreamedContent(b"text/plain", ticks), report("endless", request))

    @app.router.post("/open")
    async def unguarded(request: Request) -> Response:
        enter("open", request)
        return _answer(b"open", report("open", request, await request.read() or b""))

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
