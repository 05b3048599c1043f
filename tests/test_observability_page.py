"""docs/observability.md, the log: each event is brought about, each table is held against what is logged then."""

import ast
import json
import logging
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import anyio
import httpx
import pytest
from commands import name_geetest
from fastapi import Depends, FastAPI
from starlette.types import ASGIApp, Receive, Scope, Send

import geetest_asgi
from geetest_asgi import (
    GeeTestClient,
    GeeTestMiddleware,
    GeeTestResult,
    Limits,
    Outcome,
    Rule,
)
from geetest_asgi._bounds.alerts import Alerts
from geetest_asgi._bounds.lockouts import ENOUGH
from geetest_asgi._bounds.summaries import BUSY_ENOUGH, BUSY_QUIET, MONITOR_EVERY
from geetest_asgi._bounds.unverified import QUIET, Unverified
from geetest_asgi._core.model import Evidence
from geetest_asgi.fastapi import add_geetest, captcha
from geetest_asgi.observers.logs import LEVELS, log_decision
from geetest_asgi.stores import FailSafe, MemoryStore
from geetest_asgi.testing import Simulator, serve

ROOT = Path(__file__).parent.parent
PACKAGE = Path(geetest_asgi.__file__).parent
PAGE = (ROOT / "docs" / "observability.md").read_text()
BLOCKS = re.findall(r"^```python\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)


def codes(cell: str) -> list[str]:
    return re.findall(r"`([^`]+)`", cell)


def table(head: str) -> list[list[str]]:
    """The rows of the table whose head begins so."""
    tables = [
        [[cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines()]
        for text in re.findall(r"(?:^\|.*\n)+", PAGE, re.MULTILINE)
    ]
    (rows,) = [rows for rows in tables if rows[0][0] == head]
    return rows[2:]


def block(text: str) -> str:
    (found,) = [each for each in BLOCKS if text in each]
    return str(found)


EVENTS = {codes(row[0])[0]: (row[1], set(codes(row[3]))) for row in table("`geetest_event`")}
FIELDS = {name: row[1].split(", ") for row in table("field") for name in codes(row[0])}


@pytest.fixture(scope="module")
def running() -> Iterator[tuple[Simulator, str]]:
    simulator = Simulator()
    with serve(simulator) as url:
        yield simulator, url


@pytest.fixture
def geetest(running: tuple[Simulator, str], monkeypatch: pytest.MonkeyPatch) -> Simulator:
    simulator, url = running
    simulator.up()
    name_geetest(monkeypatch, url)
    return simulator


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"in"})


def post(guard: ASGIApp, fields: dict[str, str]) -> None:
    async def sent() -> None:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(guard), base_url="http://test") as visitor:
            await visitor.post("/login", data=fields)

    anyio.run(sent)


def guarded(behind: ASGIApp = app, **settings: Any) -> GeeTestMiddleware:
    return GeeTestMiddleware(behind, **{"protect": ["POST /login"], **settings})


# How each event comes about


def decision(geetest: Simulator) -> None:
    """Every outcome but those of `test_each_outcome…`, which is about their levels."""
    guard = guarded()
    post(guard, geetest.token())
    post(guard, geetest.token(forged=True))
    post(guard, {})
    post(guarded(mode="monitor"), {})
    anyio.run(GeeTestClient().validate, geetest.token())


def hook_raised(geetest: Simulator) -> None:
    def boom(*_: object) -> None:
        raise RuntimeError("the metrics are down")

    geetest.down()
    guard = guarded(on_result=boom, on_outage=boom, limits=Limits(breaker_failures=1))
    post(guard, geetest.token())


def outage(geetest: Simulator) -> None:
    now = 0.0
    admissions = Unverified(Limits(), MemoryStore().count, lambda: now)
    (policy,) = (policy for _, policy in guarded().table.rules)
    anyio.run(admissions.consider, policy, Evidence(Outcome.UNAVAILABLE, "HTTP 503"), "id", None)
    now = QUIET
    admissions.note_answer(Evidence(Outcome.PASSED))


