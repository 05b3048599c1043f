"""`Simulator`: GeeTest as an ASGI app, for servers and for browsers, with tokens to hand out and outages on demand."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final

import anyio
from starlette.types import Receive, Scope, Send
from starlette.websockets import WebSocketClose

from . import _browser, _control, _magic, _outages, _static, _wire
from ._answers import Answer, text
from ._browser import Visit
from ._calls import record
from ._help import help_text
from ._magic import Magic
from ._service import Inquiry, validate
from ._state import State
from ._wire import Asked


class Simulator(State):
    """A GeeTest CAPTCHA v4 service to test against: an ASGI 3 app with the real wire format.

    `pairs` maps each known `captcha_id` to its `captcha_key`. Without it the public demonstration pair is known, and
    any other id is accepted, too: its key is unknown, so only the shape of its signature is checked. Some of those
    ids decide the answer, such as `sim-fail` and `sim-down`: `GET /` lists them.
    `clock` returns Unix seconds. Default: `time.time`, which freezegun and time-machine set.

    A fault (`down`, `slow`, …) lasts until `up()`. All methods may be called from any thread while it serves.
    A token of one simulator is valid for every other, in any process, under the same `captcha_id`.
    """

    def __init__(self, pairs: Mapping[str, str] | None = None, *, clock: Callable[[], float] | None = None) -> None:
        super().__init__(pairs, clock)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The ASGI app: http and lifespan; a websocket is refused."""
        if scope["type"] == "http":
            await self._http(scope, receive, send)
        elif scope["type"] == "lifespan":
            await _wire.lifespan(scope, receive, send)
        else:
            await WebSocketClose()(scope, receive, send)

    async def _http(self, scope: Scope, receive: Receive, send: Send) -> None:
        body = await _wire.read_body(receive)
        if body is None:
            return
        answer = self._answer(_wire.asked(scope, body))
        if answer is None:
            await _wire.until_gone(receive)
            return
        await anyio.sleep(answer.delay)
        await answer.response()(scope, receive, send)

    def _answer(self, asked: Asked) -> Answer | None:
        page = _PAGES.get(asked.path) or (_FILE if _static.exists(asked.path) else None)
        if page is None:
            return text(404, "Not Found: GET / lists what there is\n")
        answer = self._on(page, asked)
        return answer.for_every_origin() if answer is not None and page.every_origin else answer

    def _on(self, page: "_Page", asked: Asked) -> Answer | None:
        if asked.method == "OPTIONS" and page.every_origin:
            return _wire.preflight(page.methods)
        if asked.method not in page.methods:
            return text(405, "Method Not Allowed\n", {"allow": ", ".join(page.methods)})
        if len(asked.body) > _wire.MAX_BODY:
            return text(413, f"Content Too Large: {_wire.MAX_BODY} bytes are taken\n")
        return page.answer(self, asked)

    def _file(self, asked: Asked) -> Answer | None:
        return _static.find(asked.path, asked.if_none_match, asked.origin)

    def _validate(self, asked: Asked) -> Answer | None:
        magic = self._magic(asked)
        fault = magic.fault if self._fault is _outages.UP else self._fault
        answer = _outages.affect(fault, lambda: self._judge(asked, magic), asked.parameters.get("lot_number", ""))
        self.calls.append(record(asked.method, asked.parameters, asked.content_type, answer))
        return answer

    def _judge(self, asked: Asked, magic: Magic) -> Answer:
        inquiry = Inquiry(asked.parameters, asked.user_ip, self._clock(), self._keys, self._any_id, self._spent)
        return validate(inquiry, magic.verdict)

    def _magic(self, asked: Asked) -> Magic:
        return _magic.magic_of(asked.parameters.get("captcha_id", ""), self._keys, self._any_id)

    def _load(self, asked: Asked) -> Answer:
        return self._browser(asked, _browser.load)

    def _verify(self, asked: Asked) -> Answer:
        return self._browser(asked, _browser.verify)

    def _browser(self, asked: Asked, page: Callable[[Visit], Answer]) -> Answer:
        magic = self._magic(asked)
        ill = self._fault.answer if self._fault.mode == "offline" else magic.load.answer
        visit = Visit(asked, self._clock(), self._keys, self._any_id, magic, self._tried)
        return _browser.jsonp(asked.parameters, lambda: ill or page(visit))

    def _help(self, asked: Asked) -> Answer:
        return text(200, help_text(asked.base, self.captcha_id))


@dataclass(frozen=True, slots=True)
class _Page:
    methods: tuple[str, ...]
    answer: Callable[[Any, Asked], Answer | None]
    every_origin: bool = False
    """Whether pages of other origins may read the answer."""


_PAGES: Final[Mapping[str, _Page]] = MappingProxyType(
    {
        "/validate": _Page(("GET", "POST"), Simulator._validate),
        "/load": _Page(("GET",), Simulator._load, every_origin=True),
        "/verify": _Page(("GET",), Simulator._verify, every_origin=True),
        "/": _Page(("GET",), Simulator._help),
        "/simulator/token": _Page(("GET",), _control.token_page),
        "/simulator/fault": _Page(("POST",), _control.fault_page),
        "/simulator/reset": _Page(("POST",), _control.reset_page),
        "/simulator/calls": _Page(("GET",), _control.calls_page),
    }
)
_FILE: Final = _Page(("GET",), Simulator._file, every_origin=True)
