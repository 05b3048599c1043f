"""A client that sends just the bytes it is told to: no HTTP library would send most of what is tried here."""

import json
import socket
from collections.abc import Iterable, Mapping
from contextlib import closing, suppress
from dataclasses import dataclass, field
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
    version: str = "HTTP/1.1",
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
    return b"%s %s %s\r\n%s\r\n%s" % (method.encode(), target, version.encode(), head.encode(), body)


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


def read_until(connection: socket.socket, word: bytes) -> bytes:
    """The beginning of an answer, with this word in it."""
    received = b""
    while word not in received:
        data = connection.recv(65536)
        assert data, f"the server hung up after {received!r}"
        received += data
    return received


def read_answer(connection: socket.socket, received: bytes = b"") -> Answer:
    """Until the answer is whole or the server hangs up. `received`: its beginning."""
    whole = bytearray(received)
    with suppress(ConnectionResetError):
        while data := connection.recv(65536):
            whole += data
            if done(bytes(whole)):
                break
    return parse(bytes(whole))


def done(received: bytes) -> bool:
    """Whether the answer is whole, for servers that keep the connection all the same."""
    head, found, rest = received.partition(b"\r\n\r\n")
    if not found:
        return False
    headers = _headers(head)
    if headers.get("transfer-encoding") == "chunked":
        return rest.endswith(b"0\r\n\r\n")
    return "content-length" in headers and len(rest) >= int(headers["content-length"])


def parse(received: bytes) -> Answer:
    head, _, body = received.partition(b"\r\n\r\n")
    if not head.startswith(b"HTTP/"):
        return Answer()
    headers = _headers(head)
    if headers.get("transfer-encoding") == "chunked":
        body = _unchunked(body)
    return Answer(int(head.split(b" ", 2)[1]), headers, body)


def _headers(head: bytes) -> dict[str, str]:
    lines = [line.partition(":") for line in head.decode("latin-1").split("\r\n")[1:]]
    return {name.lower(): value.strip() for name, _, value in lines}


def _unchunked(body: bytes) -> bytes:
    whole = bytearray()
    while body:
        size, _, rest = body.partition(b"\r\n")
        length = int(size or b"0", 16)
        whole += rest[:length]
        body = rest[length + 2 :]
    return bytes(whole)
