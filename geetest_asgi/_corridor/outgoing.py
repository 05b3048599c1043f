"""Handle the app's answer: keep a verdict for a repeated request, call `when.answered`, add the guard's headers."""

from collections.abc import Callable
from contextlib import suppress
from typing import Any, Final
from urllib.parse import quote, unquote, urljoin, urlsplit

from starlette.types import Message, Send

from .._core.model import Outcome
from .._core.rules import Headers
from .hooks import notify
from .visit import Visit

Match = Callable[[str, str, bytes, str], Any]
"""`RuleTable.match`."""

REDIRECTS: Final = (307, 308)
"""The statuses after which a browser sends the same body again (RFC 9110 §15.4.8, §15.4.9)."""

_HANDSHAKE: Final = {"websocket.accept": 101, "websocket.close": 403}
"""Status of a handshake's answer. A close before the accept is a 403 (ASGI, "Close - send event")."""

_BEGINNINGS: Final = frozenset({"http.response.start", "websocket.http.response.start", *_HANDSHAKE})
"""Types of the messages that begin an app's answer."""

KEPT: Final = (b"x-geetest-token", b"kept")
"""Header that tells the page that the token may be sent once more."""


def outgoing(visit: Visit, match: Match | None, send: Send) -> Send:
    """Return the `send` of the app.

    `match`: `RuleTable.match`; None for a guard without patterns, which protects one route.
    """

    async def begin(message: Message) -> None:
        # Before the answer is sent: the client's next request may come to another process at once.
        if visit.when_pending and visit.policy.when is not None:
            visit.when_pending = False
            answered = message.get("status") or _HANDSHAKE[message["type"]]
            await notify("when", visit.policy.when.answered, visit.scope, visit.store, int(answered))
        status = message["status"] if message["type"] == "http.response.start" else 0
        if status in REDIRECTS:
            message = await _redirect(visit, match, message)
        ours = [*visit.granted] if status else []
        if status in visit.policy.forgive and await _forgive(visit):
            ours.append(KEPT)
        await send({**message, "headers": [*message.get("headers", ()), *ours]} if ours else message)

    return lambda message: begin(message) if message["type"] in _BEGINNINGS else send(message)


def draining(visit: Visit, send: Send) -> Send:
    """Return the `send` of a denial. It reads the rest of the request's body, within bounds, before the last message.

    A server that closes a connection with unread data resets it (RFC 9112 §9.6): clients then lose the answer, and
    proxies mark the server as failed. Some servers stop reading once the announced length of the answer is sent, so
    the last bytes wait.
    """
    body = visit.body

    async def send_on(message: Message) -> None:
        last = message["type"] in ("http.response.body", "http.response.pathsend") and not message.get("more_body")
        if last and not body.complete and not _waits_for_continue(visit):
            with suppress(Exception):  # the server's; the request has been denied
                await body.drain()
        await send(message)

    return send_on


def _waits_for_continue(visit: Visit) -> bool:
    """With `Expect: 100-continue` (RFC 9110 §10.1.1) the client sends its body only after the server reads it."""
    return not visit.body.touched and any(name.lower() == b"expect" for name, _ in visit.scope.get("headers", ()))


async def _redirect(visit: Visit, match: Match | None, message: Message) -> Message:
    message = {**message, "headers": list(message.get("headers", ()))}  # they may be an iterator
    if visit.claim is not None and visit.evidence is not None and _same_rule(visit, match, message["headers"]):
        await visit.claim.keep(visit.evidence)
    return message


async def _forgive(visit: Visit) -> bool:
    evidence, claim = visit.evidence, visit.claim
    if evidence is None or claim is None or evidence.outcome is not Outcome.PASSED:
        return False
    return await claim.keep(evidence)


def _same_rule(visit: Visit, match: Match | None, headers: Headers) -> bool:
    """Return whether the redirect leads to a path of this rule, on any host: only this guard uses a kept verdict."""
    scope = visit.scope
    path = _location(scope["path"], headers)
    if path is None:
        return False
    if match is None:
        return path.strip("/") == str(scope["path"]).strip("/")
    return match(scope["method"], path, b"", scope.get("root_path") or "") is visit.policy


def _location(path: str, headers: Headers) -> str | None:
    """Return the path of `Location` (RFC 9110 §10.2.2); None if there are two, or if it cannot be read."""
    values = [value for name, value in headers if name.lower() == b"location"]
    if len(values) != 1:
        return None
    try:
        to = urlsplit(urljoin(f"http://host{quote(path)}", values[0].decode("latin-1")))
    except ValueError:  # not a URL: it may contain text of a client
        return None
    return unquote(to.path) if to.scheme in ("http", "https") else None
