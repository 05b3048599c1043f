"""The service's answers: GeeTest's three shapes as values, the tables of its codes, and how they are sent.

success and fail carry string `result` and `reason`; the error shape carries neither. All three are HTTP 200.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any, Final

from starlette.responses import Response

from .._line.exchange import MARK

CODES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "-50000": "runtime error",
        "-50001": "illegal risk_type",
        "-50002": "param decrypt error",
        "-50003": "illegal verify",
        "-50004": "jsonp xss",
        "-50005": "illegal gen_time",
        "-50101": "not captcha_id",
        "-50102": "illegal captcha_id",
        "-50103": "not captcha",
        "-50104": "captcha_id deleted",
        "-50105": "captcha_id paused",
        "-50301": "not proof",
        "-50302": "not lot_number",
        "-50303": "illegal lot_number",
        "-50304": "lot_number not match",
        "-50305": "lot_number Expried",  # so spelt by GeeTest
        "-50306": "process_token Error",
        "-50307": "payload Error",
        "-50308": "payload Used",
    }
)
"""GeeTest's error codes and the `msg` of each, as its documentation spells them."""

_EVERY_ANSWER: Final[Mapping[str, str]] = MappingProxyType(
    {
        MARK: "1",  # so that nobody takes the simulator for GeeTest
        "x-content-type-options": "nosniff",  # so that no browser runs other answers as scripts
    }
)
_EVERY_ORIGIN: Final[Mapping[str, str]] = MappingProxyType(
    {
        "access-control-allow-origin": "*",  # for pages that load the scripts with crossOrigin
        "cross-origin-resource-policy": "cross-origin",  # for pages that demand it of all they embed
    }
)


@dataclass(frozen=True, slots=True)
class Answer:
    """One HTTP answer, before it is sent."""

    status: int = 200
    content: bytes | Mapping[str, Any] = b""
    """A mapping is sent as a JSON object, bytes as they are."""
    content_type: str = "application/json"
    headers: Mapping[str, str] = field(default_factory=dict)
    delay: float = 0.0
    """Seconds to wait before it is sent."""

    def response(self) -> Response:
        """The ASGI app that sends it."""
        body = self.content if isinstance(self.content, bytes) else as_json(self.content)
        own = {name.lower(): value for name, value in self.headers.items()}
        headers = {"content-type": self.content_type, **_EVERY_ANSWER, **own}
        return Response(body, self.status, headers)

    def for_every_origin(self) -> "Answer":
        """The same, for browsers to show to pages of every origin."""
        return replace(self, headers={**_EVERY_ORIGIN, **self.headers})

    def said(self, name: str) -> str:
        """Return the string under `name`, such as `result`, `reason` or `code`, of a JSON answer; else ""."""
        value = self.content.get(name) if isinstance(self.content, Mapping) else None
        return value if isinstance(value, str) else ""


def as_json(value: object) -> bytes:
    """Return UTF-8 JSON. Non-ASCII text is not escaped, so that tests find clients which expect ASCII."""
    return json.dumps(value, ensure_ascii=False).encode()


def text(status: int, content: str, headers: Mapping[str, str] | None = None) -> Answer:
    """A plain text answer."""
    return Answer(status, content.encode(), "text/plain; charset=utf-8", headers or {})


def success(captcha_args: Mapping[str, Any]) -> Answer:
    """Return the answer for a token that passed."""
    content = {"status": "success", "result": "success", "reason": "", "captcha_args": captcha_args}
    return Answer(content=content)


def fail(reason: str, captcha_args: Mapping[str, Any] | None = None) -> Answer:
    """Return the answer for a token that did not pass, with GeeTest's reason."""
    args = {} if captcha_args is None else captcha_args
    return Answer(content={"status": "success", "result": "fail", "reason": reason, "captcha_args": args})


def error(code: str, msg: str | None = None) -> Answer:
    """Return the answer to a call that is wrong by itself. Default of `msg`: the text for `code` in `CODES`."""
    if msg is None and code not in CODES:
        raise ValueError(f"{code!r} is not a code of GeeTest's: give a msg, or one of {', '.join(CODES)}")
    said = CODES[code] if msg is None else msg
    return Answer(content={"status": "error", "code": code, "msg": said, "desc": {"type": "defined error"}})
