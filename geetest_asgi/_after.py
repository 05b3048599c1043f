"""A rule with `after=True`: the handler asks GeeTest, once its own checks of the form have passed.

    result = await geetest_result(request).verify()

A token counts once, so asking first costs a visitor who mistyped an e-mail address a second captcha. The fields are
found and looked at as ever, and without them nothing gets to the handler; only the call waits for the handler's word.
Below it is a net: until GeeTest has said yes, nothing but an error leaves.
"""

from collections.abc import Awaitable, Callable
from dataclasses import replace

import anyio
from starlette.types import Message, Send

from ._check import NOT_ASKED, REDIRECTS, Check
from ._core.model import Evidence, GeeTestResult
from ._core.policy import judge
from ._hooks import tell
from ._state import KEY, with_result

Ask = Callable[[], Awaitable[GeeTestResult]]


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
    """One request whose handler is to ask. `ask` decides; it is awaited once, however often the handler asks."""

    def __init__(self, check: Check, ask: Ask) -> None:
        self._check, self._ask = check, ask
        self._lock = anyio.Lock()
        self._caught = False
        lot_number = check.fields.lot_number if check.fields else None
        self.result: GeeTestResult = PendingResult(self.verify, check.policy.name, lot_number)
        self.scope = with_result(check.scope, self.result)

    async def verify(self) -> GeeTestResult:
        """The decision, which `geetest_result` gives from now on as well."""
        async with self._lock:
            if self._is_pending:
                self.result = self.scope["state"][KEY] = await self._ask()
            return self.result

    async def finding(self) -> Evidence | None:
        """For a guard further in, which wants to know now."""
        await self.verify()
        return self._check.finding

    def net(self, deny: Callable[[GeeTestResult], Awaitable[None]], send: Send) -> Send:
        """A `send` for the app. Where an answer may not leave, that of `deny` does, and the app talks to nobody."""

        async def net(message: Message) -> None:
            if self._caught:
                return None
            if self._may_leave(message):
                return await send(message)
            self._caught = self._check.policy.mode != "monitor"
            result = await self._never_asked(message["status"]) if self._is_pending else self.result
            return await (deny(result) if self._caught else send(message))

        return net

    @property
    def _is_pending(self) -> bool:
        return isinstance(self.result, PendingResult)

    async def _never_asked(self, status: int) -> GeeTestResult:
        """That is a decision too, of which observers hear."""
        policy, reason = self._check.policy, f"the handler answered {status} and never asked"
        finding = replace(NOT_ASKED, reason=reason, lot_number=self.result.lot_number)
        result = self.result = self.scope["state"][KEY] = judge(policy, finding, room=False)
        await tell(policy, result, self._check.scope)
        return result

    def _may_leave(self, message: Message) -> bool:
        """All after a yes, any error, and what sends the visitor to another path, which has a rule of its own."""
        if message["type"] != "http.response.start" or self.result.allowed:
            return True
        return message["status"] >= 400 or message["status"] in REDIRECTS
