"""`Simulator`: GeeTest as an ASGI app, for servers and for browsers, with tokens to hand out and outages on demand."""

import time
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Final

import anyio
from starlette.types import Receive, Scope, Send
from starlette.websockets import WebSocketClose

from .._line.stand_in import DEMO_ID, DEMO_KEY
from . import _browser, _control, _magic, _static, _wire, tokens
from . import _outages as _faults
from ._answers import Answer, as_json, text
from ._browser import Visit
from ._calls import Calls, record
from ._magic import Magic
from ._service import Inquiry, SpentTokens, validate
from ._wire import Asked

_HOUR: Final = 3600


class Simulator:
    """A GeeTest CAPTCHA v4 service to test against: an ASGI 3 app with the real wire format.

    `pairs` maps each known `captcha_id` to its `captcha_key`. Without it the public demonstration pair is known,
    and any other id is taken too: its key is not known here, so its signature need only look like one. Some of those
    ids decide what is answered, such as `sim-fail` and `sim-down`: `GET /` lists them.
    `clock` gives Unix seconds; tests of expiry may bring their own.

    A fault (`down`, `slow`, …) lasts until `up()`. All methods may be called from any thread while it serves.
    A token of any simulator is genuine for every other one, in any process, under the same `captcha_id`.
    """

    def __init__(self, pairs: Mapping[str, str] | None = None, *, clock: Callable[[], float] = time.time) -> None:
        if pairs is not None and not pairs:
            raise ValueError("pairs is empty: give at least one captcha_id and its captcha_key, or None")
        self._any_id = pairs is None
        self._keys = MappingProxyType({DEMO_ID: DEMO_KEY} if pairs is None else dict(pairs))
        self._clock = clock
        self._fault: _faults.Fault = _faults.UP  # only ever replaced whole, which is atomic
        self._spent = SpentTokens()
        self._tried = SpentTokens()
        self.calls: Calls = Calls()
        """What `/validate` was asked, oldest first, faults included. Take `list(…)` of it to look at length."""

    def __repr__(self) -> str:
        return f"<Simulator captcha_id={self.captcha_id!r} mode={self.mode!r} calls={len(self.calls)}>"

    @property
    def captcha_id(self) -> str:
        """The first id of `pairs`; the public demonstration id without them."""
        return next(iter(self._keys))

    @property
    def captcha_key(self) -> str:
        """The key that belongs to `captcha_id`."""
        return self._keys[self.captcha_id]

    @property
    def mode(self) -> str:
        """The present fault's name; "up" if there is none."""
        return self._fault.mode

    def token(
        self,
        *,
        expired: bool = False,
        used: bool = False,
        forged: bool = False,
        offline: bool = False,
        captcha_id: str | None = None,
    ) -> dict[str, str]:
        """The four fields that a browser would get for a solved captcha, in GeeTest's formats.

        `expired`: solved an hour ago. `used`: spent here before. `forged`: the right shape, but not GeeTest's.
        `offline`: the constants that gt4.js hands out when it reaches no host, whatever else is asked for.
        `captcha_id`: solved under this id, by default `self.captcha_id`; `"*"` is good for every id, without `pairs`.
        """
        if offline:
            return dict(tokens.OFFLINE)
        solved_at = self._clock() - (_HOUR if expired else 0)
        fields = tokens.mint(captcha_id or self.captcha_id, solved_at, forged=forged)
        if used:
            self._spent.spend(fields["pass_token"])
        return fields

    def up(self) -> None:
        """End the fault: right answers at once."""
        self._fault = _faults.UP

    def down(self) -> None:
        """Answer everybody HTTP 503."""
        self._fault = _faults.DOWN

    def offline(self) -> None:
        """Answer everybody HTTP 503, browsers too: a widget that is loaded now goes into its offline mode."""
        self._fault = _faults.OFFLINE

    def slow(self, seconds: float) -> None:
        """Answer rightly, `seconds` late. The token counts as used from the call's arrival on."""
        self._fault = _faults.slow(seconds)

    def hanging(self) -> None:
        """Accept calls and never answer. A call ends when its client leaves, even after `up()`."""
        self._fault = _faults.HANGING

    def garbled(self) -> None:
        """Answer everybody HTTP 200 with a page of HTML, as a proxy in between does."""
        self._fault = _faults.GARBLED

    def error(self, code: str | int, msg: str | None = None) -> None:
        """Answer everybody GeeTest's error shape. `msg` is by default the one of `code` in GeeTest's table."""
        self._fault = _faults.error(code, msg)

    def answers(
        self,
        status: int = 200,
        body: bytes | Mapping[str, Any] | None = None,
        *,
        content_type: str = "application/json",
        headers: Mapping[str, str] | None = None,
    ) -> None:
        """Answer everybody just this. A mapping goes out as JSON, bytes as they are, None as an empty body."""
        self._fault = _faults.answers(status, body, content_type, headers)

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
        answer = self._answer(_wire.asked(scope, body), len(body))
        if answer is None:
            await _wire.until_gone(receive)
            return
        await anyio.sleep(answer.delay)
        await answer.response()(scope, receive, send)

    def _answer(self, asked: Asked, size: int) -> Answer | None:
        methods, handler = _ROUTES.get(asked.path, _FILE)
        if asked.path not in _ROUTES and not _static.exists(asked.path):
            return text(404, "Not Found: GET / lists what there is\n")
        if asked.method == "OPTIONS":
            return _wire.preflight(methods)
        if asked.method not in methods:
            return text(405, "Method Not Allowed\n", {"allow": ", ".join(methods)})
        if size > _wire.MAX_BODY:
            return text(413, f"Content Too Large: {_wire.MAX_BODY} bytes are taken\n")
        return handler(self, asked)

    def _file(self, asked: Asked) -> Answer | None:
        return _static.find(asked.path, asked.if_none_match)

    def _validate(self, asked: Asked) -> Answer | None:
        magic = self._magic(asked)
        fault = magic.fault if self._fault is _faults.UP else self._fault
        answer = _faults.affect(fault, lambda: self._judge(asked, magic))
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
        known = self._any_id or asked.parameters.get("captcha_id") in self._keys
        visit = Visit(asked.parameters, asked.place, self._clock(), known, magic, self._tried)
        return _browser.jsonp(asked.parameters, lambda: ill or page(visit))

    def _help(self, asked: Asked) -> Answer:
        return text(200, _control.help_text(asked.base, self.captcha_id))

    def _token_page(self, asked: Asked) -> Answer:
        flags = {name: _control.flag(asked.parameters, name) for name in _control.FLAGS}
        return Answer(content=self.token(captcha_id=asked.parameters.get("captcha_id"), **flags))

    def _fault_page(self, asked: Asked) -> Answer:
        self._fault = fault = _control.fault_from(asked.parameters)
        return Answer(content={"mode": fault.mode})

    def _calls_page(self, asked: Asked) -> Answer:
        return Answer(content=as_json([call.as_dict() for call in self.calls.copy()]))


_Handler = Callable[[Simulator, Asked], Answer | None]


def _or_400(page: _Handler) -> _Handler:
    """A control page that says what was wrong with its parameters. Not for `/validate`: a bug there must show."""

    def handler(simulator: Simulator, asked: Asked) -> Answer | None:
        try:
            return page(simulator, asked)
        except ValueError as wrong:
            return Answer(400, {"error": str(wrong)})

    return handler


_ROUTES: Final[Mapping[str, tuple[tuple[str, ...], _Handler]]] = MappingProxyType(
    {
        "/validate": (("GET", "POST"), Simulator._validate),
        "/load": (("GET",), Simulator._load),
        "/verify": (("GET",), Simulator._verify),
        "/": (("GET",), Simulator._help),
        "/simulator/token": (("GET",), _or_400(Simulator._token_page)),
        "/simulator/fault": (("POST",), _or_400(Simulator._fault_page)),
        "/simulator/calls": (("GET",), Simulator._calls_page),
    }
)

_FILE: Final[tuple[tuple[str, ...], _Handler]] = (("GET",), Simulator._file)
