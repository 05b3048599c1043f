"""Caps on the requests that are let in unverified while GeeTest is down, and the log of each outage."""

import hashlib
import threading
import time
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Final

from .._core.limits import Limits
from .._core.model import Evidence, Outcome
from .._core.policy import Policy
from ..observers.logs import log_outage_begins, log_outage_ends
from .counters import RateCap

QUIET: Final = 10.0
"""Seconds after the last `unavailable` request from which an answer of GeeTest ends the outage. With a shorter time,
every second call failing would log two warnings for each.
"""

_MINUTE: Final = 60.0

_ANSWERS: Final = frozenset({Outcome.PASSED, Outcome.FAILED, Outcome.REFUSED})


Count = Callable[[str, float], Awaitable[int]]
"""`Store.count`."""


class Unverified:
    """Caps the unverified requests of all rules of one middleware or client. Safe across threads and event loops.

    `count`: the store's `count`, so the caps hold for all processes that share the store. If the store loses its
    counters, this process still lets in no more than `unverified_per_second`.
    """

    def __init__(self, limits: Limits, count: Count, clock: Callable[[], float] = time.monotonic) -> None:
        self._limits = limits
        self._count = count
        self._here = RateCap(limits.unverified_per_second, clock)
        self._clock = clock
        self._lock = threading.Lock()
        self._began: float | None = None
        self._last = 0.0
        self._let_in = self._refused = 0

    async def consider(
        self, policy: Policy, evidence: Evidence, captcha_id: str, client: str | None
    ) -> tuple[Evidence, bool]:
        """Return whether this `unavailable` request may be let in, and its evidence, which names an exceeded cap.

        `client`: the address; None: no cap for one client applies.
        """
        allow = policy.on_unavailable == "allow"
        used_up = await self._used_up(captcha_id, client) if allow else ""
        with self._lock:
            self._last = self._clock()
            begins = self._began is None
            if begins:
                self._began = self._last
            self._let_in += allow and not used_up
            self._refused += not allow or bool(used_up)
        if begins:
            log_outage_begins(evidence.reason, policy.on_unavailable)
        return (replace(evidence, reason=f"{evidence.reason}; {used_up}"), False) if used_up else (evidence, allow)

    async def _used_up(self, captcha_id: str, client: str | None) -> str:
        """Return which cap is used up. The client's cap is counted first, so a client above it uses up no other."""
        limits = self._limits
        if client is not None and await self._count(_key(captcha_id, client), _MINUTE) > limits.unverified_per_client:
            return "unverified_per_client is used up"
        if await self._count(_key(captcha_id), 1.0) > limits.unverified_per_second or not self._here.take():
            return "unverified_per_second is used up"
        return ""

    def note_answer(self, answer: Evidence) -> None:
        """End the outage, if GeeTest answers after `QUIET` seconds without an `unavailable` request."""
        if self._began is None or answer.outcome not in _ANSWERS:
            return
        with self._lock:
            began, last = self._began, self._last
            if began is None or self._clock() - last < QUIET:
                return
            let_in, refused = self._let_in, self._refused
            self._began, self._let_in, self._refused = None, 0, 0
        log_outage_ends(let_in, refused, last - began)


def _key(*parts: str) -> str:
    """Addresses are stored as digests only."""
    return "unverified:" + hashlib.sha256("\n".join(parts).encode()).hexdigest()
