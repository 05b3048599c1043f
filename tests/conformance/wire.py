"""A client that sends just the bytes it is told to: no HTTP library would send most of what is tried here."""

import json
import socket
from collections.abc import Iterable, Mapping
from contextlib import closing, suppress
from dataclasses import dataclass, field
from http.client import HTTPException, HTTPResponse
from typing import Any, Final
from urllib.parse import urlencode

SECONDS: Final = 30.0
FORM: Final = "application/x-www-form-urlencoded"


@dataclass(frozen=True)
class Answer:
    """What came back. Status 0: the server hung up without a word."""

    status: int = 0
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""

    @property
    def seen(self) -> dict[str, Any]:
        """What the handler saw; empty if none answered."""
        report: dict[str, Any] = json.loads(self.headers.get("x-report", "{}"))
        return report

    @property
    def handler(self) -> str:
        """The handler that answered, or nothing."""
        return str(self.seen.get("handler", ""))

    @property
    def code(self) -> str:
        """The `code` of a denial, or nothing."""
        if self.headers.get("content-type") != "application/problem+json" or not self.body:
            return ""
        return str(json.loads(self.body)["code"])


def form(fields: Mapping[str, str]) -> bytes:
    return urlencode(fields).encode()


def request(
    app: str,
    target: str | bytes = b"/login",
    body: bytes = b"",
    headers: Mapping[str, str] | Iterable[tuple[str, str]] = (),
    *,
    method: str = "POST",
    content_type: str | None = FORM,
    close: bool = True,
) -> bytes:
    """The bytes of a request. `target` is sent as it is."""
    target = target.encode() if isinstance(target, str) else target
    given = [*(headers.items() if isinstance(headers, Mapping) else headers)]
    names = {name.lower() for name, _ in given}
    lines = [("host", "testserver"), ("x-app", app), *given]
    if close:
        lines.append(("connection", "close"))
    if content_type is not None and "content-type" not in names:
        lines.append(("content-type", content_type))
    if not names & {"content-length", "transfer-encoding", "upgrade"}:
        lines.append(("content-length", str(len(body))))
    head = "".join(f"{name}: {value}\r\n" for name, value in lines)
    return b"%s %s HTTP/1.1\r\n%s\r\n%s" % (method.encode(), target, head.encode(), body)


def chunked(*pieces: bytes) -> bytes:
    """A body in chunked coding."""
    return b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in (*pieces, b""))


def connect(port: int, seconds: float = SECONDS) -> socket.socket:
    connection = socket.create_connection(("127.0.0.1", port), seconds)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return connection


def ask(port: int, *pieces: bytes, seconds: float = SECONDS) -> Answer:
    """Send a request, in as many pieces, and read the answer to its end. TimeoutError: none came."""
    with closing(connect(port, seconds)) as connection:
        with suppress(ConnectionError):  # a server may answer, and hang up, before it has read all
            for piece in pieces:
                connection.sendall(piece)
        return read_answer(connection)


def begun(connection: socket.socket) -> HTTPResponse:
    """An answer whose head is there. Close it: it keeps the connection open."""
    response = HTTPResponse(connection)
    response.begin()
    return response


def read_answer(connection: socket.socket) -> Answer:
    """Until the answer is whole or the server hangs up."""
    body = b""
    with closing(HTTPResponse(connection)) as response:
        with suppress(HTTPException, ConnectionResetError):
            response.begin()
            body = response.read()
        if response.headers is None:
            return Answer()
        return Answer(response.status, {name.lower(): value for name, value in response.headers.items()}, body)
