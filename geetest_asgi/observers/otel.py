"""OpenTelemetry: the decision on the request's span, a span for the call to GeeTest, and metrics of both.

    from geetest_asgi.observers.otel import OpenTelemetry

    telemetry = OpenTelemetry()
    app = GeeTestMiddleware(
        app,
        protect=["POST /login"],
        on_result=telemetry,
        on_outage=telemetry.on_outage,
        on_lockout=telemetry.on_lockout,
    )

This needs opentelemetry-api (the extra `otel`). Without an SDK nothing is recorded. Attributes of metrics are the rule,
the outcome and `allowed`, never a value that a client or GeeTest chooses: the number of those has no bound.
docs/observability.md lists all names.
"""

import threading
import time
from collections.abc import Mapping
from typing import Final
from urllib.parse import urlsplit

try:
    from opentelemetry.metrics import MeterProvider, get_meter
    from opentelemetry.trace import SpanKind, StatusCode, TracerProvider, get_current_span, get_tracer
except ImportError as _error:
    raise ImportError("OpenTelemetry is missing: pip install 'geetest-asgi[otel]'", name=_error.name) from _error

from .. import __version__
from .._core.model import GeeTestResult, Lockout, Outage, Outcome

OUTCOME: Final = "geetest.outcome"
"""Attribute: the `Outcome`."""
RULE: Final = "geetest.rule"
"""Attribute: the rule's name."""
ALLOWED: Final = "geetest.allowed"
"""Attribute: whether the rule lets the request in."""

BUCKETS: Final = (0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0, 5.0)
"""Seconds: from a kept connection nearby to the default timeout of 3 s, which has a bucket of its own."""

_FAULTS: Final = frozenset({Outcome.UNAVAILABLE, Outcome.MISCONFIGURED, Outcome.BUSY})
"""Outcomes that set the call's span to an error: no client is to blame for them."""


class OpenTelemetry:
    """An `on_result` that records each decision. One object serves any number of middlewares and rules.

    tracer_provider, meter_provider   the recipients of the spans and the metrics. Default: OpenTelemetry's global
                                      ones, even if they are set later.

    With a GeeTestClient call it yourself: `telemetry(result)`.
    """

    def __init__(
        self, *, tracer_provider: TracerProvider | None = None, meter_provider: MeterProvider | None = None
    ) -> None:
        self._tracer = get_tracer("geetest_asgi", __version__, tracer_provider)
        meter = get_meter("geetest_asgi", __version__, meter_provider)
        self._decisions = meter.create_counter("geetest.decisions", "{decision}", "Decisions of the guard.")
        self._unverified = meter.create_counter(
            "geetest.unverified_admissions", "{admission}", "Requests let in unverified, since GeeTest was down."
        )
        self._duration = meter.create_histogram(
            "geetest.validate.duration",
            "s",
            "Duration of calls to GeeTest, failover included.",
            explicit_bucket_boundaries_advisory=BUCKETS,
        )
        self._out_of_order = meter.create_up_down_counter(
            "geetest.servers.out_of_order",
            "{server}",
            "Servers of GeeTest's that are not asked, since they do not answer.",
        )
        self._lockouts = meter.create_up_down_counter(
            "geetest.lockouts", "{lockout}", "Rules that refuse nearly all clients, by distinct addresses."
        )
        self._rules: set[str] = set()
        self._lock = threading.Lock()

    def __call__(self, result: GeeTestResult, scope: object = None) -> None:
        """Record a decision, on the current span too: that is the request's."""
        self._count(result)
        attributes = _attributes(result)
        get_current_span().set_attributes(attributes)
        if result.elapsed:
            self._trace_call(result, attributes)

    def on_outage(self, outage: Outage) -> None:
        """Record that a server is skipped, or that it answers again."""
        about = {"server.address": urlsplit(outage.server).hostname or ""}
        self._out_of_order.add(-1 if outage.over else 1, about)

    def on_lockout(self, lockout: Lockout) -> None:
        """Record that a rule refuses nearly all clients, or no longer does."""
        self._lockouts.add(-1 if lockout.over else 1, {RULE: lockout.rule})

    def _count(self, result: GeeTestResult) -> None:
        self._begin_at_zero(result.rule)
        about = {OUTCOME: str(result.outcome), RULE: result.rule}
        self._decisions.add(1, {**about, ALLOWED: result.allowed})
        if result.unverified:
            self._unverified.add(1, {RULE: result.rule})
        if result.elapsed:
            self._duration.record(result.elapsed, about)

    def _begin_at_zero(self, rule: str) -> None:
        """Create the rule's counters at 0: to an alert rule, a counter that is first seen at 1 has not grown."""
        with self._lock:
            if rule in self._rules:
                return
            self._rules.add(rule)
        for outcome in Outcome:
            allowed = outcome in (Outcome.PASSED, Outcome.SKIPPED)
            self._decisions.add(0, {OUTCOME: str(outcome), RULE: rule, ALLOWED: allowed})
        self._decisions.add(0, {OUTCOME: str(Outcome.UNAVAILABLE), RULE: rule, ALLOWED: True})
        self._unverified.add(0, {RULE: rule})
        self._lockouts.add(0, {RULE: rule})

    def _trace_call(self, result: GeeTestResult, attributes: Mapping[str, str | bool]) -> None:
        """Add a span for the call, after it. Its kind is internal, since several servers and keys may be tried."""
        end = time.time_ns()
        start = end - int(result.elapsed * 1e9)
        span = self._tracer.start_span(
            "geetest.validate", kind=SpanKind.INTERNAL, attributes=attributes, start_time=start
        )
        if result.outcome in _FAULTS:
            span.set_attribute("error.type", str(result.outcome))
            span.set_status(StatusCode.ERROR, result.reason)
        span.end(end)


def _attributes(result: GeeTestResult) -> dict[str, str | bool]:
    """Return the attributes of a span."""
    attributes: dict[str, str | bool] = {
        OUTCOME: str(result.outcome),
        RULE: result.rule,
        ALLOWED: result.allowed,
        "geetest.verified": result.verified,
    }
    words = {"reason": result.reason, "code": result.code, "lot_number": result.lot_number}
    return attributes | {f"geetest.{name}": word for name, word in words.items() if word}
