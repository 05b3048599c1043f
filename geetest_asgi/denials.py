"""Answers to refused clients: RFC 9457 `application/problem+json` for programs, a small page for people.

`code` is "captcha_" and the outcome. `retry` says how to succeed: "solve" (with a new captcha), "later", or "never"
(this request cannot succeed). Titles and details are in the client's language. No text of the client is repeated.
"""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache, lru_cache
from html import escape
from operator import itemgetter
from typing import Final, Literal

from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ._core.errors import ConfigError
from ._core.model import GeeTestResult, Outcome

HEADER: Final = "X-GeeTest-Denial"
"""The header that every denial over HTTP has, the user's own too. Its value is the `code`."""

Retry = Literal["solve", "later", "never"]
"""How a refused client can succeed."""


@dataclass(frozen=True, slots=True)
class Denial:
    """The answer for one outcome. `after`: seconds for `Retry-After`, 0 for none."""

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
    Outcome.MISCONFIGURED: Denial(
        503, "later", "Captcha check not available", "The site's operator must fix this.", 60
    ),
    Outcome.UNKNOWN_TENANT: Denial(403, "never", "Unknown site", "This site is not known here."),
    Outcome.BUSY: Denial(503, "later", "Too many requests at once", "Send the request again in a moment.", 1),
    Outcome.UNAVAILABLE: Denial(503, "later", "Captcha check not available", "Send the request again later.", 10),
}
"""The default answer for each refused outcome."""


@dataclass(frozen=True, slots=True)
class Language:
    """Texts of the denials in one language. An outcome that `words` lacks is described in English."""

    back: str
    """Text of the link that leads back."""
    words: Mapping[Outcome, tuple[str, str]]
    """Title and detail for each outcome."""


_AGAIN_ZH: Final = "请重新完成验证后再次提交。"

LANGUAGES: Final[Mapping[str, Language]] = {
    "en": Language("Back", {outcome: (denial.title, denial.detail) for outcome, denial in DENIALS.items()}),
    "zh": Language(
        "返回",
        {
            Outcome.MISSING: ("请先完成验证", "请完成验证后再次提交。"),
            Outcome.MALFORMED: ("验证信息无法识别", _AGAIN_ZH),
            Outcome.FAILED: ("验证未通过", _AGAIN_ZH),
            Outcome.REPLAYED: ("该验证已使用过", _AGAIN_ZH),
            Outcome.REFUSED: ("验证被拒绝", _AGAIN_ZH),
            Outcome.TOO_LARGE: ("提交的内容过大", "请把验证码字段放在请求体靠前的位置。"),
            Outcome.TOO_SLOW: ("提交超时", _AGAIN_ZH),
            Outcome.MISCONFIGURED: ("验证服务暂时不可用", "请联系网站管理员。"),
            Outcome.UNKNOWN_TENANT: ("未知站点", "无法识别您访问的站点。"),
            Outcome.BUSY: ("当前请求过多", "请稍等片刻再提交。"),
            Outcome.UNAVAILABLE: ("验证服务暂时不可用", "请稍后再次提交。"),
        },
    ),
}
"""The languages of the default denials, by primary language subtag (RFC 5646)."""

_PAGE: Final = """<!doctype html>
<html lang="{language}"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<meta name="color-scheme" content="light dark"><title>{title}</title>
<style>
body {{ font: 1rem/1.5 system-ui, sans-serif; display: grid; place-items: center; min-height: 90vh; margin: 1rem }}
main {{ max-width: 26rem }}
h1 {{ font-size: 1.4rem; margin: 0 0 .5rem }}
a {{ color: inherit; display: inline-block; margin-top: 1rem }}
</style></head>
<body><main><h1>{title}</h1><p>{detail}</p><a href="">{back}</a></main></body></html>
"""


class _Prepared(Response):
    """A response with encoded parts: encoding them again takes a fifth of the time of a refused request."""

    def __init__(self, status: int, body: bytes, headers: tuple[tuple[bytes, bytes], ...]) -> None:
        self.status_code, self.body, self.background = status, body, None
        self.raw_headers = list(headers)


def default_denial(result: GeeTestResult, scope: Scope) -> Response:
    """Return the default denial. An `on_denied` that changes only some outcomes may call this for the others."""
    return _DEFAULT(result, scope)


def denial_in(languages: Mapping[str, Language]) -> Callable[[GeeTestResult, Scope], Response]:
    """Return an `on_denied` with these languages, by primary subtag, besides English and Chinese. Raises ConfigError.

    on_denied=denial_in({"de": Language("Zurück", {Outcome.MISSING: ("Captcha nötig", "Bitte lösen Sie es.")})})
    """
    for tag, words in languages.items():
        if not re.fullmatch("[a-z]{2,8}", tag) or not isinstance(words, Language):
            raise ConfigError(f"denial_in: {tag!r}: give a Language for a primary subtag, such as 'pt' for pt-BR")
    known = {**LANGUAGES, **languages}
    make = cache(lambda outcome, language, html: _make(outcome, language, known[language], html=html))

    def denial(result: GeeTestResult, scope: Scope) -> Response:
        accept, accept_language = _accepted(scope)
        language = _best_language(accept_language, tuple(known))
        return _Prepared(*make(result.outcome, language, _prefers_html(accept)))

    return denial


