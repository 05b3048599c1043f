"""What the tests of the whole guard share: an app that remembers, a visitor, and servers that misbehave."""

import json
import socket
import ssl
import struct
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any, Self
from urllib.parse import urlencode, urlsplit

import anyio
import httpx
import httpx2
import trustme
from anyio.lowlevel import checkpoint
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from geetest_asgi import GeeTestMiddleware, GeeTestResult, Outcome
from geetest_asgi.testing import Call, Simulator

FORM = "application/x-www-form-urlencoded"
SECONDS = 10.0
"""What nothing here takes: whatever waits longer hangs."""

SUCCESS = b'{"status":"success","result":"success","reason":"","captcha_args":{}}'
"""GeeTest's good answer, about no token in particular."""

CLIENTS: dict[str, Any] = {"own": None, "httpx": httpx.AsyncClient, "httpx2": httpx2.AsyncClient}
"""What `client=` may be: nothing, or a client of the user's, here the function that makes it."""


async def until(is_so: Callable[[], object]) -> None:
    """Wait for it, at most as long as nothing here takes."""
    with anyio.fail_after(SECONDS):
        while not is_so():
            await anyio.sleep(0.005)


def in_threads(*works: Callable[[], object]) -> None:
    """Do all of this at the same time, each on a thread of its own."""
    with ThreadPoolExecutor(len(works)) as threads:
        start = threading.Barrier(len(works))

        def run(work: Callable[[], object]) -> None:
            start.wait()
            work()

        list(threads.map(run, works))


# --- GeeTest's side ---------------------------------------------------------------------------------------------------


@dataclass
class GeeTest:
    """The simulator and the URL that it is served at."""

    simulator: Simulator
    url: str

    @property
    def calls(self) -> list[Call]:
        return list(self.simulator.calls)

    def token(
        self, *, expired: bool = False, used: bool = False, forged: bool = False, offline: bool = False
    ) -> dict[str, str]:
        return self.simulator.token(expired=expired, used=used, forged=forged, offline=offline)

    def guard(self, app: ASGIApp, **settings: Any) -> GeeTestMiddleware:
        """A guard before `POST /login` that asks this simulator."""
        settings = {
            "protect": ["POST /login"],
            "captcha_id": self.simulator.captcha_id,
            "captcha_key": self.simulator.captcha_key,
            "api_server": self.url,
            **settings,
        }
        return GeeTestMiddleware(app, **settings)


Behave = Callable[["RawServer", socket.socket], None]
"""What a server does with a connection."""


class RawServer:
    """A TCP server written by hand: `behave` gets each connection on a thread of its own."""

    def __init__(self, behave: Behave) -> None:
        self.requests: list[bytes] = []
        self.accepted = 0
        self.sent = 0
        self.ended = threading.Event()
        self._behave = behave
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=1024)
        self.port: int = self._listener.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self._open: list[socket.socket] = []
        self._threads = [threading.Thread(target=self._accept, daemon=True)]

    def __enter__(self) -> Self:
        self._threads[0].start()
        return self

    def __exit__(self, *_: object) -> None:
        self.ended.set()
        with suppress(OSError):  # wakes the accepting thread
            self._listener.shutdown(socket.SHUT_RDWR)
        for connection in list(self._open):
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        for thread in list(self._threads):
            thread.join(SECONDS)
        self._listener.close()

    def read_request(self, connection: socket.socket) -> bytes:
        """One request with its body, as far as it came; remembered in `requests`."""
        data = b""
        while b"\r\n\r\n" not in data or len(data.partition(b"\r\n\r\n")[2]) < _content_length(data):
            if not (more := connection.recv(65536)):
                break
            data += more
        if data:
            self.requests.append(data)
        return data

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self.accepted += 1
            thread = threading.Thread(target=self._serve, args=(connection,), daemon=True)
            self._threads.append(thread)
            self._open.append(connection)
            thread.start()

    def _serve(self, connection: socket.socket) -> None:
        with connection, suppress(OSError):
            self._behave(self, connection)


def _content_length(data: bytes) -> int:
    for line in data.partition(b"\r\n\r\n")[0].lower().split(b"\r\n"):
        if line.startswith(b"content-length:"):
            return int(line.partition(b":")[2])
    return 0


def http_reply(body: bytes = SUCCESS, status: str = "200 OK", *headers: str) -> bytes:
    lines = [f"HTTP/1.1 {status}", "content-type: application/json", f"content-length: {len(body)}", *headers]
    return "\r\n".join([*lines, "", ""]).encode() + body


def replying(reply: bytes) -> Behave:
    """A server that answers every request with these bytes, and keeps the connection."""

    def behave(server: RawServer, connection: socket.socket) -> None:
        while server.read_request(connection):
            connection.sendall(reply)

    return behave


