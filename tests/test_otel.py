"""observers.otel with OpenTelemetry's own SDK and its official ASGI instrumentation, in process and on a socket."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import anyio
import httpx
import pytest
from opentelemetry.instrumentation.asgi import OpenTelemetryMiddleware
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode
from pages import Page, ask, codes, site
from starlette.types import ASGIApp

from geetest_asgi import GeeTestClient, GeeTestMiddleware, GeeTestResult, Limits, Lockout, Outage, Outcome, Rule
from geetest_asgi.observers.otel import BUCKETS, OpenTelemetry
from geetest_asgi.testing import GeeTestServer, serve

PAGE = Page("docs/observability.md")
Point = tuple[tuple[str, Any], ...]


@dataclass
class Telemetry:
    spans: InMemorySpanExporter = field(default_factory=InMemorySpanExporter)
    reader: InMemoryMetricReader = field(default_factory=InMemoryMetricReader)

    def __post_init__(self) -> None:
        self.tracers = TracerProvider()
        self.tracers.add_span_processor(SimpleSpanProcessor(self.spans))
        self.meters = MeterProvider([self.reader])
        self.observer = OpenTelemetry(tracer_provider=self.tracers, meter_provider=self.meters)

    def instrumented(self, app: ASGIApp) -> ASGIApp:
        return OpenTelemetryMiddleware(app, tracer_provider=self.tracers, meter_provider=self.meters)

    def guarded(self, app: ASGIApp | None = None, **settings: Any) -> GeeTestMiddleware:
        settings = {"protect": ["POST /login"], "on_result": self.observer, **settings}
        return GeeTestMiddleware(app or site, on_outage=self.observer.on_outage, **settings)

    @property
    def server_spans(self) -> list[ReadableSpan]:
        return [span for span in self.spans.get_finished_spans() if span.kind is SpanKind.SERVER]

    @property
    def call_spans(self) -> list[ReadableSpan]:
        return [span for span in self.spans.get_finished_spans() if span.name == "geetest.validate"]

    def metrics(self) -> dict[str, Any]:
        data = self.reader.get_metrics_data()
        scopes = [scope for resource in data.resource_metrics for scope in resource.scope_metrics] if data else []
        ours = [scope for scope in scopes if scope.scope.name == "geetest_asgi"]
        return {metric.name: metric for scope in ours for metric in scope.metrics}

    def points(self, name: str) -> dict[Point, Any]:
        """What was counted, by its attributes; without the zeros that counters begin at."""
        metrics = self.metrics()
        points = {_key(point.attributes): point for point in metrics[name].data.data_points} if name in metrics else {}
        return {key: getattr(point, "value", point) for key, point in points.items() if getattr(point, "value", 1)}


def _key(attributes: Mapping[str, Any] | None) -> Point:
    return tuple(sorted((attributes or {}).items()))


def about(outcome: str, *, allowed: bool | None = None, rule: str = "POST /login") -> Point:
    told = {"geetest.outcome": outcome, "geetest.rule": rule}
    return _key(told if allowed is None else {**told, "geetest.allowed": allowed})


@pytest.fixture
def geetest(geetest_by_env: GeeTestServer) -> GeeTestServer:
    return geetest_by_env


@pytest.fixture
def telemetry() -> Telemetry:
    return Telemetry()


def post(app: ASGIApp, fields: Mapping[str, str], path: str = "/login", **more: Any) -> httpx.Response:
    return ask(app, "POST", path, data=dict(fields), **more)


def test_the_decision_is_on_the_requests_span_and_the_calls(geetest: GeeTestServer, telemetry: Telemetry) -> None:
    app, token = telemetry.instrumented(telemetry.guarded()), geetest.token()
    geetest.slow(0.1)
    with serve(app) as url, httpx.Client(base_url=url, trust_env=False) as browser:
        assert browser.post("/login", data=token).json()["outcome"] == "passed"
        assert browser.post("/login", data=geetest.token(forged=True)).status_code == 403
        assert browser.get("/login").json() == {}
    passed, failed, free = (ours(span) for span in telemetry.server_spans)
    about = {"geetest.outcome": "passed", "geetest.rule": "POST /login", "geetest.lot_number": token["lot_number"]}
    assert passed.items() >= (about | {"geetest.allowed": True, "geetest.verified": True}).items()
    assert (failed["geetest.reason"], failed["geetest.allowed"], free) == ("pass_token error", False, {})
    for span, server in zip(telemetry.call_spans, telemetry.server_spans[:2], strict=True):
        assert (span.kind, span.parent) == (SpanKind.INTERNAL, server.context)
        assert ours(span) == ours(server)
        began, ended = span.start_time or 0, span.end_time or 0
        assert ended - began >= 0.1e9
        assert (server.start_time or 0) <= began < ended <= (server.end_time or 0)


def ours(span: ReadableSpan) -> dict[str, Any]:
    return {name: value for name, value in (span.attributes or {}).items() if name.startswith("geetest.")}


def test_a_call_is_one_span_and_counted_once_and_only_where_geetest_is_asked(
    geetest: GeeTestServer, telemetry: Telemetry
) -> None:
    inner = telemetry.guarded(protect=[Rule("POST /login", name="inner")])
    app, token = telemetry.instrumented(telemetry.guarded(inner)), geetest.token()
    for fields in (token, token, {}):
        post(app, fields)
    assert [ours(span)["geetest.outcome"] for span in telemetry.server_spans] == ["passed", "replayed", "missing"]
    assert sum(telemetry.points("geetest.decisions").values()) == 4, "the inner guard's own, too"
    assert [point.count for point in telemetry.points("geetest.validate.duration").values()] == [1]
    assert len(telemetry.call_spans) == len(geetest.calls) == 1
    telemetry.observer(anyio.run(GeeTestClient().validate, geetest.token()))
    assert telemetry.points("geetest.decisions")[about("passed", allowed=True, rule="GeeTestClient")] == 1


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_a_call_that_came_to_nothing_is_an_error(geetest: GeeTestServer, telemetry: Telemetry, backend: str) -> None:
    app = telemetry.instrumented(telemetry.guarded())
    for fault in (geetest.down, lambda: geetest.error("-50102"), lambda: geetest.error("-50005")):
        fault()
        post(app, geetest.token(), backend=backend)
    told = [(span.status.status_code, (span.attributes or {}).get("error.type")) for span in telemetry.call_spans]
    assert told == [(StatusCode.ERROR, "unavailable"), (StatusCode.ERROR, "misconfigured"), (StatusCode.UNSET, None)]
    assert telemetry.call_spans[0].status.description == "HTTP 503"
    assert ours(telemetry.call_spans[2])["geetest.code"] == "-50005"


@pytest.mark.parametrize("source", ["body", "header"])
def test_no_secret_is_recorded(source: str, geetest: GeeTestServer, telemetry: Telemetry) -> None:
    app = telemetry.instrumented(telemetry.guarded(sources=[source]))
    for fault in (geetest.up, geetest.down, geetest.garbled, lambda: geetest.error("-50005")):
        fault()
        token = geetest.token()
        post(app, token, headers={"x-geetest": json.dumps(token)} if source == "header" else {})
        recorded = "".join(span.to_json() for span in telemetry.spans.get_finished_spans())
        recorded += str(telemetry.reader.get_metrics_data())
        assert token["lot_number"] in recorded, "there is something to look through"
        for secret in (token["pass_token"], token["captcha_output"], geetest.captcha_key):
            assert secret[:16] not in recorded


def test_decisions_calls_and_unverified_admissions_are_counted(geetest: GeeTestServer, telemetry: Telemetry) -> None:
    app = telemetry.guarded(protect=["POST /login", Rule("POST /strict", name="strict", on_unavailable="deny")])
    for _ in range(2):
        post(app, geetest.token())
    post(app, {})
    geetest.down()
    for path in ("/login", "/login", "/strict"):
        post(app, geetest.token(), path)
    assert telemetry.points("geetest.decisions") == {
        about("passed", allowed=True): 2,
        about("missing", allowed=False): 1,
        about("unavailable", allowed=True): 2,
        about("unavailable", allowed=False, rule="strict"): 1,
    }
    assert telemetry.points("geetest.unverified_admissions") == {(("geetest.rule", "POST /login"),): 2}
    durations = telemetry.points("geetest.validate.duration")
    assert [point.count for point in durations.values()] == [2, 2, 1]
    assert all(tuple(point.explicit_bounds) == BUCKETS and 0 < point.sum < 60 for point in durations.values())


def test_an_outage_and_a_lockout_are_one_and_then_none(telemetry: Telemetry) -> None:
    for over in (False, True):
        telemetry.observer.on_outage(Outage("http://a.example:8080/x", over=over))
        telemetry.observer.on_lockout(Lockout("a", over, "refused: HTTP 403", share=0.99, clients=100))
        outages, lockouts = (telemetry.points(f"geetest.{name}") for name in ("servers.out_of_order", "lockouts"))
        assert outages == ({} if over else {(("server.address", "a.example"),): 1})
        assert lockouts == ({} if over else {(("geetest.rule", "a"),): 1})


def test_what_visitors_and_geetest_make_up_makes_no_series(telemetry: Telemetry) -> None:
    for number in range(100):
        made_up: dict[str, Any] = {"reason": f"reason {number}", "code": f"-{number}", "lot_number": f"{number:032x}"}
        telemetry.observer(GeeTestResult(Outcome.REFUSED, False, False, rule="a", elapsed=0.01 * number, **made_up))
    assert telemetry.points("geetest.decisions") == {about("refused", allowed=False, rule="a"): 100}
    assert len(telemetry.points("geetest.validate.duration")) == 1
    assert len(telemetry.metrics()["geetest.decisions"].data.data_points) == len(Outcome) + 1


KINDS = {True: "counter", False: "up-down counter", None: "histogram"}


def test_the_tables_of_the_page_are_what_is_recorded(geetest: GeeTestServer, telemetry: Telemetry) -> None:
    app = telemetry.instrumented(telemetry.guarded(limits=Limits(breaker_failures=1)))
    geetest.error("-50005")
    post(app, geetest.token())
    geetest.down()
    post(app, geetest.token())
    metrics = {}
    for name, metric in telemetry.metrics().items():
        keys = ", ".join(f"`{key}`" for key in metric.data.data_points[0].attributes)
        metrics[f"`{name}`"] = [KINDS[getattr(metric.data, "is_monotonic", None)], f"`{metric.unit}`", keys]
    assert metrics == {row[0]: row[1:4] for row in PAGE.rows("metric")}
    attributes = {codes(row[0])[0]: row[1:3] for row in PAGE.rows("attribute")}
    spans = [each for span in telemetry.spans.get_finished_spans() for each in (span.attributes or {}).items()]
    types = {name: type(value).__name__ for name, value in spans if name.startswith(("geetest.", "error."))}
    assert types == {name: kind for name, (kind, where) in attributes.items() if "span" in where}
