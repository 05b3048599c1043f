"""The only place that says yes."""

from .model import Evidence, GeeTestResult, Outcome
from .policy import Policy


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