def watched(outcome: Outcome, clients: int, at: float, watch: Alerts, clock: list[float], **settings: Any) -> None:
    (policy,) = (policy for _, policy in guarded(**settings).table.rules)
    clock[0] = at
    for number in range(clients):
        result = GeeTestResult(outcome, outcome is Outcome.PASSED, outcome is Outcome.PASSED, "HTTP 403", rule="login")
        watch.note(policy, result, f"203.0.113.{number}")


def lockout(geetest: Simulator) -> None:
    clock = [0.0]
    watch = Alerts(clock=lambda: clock[0])
    watched(Outcome.REFUSED, ENOUGH, 0.0, watch, clock)
    watched(Outcome.PASSED, ENOUGH, 60.0, watch, clock)
    watched(Outcome.PASSED, 1, 70.0, watch, clock)


def busy(geetest: Simulator) -> None:
    clock = [0.0]
    watch = Alerts(clock=lambda: clock[0])
    watched(Outcome.BUSY, BUSY_ENOUGH, 0.0, watch, clock)
    watched(Outcome.PASSED, 1, BUSY_QUIET, watch, clock)


def monitor(geetest: Simulator) -> None:
    clock = [0.0]
    watch = Alerts(clock=lambda: clock[0])
    watched(Outcome.MISSING, 3, 0.0, watch, clock, mode="monitor")
    watched(Outcome.PASSED, 1, MONITOR_EVERY, watch, clock, mode="monitor")


def server(geetest: Simulator) -> None:
    guard = guarded(limits=Limits(breaker_failures=1, breaker_pause=0.01, breaker_longest_pause=0.01))
    geetest.down()
    post(guard, geetest.token())
    geetest.up()
    anyio.run(anyio.sleep, 0.05)
    post(guard, geetest.token())


def store(geetest: Simulator) -> None:
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


def mode(geetest: Simulator) -> None:
    guarded(protect=["POST /login", Rule("/other", mode="monitor")])


def marks(geetest: Simulator) -> None:
    app = FastAPI(dependencies=[Depends(captcha)])
    app.get("/items")(lambda: None)
    app.post("/items")(lambda: None)
    add_geetest(app)
    app.build_middleware_stack()


def loopback(geetest: Simulator) -> None:
    guarded()


def simulator(geetest: Simulator) -> None:
    post(guarded(), geetest.token())


def unguarded(geetest: Simulator) -> None:
    pytest.importorskip("django", reason="django is not installed: pip install 'geetest-asgi[conformance]'")
    from django.core.handlers.wsgi import WSGIHandler

    from geetest_asgi.django.apps import notice_unguarded

    notice_unguarded(WSGIHandler, environ={})


BRINGS_ABOUT: dict[str, Callable[[Simulator], None]] = {
    "decision": decision,
    "hook_raised": hook_raised,
    "lockout_begins": lockout,
    "lockout_ends": lockout,
    "busy_begins": busy,
    "busy_ends": busy,
    "monitor": monitor,
    "outage_begins": outage,
    "outage_ends": outage,
    "server_fails": server,
    "server_answers": server,
    "store_fails": store,
    "store_answers": store,
    "mode": mode,
    "marks": marks,
    "marks_open": marks,
    "loopback": loopback,
    "simulator": simulator,
    "unguarded": unguarded,
}


def records_of(event: str, caplog: pytest.LogCaptureFixture) -> list[logging.LogRecord]:
    ours = [record for record in caplog.records if record.name.startswith("geetest_asgi")]
    assert all(hasattr(record, "geetest_event") for record in ours), "a record without its event"
    return [record for record in ours if vars(record)["geetest_event"] == event]


def fields_of(record: logging.LogRecord) -> dict[str, Any]:
    fields = {name: value for name, value in vars(record).items() if name.startswith("geetest_")}
    return {name.removeprefix("geetest_"): value for name, value in fields.items() if name != "geetest_event"}


