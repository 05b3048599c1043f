"""docs/observability.md, the log: each table is held against what is logged. When it is: the tests of each part."""

import ast
import json
import logging
import os
import re
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from commands import Done, ended
from pages import ROOT, Page, ask, codes, site

import geetest_asgi
from geetest_asgi import GeeTestResult, Lockout, Outage, Outcome
from geetest_asgi.observers import logs
from geetest_asgi.testing import GeeTestServer

PACKAGE = Path(geetest_asgi.__file__).parent
PAGE = Page("docs/observability.md")
EVENTS = {codes(row[0])[0]: (row[1], set(codes(row[3]))) for row in PAGE.rows("`geetest_event`")}
FIELDS = {name: row[1].split(", ") for row in PAGE.rows("field") for name in codes(row[0])}


@pytest.fixture(autouse=True)
def _all_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "geetest_asgi")


FAILED = GeeTestResult(Outcome.FAILED, allowed=False, verified=False, reason="pass_token used", rule="POST /login")
VISIT = {"method": "POST", "path": "/login", "client": ("192.0.2.1", 443)}
FAILS = Outage("https://a.example", over=False, reason="HTTP 503")
LOCKED = Lockout("a", over=False, reason="refused: HTTP 403", share=0.99, clients=100)
LOGGED: dict[str, Callable[[], None]] = {
    "decision": lambda: logs.log_decision(FAILED, VISIT),
    "lockout_begins": lambda: logs.log_lockout(LOCKED),
    "lockout_ends": lambda: logs.log_lockout(replace(LOCKED, over=True)),
    "busy_begins": lambda: logs.log_busy({"max_in_flight": 10}, 60.0, over=False),
    "busy_ends": lambda: logs.log_busy({"max_in_flight": 10}, 60.0, over=True),
    "monitor": lambda: logs.log_monitor(10, {"missing, a": 3}, 300.0),
    "hook_raised": lambda: logs.log_hook_raised("on_result"),
    "outage_begins": lambda: logs.log_outage_begins("HTTP 503", "allow"),
    "outage_ends": lambda: logs.log_outage_ends(5, 1, 12.0),
    "server_fails": lambda: logs.log_outage(FAILS),
    "server_answers": lambda: logs.log_outage(replace(FAILS, over=True)),
    "store_fails": lambda: logs.log_store_fails("RedisStore", "ConnectionError"),
    "store_answers": lambda: logs.log_store_answers("RedisStore", 12.0),
    "mode": lambda: logs.log_modes([("/login", "monitor")]),
    "marks": lambda: logs.log_marks(["POST /items"], []),
    "marks_open": lambda: logs.log_marks([], ["GET /items"]),
    "loopback": lambda: logs.log_loopback("http://127.0.0.1"),
    "simulator": logs.log_simulator,
    "unguarded": lambda: logs.log_unguarded("WSGI"),
}
"""Each as the rest of the package has it logged."""


def fields_of(record: logging.LogRecord) -> dict[str, Any]:
    fields = {name: value for name, value in vars(record).items() if name.startswith("geetest_")}
    return {name.removeprefix("geetest_"): value for name, value in fields.items() if name != "geetest_event"}


@pytest.mark.parametrize("event", EVENTS)
def test_each_event_has_the_level_and_the_fields_of_its_row(
    event: str, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PYTEST_VERSION")
    LOGGED[event]()
    record = caplog.records[-1]
    level, fields = EVENTS[event]
    assert (vars(record)["geetest_event"], set(fields_of(record))) == (event, fields)
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
    calls_a_logger = re.compile(r"getLogger|\blog(ger)?\.(debug|info|warning|error|exception|critical|log)\(")
    users = [
        str(path.relative_to(PACKAGE)) for path in PACKAGE.rglob("*.py") if calls_a_logger.search(path.read_text())
    ]
    assert users == ["observers/logs.py"]


def test_the_levels_of_decisions_are_those_of_the_table() -> None:
    shown = {Outcome(name): row[0] for row in PAGE.rows("level of a `decision`") for name in codes(row[1])}
    assert shown == {outcome: logging.getLevelName(logs.LEVELS.get(outcome, logging.INFO)) for outcome in Outcome}


def test_decisions_are_logged_at_their_levels(caplog: pytest.LogCaptureFixture) -> None:
    said = {
        "DEBUG passed, allowed": GeeTestResult(Outcome.PASSED, True, True),
        "INFO failed, not allowed ('pass_token used')": FAILED,
        "INFO unavailable, allowed unverified ('HTTP 503')": GeeTestResult(
            Outcome.UNAVAILABLE, True, False, "HTTP 503"
        ),
        "ERROR misconfigured, not allowed ('no id', '-50102')": GeeTestResult(
            Outcome.MISCONFIGURED, False, False, "no id", "-50102"
        ),
    }
    for result in said.values():
        logs.log_decision(replace(result, rule="POST /login"), VISIT)
    logs.log_decision(FAILED, VISIT, "monitor", log_client=False)
    where = "'POST' '/login' by rule 'POST /login'"
    assert [f"{record.levelname} {record.getMessage()}" for record in caplog.records] == [
        *(f"{each}: {where} from '192.0.2.1'" for each in said),
        f"INFO failed, not allowed, but let in by mode 'monitor' ('pass_token used'): {where}",
    ]


def test_several_observers_are_told(geetest_by_env: GeeTestServer) -> None:
    told: list[tuple[str, str]] = []
    observers: dict[str, Any] = {
        "audit": lambda result, scope: told.append(("audit", result.outcome)),
        "telemetry": lambda result, scope: told.append(("telemetry", result.outcome)),
    }
    ask(PAGE.run("audit(", app=site, **observers)["app"], "POST", "/login")
    assert told == [("audit", "missing"), ("telemetry", "missing")]


def run(program: str, *arguments: str, **more: str) -> Done:
    """In a process of its own: what it sets up is there once in a process."""
    done = ended([sys.executable, "-c", program, *arguments], env=os.environ | more)
    assert done.returncode == 0, done.stderr
    return done


def test_the_block_for_opentelemetry_puts_the_outcome_on_the_span_of_the_request(geetest_by_env: GeeTestServer) -> None:
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
    assert run(program, json.dumps(geetest_by_env.token()), PYTHONPATH=path).stdout == "passed\n"


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
