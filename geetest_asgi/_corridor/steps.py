"""The steps of one request, in order. A step returns the evidence that ends the walk; after None the next step runs."""

from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Final

from .. import _config
from .._core.fields.gatherer import NOTHING
from .._core.model import FOREIGN_ID, CaptchaFields, Evidence, Outcome
from .._core.protocol import build_request
from .._line.call import CLIENT_LEFT
from .body import VisitorLeft
from .find import IN_BODY, in_body, in_head, sources
from .hooks import call
from .spent import claim
from .visit import Visit

Step = Callable[[Visit], Awaitable[Evidence | None]]

SHARED: Final = "geetest_asgi.evidence"
"""Scope key: {captcha_id: evidence} of the guards further out. Two guards in one stack send one request to GeeTest."""


async def excuse(visit: Visit) -> Evidence | None:
    """Refuse a path whose rule is unclear; skip the captcha in mode "off" or if `skip` gives a reason."""
    policy = visit.policy
    if policy.refuses:
        return Evidence(Outcome.MALFORMED, policy.refuses)
    if policy.mode == "off":
        return Evidence(Outcome.SKIPPED, "mode is off")
    if policy.skip is not None and (reason := await call(policy.skip, visit.scope)):
        return Evidence(Outcome.SKIPPED, str(reason))
    return None


async def choose_credentials(visit: Visit) -> Evidence | None:
    """Choose the id and the keys of this request: those that `credentials` returns, else the rule's own."""
    policy = visit.policy
    if policy.credentials_by_id:
        return None  # find_fields chooses them
    given = None if policy.credentials is None else await call(policy.credentials, visit.scope)
    if given is not None:
        visit.captcha_id, visit.keys = _config.given_credentials(given)
    elif policy.captcha_id:
        visit.captcha_id, visit.keys = policy.captcha_id, policy.keys
    else:
        return Evidence(Outcome.UNKNOWN_TENANT, "credentials gave no pair, and there is no usual one")
    return None


async def waive(visit: Visit) -> Evidence | None:
    """Skip the captcha for a client that has a clearance, or if `when` requires none yet. Else use the evidence of an
    outer guard with the same captcha_id, if there is one.
    """
    policy, scope = visit.policy, visit.scope
    if policy.clearance is not None and policy.clearance.admits(scope, visit.realm):
        return Evidence(Outcome.SKIPPED, "clearance")
    if policy.when is not None:
        visit.when_pending = True
        if not await policy.when.wanted(scope, visit.store):
            return Evidence(Outcome.SKIPPED, "not needed yet")
    return _shared(visit)


def _shared(visit: Visit) -> Evidence | None:
    evidence: Evidence | None = visit.scope.get(SHARED, {}).get(visit.captcha_id)
    return None if evidence is None else replace(evidence, elapsed=0.0)  # that guard has reported the call


async def find_fields(visit: Visit) -> Evidence | None:
    """Find the captcha fields. The first source that contains any of them is used; sources are never combined.

    The sent id may choose the credentials.
    """
    policy, scope, searched = visit.policy, visit.scope, []
    for source in sources(policy, scope):
        if source in IN_BODY:
            found = await in_body(source, policy, scope, visit.body)
        else:
            found = in_head(source, policy, scope)
        if isinstance(found, CaptchaFields):
            visit.fields = found
            return await _choose_by_id(visit, found) if policy.credentials_by_id else None
        if isinstance(found, Evidence):
            return found
        searched.append(found)
    return Evidence(Outcome.MISSING, f"{NOTHING}: {'; '.join(searched)}")


async def _choose_by_id(visit: Visit, fields: CaptchaFields) -> Evidence | None:
    """Choose the id that was sent and its keys, where `credentials` or the rule knows them."""
    policy = visit.policy
    assert policy.credentials is not None  # noqa: S101 - credentials_by_id says so
    sent = fields.captcha_id or None
    given = await call(policy.credentials, visit.scope, sent)
    captcha_id, keys = (policy.captcha_id, policy.keys) if given is None else _config.given_credentials(given)
    if not captcha_id or sent not in (captcha_id, None):
        return Evidence(Outcome.MALFORMED, FOREIGN_ID if sent else "no captcha_id was sent, and there is no usual one")
    visit.captcha_id, visit.keys = captcha_id, keys
    return _shared(visit)


async def claim_token(visit: Visit) -> Evidence | None:
    """Claim the token in the store: of two requests with one token, even simultaneous ones, one goes on."""
    assert visit.fields is not None  # noqa: S101 - find_fields has run
    visit.claim = await claim(visit.store, visit.captcha_id, visit.policy.identity, visit.fields)
    return visit.claim.evidence


async def ask_geetest(visit: Visit) -> Evidence | None:
    """Verify the token by one `POST /validate`. Raises VisitorLeft."""
    fields = visit.fields
    assert fields is not None  # noqa: S101 - find_fields has run
    requests = [build_request(visit.captcha_id, key, fields) for key in visit.keys]
    # While more of the body is to come, receive() cannot tell whether the client is still there.
    disconnected = visit.body.wait_for_disconnect if visit.body.complete else None
    evidence = await visit.line.ask(
        requests,
        visit.policy.timeout,
        client=visit.client,
        disconnected=disconnected,
        on_answer=visit.note_answer,
    )
    if evidence is CLIENT_LEFT:
        raise VisitorLeft
    return evidence


STEPS: Final[tuple[Step, ...]] = (excuse, choose_credentials, waive, find_fields, claim_token, ask_geetest)
"""The steps of a request of the middleware."""

CLIENT_STEPS: Final[tuple[Step, ...]] = (claim_token, ask_geetest)
"""The steps of GeeTestClient, after it has read the fields that it was given."""
