"""A rule with `after=True`: the handler asks GeeTest, once its own checks of the form have passed.

    result = await geetest_result(request).verify()

A token counts once, so asking first costs a visitor who mistyped an e-mail address a second captcha. The fields are
found and looked at as ever, and without them nothing gets to the handler; only the call waits for the handler's word.
Below it is a net: until GeeTest has said yes, nothing but an error leaves, or a router's redirect. It stops the answer,
and not what a handler did that never asked or did not listen.
"""

from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import replace
from urllib.parse import quote, unquote, urljoin, urlsplit

import anyio
from anyio.lowlevel import checkpoint
from starlette.types import Message, Send

from .._core.judge import judge
from .._core.model import Evidence, GeeTestResult
from .._scope import KEY, with_result
from ..observers.logs import log_not_heeded
from .check import NOT_ASKED, REDIRECTS, Check
from .hooks import tell

Ask = Callable[[], Awaitable[GeeTestResult]]
Match = Callable[[str, str, bytes, str], object]
"""RuleTable's."""


class PendingResult(GeeTestResult):
    """Until `verify` was awaited: false, not allowed, and of the outcome that it comes to if nobody asks."""

    __slots__ = ("_ask",)
    _ask: Ask

    def __init__(self, ask: Ask, rule: str, lot_number: str | None) -> None:
        super().__init__(NOT_ASKED.outcome, False, False, NOT_ASKED.reason, rule=rule, lot_number=lot_number)
        object.__setattr__(self, "_ask", ask)

    async def verify(self) -> GeeTestResult:
        """Ask GeeTest, the first time; after that, what came of it."""
        return await self._ask()


class After:
    """One request whose handler is to ask. `ask` decides; it is awaited once, however often the handler asks.

    `match` says what the guard protects; None where it stands on one route, and cannot know what leads past it.
    """

    def __init__(self, check: Check, ask: Ask, match: Match | None) -> None:
        self._check, self._ask, self._match = check, ask, match
        self._lock = anyio.Lock()
        self._caught = False
        lot_number = check.fields.lot_number if check.fields else None
        self.result: GeeTestResult = PendingResult(self.verify, check.policy.name, lot_number)
        self.scope = with_result(check.scope, self.result)

    async def verify(self) -> GeeTestResult:
        """The decision, which `geetest_result` gives from now on as well."""
        async with self._lock:
            if isinstance(self.result, PendingResult):
                self.result = self.scope["state"][KEY] = await self._ask()
            return self.result

    async def finding(self) -> Evidence | None:
        """For a guard further in, which wants to know now."""
        await self.verify()
        return self._check.finding

    def net(self, deny: Callable[[], Awaitable[None]], send: Send) -> Send:
        """A `send` for the app. Where an answer may not leave, that of `deny` does, and the app talks to nobody."""

        async def net(message: Message) -> None:
            if self._caught:
                return await checkpoint()  # who streams without an end must not have the event loop to itself
            if self._may_leave(message):
                return await send(message)
            self._caught = self._check.policy.mode != "monitor"
            if isinstance(self.result, PendingResult):
                await self._never_asked(message["status"])
            elif self._caught:
                log_not_heeded(self.result, message["status"])
            return await (deny() if self._caught else send(message))

        return net

    async def _never_asked(self, status: int) -> None:
        """That is a decision too, of which observers hear."""
        policy, reason = self._check.policy, f"the handler answered {status} and never asked"
        finding = replace(NOT_ASKED, reason=reason, lot_number=self.result.lot_number)
        self.result = self.scope["state"][KEY] = judge(policy, finding, room=False)
        await tell(policy, self.result, self._check.scope)

    def _may_leave(self, message: Message) -> bool:
        """All after a yes, any error, and a redirect that takes the token to where this guard will see it again."""
        if message["type"] != "http.response.start" or self.result.allowed:
            return True
        return message["status"] >= 400 or (message["status"] in REDIRECTS and self._is_on_its_way(message))

    def _is_on_its_way(self, message: Message) -> bool:
        """Routers redirect before a handler runs. A handler that redirects to some page has not, and must have asked:
        307 is what frameworks redirect with by default, and a session's cookie may be in it.
        """
        location = _location(self._check.scope["path"], message)
        return isinstance(self.result, PendingResult) and location is not None and self._protects(location)

    def _protects(self, path: str) -> bool:
        scope = self._check.scope
        if self._match is None:
            return path.strip("/") == str(scope["path"]).strip("/")
        return self._match(scope["method"], path, b"", scope.get("root_path") or "") is not None


def _location(path: str, message: Message) -> str | None:
    """The path that a redirect leads to, whichever host it names; None where there is no telling."""
    for name, value in message.get("headers", ()):
        if name.lower() == b"location":
            with suppress(ValueError):  # a host that is none; a visitor may have made it up
                return unquote(urlsplit(urljoin(f"http://host{quote(path)}", value.decode("latin-1"))).path)
    return None