@pytest.mark.parametrize("event", EVENTS)
def test_each_event_has_the_level_and_the_fields_of_its_row(
    event: str, geetest: Simulator, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    caplog.set_level(logging.DEBUG, "geetest_asgi")
    if event in ("loopback", "simulator"):
        monkeypatch.delenv("PYTEST_VERSION")
    BRINGS_ABOUT[event](geetest)
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


def test_all_events_and_fields_are_in_the_tables() -> None:
    tree = ast.parse((PACKAGE / "observers" / "logs.py").read_text())
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call) and ast.unparse(node.func) == "_log"]
    assert {ast.literal_eval(call.args[1]) for call in calls} == set(EVENTS) == set(BRINGS_ABOUT)
    assert set(FIELDS) == set().union(*(fields for _, fields in EVENTS.values()))


def test_nothing_is_logged_but_by_the_functions_of_the_table() -> None:
    """Every other module names its event by calling one of them."""
    users = [
        str(path.relative_to(PACKAGE))
        for path in PACKAGE.rglob("*.py")
        if re.search(r"getLogger|\blog(ger)?\.(debug|info|warning|error|exception|critical|log)\(", path.read_text())
    ]
    assert users == ["observers/logs.py"]


def test_the_levels_of_decisions_are_those_of_the_table() -> None:
    shown = {Outcome(name): row[0] for row in table("level of a `decision`") for name in codes(row[1])}
    assert shown == {outcome: logging.getLevelName(LEVELS.get(outcome, logging.INFO)) for outcome in Outcome}


def test_decisions_are_logged_at_their_levels(geetest: Simulator, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "geetest_asgi")
    decision(geetest)
    geetest.error("-50102")
    post(guarded(), geetest.token())
    geetest.down()
    post(guarded(), geetest.token())
    told = [(record.levelname, record.getMessage()) for record in records_of("decision", caplog)]
    where = "'POST' '/login' by rule 'POST /login' from '127.0.0.1'"
    looked_at = "no captcha field with a value: body (no Content-Type): not read"
    assert told[:5] == [
        ("DEBUG", f"passed, allowed: {where}"),
        ("INFO", f"failed, not allowed ('pass_token error'): {where}"),
        ("INFO", f"missing, not allowed ({looked_at!r}): {where}"),
        ("INFO", f"missing, not allowed, but let in by mode 'monitor' ({looked_at!r}): {where}"),
        ("DEBUG", "passed, allowed: by rule 'GeeTestClient'"),
    ]
    assert told[5][0] == "ERROR"
    assert re.fullmatch(r"misconfigured, not allowed \('.+', '-50102'\): " + re.escape(where), told[5][1])
    assert told[6] == ("INFO", f"unavailable, allowed unverified ('HTTP 503'): {where}")


def test_what_a_visitor_can_make_long_is_cut_and_cannot_begin_a_line(
    geetest: Simulator, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, "geetest_asgi")
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    async def receive() -> Any:
        return {"type": "http.request"}

    async def connect() -> Any:
        return {"type": "websocket.connect"}

    scope: dict[str, Any] = {"raw_path": b"", "query_string": b"", "headers": [], "root_path": "", "client": None}
    guard = guarded(protect=["* /**", "WEBSOCKET /**"])
    http = {**scope, "type": "http", "method": "POST", "path": "/\nroot: in" + "x" * 500}
    anyio.run(guard, http, receive, send)
    anyio.run(guard, {**scope, "type": "websocket", "path": "/ws"}, connect, send)
    post, websocket = records_of("decision", caplog)
    assert fields_of(post)["path"] == http["path"][:200]
    assert "'/\\nroot: in" in post.getMessage()
    assert (fields_of(websocket)["method"], fields_of(websocket)["path"]) == ("WEBSOCKET", "/ws")
    log_decision(GeeTestResult(Outcome.MISSING, False, False), {"type": "http", "method": "X" * 50, "path": "/"})
    assert fields_of(records_of("decision", caplog)[-1])["method"] == "X" * 20


def test_a_rule_that_denies_nobody_is_named(geetest: Simulator, caplog: pytest.LogCaptureFixture) -> None:
    guarded(protect=["POST /login", Rule("/a", mode="monitor"), Rule("/b", name="b", mode="off")])
    guarded(protect=[Rule("POST /login", mode="enforce")], mode="monitor")
    assert [record.getMessage() for record in records_of("mode", caplog)] == [
        "mode='monitor': nothing is denied by ['/a']",
        "mode='off': nothing is denied by ['b']",
    ]


