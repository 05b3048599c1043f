"""One protected request, from the rule to the app or to a denial. The page docs/how-a-request-travels.md says the same.

steps       excuse, waive, find, claim, ask      Evidence
accept      the developer's last word            Evidence
judge       the only place that says yes         GeeTestResult
settle      spend the token or give it back
tell        logs, on_result
app or denial
"""

from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Final

from starlette.types import ASGIApp, Receive, Scope, Send

from .._bounds.counters import Pot
from .._bounds.unverified import Unverified
from .._bounds.watch import Watch
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
from .hooks import call, observe
from .outgoing import Match, draining, outgoing
from .steps import SHARED, STEPS, Step
from .visit import Visit

_PREFLIGHT: Final = Evidence(Outcome.SKIPPED, "a CORS preflight")


@dataclass(frozen=True, slots=True)
class Guard:
    """What the requests of one middleware share, or those of one GeeTestClient."""

    line: Line
    store: Store
    unverified: Unverified
    memory: Pot
    app: ASGIApp | None = field(default=None, repr=False)
    """Without its repr: an app that is a dataclass may keep what it saw."""
    watch: Watch = field(default_factory=Watch, repr=False)
    log_clients: bool = True
    """Whether the record of a decision has the client's address."""
    preflight: Preflight = "allow"
    """What becomes of a CORS preflight."""
    match: Match | None = None
    """Which rule a path falls under; None where the guard stands on one route."""

    def visit(self, policy: Policy, scope: Scope, receive: Receive) -> Visit:
        """A new request. This is where a test's stand-in takes the place of GeeTest."""
        standing_in = stand_in()
        line = standing_in or self.line
        client = None if standing_in is not None else client_address(scope)  # in a test all come from one address
        return Visit(policy, scope, Body(receive, policy.limits, self.memory, client), line, self.store, client)

    async def run(self, policy: Policy, scope: Scope, receive: Receive, send: Send) -> None:
        """Take one request to the app or to a denial."""
        if not isinstance(scope.get("headers", ()), list | tuple):
            scope["headers"] = [tuple(pair) for pair in scope["headers"]]  # ASGI allows what can be read once only
        if self.preflight == "allow" and is_preflight(scope):
            put_result(scope, judge(policy, _PREFLIGHT, admit_unverified=False))
            return await self._app(scope, without_body(receive), send)  # so that no handler acts on a body
        visit = self.visit(policy, scope, receive)
        try:
            result = await self.decide(visit)
            put_result(scope, result)
            if visit.let_in:
                await self._forward(visit, result, send)
            else:
                await _deny(visit, result, send)
        except VisitorLeft:
            await _answer_nobody(scope, send)
        finally:
            visit.body.close()

    async def decide(self, visit: Visit, steps: tuple[Step, ...] = STEPS) -> GeeTestResult:
        """What becomes of the request. Raises VisitorLeft, and what the developer's functions raise."""
        policy, evidence, admit = visit.policy, None, False
        try:
            for step in steps:
                if (evidence := await step(visit)) is not None:
                    break
            assert evidence is not None  # noqa: S101 - the last step always has evidence
            visit.finding = evidence
            if evidence.outcome is Outcome.PASSED and policy.accept is not None:
                evidence = await _accept(visit, policy.accept, evidence)
            if visit.answer is not None:
                self.unverified.note_answer(visit.answer)
            if evidence.outcome is Outcome.UNAVAILABLE:
                evidence, admit = await self.unverified.consider(policy, evidence, visit.captcha_id, visit.client)
            result = judge(policy, evidence, admit_unverified=admit)
            visit.let_in = result.allowed or policy.mode == "monitor"
        finally:  # also where a client left, a function raised, or all was cancelled
            if visit.claim is not None:
                await visit.claim.settle(visit.answer, let_in=visit.let_in)
        self.watch.note(policy, result, visit.client)
        log_decision(result, visit.scope or None, policy.mode, log_client=self.log_clients)
        if policy.on_result is not None:
            await observe("on_result", policy.on_result, result, visit.scope or None)
        return result

    async def _forward(self, visit: Visit, result: GeeTestResult, send: Send) -> None:
        policy, scope = visit.policy, visit.scope
        # What excuses a request here need not excuse it at the next guard.
        if visit.finding is not None and visit.finding.outcome is not Outcome.SKIPPED:
            scope[SHARED] = (visit.captcha_id, visit.finding)
        if policy.clearance is not None and result.verified:
            visit.granted = policy.clearance.grant(scope, visit.realm)
        if visit.claim is not None or visit.granted or visit.tell_when:
            send = outgoing(visit, self.match, send)
        await self._app(scope, visit.body.receive, send)

    @property
    def _app(self) -> ASGIApp:
        assert self.app is not None  # noqa: S101 - a middleware has one
        return self.app


async def _accept(visit: Visit, accept: Accept, evidence: Evidence) -> Evidence:
    """The rule's last word on a token that passed."""
    result = judge(visit.policy, evidence, admit_unverified=False)
    if await call(accept, result, visit.scope):
        return evidence
    return replace(evidence, outcome=Outcome.FAILED, reason="accept said no")


async def _deny(visit: Visit, result: GeeTestResult, send: Send) -> None:
    policy, scope = visit.policy, visit.scope
    denial = None if policy.on_denied is None else await call(policy.on_denied, result, scope)
    if not visit.body.complete and scope["type"] == "http" and result.outcome is not Outcome.TOO_SLOW:
        send = draining(visit, send)
    await deny(denial or default_denial(result, scope), scope, visit.body.receive_until_complete, send)


async def _answer_nobody(scope: Scope, send: Send) -> None:
    """The client has disconnected. BaseHTTPMiddleware further out raises where nothing is answered."""
    with suppress(OSError):  # ASGI 2.4: a server raises OSError for an answer to nobody
        if scope["type"] == "http":
            await send({"type": "http.response.start", "status": 400, "headers": []})
            await send({"type": "http.response.body"})
