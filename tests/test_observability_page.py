"""docs/observability.md, the log: each event is brought about, each table is held against what is logged then."""

import ast
import json
import logging
import os
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import anyio
import pytest
from clocks import Clock
from commands import Done, ended
from fastapi import Depends, FastAPI
from pages import ROOT, Page, ask, codes, site
from starlette.types import ASGIApp

import geetest_asgi
from geetest_asgi import GeeTestClient, GeeTestMiddleware, GeeTestResult, Limits, Outcome, Rule
from geetest_asgi._bounds.alerts import Alerts
from geetest_asgi._bounds.lockouts import ENOUGH
from geetest_asgi._bounds.summaries import BUSY_ENOUGH, BUSY_QUIET, MONITOR_EVERY
from geetest_asgi._bounds.unverified import QUIET, Unverified
from geetest_asgi._core.model import Evidence
from geetest_asgi.fastapi import add_geetest, captcha
from geetest_asgi.observers.logs import LEVELS
from geetest_asgi.stores import FailSafe, MemoryStore
from geetest_asgi.testing import CODES, GeeTestServer

PACKAGE = Path(geetest_asgi.__file__).parent
PAGE = Page("docs/observability.md")
EVENTS = {codes(row[0])[0]: (row[1], set(codes(row[3]))) for row in PAGE.rows("`geetest_event`")}
FIELDS = {name: row[1].split(", ") for row in PAGE.rows("field") for name in codes(row[0])}


@pytest.fixture
def geetest(geetest_by_env: GeeTestServer, caplog: pytest.LogCaptureFixture) -> GeeTestServer:
    caplog.set_level(logging.DEBUG, "geetest_asgi")
    return geetest_by_env


def post(guard: ASGIApp, fields: dict[str, str]) -> None:
    ask(guard, "POST", "/login", data=fields)


def guarded(**settings: Any) -> GeeTestMiddleware:
    return GeeTestMiddleware(site, **{"protect": ["POST /login"], **settings})


def decision(geetest: GeeTestServer) -> None:
    """Every outcome but those of `test_each_outcome…`, which is about their levels."""
    guard = guarded()
    post(guard, geetest.token())
    post(guard, geetest.token(forged=True))
    post(guard, {})
    post(guarded(mode="monitor"), {})
    anyio.run(GeeTestClient().validate, geetest.token())


def hook_raised(geetest: GeeTestServer) -> None:
    def boom(*_: object) -> None:
        raise RuntimeError("the metrics are down")

    geetest.down()
    guard = guarded(on_result=boom, on_outage=boom, limits=Limits(breaker_failures=1))
    post(guard, geetest.token())


def outage(geetest: GeeTestServer) -> None:
    now = 0.0
    admissions = Unverified(Limits(), MemoryStore().count, lambda: now)
    (policy,) = (policy for _, policy in guarded().table.rules)
    anyio.run(admissions.consider, policy, Evidence(Outcome.UNAVAILABLE, "HTTP 503"), "id", None)
    now = QUIET
    admissions.note_answer(Evidence(Outcome.PASSED))


Watched = tuple[Outcome, int, float]


def watched(*steps: Watched, **settings: Any) -> None:
    """Show an `Alerts` so many clients with this outcome at this time, step by step."""
    (policy,) = (policy for _, policy in guarded(**settings).table.rules)
    clock = Clock()
    watch = Alerts(clock=clock)
    for outcome, clients, clock.now in steps:
        passed = outcome is Outcome.PASSED
        for number in range(clients):
            result = GeeTestResult(outcome, passed, passed, "HTTP 403", rule="login")
            watch.note(policy, result, f"203.0.113.{number}")


def server(geetest: GeeTestServer) -> None:
    guard = guarded(limits=Limits(breaker_failures=1, breaker_pause=0.01, breaker_longest_pause=0.01))
    geetest.down()
    post(guard, geetest.token())
    geetest.up()
    anyio.run(anyio.sleep, 0.05)
    post(guard, geetest.token())


def store(geetest: GeeTestServer) -> None:
    class Shaky(MemoryStore):
        async def add(self, key: str, value: str, seconds: float) -> bool:
            if fails:
                raise ConnectionError("no route to host")
            return await super().add(key, value, seconds)

    now, fails = 0.0, True
    safe = FailSafe(Shaky(), clock=lambda: now)
    anyio.run(safe.add, "a", "", 60)
    now, fails = 60.0, False
    anyio.run(safe.add, "b", "", 60)


