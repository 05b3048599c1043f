"""One request's way to a finding: skip, find the fields, reserve the token, ask GeeTest, accept."""

from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Final

from starlette.types import Message, Scope, Send

from .. import _config
from .._core.errors import ConfigError
from .._core.fields.gatherer import Gatherer, from_headers
from .._core.fields.scanners import MultipartScanner, UrlencodedScanner, scanner_for
from .._core.judge import judge
from .._core.model import CaptchaFields, Evidence, GeeTestResult, Outcome
from .._core.policy import Policy
from .._core.protocol import build_request
from .._line.line import Caller
from ..stores import Store
from . import spent as _ledger
from .body import Body
from .hooks import call

FINDING: Final = "geetest_asgi.finding"
"""Scope key: the id that a guard further out checks this request's token under, and a function that gives what it has
found, or asks now if its own handler was to."""

REDIRECTS: Final = (307, 308)
"""The statuses after which a browser sends the same body again (RFC 9110 §15.4.8, §15.4.9)."""

NOT_ASKED: Final = Evidence(Outcome.MISCONFIGURED, "the handler has not asked")
"""By a rule with `after=True`: what is known until the handler asks, and what it comes to if it never does."""

_NOTHING: Final = Evidence(Outcome.MISSING, "no captcha field")


@dataclass(slots=True)
class Check:
    """Mutable, one for each request."""

    policy: Policy
    scope: Scope
    body: Body
    caller: Caller
    store: Store
    claim: _ledger.Claim | None = None
    finding: Evidence | None = None
    """What is known before `accept` has its say: that is this rule's, and no other guard's or path's."""
    answer: Evidence | None = None
    """What GeeTest said, where it was asked and has answered."""
    captcha_id: str = ""
    keys: tuple[str, ...] = field(default=(), repr=False)
    granted: str | None = None
    """A `Set-Cookie` for the answer."""
    fields: CaptchaFields | None = None
    """The token, where one of the right shape came and has yet to be asked about."""
    result: GeeTestResult | None = None
    """The decision, once it is made."""

    async def examine(self) -> Evidence | None:
        """What is known about this request; None if the visitor has left, and nobody needs an answer."""
        policy = self.policy
        if policy.refuses:
            return Evidence(Outcome.MALFORMED, policy.refuses)
        if policy.mode == "off":
            return Evidence(Outcome.SKIPPED, "mode is off")
        if policy.skip is not None and (reason := await call(policy.skip, self.scope)):
            return Evidence(Outcome.SKIPPED, str(reason))
        if policy.clearance is not None and policy.clearance.admits(self.scope, policy.name):
            return Evidence(Outcome.SKIPPED, "clearance")
        if (credentials := await self._credentials()) is None:
            return Evidence(Outcome.MISCONFIGURED, "credentials gave no pair, and there is no usual one")
        self.captcha_id, self.keys = credentials
        if self._further_out is None:
            found = await self._find()
            if not isinstance(found, CaptchaFields):
                return await self._accept(found)
            self.fields = found
        if policy.after and self.scope["type"] == "http":
            return NOT_ASKED
        # Where more of the body is to come, there is no telling whether the visitor is still there.
        return await self.ask(self.body.until_gone if self.body.complete else None)

    async def ask(self, gone: Callable[[], Awaitable[bool]] | None = None) -> Evidence | None:
        """Spend the token, and hear what GeeTest and `accept` say. None if `gone` was true: the visitor has left."""
        if self.finding is not None:  # asked already, when the handler lost patience with `accept`, or it raised
            return await self._accept(self.finding)
        if self._further_out is not None:
            known = await self._further_out()
            return await self._accept(known and replace(known, elapsed=0.0))  # that guard has told of the call
        assert self.fields is not None  # noqa: S101 - `examine` has found them
        return await self._accept(await self._spend(self.fields, gone))

    async def _accept(self, evidence: Evidence | None) -> Evidence | None:
        policy, self.finding = self.policy, evidence
        if evidence is not None and evidence.outcome is Outcome.PASSED and policy.accept is not None:
            result = judge(policy, evidence, room=False)
            if not await call(policy.accept, result, self.scope):
                return replace(evidence, outcome=Outcome.FAILED, reason="accept said no")
        return evidence

    @property
    def _further_out(self) -> Callable[[], Awaitable[Evidence | None]] | None:
        """Two guards in one stack ask GeeTest once; each judges by its own rule."""
        captcha_id, finding = self.scope.get(FINDING, (None, None))
        return finding if captcha_id == self.captcha_id else None

    async def _spend(self, found: CaptchaFields, gone: Callable[[], Awaitable[bool]] | None) -> Evidence | None:
        claim = self.claim = await _ledger.claim(self.store, self.captcha_id, found)
        if claim.evidence is not None:
            return claim.evidence
        requests = [build_request(self.captcha_id, key, found) for key in self.keys]
        answer = await self.caller.ask_until_signed(requests, self.policy.timeout, gone, self._hear)
        return None if self.body.gone else answer

    async def _credentials(self) -> tuple[str, tuple[str, ...]] | None:
        """None where no pair is this request's: a visitor who names a tenant that is none raises nothing."""
        policy = self.policy
        given = policy.credentials and await call(policy.credentials, self.scope)
        if given is not None:
            return _config.given_credentials(given)
        if not policy.captcha_id and policy.credentials is not None:
            with suppress(ConfigError):
                return _config.credentials(None, None)
            return None
        return policy.captcha_id, (policy.captcha_key, *policy.older_keys)

    def _hear(self, answer: Evidence) -> None:
        self.answer = answer

    async def _find(self) -> CaptchaFields | Evidence | None:
        """The first place that has any of the fields decides; places are never mixed."""
        for source in self._sources():
            found = await _LOOK[source](self)
            if found is None or not (isinstance(found, Evidence) and found.outcome is Outcome.MISSING):
                return found
        return _NOTHING

    def _sources(self) -> tuple[str, ...]:
        if self.scope["type"] != "websocket":
            return self.policy.sources
        return tuple(source for source in self.policy.sources if source != "body") or ("header", "query")

    async def _in_headers(self) -> CaptchaFields | Evidence:
        return from_headers(self.scope.get("headers", ()), self._gatherer())

    async def _in_query(self) -> CaptchaFields | Evidence:
        gatherer = self._gatherer()
        scanner = UrlencodedScanner(gatherer)
        scanner.feed(self.scope.get("query_string") or b"")
        scanner.end()
        return gatherer.conclude()

    async def _in_body(self) -> CaptchaFields | Evidence | None:
        gatherer = self._gatherer()
        scanner = scanner_for(self._headers(b"content-type"), self._headers(b"content-encoding"), gatherer)
        if scanner is None:
            return _NOTHING
        # A multipart body is read as far as its fields, so its length says nothing.
        if not isinstance(scanner, MultipartScanner) and self.length > self.policy.limits.max_body:
            return Evidence(Outcome.TOO_LARGE, f"a body of more than {self.policy.limits.max_body} bytes")
        evidence = await self.body.search(scanner)
        if self.body.gone:
            return None
        return evidence or gatherer.conclude(scanner.broken)

    def _gatherer(self) -> Gatherer:
        return Gatherer(self.policy.spelling, self.policy.limits.max_field)

    def _headers(self, wanted: bytes) -> list[bytes]:
        return [value for name, value in self.scope.get("headers", ()) if name.lower() == wanted]

    @property
    def length(self) -> int:
        """What Content-Length says, or 0. Never trusted to say that nothing comes: a chunked body may carry one."""
        # int() refuses thousands of digits.
        return max((int(value[:18]) for value in self._headers(b"content-length") if value.isdigit()), default=0)

    @property
    def much_is_unread(self) -> bool:
        """More of the body is coming than a server should have to drain to keep the connection."""
        if self.body.complete or self.scope["type"] != "http":
            return False
        unknown = bool(self._headers(b"transfer-encoding"))
        return unknown or self.length > self.policy.limits.max_body

    def reward(self, result: GeeTestResult) -> None:
        """A visitor whom GeeTest has verified may get a pass that lasts."""
        if self.policy.clearance is not None and result.verified:
            self.granted = self.policy.clearance.grant(self.scope, self.policy.name)

    async def found(self) -> Evidence | None:
        """For a guard further in."""
        return self.finding

    def watched(self, send: Send) -> Send:
        """A `send` for the app: what is known is left with the token for the request that a redirect brings; a pass
        that lasts goes along with the answer.
        """

        async def watch(message: Message) -> None:
            begins = message["type"] == "http.response.start"
            if begins and message["status"] in REDIRECTS and self.claim is not None and self.finding is not None:
                await self.claim.carry_over(self.finding)
            if begins and self.granted is not None:
                cookie = (b"set-cookie", self.granted.encode("latin-1"))
                message = {**message, "headers": [*message.get("headers", ()), cookie]}
            await send(message)

        return watch

    async def settle(self, *, let_in: bool) -> None:
        """Keep the token spent or give it back; also where the visitor has left, and everything is cancelled."""
        if self.claim is not None:
            await self.claim.settle(self.answer, let_in=let_in)


_LOOK: Final[Mapping[str, Callable[[Check], Awaitable[CaptchaFields | Evidence | None]]]] = {
    "header": Check._in_headers,
    "query": Check._in_query,
    "body": Check._in_body,
}
