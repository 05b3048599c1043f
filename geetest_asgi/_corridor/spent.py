"""Replay protection: each token is verified once and lets one request in; a kept verdict lets in one more.

A request claims its token before the call to GeeTest, so of two simultaneous copies one is verified. The token stays
spent once GeeTest gave its verdict or the request was let in; otherwise it is given back. Where the browser will send
the same token again (a redirect, a form shown again), the verdict is kept for one more request under the same rule.

The store has two keys for a token: its digest, and for a kept verdict that digest with the rule's digest. Only the
request that pops a kept verdict may keep it again. If that request ends before the app has run, the verdict is lost and
the visitor solves another captcha.
"""

import hashlib
import json
from dataclasses import replace
from functools import lru_cache
from typing import Final

from .._core.model import CaptchaFields, Evidence, Outcome
from ..stores import Store

SPENT: Final = 1200.0
"""Seconds for which the store remembers a spent token. GeeTest refuses tokens older than 10 minutes."""

KEPT: Final = 300.0
"""Seconds for which a verdict is kept. Three in a row end before the store forgets the token."""

MOST_KEEPS: Final = 3
"""Times that the verdict on one token may be kept."""

MOST_CHARACTERS: Final = 8192
"""A longer verdict is not kept. GeeTest's `captcha_args` have about 200 characters."""

_VERDICTS: Final = frozenset({Outcome.PASSED, Outcome.FAILED})


class Claim:
    """The claim of one request to its token: to verify it, or to use a kept verdict, or neither (`replayed`)."""

    def __init__(self, store: Store, token: str = "", kept: str = "", evidence: Evidence | None = None, keeps: int = 0):
        self._store = store
        self._token, self._kept = token, kept
        self._keeps = keeps
        self._open = bool(token)
        """False once the token was given back or its verdict kept: another request may hold it then."""
        self.evidence = evidence
        """`replayed`, or the kept verdict; None: the token must be verified."""

    async def settle(self, answer: Evidence | None) -> None:
        """Give the token back if GeeTest gave no verdict. Call it for a request that is not let in.

        `answer`: GeeTest's answer; None: it gave none.
        """
        if answer is None or answer.outcome not in _VERDICTS:
            await self._give_back()

    async def keep(self, evidence: Evidence) -> bool:
        """Keep the verdict for one more request under the same rule. Return whether the token may be sent once more.

        Await it before the response starts: the next request may arrive at another process at once. Other evidence
        than a verdict is not kept; the token is given back, so the next request verifies it. False if the verdict was
        kept three times, if this claim does not hold the token, or if the store refuses the verdict.
        """
        if evidence.outcome not in _VERDICTS:
            return await self._give_back()
        value = _to_value(self._keeps + 1, evidence)
        if not self._open or self._keeps >= MOST_KEEPS or value is None:
            return False
        self._open = False
        return await self._store.add(self._kept, value, KEPT)

    async def _give_back(self) -> bool:
        if not self._open or self.evidence is not None:
            return False
        self._open = False
        await self._store.delete(self._token)
        return True


async def claim(store: Store, captcha_id: str, rule: str, fields: CaptchaFields) -> Claim:
    """Claim a token for one request under a rule.

    GeeTest's offline token (its lot_number begins with V) is the same for all clients, so it is never spent.
    """
    if fields.lot_number.startswith("V"):
        return Claim(store)
    token = _digest(f"{captcha_id}\n{fields.lot_number}\n{fields.pass_token}")
    kept = f"{token}:{_digest_of_rule(rule)[:16]}"
    if await store.add(token, "", SPENT):
        return Claim(store, token, kept)
    value = await store.pop(kept)
    found = None if value is None else _from_value(value)
    if found is None:
        return Claim(store, evidence=Evidence(Outcome.REPLAYED, "this token was used before", "", fields.lot_number))
    keeps, verdict = found
    return Claim(store, token, kept, replace(verdict, lot_number=fields.lot_number), keeps)


def _to_value(keeps: int, evidence: Evidence) -> str | None:
    """Return the verdict as ASCII, or None if it is too long or nested too deeply."""
    try:
        value = json.dumps([keeps, evidence.outcome, evidence.reason, evidence.code, dict(evidence.captcha_args)])
    except (ValueError, TypeError, RecursionError):
        return None
    return value if len(value) <= MOST_CHARACTERS else None


def _from_value(value: str) -> tuple[int, Evidence] | None:
    """Return how often the verdict was kept, and the verdict; None if the value cannot be read."""
    try:
        keeps, outcome, reason, code, args = json.loads(value)
        verdict = Evidence(Outcome(outcome), reason, code, captcha_args=args)
    except (ValueError, TypeError, RecursionError):
        return None
    texts = isinstance(reason, str) and isinstance(code, str) and isinstance(args, dict)
    counted = type(keeps) is int and 1 <= keeps <= MOST_KEEPS
    return (keeps, verdict) if texts and counted and verdict.outcome in _VERDICTS else None


def _digest(text: str) -> str:
    """Tokens are stored as digests only."""
    return hashlib.sha256(text.encode()).hexdigest()


_digest_of_rule: Final = lru_cache(1024)(_digest)
