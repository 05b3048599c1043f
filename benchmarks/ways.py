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
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from importlib.util import find_spec
from typing import Any, Final
from urllib.parse import parse_qsl

import anyio
import uvicorn
from starlette.middleware.base import BaseHTTPMiddleware, RequestResponseEndpoint
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from geetest_asgi import GeeTestMiddleware, Limits

from .call import Call, form_for, httpx_each, httpx_shared, raw_socket
from .visitors import ID, KEY

App = AbstractAsyncContextManager[ASGIApp]
FIELDS: Final = ("lot_number", "captcha_output", "pass_token", "gen_time")


async def login(scope: Scope, receive: Receive, send: Send) -> None:
    """The app: it reads the form and says welcome."""
    while (await receive()).get("more_body"):
        pass
    headers = [(b"content-type", b"application/json"), (b"content-length", b"18")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": b'{"next":"welcome"}'})


def _guard(url: str, client: Any = None) -> ASGIApp:
    limits = Limits(max_in_flight=512)  # of 500 visitors at once none is to be turned away
    return GeeTestMiddleware(
        login,
        protect=["POST /login"],
        captcha_id=ID,
        captcha_key=KEY,
        api_server=url,
        client=client,
        limits=limits,
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


def _by_hand(call: Call) -> ASGIApp:
    async def dispatch(request: Request, call_next: RequestResponseEndpoint) -> Response:
        await request.body()  # or the app has nothing to read
        form = await request.form()
        if not await call({name: str(form.get(name, "")) for name in FIELDS}):
            return Response("captcha", 403)
        return await call_next(request)

    return BaseHTTPMiddleware(login, dispatch)


def by_hand(client: Callable[[str], AbstractAsyncContextManager[Call]]) -> Callable[[str], App]:
    """`BaseHTTPMiddleware` and `request.form()`, with this client."""

    @asynccontextmanager
    async def way(url: str) -> AsyncIterator[ASGIApp]:
        async with client(url) as call:
            yield _by_hand(call)

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


@asynccontextmanager
async def limit(url: str) -> AsyncIterator[ASGIApp]:
    """The least that can be done: no check of anything, the body in one piece, the call put together by hand."""
    async with raw_socket(url) as call:

        async def middleware(scope: Scope, receive: Receive, send: Send) -> None:
            message = await receive()
            form = dict(parse_qsl(message["body"].decode()))
            if await call({name: form[name] for name in FIELDS}):
                await login(scope, _again(message), send)

        yield middleware


def _again(message: Any) -> Receive:
    async def receive() -> Any:
        return message

    return receive


OURS, SHARED, LIMIT = "**geetest_asgi**", "by hand, httpx, shared client", "raw socket, no checks (the limit)"
EACH = "by hand, httpx, a client per request"
FAST = "**geetest_asgi**, httpx over aiohttp"
_ALL: Final[dict[str, tuple[Callable[[str], App], str]]] = {  # the way, and what must be installed
    "no captcha": (no_captcha, "uvicorn"),
    LIMIT: (limit, "uvicorn"),
    FAST: (ours_over_aiohttp, "httpx_aiohttp"),
    OURS: (ours, "uvicorn"),
    "by hand, requests in a thread": (by_hand(requests_in_thread), "requests"),
    SHARED: (by_hand(httpx_shared), "uvicorn"),
    EACH: (by_hand(httpx_each), "uvicorn"),
}
WAYS: Final = {name: way for name, (way, needs) in _ALL.items() if find_spec(needs)}


class Site:
    """A way that is served, in a process of its own."""

    def __init__(self, process: "subprocess.Popen[str]", port: int) -> None:
        self._process = process
        self.port = port

    def cpu(self) -> float:
        """Seconds of processor time that it has used."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        print(file=self._process.stdin, flush=True)
        return float(self._process.stdout.readline())


@contextmanager
def site(name: str, geetest: str) -> Iterator[Site]:
    """Serve this way, with this URL for GeeTest."""
    command = [sys.executable, "-m", "benchmarks.ways", name, geetest]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            yield Site(process, int(process.stdout.readline()))
        finally:
            process.stdin.close()


def _opened(way: App) -> ASGIApp:
    """Opens the way when the server starts: clients belong to an event loop."""
    app: ASGIApp | None = None

    async def opened(scope: Scope, receive: Receive, send: Send) -> None:
        nonlocal app
        if scope["type"] == "http" and app is not None:
            return await app(scope, receive, send)
        await receive()
        async with way as app:
            await send({"type": "lifespan.startup.complete"})
            await receive()
        return await send({"type": "lifespan.shutdown.complete"})

    return opened


def _serve(name: str, geetest: str) -> None:
    app = _opened(WAYS[name](geetest))
    config = uvicorn.Config(app, lifespan="on", log_level="error", access_log=False, backlog=2048)
    server = uvicorn.Server(config)
    listening = socket.create_server(("127.0.0.1", 0), backlog=2048)
    print(listening.getsockname()[1], flush=True)

    def answer() -> None:
        for _ in sys.stdin:
            print(time.process_time(), flush=True)
        server.should_exit = True

    threading.Thread(target=answer, daemon=True).start()
    server.run(sockets=[listening])


def server_version() -> str:
    """Which server, and what it stands on here."""
    loop = "uvloop" if find_spec("uvloop") else "asyncio"
    parser = "httptools" if find_spec("httptools") else "h11"
    return f"uvicorn {uvicorn.__version__} ({loop}, {parser})"


if __name__ == "__main__":
    _serve(*sys.argv[1:])
