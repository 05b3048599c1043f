"""The only place that says yes."""

from dataclasses import dataclass, field

from .limits import Limits
from .model import Evidence, GeeTestResult, Outcome
from .rules import Accept, Clearance, Credentials, Mode, OnDenied, OnResult, OnUnavailable, Skip, Source
from .sources import Spelling


@dataclass(frozen=True, slots=True)
class Policy:
    """One rule with nothing left open: what the user wrote, with the middleware's settings filled in."""

    name: str
    captcha_id: str
    captcha_key: str = field(repr=False)
    sources: tuple[Source, ...]
    spelling: Spelling
    on_unavailable: OnUnavailable
    timeout: float
    limits: Limits
    mode: Mode
    skip: Skip | None
    accept: Accept | None
    on_denied: OnDenied | None
    on_result: OnResult | None
    older_keys: tuple[str, ...] = field(default=(), repr=False)
    credentials: Credentials | None = None
    clearance: Clearance | None = None
    after: bool = False


def judge(policy: Policy, evidence: Evidence, *, room: bool) -> GeeTestResult:
    """The decision. `room`: the cap on unverified admissions allows one more.

    Let in: whom GeeTest vouched for; whom the developer's own `skip` excused; and, while GeeTest is down, whoever
    came with a well-formed token, if policy says so and there is room. A visitor can bring about the first only.
    """
    outcome = evidence.outcome
    excused = outcome is Outcome.UNAVAILABLE and policy.on_unavailable == "allow" and room
    return GeeTestResult(
        outcome=outcome,
        allowed=outcome in (Outcome.PASSED, Outcome.SKIPPED) or excused,
        verified=outcome is Outcome.PASSED,
        reason=evidence.reason,
        code=evidence.code,
        rule=policy.name,
        lot_number=evidence.lot_number,
        captcha_args=evidence.captcha_args,
        elapsed=evidence.elapsed,
    )
