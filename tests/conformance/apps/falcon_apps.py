"""Falcon, whose placeholders take an empty segment."""

from collections.abc import Awaitable, Callable
from typing import Any

import falcon.asgi
from starlette.types import ASGIApp

from . import Build, endless, enter, in_front, lot_number, outcome, pieces, report

Respond = Callable[..., Awaitable[None]]


class Resource:
    """One respond method for each method named."""

    def __init__(self, methods: str, respond: Respond) -> None:
        for method in methods.split():
            setattr(self, f"on_{method.lower()}", respond)


async def login(req: Any, resp: Any) -> None:
    enter("login", req)
    resp.set_headers(report("login", req, await req.stream.read()))


async def reset(req: Any, resp: Any, name: str) -> None:
    enter("reset", req)
    resp.set_headers(report("reset", req, await req.stream.read(), name=name))


async def page(req: Any, resp: Any) -> None:
    enter("page", req)
    resp.set_headers(report("page", req))


async def read_json(req: Any, resp: Any) -> None:
    enter("json", req)
    resp.set_headers(report("json", req, lot_number=lot_number(await req.get_media(default_when_empty=None))))


async def read_form(req: Any, resp: Any) -> None:
    enter("form", req)
    media = await req.get_media(default_when_empty=None)
    if hasattr(media, "__aiter__"):  # multipart: parts come one after the other
        media = {part.name: await part.text async for part in media if part.name == "lot_number"}
    resp.set_headers(report("form", req, lot_number=lot_number(media)))


async def stream(req: Any, resp: Any) -> None:
    enter("stream", req)
    resp.set_headers(report("stream", req, await req.stream.read()))
    resp.stream = pieces()


async def never_ends(req: Any, resp: Any) -> None:
    enter("endless", req)
    await req.stream.read()
    resp.set_headers(report("endless", req))
    resp.stream = endless(req)


async def unguarded(req: Any, resp: Any) -> None:
    enter("open", req)
    resp.set_headers(report("open", req, await req.stream.read()))


class Chat:
    async def on_websocket(self, req: Any, ws: Any) -> None:
        enter("ws", req)
        await ws.accept()
        await ws.send_text(f"{await ws.receive_text()} {outcome(req)}")
        await ws.close()


def make() -> Any:
    app = falcon.asgi.App()
    app.add_route("/login", Resource("POST", login))
    app.add_route("/users/{name}/reset", Resource("POST PUT PATCH DELETE", reset))
    app.add_route("/page", Resource("GET HEAD", page))
    app.add_route("/json", Resource("POST", read_json))
    app.add_route("/form", Resource("POST", read_form))
    app.add_route("/stream", Resource("POST", stream))
    app.add_route("/endless", Resource("POST", never_ends))
    app.add_route("/open", Resource("POST", unguarded))
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
