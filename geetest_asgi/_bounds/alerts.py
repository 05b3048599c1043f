"""Warnings that follow from many decisions: lockouts, full limits, and the summary of mode "monitor"."""

import threading
import time
from collections.abc import Callable

from .._core.model import GeeTestResult, Outcome
from .._core.policy import Policy
from .._core.rules import OnLockout
from ..observers.logs import log_lockout, notify_plain
from .lockouts import Lockouts
from .summaries import Busy, Monitor


class Alerts:
    """Counts the decisions of one middleware or client, and warns. Safe across threads and event loops."""

    def __init__(self, on_lockout: OnLockout | None = None, clock: Callable[[], float] = time.monotonic) -> None:
        self._on_lockout = on_lockout
        self._lockouts = Lockouts(clock)
        self._busy = Busy(clock)
        self._monitor = Monitor(clock)
        self._lock = threading.Lock()

    def note(self, policy: Policy, result: GeeTestResult, client: str | None) -> None:
        """Count this decision. `client`: the address; None: it counts for no lockout."""
        with self._lock:
            lockout = self._lockouts.note(result, client)
            busy = self._busy.note(result, client) if result.outcome is Outcome.BUSY or self._busy.bounds else None
            monitor = self._monitor.note(result) if policy.mode == "monitor" else None
        if lockout is not None:
            log_lockout(lockout)
            notify_plain("on_lockout", self._on_lockout, lockout)
        for warn in filter(None, (busy, monitor)):
            warn()