def marks(geetest: GeeTestServer) -> None:
    app = FastAPI(dependencies=[Depends(captcha)])
    app.get("/items")(lambda: None)
    app.post("/items")(lambda: None)
    add_geetest(app)
    app.build_middleware_stack()


def unguarded(geetest: GeeTestServer) -> None:
    pytest.importorskip("django", reason="django is not installed: pip install 'geetest-asgi[conformance]'")
    from django.core.handlers.wsgi import WSGIHandler

    from geetest_asgi.django.apps import notice_unguarded

    notice_unguarded(WSGIHandler, environ={})


PASSED, REFUSED = Outcome.PASSED, Outcome.REFUSED
SCENARIOS: dict[str, Callable[[GeeTestServer], object]] = {
    "decision": decision,
    "hook_raised": hook_raised,
    "lockout": lambda _: watched((REFUSED, ENOUGH, 0.0), (PASSED, ENOUGH, 60.0), (PASSED, 1, 70.0)),
    "busy": lambda _: watched((Outcome.BUSY, BUSY_ENOUGH, 0.0), (PASSED, 1, BUSY_QUIET)),
    "monitor": lambda _: watched((Outcome.MISSING, 3, 0.0), (PASSED, 1, MONITOR_EVERY), mode="monitor"),
    "outage": outage,
    "server": server,
    "store": store,
    "mode": lambda _: guarded(protect=["POST /login", Rule("/other", mode="monitor")]),
    "marks": marks,
    "loopback": lambda _: guarded(),
    "simulator": lambda geetest: post(guarded(), geetest.token()),
    "unguarded": unguarded,
}
"""By the event's name, or its first word."""


def records_of(event: str, caplog: pytest.LogCaptureFixture) -> list[logging.LogRecord]:
    ours = [record for record in caplog.records if record.name.startswith("geetest_asgi")]
    assert all(hasattr(record, "geetest_event") for record in ours), "a record without its event"
    return [record for record in ours if vars(record)["geetest_event"] == event]


def fields_of(record: logging.LogRecord) -> dict[str, Any]:
    fields = {name: value for name, value in vars(record).items() if name.startswith("geetest_")}
    return {name.removeprefix("geetest_"): value for name, value in fields.items() if name != "geetest_event"}


@pytest.mark.parametrize("event", EVENTS)
def test_each_event_has_the_level_and_the_fields_of_its_row(
    event: str, geetest: GeeTestServer, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    if event in ("loopback", "simulator"):
        monkeypatch.delenv("PYTEST_VERSION")
    (bring_about,) = (SCENARIOS[word] for word in SCENARIOS if event.startswith(word))
    bring_about(geetest)
    records = records_of(event, caplog)
    level, fields = EVENTS[event]
    assert records
    for record in records:
        assert set(fields_of(record)) == fields
        assert event == "decision" or record.levelname == level
        assert record.getMessage().isprintable()
        assert bool(record.exc_info) == (event == "hook_raised")
        for name, value in fields_of(record).items():
            assert type(value).__name__.replace("NoneType", "None") in FIELDS[name], name


def test_all_events_and_fields_are_in_the_tables_and_nothing_else_is_logged() -> None:
    """Every other module names its event by calling a function of the one that logs."""
    tree = ast.parse((PACKAGE / "observers" / "logs.py").read_text())
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call) and ast.unparse(node.func) == "_log"]
    assert {ast.literal_eval(call.args[0]) for call in calls} == set(EVENTS)
    assert set(FIELDS) == set().union(*(fields for _, fields in EVENTS.values()))
    logs = re.compile(r"getLogger|\blog(ger)?\.(debug|info|warning|error|exception|critical|log)\(")
    users = [str(path.relative_to(PACKAGE)) for path in PACKAGE.rglob("*.py") if logs.search(path.read_text())]
    assert users == ["observers/logs.py"]


def test_the_levels_of_decisions_are_those_of_the_table() -> None:
    shown = {Outcome(name): row[0] for row in PAGE.rows("level of a `decision`") for name in codes(row[1])}
    assert shown == {outcome: logging.getLevelName(LEVELS.get(outcome, logging.INFO)) for outcome in Outcome}


