"""Falcon, whose placeholders take an empty segment."""

from collections.abc import Awaitable, Callable
from typing import Any

import falcon.asgi
from starlette.types import ASGIApp

from . import Build, Stream, endless, enter, in_front, lot_number, outcome, pieces, report

Respond = Callable[..., Awaitable[None]]


class Resource:
    """One respond method for each method named."""

    def __init__(self, methods: str, respond: Respond) -> None:
        for method in methods.split():
            setattr(self, f"on_{method.lower()}", respond)


def reads(handler: str) -> Respond:
    async def respond(req: Any, resp: Any, **names: str) -> None:
        enter(handler, req)
        resp.set_headers(report(handler, req, await req.stream.read(), **names))

    return respond


def streams(handler: str, stream: Stream) -> Respond:
    async def respond(req: Any, resp: Any) -> None:
        await reads(handler)(req, resp)
        resp.stream = stream(req)

    return respond


def parses(handler: str) -> Respond:
    async def respond(req: Any, resp: Any) -> None:
        enter(handler, req)
        media = await req.get_media(default_when_empty=None)
        if hasattr(media, "__aiter__"):  # multipart: parts come one after the other
            media = {part.name: await part.text async for part in media if part.name == "lot_number"}
        resp.set_headers(report(handler, req, lot_number=lot_number(media)))

    return respond


class Chat:
    async def on_websocket(self, req: Any, ws: Any) -> None:
        enter("ws", req)
        await ws.accept()
        await ws.send_text(f"{await ws.receive_text()} {outcome(req)}")
        await ws.close()


def make() -> Any:
    app = falcon.asgi.App()
    for handler in ("login", "open"):
        app.add_route(f"/{handler}", Resource("POST", reads(handler)))
    for handler in ("json", "form"):
        app.add_route(f"/{handler}", Resource("POST", parses(handler)))
    app.add_route("/users/{name}/reset", Resource("POST PUT PATCH DELETE", reads("reset")))
    app.add_route("/page", Resource("GET HEAD", reads("page")))
    app.add_route("/stream", Resource("POST", streams("stream", pieces)))
    app.add_route("/endless", Resource("POST", streams("endless", endless)))
    app.add_route("/ws", Chat())
    return app


def plain() -> ASGIApp:
    app: ASGIApp = make()
    return app


def stripping() -> ASGIApp:
    app = make()
    app.req_options.strip_url_path_trailing_slash = True
    app.req_options.auto_parse_form_urlencoded = False
    stripped: ASGIApp = app
    return stripped


APPS: dict[str, Build] = {"falcon": in_front(plain), "falcon-stripping": in_front(stripping)}
