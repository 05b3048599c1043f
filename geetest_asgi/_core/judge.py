"""The only place that says yes."""

from .model import Evidence, GeeTestResult, Outcome
from .policy import Policy


def judge(policy: Policy, evidence: Evidence, *, admit_unverified: bool) -> GeeTestResult:
    """The decision. `admit_unverified`: the rule and the caps allow one more request without a verdict.

    Allowed: a token that GeeTest verified; a request that the developer's own settings excuse; and, while GeeTest is
    down, a well-formed token, if the rule says so and the caps permit. A client can bring about the first only.
    """
    outcome = evidence.outcome
    excused = outcome is Outcome.UNAVAILABLE and policy.on_unavailable == "allow" and admit_unverified
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