_DEFAULT: Final = denial_in({})


def _accepted(scope: Scope) -> tuple[bytes, bytes]:
    """Return the beginnings of `Accept` and of `Accept-Language`."""
    accept, accept_language = [], []
    for name, value in scope.get("headers", ()):
        lowered = name.lower()
        if lowered == b"accept":
            accept.append(value)
        elif lowered == b"accept-language":
            accept_language.append(value)
    return b",".join(accept)[:_LONGEST], b",".join(accept_language)[:_LONGEST]


def _make(
    outcome: Outcome, language: str, words: Language, *, html: bool
) -> tuple[int, bytes, tuple[tuple[bytes, bytes], ...]]:
    denial = DENIALS[outcome]
    title, detail = words.words.get(outcome, (denial.title, denial.detail))
    headers = {
        HEADER: f"captcha_{outcome}",
        "Cache-Control": "no-store",
        "Vary": "Accept, Accept-Language",
        "Content-Language": language if outcome in words.words else "en",
    }
    if denial.after:
        headers["Retry-After"] = str(denial.after)
    if html:
        parts = {"title": title, "detail": detail, "back": words.back, "language": headers["Content-Language"]}
        page = _PAGE.format(**{name: escape(text) for name, text in parts.items()})
        made = Response(page, denial.status, headers, "text/html")
    else:
        problem = {
            "type": "about:blank",
            "title": title,
            "status": denial.status,
            "detail": detail,
            "code": headers[HEADER],
            "retry": denial.retry,
        }
        made = Response(json.dumps(problem, ensure_ascii=False), denial.status, headers, "application/problem+json")
    return made.status_code, bytes(made.body), tuple(made.raw_headers)


_LONGEST: Final = 1024
"""Bytes of a header that are read."""
_WEIGHT: Final = re.compile(r"(?:^|;)\s*q\s*=\s*([01](?:\.[0-9]*)?)?")


@lru_cache(256)
def _prefers_html(accept: bytes) -> bool:
    """Return whether `Accept` (RFC 9110 §12.5.1) names HTML and prefers it to JSON. `*/*` alone does not."""
    weights = _weights(accept)
    html = max(weights.get("text/html", 0), weights.get("application/xhtml+xml", 0))
    json_ = max(weights.get("application/json", 0), weights.get("application/problem+json", 0))
    return html > json_


@lru_cache(256)
def _best_language(accept: bytes, known: tuple[str, ...]) -> str:
    """Return the known language that `Accept-Language` (RFC 9110 §12.5.4) prefers, else English."""
    primary = ((name.partition("-")[0], weight) for name, weight in _weights(accept).items())
    wanted = [(name, weight) for name, weight in primary if name in known and weight > 0]
    return max(wanted, key=itemgetter(1), default=("en", 0))[0]


def _weights(header: bytes) -> dict[str, float]:
    entries = (entry.partition(";") for entry in header.decode("latin-1").lower().split(","))
    return {name.strip(): _weight(parameters) for name, _, parameters in entries}


def _weight(parameters: str) -> float:
    """Return the value of `q`: 1 without one, 0 if it is not a number."""
    found = _WEIGHT.search(parameters)
    return float(found[1] or 0) if found else 1.0


async def deny(denial: ASGIApp, outcome: Outcome, scope: Scope, receive: Receive, send: Send) -> None:
    """Send a denial: over HTTP, or as the answer to a websocket's handshake."""
    if scope["type"] == "websocket":
        await receive()  # the handshake, or a disconnect
        if "websocket.http.response" not in (scope.get("extensions") or {}):
            await send({"type": "websocket.close", "code": 1008, "reason": "captcha"})
            return

    await denial(scope, receive, send if isinstance(denial, _Prepared) else _completed(outcome, send))


def _completed(outcome: Outcome, send: Send) -> Send:
    """Return a `send` that adds `Cache-Control: no-store` and HEADER to a denial of the user's that lacks them."""
    added = ((b"cache-control", b"no-store"), (HEADER.lower().encode(), f"captcha_{outcome}".encode()))

    async def send_denial(message: Message) -> None:
        if message["type"].endswith("http.response.start"):
            headers = list(message.get("headers", ()))
            present = {name.lower() for name, _ in headers}
            headers.extend(pair for pair in added if pair[0] not in present)
            message = {**message, "headers": headers}
        await send(message)

    return send_denial
