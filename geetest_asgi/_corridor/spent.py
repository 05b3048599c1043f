"""A token is asked about once.

It is claimed before the call, so that of two copies in flight one is asked about. It stays spent once GeeTest gave
its verdict or the request was let in; else it is given back. Where the app answers 307 or 308, the browser will send
the same token again to another path: the finding is left with the token, for one request.
"""

import hashlib
import json
from dataclasses import replace
from typing import Final

from .._core.model import CaptchaFields, Evidence, Outcome
from ..stores import Store

KEEP: Final = 1200.0
"""Seconds. GeeTest's tokens live for 10 minutes; after twice that it refuses them itself."""

_VERDICTS: Final = frozenset({Outcome.PASSED, Outcome.FAILED})


class Claim:
    """One request's hold on a token. Exactly one of `evidence` and the right to ask GeeTest."""

    def __init__(self, store: Store, key: str | None, evidence: Evidence | None) -> None:
        self._store = store
        self._key = key
        self.evidence = evidence
        """What is known without asking: the token is spent, or an earlier finding was left with it."""

    async def settle(self, answer: Evidence | None, *, let_in: bool) -> None:
        """After the decision, or after none. `answer`: what came of asking GeeTest, if it came to that."""
        spent = let_in or (answer is not None and answer.outcome in _VERDICTS)
        if not spent:
            await self._release()

    async def keep(self, evidence: Evidence) -> bool:
        """Leave the finding for the request that a redirect brings. Not twice: a redirect's own is not carried on."""
        # An outage is not carried on: it may be over, and then the next request is to be asked about.
        await self._release(None if evidence.outcome is Outcome.UNAVAILABLE else _to_note(evidence))
        return True

    async def _release(self, note: str | None = None) -> None:
        """Once: from then on the key may be another request's."""
        key, self._key = self._key, None
        if key is not None and self.evidence is None:
            await self._store.release(key, note)


async def claim(store: Store, captcha_id: str, rule: str, fields: CaptchaFields) -> Claim:
    """Reserve a token. GeeTest's constant offline token is everybody's, and so nobody's to spend."""
    if fields.lot_number.startswith("V"):
        return Claim(store, None, None)
    key = _digest(captcha_id, fields.lot_number, fields.pass_token)
    note = await store.claim(key, KEEP)
    if note is None:
        return Claim(store, key, None)
    known = _from_note(note) or Evidence(Outcome.REPLAYED, "this token was used before")
    return Claim(store, key, replace(known, lot_number=fields.lot_number))


def _to_note(evidence: Evidence) -> str:
    args = dict(evidence.captcha_args)
    return json.dumps([evidence.outcome, evidence.reason, evidence.code, args])


def _from_note(note: str) -> Evidence | None:
    if not note:
        return None
    try:
        outcome, reason, code, args = json.loads(note)
        return Evidence(Outcome(outcome), str(reason), str(code), captcha_args=dict(args))
    except (ValueError, TypeError):  # another release's, in a store that both use: the token counts as spent
        return None


def _digest(*parts: str) -> str:
    """Raw tokens are stored nowhere."""
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()