def secured(
    certificate: trustme.LeafCert, behave: Behave, version: ssl.TLSVersion = ssl.TLSVersion.MAXIMUM_SUPPORTED
) -> Behave:
    """The same behaviour behind a handshake."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.maximum_version = version
    certificate.configure_cert(context)

    def behave_securely(server: RawServer, connection: socket.socket) -> None:
        with context.wrap_socket(connection, server_side=True) as secure:
            behave(server, secure)

    return behave_securely


def reset(connection: socket.socket) -> None:
    """Hang up with RST instead of FIN."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


@contextmanager
def refusing() -> Iterator[str]:
    """A URL where nobody listens: the port is held, so that nobody else can."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{held.getsockname()[1]}"


@contextmanager
def never_accepting() -> Iterator[str]:
    """A URL whose queue of connections is full: what knocks there waits."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        waiting = [socket.socket() for _ in range(4)]
        try:
            for each in waiting:
                each.setblocking(False)
                each.connect_ex(listener.getsockname())
            time.sleep(0.01)
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            for each in waiting:
                each.close()


# --- the app's side ---------------------------------------------------------------------------------------------------


class Told:
    """An observer: `on_result=told`."""

    def __init__(self) -> None:
        self.results: list[GeeTestResult] = []

    def __call__(self, result: GeeTestResult, scope: Scope) -> None:
        assert scope["type"] in ("http", "websocket")
        self.results.append(result)

    @property
    def outcomes(self) -> list[Outcome]:
        return [result.outcome for result in self.results]

    @property
    def reasons(self) -> list[str]:
        return [result.reason for result in self.results]


@dataclass
class Seen:
    """One request as the app saw it."""

    scope: Scope
    body: bytes

    @property
    def result(self) -> GeeTestResult:
        result = self.scope["state"]["geetest"]
        assert isinstance(result, GeeTestResult)
        return result


@dataclass
class App:
    """An ASGI app that reads each request to its end, remembers it, and answers `in`."""

    status: int = 200
    headers: Sequence[tuple[bytes, bytes]] = ((b"content-type", b"text/plain"),)
    seen: list[Seen] = field(default_factory=list)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            return await _live(receive, send)
        if scope["type"] == "websocket":
            self.seen.append(Seen(scope, b""))
            await receive()
            await send({"type": "websocket.accept"})
            await send({"type": "websocket.close", "code": 1000, "reason": ""})
            return None
        body = bytearray()
        more = True
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                raise AssertionError("the app was run for a visitor who had left")
            body += message.get("body", b"")
            more = message.get("more_body", False)
        self.seen.append(Seen(scope, bytes(body)))
        await send({"type": "http.response.start", "status": self.status, "headers": list(self.headers)})
        await send({"type": "http.response.body", "body": b"in"})
        return None


async def _live(receive: Receive, send: Send) -> None:
    while True:
        kind = (await receive())["type"]
        await send({"type": f"{kind}.complete"})
        if kind == "lifespan.shutdown":
            return


class Stage:
    """An ASGI app that is whichever app is put on: one server serves many tests."""

    def __init__(self) -> None:
        self.app: ASGIApp = App()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            return await _live(receive, send)
        return await self.app(scope, receive, send)


class Front:
    """uvicorn on a socket, serving the app that was put on last."""

    def __init__(self, stage: Stage, url: str) -> None:
        self._stage = stage
        self.url = url
        parts = urlsplit(url)
        self.address = (str(parts.hostname), int(parts.port or 0))

    def put_on(self, app: ASGIApp) -> str:
        self._stage.app = app
        return self.url

    def connect(self) -> socket.socket:
        return socket.create_connection(self.address, timeout=SECONDS)

    def talk(self, data: bytes) -> bytes:
        """Send these bytes, and return all that comes until the server hangs up."""
        with self.connect() as wire:
            wire.sendall(data)
            return read_all(wire)


def read_all(wire: socket.socket) -> bytes:
    data = b""
    with suppress(ConnectionResetError):
        while more := wire.recv(65536):
            data += more
    return data


def read_reply(wire: socket.socket) -> bytes:
    """One answer that carries a Content-Length."""
    data = b""
    while b"\r\n\r\n" not in data or len(data.partition(b"\r\n\r\n")[2]) < _content_length(data):
        more = wire.recv(65536)
        assert more, f"the connection ended after {data!r}"
        data += more
    return data


def raw_request(body: bytes, *headers: str, method: str = "POST", target: str = "/login") -> bytes:
    lines = [f"{method} {target} HTTP/1.1", "Host: front", f"Content-Length: {len(body)}", *headers]
    return "\r\n".join([*lines, "", ""]).encode() + body


