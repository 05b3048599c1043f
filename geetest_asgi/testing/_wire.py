"""The simulator's ASGI side: read a whole request, answer the lifespan, wait for a disconnect."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final
from urllib.parse import parse_qsl

from starlette.types import Message, Receive, Scope, Send

from ._answers import Answer
from .access import refusal

MAX_BODY: Final = 64 * 1024
"""Bytes. A call to `/validate` is under 2 KiB; beyond this the answer is HTTP 413."""

_HOST: Final = re.compile(r"[A-Za-z0-9._-]{1,253}(:[0-9]{1,5})?|\[[0-9A-Fa-f:.]{2,45}\](:[0-9]{1,5})?")
_FORM: Final = "application/x-www-form-urlencoded"


@dataclass(frozen=True, slots=True)
class Asked:
    """One request, read whole."""

    method: str
    path: str
    parameters: Mapping[str, str]
    content_type: str
    user_ip: str
    base: str
    """The address that it came to, such as `http://127.0.0.1:8077`."""
    place: str
    """The address that the client knows, without a scheme: its Host header, and where the simulator is mounted."""
    origin: str
    """`place` with its scheme."""
    if_none_match: str
    user_agent: str
    referer: str
    refusal: str | None
    """Why control pages are not for this client; None if they are."""
    body: bytes


async def read_body(receive: Receive) -> bytes | None:
    """Return the body; None if the client disconnected. Beyond `MAX_BODY`, all but one byte is read and dropped.

    The body is read to its end: a client that is still sending when the connection closes never sees the answer.
    """
    body = bytearray()
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return None
        body += message.get("body", b"")
        del body[MAX_BODY + 1 :]
        if not message.get("more_body", False):
            return bytes(body)


def asked(scope: Scope, body: bytes) -> Asked:
    """The request as a value."""
    content_type = _header(scope, b"content-type")
    client, server = scope.get("client") or ("", 0), scope.get("server") or ("127.0.0.1", None)
    place = _host(scope, *server) + scope.get("root_path", "")
    return Asked(
        method=scope["method"],
        path=route(scope),
        parameters=_parameters(scope.get("query_string", b""), content_type, body),
        content_type=content_type,
        user_ip=client[0],
        base=_base(scope, *server),
        place=place,
        origin=f"{scope.get('scheme', 'http')}://{place}",
        if_none_match=_header(scope, b"if-none-match"),
        user_agent=_header(scope, b"user-agent"),
        referer=_header(scope, b"referer"),
        refusal=refusal(scope),
        body=body,
    )


def route(scope: Scope) -> str:
    """Return the path below the mount point of the simulator."""
    path: str = scope["path"]
    return path.removeprefix(scope.get("root_path", ""))


def _parameters(query: bytes, content_type: str, body: bytes) -> Mapping[str, str]:
    """Return query and form together; a name in both has the form's value. Blanks are kept."""
    is_form = content_type.partition(";")[0].strip().lower() == _FORM
    parts = (query, body) if is_form else (query,)
    pairs = (pair for part in parts for pair in parse_qsl(part.decode(errors="replace"), keep_blank_values=True))
    return MappingProxyType(dict(pairs))


def _header(scope: Scope, name: bytes) -> str:
    values = (value for key, value in scope["headers"] if key.lower() == name)
    return str(next(values, b"").decode("latin-1"))


def _base(scope: Scope, host: str, port: int | None) -> str:
    return f"{scope.get('scheme', 'http')}://{_address(host, port)}{scope.get('root_path', '')}"


def _address(host: str, port: int | None) -> str:
    literal = f"[{host}]" if ":" in host else host
    return literal if port is None else f"{literal}:{port}"


def _host(scope: Scope, host: str, port: int | None) -> str:
    """Return the address that the browser used. With a container's port or a hosts file it is not the socket's own."""
    given = _header(scope, b"host")
    return given if _HOST.fullmatch(given) else _address(host, port)


def preflight(methods: Sequence[str]) -> Answer:
    """Return the answer to a CORS preflight."""
    allowed = {"methods": ", ".join(methods), "headers": "*"}
    return Answer(204, headers={f"access-control-allow-{name}": value for name, value in allowed.items()})


async def until_gone(receive: Receive) -> None:
    """Return when the client has disconnected."""
    while (await receive())["type"] != "http.disconnect":
        pass


async def lifespan(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer the lifespan; there is nothing to set up or tear down."""
    while True:
        event: Message = await receive()
        await send({"type": f"{event['type']}.complete"})
        if event["type"] == "lifespan.shutdown":
            return
