"""GeeTest's side: the simulator on a socket, and servers written by hand that misbehave."""

import os
import resource
import socket
import ssl
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any, Self

import httpx
import httpx2
import trustme
from starlette.types import ASGIApp

from geetest_asgi import GeeTestMiddleware
from geetest_asgi.testing import Call, Simulator

SECONDS = 10.0
"""What nothing here takes: whatever waits longer hangs."""

SUCCESS = b'{"status":"success","result":"success","reason":"","captcha_args":{}}'
"""GeeTest's good answer, about no token in particular."""

CLIENTS: dict[str, Any] = {"own": None, "httpx": httpx.AsyncClient, "httpx2": httpx2.AsyncClient}
"""What `client=` may be: nothing, or a client of the user's, here the function that makes it."""


@dataclass
class GeeTest:
    """The simulator and the URL that it is served at."""

    simulator: Simulator
    url: str

    @property
    def calls(self) -> list[Call]:
        return list(self.simulator.calls)

    def token(self, **kind: Any) -> dict[str, str]:
        return self.simulator.token(**kind)

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

    @property
    def open(self) -> int:
        """Connections that are being served now."""
        return sum(thread.is_alive() for thread in self._threads[1:])

    def read_request(self, connection: socket.socket) -> bytes:
        """One request with its body, as far as it came; remembered in `requests`."""
        if data := read_message(connection):
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


def settles(is_so: Callable[[], object]) -> bool:
    """Whether it becomes so in time: servers close what has ended with their next turns."""
    end = time.monotonic() + SECONDS
    while not is_so() and time.monotonic() < end:
        time.sleep(0.005)
    return bool(is_so())


def peers() -> list[Any]:
    """The address at the other end of each socket that this process has open; "" where there is none."""
    addresses: list[Any] = []
    for number in os.listdir("/proc/self/fd"):
        with suppress(OSError):
            if os.readlink(f"/proc/self/fd/{number}").startswith("socket:"):
                with socket.socket(fileno=os.dup(int(number))) as copy:
                    addresses.append("")
                    addresses[-1] = copy.getpeername()
    return addresses


def read_message(wire: socket.socket) -> bytes:
    """One request or answer with the body that its Content-Length names, as far as it came."""
    data = b""
    while (ends := data.find(b"\r\n\r\n") + 4) < 4 or len(data) < ends + content_length(data[:ends]):
        if not (more := wire.recv(65536)):
            break
        data += more
    return data


def content_length(head: bytes) -> int:
    return int(head.lower().partition(b"\r\ncontent-length:")[2].split(b"\r\n")[0] or 0)


def http_reply(body: bytes = SUCCESS, status: str = "200 OK", *headers: str) -> bytes:
    lines = [f"HTTP/1.1 {status}", "content-type: application/json", f"content-length: {len(body)}", *headers]
    return "\r\n".join([*lines, "", ""]).encode() + body


def replying(reply: bytes) -> Behave:
    """A server that answers every request with these bytes, and keeps the connection."""

    def behave(server: RawServer, connection: socket.socket) -> None:
        while server.read_request(connection):
            connection.sendall(reply)

    return behave


def secured(certificate: trustme.LeafCert, behave: Behave) -> Behave:
    """The same behaviour behind a handshake."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
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
    """The URL of a listener whose queue of connections is full: what knocks there waits."""
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


@contextmanager
def no_socket_to_spare(*, but: int = 0) -> Iterator[None]:
    """This process has so many file descriptors left, and no more."""
    limit, held = resource.getrlimit(resource.RLIMIT_NOFILE), list[socket.socket]()
    highest = max(map(int, os.listdir("/proc/self/fd")))
    resource.setrlimit(resource.RLIMIT_NOFILE, (highest + 10, limit[1]))
    try:
        with suppress(OSError):
            while True:
                held.append(socket.socket())
        for _ in range(but):
            held.pop().close()
        yield
    finally:
        for each in held:
            each.close()
        resource.setrlimit(resource.RLIMIT_NOFILE, limit)
