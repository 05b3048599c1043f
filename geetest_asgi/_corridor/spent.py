"""Replay protection: GeeTest is asked about a token once, and the token is good for one act.

A token is claimed before the call, so that of two copies in flight one is asked about. It stays spent once GeeTest gave
its verdict or the request was let in; otherwise it is given back. Where the browser is to send the same token again (a
redirect, a form shown again), the verdict is kept for one more request under the same rule.

Two keys in the store: the token's digest, and for its kept verdict that digest with the rule's. The
request that pops a kept verdict is the only one that may keep it again. A request that ends before the app has run does
not put it back: the visitor solves another captcha.
"""

import hashlib
import json
from dataclasses import replace
from functools import lru_cache
from typing import Final

from .._core.model import CaptchaFields, Evidence, Outcome
from ..stores import Store

SPENT: Final = 1200.0
"""Seconds for which a token is known as spent. Tokens live for 10 minutes; after that GeeTest itself refuses them."""

KEPT: Final = 300.0
"""Seconds for which a kept verdict waits for its request. Three in a row end before the token is forgotten."""

MOST_KEEPS: Final = 3
"""How often the verdict on one token is kept."""

MOST_CHARACTERS: Final = 8192
"""A longer verdict is not kept. GeeTest's `captcha_args` take some 200."""

_VERDICTS: Final = frozenset({Outcome.PASSED, Outcome.FAILED})


class Claim:
    """One request's hold on a token: the right to ask GeeTest, or a kept verdict, or neither (`replayed`)."""

    def __init__(self, store: Store, token: str = "", kept: str = "", evidence: Evidence | None = None, keeps: int = 0):
        self._store = store
        self._token, self._kept = token, kept
        self._keeps = keeps
        self._open = bool(token)
        """Until the token is given back or its verdict kept: from then on it may be another request's."""
        self.evidence = evidence
        """What is known without asking: `replayed`, or the kept verdict. None: GeeTest is to be asked."""

    async def settle(self, answer: Evidence | None, *, let_in: bool) -> None:
        """Give the token back if GeeTest gave no verdict and the request was not let in.

        Call it once the decision is made, or when the request ended without one. `answer`: what came of asking GeeTest,
        None where it was not asked or has not answered.
        """
        if not let_in and (answer is None or answer.outcome not in _VERDICTS):
            await self._give_back()

    async def keep(self, evidence: Evidence) -> bool:
        """Keep the verdict for one more request under the same rule. True: this token is good for that request.

        Await it before the response starts: the next request may arrive at another process at once. What is no verdict
        (an outage may be over by then) is not kept; the token is given back instead, and GeeTest is asked about it.
        False where the verdict was kept three times, where this claim does not hold the token, or where the store
        does not take it.
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

    GeeTest's constant offline token (its lot_number begins with V) is everybody's, and so never spent.
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
    """The verdict as ASCII; None where it is too long or too deep."""
    try:
        value = json.dumps([keeps, evidence.outcome, evidence.reason, evidence.code, dict(evidence.captcha_args)])
    except (ValueError, TypeError, RecursionError):
        return None
    return value if len(value) <= MOST_CHARACTERS else None


def _from_value(value: str) -> tuple[int, Evidence] | None:
    """How often it was kept, and the verdict; None where there is none that can be read: the token counts as spent."""
    try:
        keeps, outcome, reason, code, args = json.loads(value)
        verdict = Evidence(Outcome(outcome), reason, code, captcha_args=args)
    except (ValueError, TypeError, RecursionError):
        return None
    texts = isinstance(reason, str) and isinstance(code, str) and isinstance(args, dict)
    counted = type(keeps) is int and 1 <= keeps <= MOST_KEEPS
    return (keeps, verdict) if texts and counted and verdict.outcome in _VERDICTS else None


def _digest(text: str) -> str:
    """Raw tokens are stored nowhere."""
    return hashlib.sha256(text.encode()).hexdigest()


_digest_of_rule: Final = lru_cache(1024)(_digest)
