"""The state of a simulator, and the methods that tests call: tokens, faults, and the calls so far. Without ASGI."""

import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final, TypedDict

from . import _outages, cassette, tokens
from ._calls import Calls, expect
from ._service import SpentTokens
from .environment import DEMO_ID, DEMO_KEY

_HOUR: Final = 3600


class TokenOptions(TypedDict, total=False):
    """The options of `token`."""

    expired: bool
    used: bool
    forged: bool
    offline: bool
    captcha_id: str | None


class State:
    """The state of one `Simulator`, with the methods that tests call. Thread-safe: a fault is replaced as a whole."""

    def __init__(self, pairs: Mapping[str, str] | None, clock: Callable[[], float] | None = None) -> None:
        if pairs is not None and not (pairs and all(_is_text(each) for pair in pairs.items() for each in pair)):
            raise ValueError("pairs: give at least one captcha_id and its captcha_key, neither empty, or None")
        self._any_id = pairs is None
        self._keys = MappingProxyType({DEMO_ID: DEMO_KEY} if pairs is None else dict(pairs))
        self._clock = clock or _now
        self.calls: Calls = Calls()
        """The calls of `/validate`, oldest first, faults included. Copy it by `list(…)` before you iterate over it."""
        self.reset()

    def __repr__(self) -> str:
        name = type(self).__name__
        return f"<{name} captcha_id={self.captcha_id!r} mode={self.mode!r} calls={len(self.calls)}>"

    @property
    def captcha_id(self) -> str:
        """The first id of `pairs`; the public demonstration id without them."""
        return next(iter(self._keys))

    @property
    def captcha_key(self) -> str:
        """The key that belongs to `captcha_id`."""
        return self._keys[self.captcha_id]

    @property
    def _solved_under(self) -> str:
        """The id of a token if `captcha_id=` is not given."""
        return self.captcha_id

    @property
    def mode(self) -> str:
        """The name of the current fault; "up" if there is none."""
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
        """Return the four fields that a browser would get for a solved captcha, in GeeTest's formats.

        `expired`: solved an hour ago. `used`: spent here before. `forged`: the right shape, but not GeeTest's.
        `offline`: the constants that gt4.js returns when it reaches no host; the other options have no effect then.
        `captcha_id`: the captcha's id; `"*"` is valid for every id if there are no `pairs`. Default: `self.captcha_id`;
        for a `GeeTest` it is `"*"`.
        """
        if offline:
            return dict(tokens.OFFLINE)
        solved_at = self._clock() - (_HOUR if expired else 0)
        fields = tokens.mint(captcha_id or self._solved_under, solved_at, forged=forged)
        if used:
            self._spent.spend(fields["pass_token"])
        return fields

    def expect(self, *answers: str) -> None:
        """Assert that GeeTest was called once for each of these answers, and gave them in this order.

        An answer is `"success"`, a reason such as `"pass_token used"`, a code such as `"-50005"`, a status such as
        `"HTTP 503"`, or `"no answer"`. Without arguments: it was not called. AssertionError lists the actual calls.
        """
        expect(self.calls, answers)

    def reset(self) -> None:
        """End the fault, and forget the calls and the used tokens."""
        self._fault: _outages.Fault = _outages.UP  # only ever replaced whole, which is atomic
        self._spent = SpentTokens()
        self._tried = SpentTokens()
        self.calls.clear()

    def up(self) -> None:
        """End the fault: give the right answers, at once."""
        self._fault = _outages.UP

    def down(self) -> None:
        """Answer every call with HTTP 503."""
        self._fault = _outages.DOWN

    def offline(self) -> None:
        """Answer every call and every browser with HTTP 503: a widget that is loaded now goes into offline mode."""
        self._fault = _outages.OFFLINE

    def slow(self, seconds: float) -> None:
        """Give the right answer, `seconds` late. The token counts as used as soon as the call arrives."""
        self._fault = _outages.slow(seconds)

    def hanging(self) -> None:
        """Accept calls and never answer. Such a call ends when its client disconnects, even after `up()`."""
        self._fault = _outages.HANGING

    def garbled(self) -> None:
        """Answer every call with HTTP 200 and an HTML page, as a proxy in between may do."""
        self._fault = _outages.GARBLED

    def error(self, code: str | int, msg: str | None = None) -> None:
        """Answer every call with GeeTest's error shape. Default of `msg`: the text for `code` in GeeTest's table."""
        self._fault = _outages.error(code, msg)

    def answers(
        self,
        status: int = 200,
        body: bytes | Mapping[str, Any] | None = None,
        *,
        content_type: str = "application/json",
        headers: Mapping[str, str] | None = None,
    ) -> None:
        """Give this answer to every call. A mapping is sent as JSON, bytes as they are, None as an empty body."""
        self._fault = _outages.answers(status, body, content_type, headers)

    def replay(self, file: str | Path = cassette.DOCUMENTED) -> None:
        """Give the answers of this cassette, one for each call; after the last one start again.

        Without a file: the answers that GeeTest's documentation prints. Raises ValueError if the file is no cassette.
        """
        self._fault = _outages.replay(cassette.load(file))


def _is_text(value: object) -> bool:
    return isinstance(value, str) and value != ""


def _now() -> float:
    return time.time()  # looked up at each call: freezegun puts another function in its place
