"""What the service says: GeeTest's three shapes as values, the tables of its codes, and the way to the wire.

success and fail carry string `result` and `reason`; the error shape carries neither. All three are HTTP 200.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
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
        "access-control-allow-origin": "*",  # pages of any origin read it, and load its scripts with crossOrigin
        "cross-origin-resource-policy": "cross-origin",  # pages that demand it of all they embed
        "x-content-type-options": "nosniff",  # no browser runs as a script what is not sent as one
    }
)


@dataclass(frozen=True, slots=True)
class Answer:
    """One HTTP answer, before it is sent."""

    status: int = 200
    content: bytes | Mapping[str, Any] = b""
    """A mapping goes out as a JSON object, bytes as they are."""
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

    def said(self, name: str) -> str:
        """The string under `name` in a JSON answer such as `result`, `reason` or `code`; else empty."""
        value = self.content.get(name) if isinstance(self.content, Mapping) else None
        return value if isinstance(value, str) else ""


def as_json(value: object) -> bytes:
    """UTF-8 JSON with non-ASCII text unescaped, which is what a careless client stumbles over."""
    return json.dumps(value, ensure_ascii=False).encode()


def text(status: int, content: str, headers: Mapping[str, str] | None = None) -> Answer:
    """A plain text answer."""
    return Answer(status, content.encode(), "text/plain; charset=utf-8", headers or {})


def success(lot_number: str, user_ip: str) -> Answer:
    """The token passed. `scene` and `referer` are those of GeeTest's documentation; a scene may be non-ASCII."""
    args = {
        "used_type": "slide",
        "user_ip": user_ip,
        "lot_number": lot_number,
        "scene": "反爬虫",
        "referer": "http://127.0.0.1:8077/",
    }
    return Answer(content={"status": "success", "result": "success", "reason": "", "captcha_args": args})


def fail(reason: str) -> Answer:
    """The token did not pass, with GeeTest's word for why."""
    return Answer(content={"status": "success", "result": "fail", "reason": reason, "captcha_args": {}})


def error(code: str, msg: str | None = None) -> Answer:
    """The call could not be judged. Without a `msg` it is the one that belongs to `code` in `CODES`."""
    if msg is None and code not in CODES:
        raise ValueError(f"{code!r} is not a code of GeeTest's: give a msg, or one of {', '.join(CODES)}")
    said = CODES[code] if msg is None else msg
    return Answer(content={"status": "error", "code": code, "msg": said, "desc": {"type": "defined error"}})