def test_there_is_no_block_but_those_that_are_run() -> None:
    """Here, and the recipes for Prometheus in test_dashboard.py too, on uvicorn."""
    known = [
        "class JSONFormatter",
        "FileHandler",
        "audit(",
        "OpenTelemetryMiddleware(app)",
        "PrometheusMetricReader()",
        "begin_at_zero",
        "MultiProcessCollector(registry)",
    ]
    assert [block(text) for text in known] == BLOCKS
    assert PAGE.count("```") == 2 * len(BLOCKS) + 4
    assert "pip install 'geetest-asgi[otel]'\n" in PAGE


def test_several_observers_are_told(geetest: Simulator) -> None:
    told: list[tuple[str, str]] = []
    names: dict[str, Any] = {
        "app": app,
        "audit": lambda result, scope: told.append(("audit", result.outcome)),
        "telemetry": lambda result, scope: told.append(("telemetry", result.outcome)),
    }
    exec(compile(block("audit("), "docs/observability.md", "exec", dont_inherit=True), names)
    post(names["app"], {})
    assert told == [("audit", "missing"), ("telemetry", "missing")]


def test_the_block_for_opentelemetry_puts_the_outcome_on_the_span_of_the_request(geetest: Simulator) -> None:
    program = f"""
import json, sys
import anyio, httpx
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
exporter = InMemorySpanExporter()
trace.set_tracer_provider(TracerProvider())
trace.get_tracer_provider().add_span_processor(SimpleSpanProcessor(exporter))

async def app(scope, receive, send):
    await send({{"type": "http.response.start", "status": 200, "headers": []}})
    await send({{"type": "http.response.body", "body": b"in"}})

{block("OpenTelemetryMiddleware(app)")}
async def main():
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test") as visitor:
        assert (await visitor.post("/login", data=json.loads(sys.argv[1]))).text == "in"

anyio.run(main)
(server,) = [span for span in exporter.get_finished_spans() if span.kind is trace.SpanKind.SERVER]
print(server.attributes["geetest.outcome"])
"""
    command = [sys.executable, "-c", program, json.dumps(geetest.token())]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=30)
    assert done.stdout == "passed\n"


def test_the_formatter_writes_an_object_for_each_record(geetest: Simulator) -> None:
    program = f"""{block("class JSONFormatter")}
from geetest_asgi.observers.logs import log_hook_raised, log_modes
log_modes([("a\\n\\u2028b", "monitor")])
try:
    raise RuntimeError("the metrics are down")
except RuntimeError:
    log_hook_raised("on_result")
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=30)
    first, second = (json.loads(line) for line in done.stderr.splitlines())
    assert (first["level"], first["logger"]) == ("WARNING", "geetest_asgi")
    assert (first["geetest_event"], first["geetest_rules"]) == ("mode", ["a\n\u2028b"])
    assert (second["geetest_hook"], second["message"]) == ("on_result", "on_result raised; the decision stands")
    assert second["exception"].endswith("RuntimeError: the metrics are down")
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT[\d:.]+\+00:00", first["time"])


def test_several_workers_are_added_up(tmp_path: Path) -> None:
    """Two processes count, a third serves the sum, as the page's recipe does."""
    recipe = block("begin_at_zero").rpartition("app.mount(")[0]
    counts = "on_result(GeeTestResult(Outcome.MISSING, allowed=False, verified=False, rule='r'), {})\n"
    worker = f"from geetest_asgi import GeeTestResult, Outcome\n{recipe}\n{counts}"
    reader = (
        f"from fastapi import FastAPI\napp = FastAPI()\n{block('MultiProcessCollector(registry)')}\n"
        "from fastapi.testclient import TestClient\nprint(TestClient(app).get('/metrics').text)\n"
    )
    for program in (worker, worker, reader):
        done = subprocess.run(
            [sys.executable, "-c", program],
            env=os.environ | {"PROMETHEUS_MULTIPROC_DIR": str(tmp_path)},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, done.stderr
    (line,) = [line for line in done.stdout.splitlines() if 'outcome="missing"' in line and line.endswith(" 2.0")]
    assert line.startswith("geetest_decisions_total")
