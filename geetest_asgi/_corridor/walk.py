"""Take one protected request from its rule to the app or to a denial. docs/how-a-request-travels.md describes the same.

steps       gather evidence (`steps.STEPS`)                   Evidence
accept      the user's function may refuse a passed token     Evidence
caps        permit one more unverified request, or do not     Evidence, bool
judge       decides; the only function that allows a request  GeeTestResult
settle      gives the token of a refused request back, unless GeeTest gave its verdict
tell        alerts, the log, `on_result`
app or denial
"""

from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any, Final

from starlette.types import Receive, Scope, Send

from .._bounds.alerts import Alerts
from .._bounds.counters import BodyMemory
from .._bounds.unverified import Unverified
from .._core.address import client_address
from .._core.judge import judge
from .._core.model import Evidence, GeeTestResult, Outcome
from .._core.policy import Policy
from .._core.rules import Accept, Preflight
from .._line.line import Line
from .._line.stand_in import stand_in
from .._scope import is_preflight, put_result
from ..denials import default_denial, deny
from ..observers.logs import log_decision
from ..stores import Store
from .body import Body, VisitorLeft, without_body
from .hooks import call, notify
from .outgoing import Match, draining, outgoing
from .steps import SHARED, STEPS, Step
from .visit import Visit

_PREFLIGHT: Final = Evidence(Outcome.SKIPPED, "a CORS preflight")


@dataclass(frozen=True, slots=True)
class Guard:
    """State and settings shared by all requests of one middleware or of one GeeTestClient."""

    line: Line
    store: Store
    unverified: Unverified
    memory: BodyMemory
    alerts: Alerts = field(repr=False)
    log_clients: bool
    """The record of a decision contains the client's address."""
    app: Any = field(repr=False)  # its repr may show what it has stored
    """The ASGI app; None for a GeeTestClient."""
    preflight: Preflight
    """With "allow" a CORS preflight goes to the app without a captcha."""
    match: Match | None
    """`RuleTable.match`; None for a guard without patterns, which protects one route."""

    def visit(self, policy: Policy, scope: Scope, receive: Receive) -> Visit:
        """Return the state of a new request. In a test the stand-in's line is used instead of the one to GeeTest."""
        test_line = stand_in()
        client = client_address(scope) if test_line is None else None  # all requests of a test have one address
        body = Body(receive, policy.limits, self.memory, client)
        return Visit(policy, scope, body, test_line or self.line, self.store, client)

    async def run(self, policy: Policy, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request: by the app or by a denial."""
        if not isinstance(scope.get("headers", ()), list | tuple):
            scope["headers"] = [tuple(pair) for pair in scope["headers"]]  # ASGI allows an iterator
        if self.preflight == "allow" and is_preflight(scope):
            put_result(scope, judge(policy, _PREFLIGHT))
            await self.app(scope, without_body(receive), send)  # no handler may act on a body
            return
        visit = self.visit(policy, scope, receive)
        try:
            result = await self.decide(visit)
            put_result(scope, result)
            if visit.let_in:
                await self._forward(visit, result, send)
            else:
                await _deny(visit, result, send)
        except VisitorLeft:
            await _end_disconnected(send)
        finally:
            visit.body.close()

    async def decide(self, visit: Visit, steps: tuple[Step, ...] = STEPS) -> GeeTestResult:
        """Decide about the request. Raises VisitorLeft, and whatever the user's functions raise."""
        policy, evidence, admit = visit.policy, None, False
        try:
            for step in steps:
                if (evidence := await step(visit)) is not None:
                    break
            assert evidence is not None  # noqa: S101 - the last step always has evidence
            visit.evidence = evidence
            if evidence.outcome is Outcome.PASSED and policy.accept is not None:
                evidence = await _accept(visit, policy.accept, evidence)
            if visit.answer is not None:
                self.unverified.note_answer(visit.answer)
            if evidence.outcome is Outcome.UNAVAILABLE:
                evidence, admit = await self.unverified.consider(policy, evidence, visit.captcha_id, visit.client)
            result = judge(policy, evidence, admit_unverified=admit)
            visit.let_in = result.allowed or policy.mode == "monitor"
        finally:  # also after a disconnect, an exception or a cancellation
            if visit.claim is not None and not visit.let_in:
                await visit.claim.settle(visit.answer)
        self.alerts.note(policy, result, visit.client)
        log_decision(result, visit.scope, policy.mode, log_client=self.log_clients)
        if policy.on_result is not None:
            await notify("on_result", policy.on_result, result, visit.scope or None)
        return result

    async def _forward(self, visit: Visit, result: GeeTestResult, send: Send) -> None:
        policy, scope = visit.policy, visit.scope
        if visit.claim is not None:  # without a token here, the next guard looks for one itself
            scope[SHARED] = {**scope.get(SHARED, {}), visit.captcha_id: visit.evidence}
        if policy.clearance is not None and result.verified:
            visit.granted = policy.clearance.grant(scope, visit.realm)
        if visit.claim is not None or visit.granted or visit.when_pending:
            send = outgoing(visit, self.match, send)
        await self.app(scope, visit.body.receive, send)


async def _accept(visit: Visit, accept: Accept, evidence: Evidence) -> Evidence:
    """Ask the rule's `accept` about a token that passed."""
    if await call(accept, judge(visit.policy, evidence), visit.scope):
        return evidence
    return replace(evidence, outcome=Outcome.FAILED, reason="accept said no")


async def _deny(visit: Visit, result: GeeTestResult, send: Send) -> None:
    scope, on_denied = visit.scope, visit.policy.on_denied
    denial = None if on_denied is None else await call(on_denied, result, scope)
    if result.outcome is not Outcome.TOO_SLOW:
        send = draining(visit, send)
    await deny(denial or default_denial(result, scope), result.outcome, scope, visit.body.receive_until_complete, send)


async def _end_disconnected(send: Send) -> None:
    """Send an answer to a client that has disconnected: without one, Starlette's BaseHTTPMiddleware raises."""
    with suppress(OSError):  # ASGI 2.4: `send` raises OSError after a disconnect
        await send({"type": "http.response.start", "status": 400, "headers": []})
        await send({"type": "http.response.body"})