def test_decisions_are_logged_at_their_levels(geetest: GeeTestServer, caplog: pytest.LogCaptureFixture) -> None:
    decision(geetest)
    geetest.error("-50102")
    post(guarded(), geetest.token())
    geetest.down()
    post(guarded(), geetest.token())
    told = [f"{record.levelname} {record.getMessage()}" for record in records_of("decision", caplog)]
    where = ": 'POST' '/login' by rule 'POST /login' from '127.0.0.1'"
    looked_at = "('no captcha field with a value: body (no Content-Type): not read')"
    assert told == [
        f"DEBUG passed, allowed{where}",
        f"INFO failed, not allowed ('pass_token error'){where}",
        f"INFO missing, not allowed {looked_at}{where}",
        f"INFO missing, not allowed, but let in by mode 'monitor' {looked_at}{where}",
        "DEBUG passed, allowed: by rule 'GeeTestClient'",
        f"ERROR misconfigured, not allowed ({CODES['-50102']!r}, '-50102'){where}",
        f"INFO unavailable, allowed unverified ('HTTP 503'){where}",
    ]


def test_several_observers_are_told(geetest: GeeTestServer) -> None:
    told: list[tuple[str, str]] = []
    observers: dict[str, Any] = {
        "audit": lambda result, scope: told.append(("audit", result.outcome)),
        "telemetry": lambda result, scope: told.append(("telemetry", result.outcome)),
    }
    post(PAGE.run("audit(", app=site, **observers)["app"], {})
    assert told == [("audit", "missing"), ("telemetry", "missing")]


def run(program: str, *arguments: str, **more: str) -> Done:
    """In a process of its own: what it sets up is there once in a process."""
    done = ended([sys.executable, "-c", program, *arguments], env=os.environ | more)
    assert done.returncode == 0, done.stderr
    return done


def test_the_block_for_opentelemetry_puts_the_outcome_on_the_span_of_the_request(geetest: GeeTestServer) -> None:
    program = f"""
import json, sys
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from pages import ask, site as app

exporter = InMemorySpanExporter()
trace.set_tracer_provider(TracerProvider())
trace.get_tracer_provider().add_span_processor(SimpleSpanProcessor(exporter))
{PAGE.block("OpenTelemetryMiddleware(app)").text}
assert ask(app, "POST", "/login", data=json.loads(sys.argv[1])).json()["outcome"] == "passed"
(server,) = [span for span in exporter.get_finished_spans() if span.kind is trace.SpanKind.SERVER]
print(server.attributes["geetest.outcome"])
"""
    path = os.pathsep.join([str(ROOT / "tests"), *sys.path])
    assert run(program, json.dumps(geetest.token()), PYTHONPATH=path).stdout == "passed\n"


def test_the_formatter_writes_an_object_for_each_record() -> None:
    program = f"""{PAGE.block("class JSONFormatter").text}
from geetest_asgi.observers.logs import log_hook_raised, log_modes
log_modes([("a\\n\\u2028b", "monitor")])
try:
    raise RuntimeError("the metrics are down")
except RuntimeError:
    log_hook_raised("on_result")
"""
    first, second = (json.loads(line) for line in run(program).stderr.splitlines())
    assert (first["level"], first["logger"]) == ("WARNING", "geetest_asgi")
    assert (first["geetest_event"], first["geetest_rules"]) == ("mode", ["a\n\u2028b"])
    assert (second["geetest_hook"], second["message"]) == ("on_result", "on_result raised; the decision stands")
    assert second["exception"].endswith("RuntimeError: the metrics are down")
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT[\d:.]+\+00:00", first["time"])


def test_several_workers_are_added_up(tmp_path: Path) -> None:
    """Two processes count, a third serves the sum, as the page's recipe does."""
    recipe = PAGE.block("begin_at_zero").text.rpartition("app.mount(")[0]
    counts = "on_result(GeeTestResult(Outcome.MISSING, allowed=False, verified=False, rule='r'), {})\n"
    worker = f"from geetest_asgi import GeeTestResult, Outcome\n{recipe}\n{counts}"
    reader = (
        f"from fastapi import FastAPI\napp = FastAPI()\n{PAGE.block('MultiProcessCollector(registry)').text}\n"
        "from fastapi.testclient import TestClient\nprint(TestClient(app).get('/metrics').text)\n"
    )
    for program in (worker, worker, reader):
        said = run(program, PROMETHEUS_MULTIPROC_DIR=str(tmp_path)).stdout
    (line,) = [line for line in said.splitlines() if 'outcome="missing"' in line and line.endswith(" 2.0")]
    assert line.startswith("geetest_decisions_total")
