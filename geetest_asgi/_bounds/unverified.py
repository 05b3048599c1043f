"""Who is let in unverified while GeeTest is down: so many each second, so many of one client, and all are counted."""

import threading
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Final

from .._core.limits import Limits
from .._core.model import Evidence, Outcome
from .._core.policy import Policy
from ..observers.logs import log_outage_begins, log_outage_ends
from .counters import ClientCap, RateCap

QUIET: Final = 10.0
"""Seconds without an outage's request after which an answer of GeeTest's is its end. While every other call fails
there would else be two warnings for each.
"""

_ANSWERS: Final = frozenset({Outcome.PASSED, Outcome.FAILED, Outcome.REFUSED})


class Unverified:
    """Those of one middleware or client, over all its rules. Safe across threads and event loops."""

    def __init__(self, limits: Limits, clock: Callable[[], float] = time.monotonic) -> None:
        self._each_second = RateCap(limits.unverified_per_second, clock)
        self._each_client = ClientCap(limits.unverified_per_client, clock)
        self._clock = clock
        self._lock = threading.Lock()
        self._began: float | None = None
        self._last = 0.0
        self._let_in = self._refused = 0

    def consider(self, policy: Policy, evidence: Evidence, client: str | None) -> tuple[Evidence, bool]:
        """May this one be let in unverified? Where a cap forbids it, the evidence says which.

        `client`: its address; None where it is not to be counted.
        """
        if evidence.outcome is not Outcome.UNAVAILABLE:
            return evidence, False
        allow = policy.on_unavailable == "allow"
        with self._lock:
            used_up = self._used_up(client) if allow else ""
            begins = self._began is None
            self._count(let_in=allow and not used_up)
        if begins:
            log_outage_begins(evidence.reason, policy.on_unavailable)
        return (replace(evidence, reason=f"{evidence.reason}; {used_up}"), False) if used_up else (evidence, allow)

    def _count(self, *, let_in: bool) -> None:
        self._last = self._clock()
        self._began = self._last if self._began is None else self._began
        self._let_in += let_in
        self._refused += not let_in

    def _used_up(self, client: str | None) -> str:
        if client is not None and not self._each_client.has_room(client):
            return "unverified_per_client is used up"
        if not self._each_second.take():
            return "unverified_per_second is used up"
        if client is not None:
            self._each_client.count(client)
        return ""

    def note_answer(self, answer: Evidence) -> None:
        """GeeTest has answered: perhaps the end of an outage."""
        if self._began is None or answer.outcome not in _ANSWERS:
            return
        with self._lock:
            began, last = self._began, self._last
            if began is None or self._clock() - last < QUIET:
                return
            let_in, refused = self._let_in, self._refused
            self._began, self._let_in, self._refused = None, 0, 0
        log_outage_ends(let_in, refused, last - began)
