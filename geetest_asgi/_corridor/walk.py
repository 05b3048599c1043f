"""The corridor that a protected request walks down.

Check.examine    find the fields, ask GeeTest      evidence
judge            the only place that says yes      GeeTestResult
tell             logs, on_result
app or denial    with the decision in scope["state"]["geetest"], and the body from its start
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from starlette.types import ASGIApp, Receive, Scope, Send

from .._bounds.counters import Budget
from .._bounds.unverified import Admissions
from .._core.judge import judge
from .._core.model import Evidence, GeeTestResult, Outcome
from .._core.policy import Policy
from .._line.line import Line
from .._line.stand_in import stand_in
from .._scope import with_result
from ..denials import default_denial, deny
from ..stores import Store
from .after import After, Match
from .body import Body
from .check import FINDING, NOT_ASKED, Check
from .hooks import call, tell


@dataclass(frozen=True, slots=True)
class Corridor:
    """One middleware's: all that its requests share."""

    app: ASGIApp = field(repr=False)
    """Without its repr: an app that is a dataclass may keep what it saw."""
    line: Line
    store: Store
    memory: Budget
    admissions: Admissions
    match: Match | None
    """What the middleware protects; None where it stands on one route."""

    async def run(self, policy: Policy, scope: Scope, receive: Receive, send: Send) -> None:
        """One request, to the app or to a denial."""
        body = Body(receive, policy.limits, self.memory)
        check = Check(policy, scope, body, Line.over(wire) if (wire := stand_in()) else self.line, self.store)
        try:
            evidence = await self._examine(check, check.examine)
            if evidence is None:
                return None
            receive = body.replay if body.touched else receive
            if evidence is NOT_ASKED:
                return await self._hand_over(check, receive, send)
            result = await self._decide(check, evidence)
            if result.allowed or policy.mode == "monitor":
                await self._forward(check, result, receive, send)
            else:
                await self._deny(check, result, receive, send)
        finally:
            await body.aclose()

    async def _examine(self, check: Check, examine: Callable[[], Awaitable[Evidence | None]]) -> Evidence | None:
        evidence = None
        try:
            evidence = await examine()
        finally:
            if evidence is None:  # the visitor left, a hook raised, or all was cancelled
                await check.settle(let_in=False)
        return evidence

    async def _decide(self, check: Check, evidence: Evidence) -> GeeTestResult:
        policy = check.policy
        self.admissions.heard(check.answer)
        evidence, room = self.admissions.consider(policy, evidence, None if stand_in() else check.scope)
        result = check.result = judge(policy, evidence, room=room)
        await check.settle(let_in=result.allowed or policy.mode == "monitor")
        check.reward(result)
        await tell(policy, result, check.scope)
        return result

    async def _hand_over(self, check: Check, receive: Receive, send: Send) -> None:
        """The handler is to ask; see `_after`."""

        async def ask() -> GeeTestResult:
            if check.result is not None:  # decided, when the handler lost patience with an observer
                return check.result
            evidence = await self._examine(check, check.ask)
            return await self._decide(check, evidence or Evidence(Outcome.BUSY, "the visitor left"))

        after = After(check, ask, self.match)
        after.scope[FINDING] = (check.captcha_id, after.finding)
        net = after.net(lambda: self._deny(check, after.result, receive, send), send)
        await self.app(after.scope, receive, check.watched(net))

    async def _forward(self, check: Check, result: GeeTestResult, receive: Receive, send: Send) -> None:
        scope = with_result(check.scope, result)
        if check.claim is None:
            return await self.app(scope, receive, send)
        scope[FINDING] = (check.captcha_id, check.found)
        return await self.app(scope, receive, check.watched(send))

    async def _deny(self, check: Check, result: GeeTestResult, receive: Receive, send: Send) -> None:
        scope = with_result(check.scope, result)
        denial = check.policy.on_denied or default_denial
        app = await call(denial, result, scope)
        close = check.much_is_unread or result.outcome is Outcome.TOO_SLOW
        await deny(app or default_denial(result, scope), scope, receive, send, close=close)
