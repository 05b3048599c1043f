"""ASGI apps that say no: RFC 9457 `application/problem+json` for programs, a small page for people.

`code` is "captcha_" and the outcome; `retry` tells a client what helps: "solve" (a new captcha), "later", or "never"
(the same request cannot succeed). Nothing that the visitor sent is repeated.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ._core.model import GeeTestResult, Outcome

Retry = Literal["solve", "later", "never"]
"""What helps a client that was refused."""


@dataclass(frozen=True, slots=True)
class Denial:
    """What a client is told about one outcome. `after`: seconds for `Retry-After`, 0 for none."""

    status: int
    retry: Retry
    title: str
    detail: str
    after: int = 0


_AGAIN: Final = "Solve a new captcha and send the request again."

DENIALS: Final[Mapping[Outcome, Denial]] = {
    Outcome.MISSING: Denial(403, "solve", "Captcha required", "Solve the captcha and send the request again."),
    Outcome.MALFORMED: Denial(403, "solve", "Captcha not readable", _AGAIN),
    Outcome.FAILED: Denial(403, "solve", "Captcha not passed", _AGAIN),
    Outcome.REPLAYED: Denial(403, "solve", "Captcha already used", _AGAIN),
    Outcome.REFUSED: Denial(403, "solve", "Captcha refused", _AGAIN),
    Outcome.TOO_LARGE: Denial(413, "never", "Request too large", "The captcha fields must come earlier in the body."),
    Outcome.TOO_SLOW: Denial(408, "solve", "Request too slow", _AGAIN),
    Outcome.MISCONFIGURED: Denial(503, "later", "Captcha check not available", "The site must mend this.", 60),
    Outcome.UNKNOWN_TENANT: Denial(403, "never", "Unknown site", "This site is not known here."),
    Outcome.BUSY: Denial(503, "later", "Too many requests at once", "Send the request again in a moment.", 1),
    Outcome.UNAVAILABLE: Denial(503, "later", "Captcha check not available", "Send the request again later.", 10),
}
"""What a client is told by default, for each outcome that is refused."""

_PAGE: Final = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>{title}</title></head>
<body><h1>{title}</h1><p>{detail}</p><p><small>captcha_{outcome}</small></p></body></html>
"""


def default_denial(result: GeeTestResult, scope: Scope) -> Response:
    """The denial that is used where `on_denied` is not given, for an `on_denied` that only changes some outcomes."""
    denial = DENIALS[result.outcome]
    headers = {"Cache-Control": "no-store", "Vary": "Accept"}
    if denial.after:
        headers["Retry-After"] = str(denial.after)
    if prefers_html(scope):
        page = _PAGE.format(title=denial.title, detail=denial.detail, outcome=result.outcome)
        return Response(page, denial.status, headers, "text/html")
    problem = {
        "type": "about:blank",
        "title": denial.title,
        "status": denial.status,
        "detail": denial.detail,
        "code": f"captcha_{result.outcome}",
        "retry": denial.retry,
    }
    return Response(json.dumps(problem), denial.status, headers, "application/problem+json")


def prefers_html(scope: Scope) -> bool:
    """Does `Accept` (RFC 9110 §12.5.1) name HTML, and weigh it above JSON? `*/*` alone does not."""
    accept = b",".join(value for name, value in scope.get("headers", ()) if name.lower() == b"accept")
    weights: dict[str, float] = {}
    for entry in accept[:1024].decode("latin-1").lower().split(","):
        media_type, _, parameters = entry.partition(";")
        weights[media_type.strip()] = _weight(parameters)
    html = max(weights.get("text/html", 0), weights.get("application/xhtml+xml", 0))
    json_ = max(weights.get("application/json", 0), weights.get("application/problem+json", 0))
    return html > json_


def _weight(parameters: str) -> float:
    for parameter in parameters.split(";"):
        name, _, value = parameter.partition("=")
        if name.strip() == "q":
            try:
                return float(value)
            except ValueError:
                return 0.0
    return 1.0


async def deny(denial: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
    """Run a denial: over HTTP, or in place of a websocket's handshake."""
    if scope["type"] == "websocket":
        await receive()  # the handshake, or the news that the client has left
        if "websocket.http.response" not in (scope.get("extensions") or {}):
            await send({"type": "websocket.close", "code": 1008, "reason": "captcha"})
            return

    async def send_denial(message: Message) -> None:
        if message["type"].endswith("http.response.start"):
            headers = list(message.get("headers", ()))
            if not any(name.lower() == b"cache-control" for name, _ in headers):
                headers.append((b"cache-control", b"no-store"))
            message = {**message, "headers": headers}
        await send(message)

    await denial(scope, receive, send_denial)