# --- a visitor in process ---------------------------------------------------------------------------------------------


def form(fields: Mapping[str, str]) -> bytes:
    return urlencode(fields).encode()


def in_headers(token: Mapping[str, str]) -> dict[str, str]:
    return {f"x-geetest-{name.replace('_', '-')}": value for name, value in token.items()}


def http_scope(
    method: str = "POST",
    path: str = "/login",
    headers: Mapping[str, str] | Sequence[tuple[str, str]] = (),
    query: bytes = b"",
    **more: Any,
) -> dict[str, Any]:
    pairs = list(headers.items()) if isinstance(headers, Mapping) else list(headers)
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "query_string": query,
        "root_path": "",
        "headers": [(name.lower().encode(), value.encode()) for name, value in pairs],
        "client": ("127.0.0.1", 50000),
        "server": ("127.0.0.1", 80),
        **more,
    }


def cut(body: bytes, size: int) -> list[bytes]:
    return [body[at : at + size] for at in range(0, len(body), size)] or [b""]


def messages(*pieces: bytes, ends: bool = True) -> list[Message]:
    last = len(pieces) - 1
    return [
        {"type": "http.request", "body": piece, "more_body": number < last or not ends}
        for number, piece in enumerate(pieces)
    ]


class Visit:
    """One request in process. `receive` hands out the messages, then waits for more, or for the visitor to `leave`."""

    def __init__(self, scope: Scope, *incoming: Message) -> None:
        self.scope = scope
        self.incoming = deque(incoming)
        self.sent: list[Message] = []
        self.received = 0
        """How often something was asked of the server."""
        self.left = False
        self._news = anyio.Event()

    async def receive(self) -> Message:
        self.received += 1
        await checkpoint()
        while not (self.incoming or self.left):
            self._news = anyio.Event()
            await self._news.wait()
        if self.incoming:
            return self.incoming.popleft()
        return {"type": "websocket.disconnect" if self.scope["type"] == "websocket" else "http.disconnect"}

    def say(self, *incoming: Message) -> None:
        """More comes from the visitor."""
        self.incoming.extend(incoming)
        self._news.set()

    def leave(self) -> None:
        """The visitor hangs up."""
        self.left = True
        self._news.set()

    async def send(self, message: Message) -> None:
        await checkpoint()
        self.sent.append(message)

    async def run(self, app: ASGIApp, seconds: float = SECONDS) -> "Visit":
        with anyio.fail_after(seconds):
            await app(self.scope, self.receive, self.send)
        return self

    @property
    def status(self) -> int:
        starts = [each for each in self.sent if each["type"].endswith("http.response.start")]
        assert len(starts) == 1, self.sent
        status = starts[0]["status"]
        assert isinstance(status, int)
        return status

    @property
    def headers(self) -> dict[str, str]:
        start = next(each for each in self.sent if each["type"].endswith("http.response.start"))
        names = [name.lower() for name, _ in start["headers"]]
        assert len(names) == len(set(names)), "a header is sent twice"
        return {name.decode().lower(): value.decode() for name, value in start["headers"]}

    @property
    def body(self) -> bytes:
        return b"".join(each.get("body", b"") for each in self.sent if each["type"].endswith("http.response.body"))

    @property
    def problem(self) -> dict[str, Any]:
        problem = json.loads(self.body)
        assert isinstance(problem, dict)
        return problem

    @property
    def code(self) -> str:
        """The denial's code, or "in" where the app has answered."""
        return "in" if self.body == b"in" else str(self.problem["code"])


def visit(
    fields: Mapping[str, str] | None = None,
    *,
    body: bytes | Sequence[bytes] | None = None,
    headers: Mapping[str, str] | Sequence[tuple[str, str]] = (),
    content_type: str | None = FORM,
    **scope: Any,
) -> Visit:
    """A visitor who posts these fields, or this body, in a form to /login."""
    if body is None:
        body = form(fields or {})
    pieces = [body] if isinstance(body, bytes) else list(body)
    pairs = list(headers.items()) if isinstance(headers, Mapping) else list(headers)
    if content_type is not None:
        pairs.append(("content-type", content_type))
    return Visit(http_scope(headers=pairs, **scope), *messages(*pieces))


def unfinished(*pieces: bytes, content_type: str = FORM, **scope: Any) -> Visit:
    """A visitor whose body is not all there yet."""
    return Visit(http_scope(headers={"content-type": content_type}, **scope), *messages(*pieces, ends=False))


async def crowd(guard: ASGIApp, *visits: Visit) -> list[str]:
    """All of these at once: the code that each gets."""
    async with anyio.create_task_group() as tasks:
        for each in visits:
            tasks.start_soon(each.run, guard)
    return [each.code for each in visits]
