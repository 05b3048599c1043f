"""The ways to put GeeTest in front of POST /login that are compared, each as a server of its own: uvicorn, one worker.

The app behind each is the same, and asks nothing of a framework. The ways by hand are written as tutorials write
them; they have no time-out worth the name, so that none of them is made to fail.

    python -m benchmarks.ways WAY GEETEST      ends with its standard input; each line there is answered
"""

import socket
import subprocess
import sys
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from functools import cached_property
from importlib.util import find_spec
from typing import Any, Final
from urllib.parse import parse_qsl

import anyio
import uvicorn
from starlette.middleware.base import BaseHTTPMiddleware, RequestResponseEndpoint
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from geetest_asgi import GeeTestMiddleware

from .call import Call, aiohttp_shared, form_for, httpx_each, httpx_shared, raw_socket
from .checkouts import OURS, ROOT, command
from .load import new_event_loop
from .visitors import ID, KEY

App = AbstractAsyncContextManager[ASGIApp]
FIELDS: Final = ("lot_number", "captcha_output", "pass_token", "gen_time")


async def login(scope: Scope, receive: Receive, send: Send) -> None:
    """The app: it reads the form and says welcome. There is nothing for it to start or to end."""
    if scope["type"] == "lifespan":
        for step in ("startup", "shutdown"):
            await receive()
            await send({"type": f"lifespan.{step}.complete"})
        return
    while (await receive()).get("more_body"):
        pass
    headers = [(b"content-type", b"application/json"), (b"content-length", b"18")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": b'{"next":"welcome"}'})


def _guard(url: str, client: Any = None) -> ASGIApp:
    """With the default settings, but that nobody is let in who was not verified: each login that counts is one."""
    return GeeTestMiddleware(
        login,
        protect=["POST /login"],
        captcha_id=ID,
        captcha_key=KEY,
        api_server=url,
        client=client,
        on_unavailable="deny",
    )


@asynccontextmanager
async def no_captcha(_: str) -> AsyncIterator[ASGIApp]:
    """The app alone."""
    yield login


@asynccontextmanager
async def ours(url: str) -> AsyncIterator[ASGIApp]:
    """The guard as it comes."""
    yield _guard(url)


@asynccontextmanager
async def ours_over_aiohttp(url: str) -> AsyncIterator[ASGIApp]:
    """The guard with `client=`: httpx over aiohttp's connections."""
    import aiohttp
    import httpx
    from httpx_aiohttp import AiohttpTransport

    session = aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0))
    async with httpx.AsyncClient(transport=AiohttpTransport(client=session)) as client:
        yield _guard(url, client)


def _tutorial(call: Call) -> ASGIApp:
    async def dispatch(request: Request, call_next: RequestResponseEndpoint) -> Response:
        await request.body()  # or the app has nothing to read
        form = await request.form()
        if not await call({name: str(form.get(name, "")) for name in FIELDS}):
            return Response("captcha", 403)
        return await call_next(request)

    return BaseHTTPMiddleware(login, dispatch)


