"""The decision. No other function allows a request."""

from .model import Evidence, GeeTestResult, Outcome
from .policy import Policy


def judge(policy: Policy, evidence: Evidence, *, admit_unverified: bool = False) -> GeeTestResult:
    """Decide about a request. `admit_unverified`: the caps permit one more request without a verdict.

    Allowed are a token that GeeTest verified, a request that needs no captcha by the user's settings, and, while
    GeeTest is down, a well-formed token under "allow" and within the caps. A client can cause the first only.
    """
    outcome = evidence.outcome
    unverified = outcome is Outcome.UNAVAILABLE and policy.on_unavailable == "allow" and admit_unverified
    return GeeTestResult(
        outcome=outcome,
        allowed=outcome in (Outcome.PASSED, Outcome.SKIPPED) or unverified,
        verified=outcome is Outcome.PASSED,
        reason=evidence.reason,
        code=evidence.code,
        rule=policy.name,
        lot_number=evidence.lot_number,
        captcha_args=evidence.captcha_args,
        elapsed=evidence.elapsed,
    )