def _pure(call: Call) -> ASGIApp:
    async def middleware(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await login(scope, receive, send)
        body, more = b"", True
        while more:
            message = await receive()
            body += message["body"]
            more = message["more_body"]
        form = dict(parse_qsl(body.decode()))
        if not await call({name: form.get(name, "") for name in FIELDS}):
            return await Response("captcha", 403)(scope, receive, send)

        async def again() -> Message:
            return {"type": "http.request", "body": body, "more_body": False}

        return await login(scope, again, send)

    return middleware


def by_hand(
    client: Callable[[str], AbstractAsyncContextManager[Call]], middleware: Callable[[Call], ASGIApp] = _tutorial
) -> Callable[[str], App]:
    """`BaseHTTPMiddleware` and `request.form()` with this client, or a middleware of pure ASGI."""

    @asynccontextmanager
    async def way(url: str) -> AsyncIterator[ASGIApp]:
        async with client(url) as call:
            yield middleware(call)

    return way


@asynccontextmanager
async def requests_in_thread(url: str) -> AsyncIterator[Call]:
    """`requests.post`, as GeeTest's demo has it, on a thread as Starlette gives them out."""
    import requests

    def post(fields: dict[str, str]) -> bool:
        reply = requests.post(f"{url}/validate", params={"captcha_id": ID}, data=form_for(fields), timeout=60)
        return bool(reply.json()["result"] == "success")

    async def call(fields: dict[str, str]) -> bool:
        return await anyio.to_thread.run_sync(post, fields)

    yield call


RAW, AIOHTTP, SHARED = (
    "raw socket, no checks (the limit)",
    "by hand, pure ASGI, aiohttp",
    "by hand, httpx, shared client",
)
EACH = "by hand, httpx, a client per request"
FAST = "**geetest_asgi**, httpx over aiohttp"
_ALL: Final[dict[str, tuple[Callable[[str], App], str]]] = {  # the way, and what must be installed
    "no captcha": (no_captcha, "uvicorn"),
    RAW: (by_hand(raw_socket, _pure), "uvicorn"),
    AIOHTTP: (by_hand(aiohttp_shared, _pure), "aiohttp"),
    FAST: (ours_over_aiohttp, "httpx_aiohttp"),
    OURS: (ours, "uvicorn"),
    "by hand, requests in a thread": (by_hand(requests_in_thread), "requests"),
    SHARED: (by_hand(httpx_shared), "uvicorn"),
    EACH: (by_hand(httpx_each), "uvicorn"),
}
WAYS: Final = {name: way for name, (way, needs) in _ALL.items() if find_spec(needs)}


class Site:
    """A way that is served, in a process of its own."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self._process = process

    @cached_property
    def port(self) -> int:
        """Where it listens, once it does."""
        return int(self._line())

    def cpu(self) -> float:
        """Seconds of processor time that it has used."""
        assert self._process.stdin is not None
        print(file=self._process.stdin, flush=True)
        return float(self._line())

    def _line(self) -> str:
        assert self._process.stdout is not None
        return self._process.stdout.readline()


@contextmanager
def site(name: str, geetest: str, env: Mapping[str, str]) -> Iterator[Site]:
    """Serve this way, with this URL for GeeTest. It is ready when its port is known."""
    with subprocess.Popen(
        command("ways", name, geetest), cwd=ROOT, env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdin is not None
        try:
            served = Site(process)
            yield served
        finally:
            process.stdin.close()


def _opened(way: App) -> ASGIApp:
    """Opens the way when the server starts: clients belong to an event loop."""
    app: ASGIApp | None = None

    async def opened(scope: Scope, receive: Receive, send: Send) -> None:
        nonlocal app
        if app is not None:
            return await app(scope, receive, send)
        last: Message = {}

        async def keep_last(message: Message) -> None:
            nonlocal last
            if message["type"] == "lifespan.shutdown.complete":
                last = message
            else:
                await send(message)

        async with way as app:
            await app(scope, receive, keep_last)  # goes on until the server's end
        return await send(last)  # no earlier: the server ends with it, whatever is not yet closed

    return opened


class _Server(uvicorn.Server):
    """Says where it listens when it does, and ends with its standard input; each line there is answered."""

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """See uvicorn."""
        await super().startup(sockets)
        assert sockets is not None
        print(sockets[0].getsockname()[1], flush=True)
        threading.Thread(target=self._answer, daemon=True).start()

    def _answer(self) -> None:
        for _ in sys.stdin:
            print(time.process_time(), flush=True)
        self.should_exit = True


def _serve(name: str, geetest: str) -> None:
    app = _opened(WAYS[name](geetest))
    config = uvicorn.Config(app, lifespan="on", log_level="error", access_log=False, backlog=2048)
    _Server(config).run(sockets=[socket.create_server(("127.0.0.1", 0), backlog=2048)])


def server_version() -> str:
    """Which server, and what it stands on here."""
    loop = "uvloop" if new_event_loop() else "asyncio"
    parser = "httptools" if find_spec("httptools") else "h11"
    return f"uvicorn {uvicorn.__version__} ({loop}, {parser})"


if __name__ == "__main__":
    _serve(*sys.argv[1:])
