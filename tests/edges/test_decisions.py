"""What each kind of request meets: the table of outcomes row by row, and every setting that bears on a decision."""

import asyncio
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import anyio
import httpx
import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Mount, Route, Router
from starlette.types import Message, Receive, Scope, Send

from geetest_asgi import GeeTestClient, GeeTestMiddleware, GeeTestResult, Limits, Outcome, Rule, geetest_result
from geetest_asgi.testing import Simulator

from .support import App, Front, GeeTest, Visit, form, http_scope, messages, visit

each_backend = pytest.mark.anyio


# --- the table --------------------------------------------------------------------------------------------------------


def fresh(geetest: GeeTest) -> dict[str, str]:
    return geetest.token()


def twice(geetest: GeeTest) -> dict[str, str]:
    """A token that another visitor brought before: sent through the guard by the test, not known to GeeTest."""
    return geetest.token()


@dataclass(frozen=True)
class Row:
    """One way into an outcome, and what the visitor is told."""

    outcome: Outcome
    status: int = 200
    retry: str = ""
    after: bool = False
    calls: int = 0
    settings: Mapping[str, Any] = field(default_factory=dict)
    fields: Callable[[GeeTest], dict[str, str]] = fresh
    fault: Callable[[Simulator], None] = Simulator.up


def denied(outcome: Outcome, status: int, retry: str, **more: Any) -> Row:
    return Row(outcome, status, retry, after=status == 503, **more)


def refuse(_: object) -> bool:
    return False


ROWS = {
    "passed": Row(Outcome.PASSED, calls=1),
    "skipped": Row(Outcome.SKIPPED, settings={"skip": lambda scope: "has an API key"}, fields=lambda _: {}),
    "off": Row(Outcome.SKIPPED, settings={"mode": "off"}, fields=lambda _: {}),
    "missing": denied(Outcome.MISSING, 403, "solve", fields=lambda _: {"username": "ada"}),
    "malformed": denied(Outcome.MALFORMED, 403, "solve", fields=lambda _: {"lot_number": "x"}),
    "half a token": denied(Outcome.MALFORMED, 403, "solve", fields=lambda g: {"lot_number": g.token()["lot_number"]}),
    "forged": denied(Outcome.FAILED, 403, "solve", calls=1, fields=lambda g: g.token(forged=True)),
    "expired": denied(Outcome.FAILED, 403, "solve", calls=1, fields=lambda g: g.token(expired=True)),
    "used elsewhere": denied(Outcome.FAILED, 403, "solve", calls=1, fields=lambda g: g.token(used=True)),
    "not accepted": denied(Outcome.FAILED, 403, "solve", calls=1, settings={"accept": lambda result, scope: False}),
    "GeeTest's error": denied(Outcome.REFUSED, 403, "solve", calls=1, fault=lambda s: s.error("-50005")),
    "HTTP 302": denied(
        Outcome.REFUSED, 403, "solve", calls=1, fault=lambda s: s.answers(302, headers={"location": "/elsewhere"})
    ),
    "HTTP 400": denied(Outcome.REFUSED, 403, "solve", calls=1, fault=lambda s: s.answers(400)),
    "HTTP 429": denied(Outcome.REFUSED, 403, "solve", calls=1, fault=lambda s: s.answers(429)),
    "an odd object": denied(Outcome.REFUSED, 403, "solve", calls=1, fault=lambda s: s.answers(200, {"result": 1})),
    "too large": denied(Outcome.TOO_LARGE, 413, "never", settings={"limits": Limits(max_body=100)}),
    "unknown id": denied(Outcome.MISCONFIGURED, 503, "later", calls=1, fault=lambda s: s.error("-50102")),
    "wrong key": denied(Outcome.MISCONFIGURED, 503, "later", calls=1, settings={"captcha_key": "f" * 32}),
    "busy": denied(Outcome.BUSY, 503, "later", settings={"limits": Limits(max_buffered=10)}),
    "down, deny": denied(
        Outcome.UNAVAILABLE, 503, "later", calls=1, settings={"on_unavailable": "deny"}, fault=Simulator.down
    ),
    "garbled, deny": denied(
        Outcome.UNAVAILABLE, 503, "later", calls=1, settings={"on_unavailable": "deny"}, fault=Simulator.garbled
    ),
    "hanging, deny": denied(
        Outcome.UNAVAILABLE,
        503,
        "later",
        calls=1,
        settings={"on_unavailable": "deny", "timeout": 1.0},
        fault=Simulator.hanging,
    ),
    "down, allow": Row(Outcome.UNAVAILABLE, calls=1, fault=Simulator.down),
    "garbled, allow": Row(Outcome.UNAVAILABLE, calls=1, fault=Simulator.garbled),
    "hanging, allow": Row(Outcome.UNAVAILABLE, calls=1, settings={"timeout": 1.0}, fault=Simulator.hanging),
}


class Told:
    """An observer: `on_result=told`."""

    def __init__(self) -> None:
        self.results: list[GeeTestResult] = []

    def __call__(self, result: GeeTestResult, scope: Scope) -> None:
        assert scope["type"] in ("http", "websocket")
        self.results.append(result)

    @property
    def outcomes(self) -> list[Outcome]:
        return [result.outcome for result in self.results]


def check_row(row: Row, status: int, headers: Mapping[str, str], body: bytes, app: App, told: Told) -> None:
    assert told.outcomes == [row.outcome]
    assert row.outcome is Outcome.PASSED or told.results[0].reason
    assert status == row.status
    if row.status == 200:
        assert body == b"in"
        assert [seen.result for seen in app.seen] == told.results
        assert told.results[0].allowed
        return
    assert app.seen == []
    assert not told.results[0].allowed
    problem = httpx.Response(200, content=body).json()
    assert (problem["code"], problem["retry"], problem["status"]) == (f"captcha_{row.outcome}", row.retry, row.status)
    assert headers["content-type"] == "application/problem+json"
    assert headers["cache-control"] == "no-store"
    assert ("retry-after" in headers) is row.after
    assert int(headers.get("retry-after", 1)) > 0


@pytest.mark.parametrize("name", ROWS)
@each_backend
async def test_each_row_of_the_table_in_process(name: str, geetest: GeeTest, app: App) -> None:
    row, told = ROWS[name], Told()
    fields = row.fields(geetest)
    row.fault(geetest.simulator)
    guard = geetest.guard(app, on_result=told, **row.settings)
    asked = await visit(fields).run(guard)
    check_row(row, asked.status, asked.headers, asked.body, app, told)
    assert len(geetest.calls) == row.calls


@pytest.mark.parametrize("name", ROWS)
def test_each_row_of_the_table_over_a_socket(name: str, geetest: GeeTest, app: App, front: Front) -> None:
    row, told = ROWS[name], Told()
    fields = row.fields(geetest)
    row.fault(geetest.simulator)
    url = front.put_on(geetest.guard(app, on_result=told, **row.settings))
    reply = httpx.post(f"{url}/login", data=fields, trust_env=False)
    check_row(row, reply.status_code, reply.headers, reply.content, app, told)
    assert len(geetest.calls) == row.calls


@each_backend
async def test_each_row_of_the_table_with_httpx_in_process(geetest: GeeTest, app: App) -> None:
    """A scope without a `state`, and a body that ends in an empty message."""
    transport = httpx.ASGITransport(geetest.guard(app))
    async with httpx.AsyncClient(transport=transport, base_url="http://front") as client:
        passed = await client.post("/login", data=geetest.token())
        failed = await client.post("/login", data=geetest.token(forged=True))
        missing = await client.post("/login")
        elsewhere = await client.post("/elsewhere")
    assert [each.status_code for each in (passed, failed, missing, elsewhere)] == [200, 403, 403, 200]
    assert failed.json()["code"] == "captcha_failed"
    assert missing.json()["code"] == "captcha_missing"


@each_backend
async def test_replayed(geetest: GeeTest, app: App) -> None:
    told = Told()
    guard, token = geetest.guard(app, on_result=told), geetest.token()
    await visit(token).run(guard)
    again = await visit(token).run(guard)
    assert (again.status, again.code, again.problem["retry"]) == (403, "captcha_replayed", "solve")
    assert told.outcomes == [Outcome.PASSED, Outcome.REPLAYED]
    assert told.results[1].reason
    assert len(app.seen) == len(geetest.calls) == 1


@each_backend
async def test_too_slow(geetest: GeeTest, app: App) -> None:
    told = Told()
    guard = geetest.guard(app, on_result=told, limits=Limits(body_timeout=0.05))
    late = Visit(http_scope(headers={"content-type": "application/x-www-form-urlencoded"}), *messages(b"a", ends=False))
    await late.run(guard)
    assert (late.status, late.code, late.problem["retry"]) == (408, "captcha_too_slow", "solve")
    assert told.outcomes == [Outcome.TOO_SLOW]
    assert "0.05 s" in told.results[0].reason
    assert (app.seen, geetest.calls) == ([], [])


@each_backend
async def test_what_goes_past_the_guard_is_not_touched(geetest: GeeTest, app: App) -> None:
    for method, path in (("GET", "/login"), ("HEAD", "/login"), ("OPTIONS", "/login"), ("POST", "/"), ("POST", "/x")):
        passing = visit({"a": "b"}, method=method, path=path)
        await passing.run(geetest.guard(app, on_result=lambda *_: pytest.fail("judged")))
        assert app.seen[-1].scope is passing.scope
        assert "state" not in passing.scope
        assert passing.received == 1


# --- what the app and the hooks are told ------------------------------------------------------------------------------


@each_backend
async def test_the_result_of_a_verified_request(geetest: GeeTest, app: App) -> None:
    token = geetest.token()
    await visit(token).run(geetest.guard(app))
    result = app.seen[0].result
    assert (result.outcome, result.allowed, result.verified, bool(result)) == (Outcome.PASSED, True, True, True)
    assert result.rule == "POST /login"
    assert result.lot_number == token["lot_number"]
    assert result.captcha_args["scene"] == "反爬虫"
    assert 0 < result.elapsed < SECONDS_OF_A_CALL


SECONDS_OF_A_CALL = 5.0


@each_backend
async def test_a_result_is_true_only_where_a_human_was_verified(geetest: GeeTest, app: App) -> None:
    geetest.simulator.down()
    await visit(geetest.token()).run(geetest.guard(app))
    await visit().run(geetest.guard(app, skip=lambda scope: "why not"))
    await visit().run(geetest.guard(app, mode="monitor"))
    assert [(seen.result.allowed, bool(seen.result), seen.result.unverified) for seen in app.seen] == [
        (True, False, True),
        (True, False, False),
        (False, False, False),
    ]
    assert app.seen[1].result.reason == "why not"


@each_backend
async def test_geetest_result_takes_a_request_or_a_scope(geetest: GeeTest) -> None:
    found: list[GeeTestResult] = []

    async def login(request: Request) -> Response:
        found.extend([geetest_result(request), geetest_result(request.scope), request.state.geetest])
        return PlainTextResponse("in")

    starlette = Starlette(routes=[Route("/login", login, methods=["POST"])])
    answered = await visit(geetest.token()).run(geetest.guard(starlette))
    assert answered.body == b"in"
    assert found[0] is found[1] is found[2]
    assert found[0].outcome is Outcome.PASSED


@each_backend
async def test_geetest_result_says_that_a_path_is_not_protected(geetest: GeeTest) -> None:
    complaints: list[str] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        with pytest.raises(LookupError) as complaint:
            geetest_result(scope)
        complaints.append(str(complaint.value))

    await visit(path="/open").run(geetest.guard(app, protect=["POST /login", "/api/**"]))
    assert "'/open' is not protected by GeeTest" in complaints[0]
    assert "geetest-asgi match" in complaints[0]
    assert "'POST /open'" in complaints[0]
    with pytest.raises(TypeError):
        geetest_result("POST /login")


@each_backend
async def test_headers_that_can_be_read_once_reach_the_app(geetest: GeeTest) -> None:
    """ASGI calls them an iterable of iterables; the test client of Falcon 4.4 gives iterators of iterators."""
    seen: list[list[tuple[bytes, bytes]]] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        seen.append(list(scope["headers"]))
        await PlainTextResponse("in")(scope, receive, send)

    async def further_out(scope: Scope, receive: Receive, send: Send) -> None:
        await guard({**scope, "headers": iter([iter(pair) for pair in scope["headers"]])}, receive, send)

    guard = geetest.guard(app)
    assert (await visit(geetest.token()).run(further_out)).body == b"in"
    assert (b"content-type", b"application/x-www-form-urlencoded") in seen[0]


class WsgiRequest:
    """As Flask's: `environ` is the WSGI environ."""

    def __init__(self, environ: dict[str, Any]) -> None:
        self.environ = environ


class MicrodotRequest:
    """As Microdot's."""

    def __init__(self, scope: Scope) -> None:
        self.asgi_scope = scope


@each_backend
async def test_geetest_result_finds_the_scope_behind_a2wsgi_and_in_microdot(geetest: GeeTest) -> None:
    found: list[GeeTestResult] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        environ = {"wsgi.version": (1, 0), "asgi.scope": scope}
        found.extend(map(geetest_result, (scope, environ, WsgiRequest(environ), MicrodotRequest(scope))))
        await PlainTextResponse("in")(scope, receive, send)

    assert (await visit(geetest.token()).run(geetest.guard(app))).body == b"in"
    assert [each is found[0] for each in found] == [True] * 4


def test_geetest_result_says_what_to_do_under_wsgi() -> None:
    for given in (environ := {"wsgi.version": (1, 0), "PATH_INFO": "/login"}), WsgiRequest(environ):
        with pytest.raises(LookupError, match=r"by WSGI.*serve the ASGI application.*a2wsgi"):
            geetest_result(given)


@each_backend
async def test_the_scope_that_came_is_the_scope_that_goes_on(geetest: GeeTest) -> None:
    """Middleware further out sees what a router writes into it: `route`, `endpoint`, `path_params`, `state`."""
    seen: list[Scope] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        seen.append(scope)
        scope["endpoint"] = app
        scope.setdefault("state", {})["user"] = "ada"
        await PlainTextResponse("in")(scope, receive, send)

    guard = geetest.guard(app)
    for asked in (visit(path="/open"), visit(geetest.token())):
        before = dict(asked.scope)
        await asked.run(guard)
        assert seen[-1] is asked.scope
        assert (asked.scope["endpoint"], asked.scope["state"]["user"]) == (app, "ada")
        assert {name: asked.scope[name] for name in before} == before
    unprotected, protected = seen
    assert unprotected.keys() == http_scope().keys() | {"endpoint", "state"}
    assert unprotected["state"].keys() == {"user"}
    assert protected["state"]["geetest"].outcome is Outcome.PASSED


@each_backend
async def test_a_result_does_not_leak_into_another_request(geetest: GeeTest, app: App) -> None:
    """Each has a state of its own, as servers make them, and what a lifespan left there stays."""
    lifespan = {"db": object()}
    guard = geetest.guard(app, mode="monitor")
    for fields in ({}, geetest.token()):
        await visit(fields, state=lifespan.copy()).run(guard)
    first, second = (seen.scope["state"] for seen in app.seen)
    assert lifespan.keys() == {"db"}
    assert first["db"] is second["db"] is lifespan["db"]
    assert (first["geetest"].outcome, second["geetest"].outcome) == (Outcome.MISSING, Outcome.PASSED)


@pytest.mark.parametrize("name", ["passed", "missing", "forged", "down, allow", "down, deny", "skipped"])
@each_backend
async def test_a_fault_in_on_result_does_not_matter(
    name: str, geetest: GeeTest, app: App, caplog: pytest.LogCaptureFixture
) -> None:
    row = ROWS[name]

    async def later(result: GeeTestResult, scope: Scope) -> None:
        await anyio.sleep(0)
        raise RuntimeError("the metrics are down")

    def now(result: GeeTestResult, scope: Scope) -> None:
        raise RuntimeError("the metrics are down")

    for on_result in (now, later):
        fields = row.fields(geetest)
        row.fault(geetest.simulator)
        answer = await visit(fields).run(geetest.guard(app, on_result=on_result, **row.settings))
        assert answer.status == row.status
    faults = [record.exc_info for record in caplog.records if record.exc_info]
    assert [str(fault[1]) for fault in faults] == ["the metrics are down"] * 2


@each_backend
async def test_an_asynchronous_on_result_is_awaited(geetest: GeeTest, app: App) -> None:
    told: list[Outcome] = []

    async def on_result(result: GeeTestResult, scope: Scope) -> None:
        await anyio.sleep(0)
        told.append(result.outcome)

    await visit(geetest.token()).run(geetest.guard(app, on_result=on_result))
    assert told == [Outcome.PASSED]


# --- skip and accept --------------------------------------------------------------------------------------------------


@each_backend
async def test_skip_excuses_a_request_without_reading_or_asking(geetest: GeeTest, app: App) -> None:
    async def has_api_key(scope: Scope) -> str | None:
        await anyio.sleep(0)
        return "an API key" if dict(scope["headers"]).get(b"x-api-key") == b"right" else None

    for skip in (has_api_key, lambda scope: "an API key" if (b"x-api-key", b"right") in scope["headers"] else None):
        guard = geetest.guard(app, skip=skip)
        excused = await visit({"a": "b"}, headers={"x-api-key": "right"}).run(guard)
        assert excused.status == 200
        assert excused.received == 1  # by the app
        assert app.seen[-1].result.outcome is Outcome.SKIPPED
        assert (await visit({"a": "b"}, headers={"x-api-key": "wrong"}).run(guard)).code == "captcha_missing"
    assert len(app.seen) == 2
    assert geetest.calls == []


@pytest.mark.parametrize("nothing", [None, "", False])
@each_backend
async def test_skip_without_a_reason_excuses_nobody(nothing: Any, geetest: GeeTest, app: App) -> None:
    assert (await visit().run(geetest.guard(app, skip=lambda scope: nothing))).code == "captcha_missing"


@each_backend
async def test_accept_has_the_last_word_on_a_token_that_passed(geetest: GeeTest, app: App) -> None:
    async def one_scene(result: GeeTestResult, scope: Scope) -> bool:
        await anyio.sleep(0)
        assert result.verified
        return bool(result.captcha_args["scene"] == "another")

    for accept in (one_scene, lambda result, scope: result.captcha_args["scene"] == "another"):
        told = Told()
        denied = await visit(geetest.token()).run(geetest.guard(app, accept=accept, on_result=told))
        assert denied.code == "captcha_failed"
        assert "accept" in told.results[0].reason
        assert not told.results[0].verified
    guard = geetest.guard(app, accept=lambda result, scope: scope["path"] == "/login")
    agreed = await visit(geetest.token()).run(guard)
    assert agreed.status == 200


@each_backend
async def test_accept_is_not_asked_about_what_did_not_pass(geetest: GeeTest, app: App) -> None:
    guard = geetest.guard(app, accept=lambda *_: pytest.fail("asked"), mode="monitor")
    await visit(geetest.token(forged=True)).run(guard)
    geetest.simulator.down()
    await visit(geetest.token()).run(guard)
    await visit().run(guard)
    assert len(app.seen) == 3


class BoomError(Exception):
    """What a hook of the developer's raises."""


def boom(*_: object) -> Any:
    raise BoomError


async def boom_later(*_: object) -> Any:
    await anyio.sleep(0)
    raise BoomError


@pytest.mark.parametrize("hook", [boom, boom_later])
@pytest.mark.parametrize(("name", "sent"), [("skip", {}), ("accept", None), ("on_denied", {})])
@each_backend
async def test_what_a_hook_raises_is_the_apps_error_and_lets_nobody_in(
    name: str, sent: dict[str, str] | None, hook: Any, geetest: GeeTest, app: App
) -> None:
    fields = geetest.token() if sent is None else sent
    with pytest.raises(BoomError):
        await visit(fields).run(geetest.guard(app, **{name: hook}))
    assert app.seen == []


# --- modes ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", [name for name, row in ROWS.items() if row.status != 200])
def test_monitor_forwards_what_would_be_denied_with_its_body(
    name: str, geetest: GeeTest, app: App, front: Front
) -> None:
    row, told = ROWS[name], Told()
    fields = row.fields(geetest)
    row.fault(geetest.simulator)
    url = front.put_on(geetest.guard(app, mode="monitor", on_result=told, **row.settings))
    reply = httpx.post(f"{url}/login", data=fields, timeout=3, trust_env=False)
    assert reply.text == "in"
    assert app.seen[0].body == form(fields)
    assert told.results == [app.seen[0].result]
    assert (told.results[0].outcome, told.results[0].allowed) == (row.outcome, False)


MONITORED = {
    "too large": (Limits(max_body=100), Outcome.TOO_LARGE),
    "busy": (Limits(max_buffered=100), Outcome.BUSY),
}


@pytest.mark.parametrize("size", [1, 99, 150, 100_000])
@pytest.mark.parametrize("name", MONITORED)
@each_backend
async def test_monitor_forwards_the_whole_of_a_body_that_is_not_read_to_its_end(
    name: str, size: int, geetest: GeeTest, app: App
) -> None:
    """However it is cut, and also where the limit is passed in the very last piece. The length is not told before."""
    limits, outcome = MONITORED[name]
    body = b"x" * 250
    pieces = [body[at : at + size] for at in range(0, len(body), size)]
    monitored = visit(body=pieces)
    await monitored.run(geetest.guard(app, mode="monitor", limits=limits), seconds=2)
    assert app.seen[0].body == body
    assert app.seen[0].result.outcome is outcome


@each_backend
async def test_monitor_forwards_the_whole_of_a_slow_body(geetest: GeeTest, app: App) -> None:
    slow = Visit(http_scope(headers={"content-type": "application/json"}), *messages(b'{"a', ends=False))
    decided = anyio.Event()
    limits = Limits(body_timeout=0.05)
    guard = geetest.guard(app, mode="monitor", limits=limits, on_result=lambda *_: decided.set())
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(slow.run, guard)
        await decided.wait()
        slow.say(*messages(b'": ', b"1}"))
    assert app.seen[0].result.outcome is Outcome.TOO_SLOW
    assert app.seen[0].body == b'{"a": 1}'


@each_backend
async def test_monitor_does_not_lose_the_end_of_a_body_whose_time_ran_out_on_its_last_message(
    geetest: GeeTest, app: App
) -> None:
    """The last message came, too late: it is the last one all the same, and the app must not wait for another."""
    body = b"x" * (2 * 1024 * 1024)
    late = visit(body=body)

    async def receive() -> Message:
        handed: list[Message] = []
        with anyio.CancelScope(shield=bool(late.incoming)):  # the deadline passes while this message is handed over
            await anyio.sleep(0.1)
            handed.append(await Visit.receive(late))
        return handed[0]

    guard = geetest.guard(app, mode="monitor", limits=Limits(body_timeout=0.05, max_body=4 * 1024 * 1024))
    with anyio.fail_after(2):
        await guard(late.scope, receive, late.send)
    assert app.seen[0].body == body


@each_backend
async def test_mode_off_reads_nothing_asks_nothing_and_says_so(geetest: GeeTest, app: App) -> None:
    passing = await visit({"a": "b"}).run(geetest.guard(app, mode="off", captcha_id=None, captcha_key=None))
    assert passing.status == 200
    assert passing.received == 1
    assert app.seen[0].result.outcome is Outcome.SKIPPED
    assert geetest.calls == []


# --- a rule's own settings --------------------------------------------------------------------------------------------


@each_backend
async def test_a_rule_has_an_id_and_a_key_of_its_own(app: App) -> None:
    from geetest_asgi.testing import serve

    pairs = {"a" * 32: "b" * 32, "c" * 32: "d" * 32}
    simulator = Simulator(pairs)
    with serve(simulator) as url:
        guard = GeeTestMiddleware(
            app,
            protect=["POST /login", Rule("POST /other", captcha_id="c" * 32, captcha_key="d" * 32)],
            captcha_id="a" * 32,
            captcha_key="b" * 32,
            api_server=url,
        )
        one, other = simulator.token(), simulator.token(captcha_id="c" * 32)
        assert (await visit(one, path="/login").run(guard)).status == 200
        assert (await visit(other, path="/other").run(guard)).status == 200
        assert (await visit(simulator.token(), path="/other").run(guard)).code == "captcha_failed"
        await guard.aclose()
    assert [call.parameters["captcha_id"][0] for call in simulator.calls] == ["a", "c", "c"]


async def told_by(rule: Rule, geetest: GeeTest, request: Visit, **defaults: Any) -> tuple[str, GeeTestResult]:
    """What becomes of the request under this rule: the code that the visitor sees, and the result."""
    told = Told()
    settings = {"on_result": told, **defaults}
    await request.run(geetest.guard(App(), protect=[rule], **settings))
    return request.code, told.results[0]


@each_backend
async def test_a_rule_overrides_sources(geetest: GeeTest) -> None:
    rule = Rule("/login", sources=["query"])
    code, _ = await told_by(rule, geetest, visit(query=form(geetest.token())))
    assert code == "in"
    code, _ = await told_by(rule, geetest, visit(geetest.token()))
    assert code == "captcha_missing"


@each_backend
async def test_a_rule_overrides_fields(geetest: GeeTest) -> None:
    prefixed = {f"geetest_{name}": value for name, value in geetest.token().items()}
    code, _ = await told_by(Rule("/login", fields="geetest_"), geetest, visit(prefixed), fields="camelCase")
    assert code == "in"


@each_backend
async def test_a_rule_overrides_on_unavailable(geetest: GeeTest) -> None:
    geetest.simulator.down()
    code, _ = await told_by(Rule("/login", on_unavailable="deny"), geetest, visit(geetest.token()))
    assert code == "captcha_unavailable"
    rule = Rule("/login", on_unavailable="allow")
    code, _ = await told_by(rule, geetest, visit(geetest.token()), on_unavailable="deny")
    assert code == "in"


@each_backend
async def test_a_rule_overrides_timeout(geetest: GeeTest) -> None:
    geetest.simulator.hanging()
    rule = Rule("/login", timeout=0.1)
    _, result = await told_by(rule, geetest, visit(geetest.token()), timeout=60)
    assert 0.1 <= result.elapsed < 2


@each_backend
async def test_a_rule_overrides_the_limits_of_one_request(geetest: GeeTest) -> None:
    for limits, code in ((Limits(max_body=10), "captcha_too_large"), (Limits(max_field=31), "captcha_malformed")):
        told = await told_by(Rule("/login", limits=limits), geetest, visit(geetest.token()))
        assert told[0] == code
    token = geetest.token()
    unfinished = Visit(
        http_scope(headers={"content-type": "application/x-www-form-urlencoded"}),
        *messages(form(token)[:-5], ends=False),
    )
    code, _ = await told_by(Rule("/login", limits=Limits(body_timeout=0.05)), geetest, unfinished)
    assert code == "captcha_too_slow"


@each_backend
async def test_a_rule_overrides_mode(geetest: GeeTest) -> None:
    code, result = await told_by(Rule("/login", mode="monitor"), geetest, visit())
    assert (code, result.outcome) == ("in", Outcome.MISSING)
    code, result = await told_by(Rule("/login", mode="off"), geetest, visit())
    assert (code, result.outcome) == ("in", Outcome.SKIPPED)
    code, _ = await told_by(Rule("/login", mode="enforce"), geetest, visit(), mode="monitor")
    assert code == "captcha_missing"


@each_backend
async def test_a_rule_overrides_the_hooks(geetest: GeeTest) -> None:
    wrong: dict[str, Any] = {"on_result": Told()}
    code, result = await told_by(Rule("/login", skip=lambda scope: "its own"), geetest, visit(), skip=boom)
    assert (code, result.reason) == ("in", "its own")
    rule = Rule("/login", accept=lambda result, scope: True)
    assert (await told_by(rule, geetest, visit(geetest.token()), accept=boom))[0] == "in"
    rule = Rule("/login", on_denied=lambda result, scope: JSONResponse({"code": "its own"}, 418))
    assert (await told_by(rule, geetest, visit(), on_denied=boom))[0] == "its own"
    own = Told()
    await visit().run(geetest.guard(App(), protect=[Rule("/login", on_result=own)], **wrong))
    assert own.outcomes == [Outcome.MISSING]
    assert wrong["on_result"].outcomes == []


@each_backend
async def test_a_rule_has_a_name(geetest: GeeTest) -> None:
    _, result = await told_by(Rule("POST /login", name="sign in"), geetest, visit())
    assert result.rule == "sign in"
    _, result = await told_by(Rule(re.compile("/log.*"), methods="POST"), geetest, visit())
    assert result.rule == "/log.*"


@each_backend
async def test_the_first_rule_that_matches_counts(geetest: GeeTest) -> None:
    told = Told()
    rules = [Rule("POST /api/{x}", name="one"), Rule("/api/**", name="all")]
    guard = geetest.guard(App(), protect=rules, on_result=told)
    for method, path in (("POST", "/api/a"), ("POST", "/api/a/b"), ("PUT", "/api/a")):
        await visit(method=method, path=path).run(guard)
    assert [result.rule for result in told.results] == ["one", "all", "all"]


UNCLEAR = ["/users/DEMO/reset", "/users/demo/../ada/reset", "/" * 101 + "users/demo/reset", "/users/" + "a" * 2048]
"""Spellings that fall under both rules below, or are past the bounds."""


@pytest.mark.parametrize("path", UNCLEAR, ids=["letter case", "dot segments", "many segments", "long"])
@each_backend
async def test_a_path_under_two_rules_is_refused_by_neither_even_with_a_token(
    path: str, geetest: GeeTest, app: App
) -> None:
    decided: list[GeeTestResult] = []
    excusing = Rule("/users/demo/**", skip=lambda scope: "demo", on_unavailable="deny")
    guard = geetest.guard(app, protect=[excusing, "/users/**"], on_result=lambda result, _: decided.append(result))
    assert (await visit(geetest.token(), path=path).run(guard)).code == "captcha_malformed"
    assert (geetest.calls, app.seen) == ([], [])
    assert [(each.rule, each.outcome) for each in decided] == [("", Outcome.MALFORMED)]
    assert (await visit(path="/users/demo/reset").run(guard)).code == "in"


@pytest.mark.parametrize(
    ("modes", "lets_in"),
    [
        (("monitor", "enforce"), False),
        (("enforce", "monitor"), False),
        (("off", "enforce"), False),
        (("monitor", "monitor"), True),
        (("off", "off"), True),
        (("off", "monitor"), True),
    ],
)
@each_backend
async def test_it_is_let_in_only_where_no_rule_refuses_anybody(
    modes: tuple[Any, Any], lets_in: bool, geetest: GeeTest, app: App
) -> None:
    first, second = modes
    guard = geetest.guard(app, protect=[Rule("/users/demo/**", mode=first), Rule("/users/**", mode=second)])
    answer = await visit(geetest.token(), path="/users/DEMO/reset").run(guard)
    assert answer.code == ("in" if lets_in else "captcha_malformed")
    assert geetest.calls == []


# --- sources ----------------------------------------------------------------------------------------------------------


def in_headers(token: Mapping[str, str]) -> dict[str, str]:
    return {f"X-GeeTest-{name.replace('_', '-')}": value for name, value in token.items()}


@each_backend
async def test_sources_are_looked_at_in_order(geetest: GeeTest, app: App) -> None:
    """The token of the first place is the one that GeeTest is asked about."""
    places = {"header": geetest.token(), "query": geetest.token(), "body": geetest.token()}
    for sources in (("header", "query", "body"), ("query", "body", "header"), ("body", "header", "query")):
        full = visit(places["body"], headers=in_headers(places["header"]), query=form(places["query"]))
        await full.run(geetest.guard(app, sources=sources))
        assert geetest.calls[-1].parameters["lot_number"] == places[sources[0]]["lot_number"]
        places[sources[0]] = geetest.token()
    assert len(geetest.calls) == 3


@each_backend
async def test_sources_that_have_nothing_are_passed_over(geetest: GeeTest, app: App) -> None:
    guard = geetest.guard(app, sources=("header", "query", "body"))
    assert (await visit(geetest.token()).run(guard)).status == 200
    assert (await visit(query=form(geetest.token())).run(guard)).status == 200
    assert (await visit(headers=in_headers(geetest.token())).run(guard)).status == 200
    assert (await visit().run(guard)).code == "captcha_missing"


@each_backend
async def test_sources_are_never_mixed(geetest: GeeTest, app: App) -> None:
    """Half a token in the first place is malformed, though the second has the other half, or a whole one."""
    token = geetest.token()
    half = {"lot_number": token["lot_number"]}
    rest = {name: value for name, value in token.items() if name not in half}
    guard = geetest.guard(app, sources=("header", "query", "body"))
    for body in (rest, token):
        assert (await visit(body, headers=in_headers(half)).run(guard)).code == "captcha_malformed"
        assert (await visit(body, query=form(half)).run(guard)).code == "captcha_malformed"
    assert (app.seen, geetest.calls) == ([], [])


@each_backend
async def test_header_and_query_leave_the_body_alone(geetest: GeeTest) -> None:
    received: list[int] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        received.append(asked.received)
        await PlainTextResponse("in")(scope, receive, send)

    guard = geetest.guard(app, sources=("header", "query"))
    for asked in (visit(headers=in_headers(geetest.token())), visit(query=form(geetest.token()))):
        await asked.run(guard)
    assert received == [0, 0]


# --- where a guard can stand ------------------------------------------------------------------------------------------


def starlette_guard(geetest: GeeTest, **settings: Any) -> Middleware:
    simulator = geetest.simulator
    return Middleware(
        GeeTestMiddleware,
        captcha_id=simulator.captcha_id,
        captcha_key=simulator.captcha_key,
        api_server=geetest.url,
        **settings,
    )


async def who(request: Request) -> Response:
    fields = await request.form()
    return JSONResponse({"outcome": request.state.geetest.outcome, "user": fields.get("user")})


@pytest.mark.parametrize("place", ["app", "route", "mount", "router"])
@pytest.mark.parametrize("kind", ["socket", "process"])
def test_a_guard_on_an_app_a_route_a_mount_and_a_router(place: str, kind: str, geetest: GeeTest, front: Front) -> None:
    async def open_page(request: Request) -> Response:
        return PlainTextResponse("open")

    guard = [starlette_guard(geetest)]
    routes: dict[str, Any] = {
        "app": [Mount("/a", routes=[Route("/login", who, methods=["POST"])])],
        "route": [Mount("/a", routes=[Route("/login", who, methods=["POST"], middleware=guard)])],
        "mount": [Mount("/a", routes=[Route("/login", who, methods=["POST"])], middleware=guard)],
        "router": [Mount("/a", Router([Route("/login", who, methods=["POST"])], middleware=guard))],
    }
    outer = [starlette_guard(geetest, protect=["POST /a/login"])] if place == "app" else []
    starlette = Starlette(routes=[Route("/open", open_page, methods=["GET", "POST"]), *routes[place]], middleware=outer)
    results = asyncio.run(login_twice(starlette, geetest, front.put_on(starlette) if kind == "socket" else None))
    assert results == [(200, {"outcome": "passed", "user": "ada"}), (403, "captcha_replayed"), (200, "open")]
    assert len(geetest.calls) == 1


async def login_twice(app: Any, geetest: GeeTest, url: str | None) -> list[tuple[int, Any]]:
    transport = None if url else httpx.ASGITransport(app)
    fields = {"user": "ada", **geetest.token()}
    async with httpx.AsyncClient(transport=transport, base_url=url or "http://front", trust_env=False) as client:
        first = await client.post("/a/login", data=fields)
        second = await client.post("/a/login", data=fields)
        third = await client.post("/open")
    return [
        (first.status_code, first.json()),
        (second.status_code, second.json().get("code")),
        (third.status_code, third.text),
    ]


@each_backend
async def test_without_patterns_every_request_is_guarded(geetest: GeeTest, app: App) -> None:
    guard = geetest.guard(app, protect=None, sources=["query"])
    for method in ("GET", "HEAD", "POST", "OPTIONS", "PROPFIND"):
        for path in ("/", "/a", "/a/b", "*", ""):
            assert (await visit(method=method, path=path).run(guard)).status == 403
    assert (await visit(method="GET", query=form(geetest.token())).run(guard)).status == 200


@each_backend
async def test_exempt_paths_pass_untouched(geetest: GeeTest, app: App) -> None:
    guard = geetest.guard(app, protect=["/api/**"], exempt=["/api/webhook", re.compile("/api/public/.*")])
    for path in ("/api/webhook", "/api/public/a/b"):
        assert (await visit(path=path).run(guard)).status == 200
        assert "state" not in app.seen[-1].scope
    for path in ("/api/webhook/x", "/api/publi", "/api/Webhook", "/api//webhook/../x"):
        assert (await visit(path=path).run(guard)).code == "captcha_missing"


@each_backend
async def test_a_cors_preflight_passes_and_a_plain_options_does_not(geetest: GeeTest, app: App) -> None:
    guard = geetest.guard(app, protect=["* /login"])
    preflight = {"origin": "https://a.example", "access-control-request-method": "POST"}
    assert (await visit(method="OPTIONS", headers=preflight).run(guard)).status == 200
    assert (await visit(method="OPTIONS", headers={"origin": "https://a.example"}).run(guard)).status == 403
    assert (await visit(method="POST", headers=preflight).run(guard)).status == 403


PREFLIGHT = {"origin": "https://a.example", "access-control-request-method": "POST"}


@each_backend
async def test_a_preflight_is_handed_on_with_an_empty_body_whatever_comes(geetest: GeeTest, app: App) -> None:
    """HTTP/2 needs no header to announce a body, and a handler may take any method."""
    guard = geetest.guard(app, protect=["* /login"])
    asked = await visit(body=[b"amount=", b"1000"], method="OPTIONS", headers=PREFLIGHT).run(guard)
    assert (asked.code, app.seen[0].body) == ("in", b"")
    result = app.seen[0].result
    assert (result.outcome, result.reason, result.verified) == (Outcome.SKIPPED, "a CORS preflight", False)


@each_backend
async def test_with_preflight_denied_it_is_a_request_like_others(geetest: GeeTest, app: App) -> None:
    guard = geetest.guard(app, protect=["* /login"], preflight="deny")
    assert (await visit(method="OPTIONS", headers=PREFLIGHT).run(guard)).code == "captcha_missing"
    assert (await visit(geetest.token(), method="OPTIONS", headers=PREFLIGHT).run(guard)).code == "in"


def test_inside_cors_a_preflight_is_answered_and_a_denial_has_its_headers(geetest: GeeTest, front: Front) -> None:
    origin = {"Origin": "https://a.example"}
    starlette = Starlette(
        routes=[Route("/login", who, methods=["POST"])],
        middleware=[
            Middleware(CORSMiddleware, allow_origins=["https://a.example"], allow_methods=["POST"]),
            starlette_guard(geetest, protect=["* /login"]),
        ],
    )
    url = front.put_on(starlette) + "/login"
    asking = httpx.options(url, headers={**origin, "Access-Control-Request-Method": "POST"}, trust_env=False)
    assert (asking.status_code, asking.headers["access-control-allow-origin"]) == (200, "https://a.example")
    denied = httpx.post(url, headers=origin, trust_env=False)
    assert (denied.status_code, denied.headers["access-control-allow-origin"]) == (403, "https://a.example")


@each_backend
async def test_two_guards_in_one_stack_ask_once(geetest: GeeTest, app: App) -> None:
    inner_told, outer_told = Told(), Told()
    inner = geetest.guard(app, protect=None, on_result=inner_told)
    outer = geetest.guard(inner, on_result=outer_told)
    token = geetest.token()
    assert (await visit(token).run(outer)).status == 200
    assert app.seen[0].body == form(token)
    assert inner_told.outcomes == outer_told.outcomes == [Outcome.PASSED]
    assert len(geetest.calls) == 1
    assert (await visit(token).run(outer)).code == "captcha_replayed"
    assert inner_told.outcomes == [Outcome.PASSED]


@each_backend
async def test_of_two_guards_each_judges_by_its_own_rule(geetest: GeeTest, app: App) -> None:
    strict = geetest.guard(app, protect=None, accept=lambda result, scope: False)
    assert (await visit(geetest.token()).run(geetest.guard(strict))).code == "captcha_failed"
    closed = geetest.guard(app, protect=None, on_unavailable="deny")
    geetest.simulator.down()
    assert (await visit(geetest.token()).run(geetest.guard(closed))).code == "captcha_unavailable"
    geetest.simulator.up()
    enforcing = geetest.guard(app, protect=None)
    watching = geetest.guard(enforcing, mode="monitor")
    assert (await visit(geetest.token(forged=True)).run(watching)).code == "captcha_failed"
    assert (await visit().run(watching)).code == "captcha_missing"
    assert app.seen == []


@each_backend
async def test_two_guards_with_two_ids_ask_about_each(app: App) -> None:
    from geetest_asgi.testing import serve

    simulator = Simulator({"a" * 32: "b" * 32, "c" * 32: "d" * 32})
    with serve(simulator) as url:
        settings: dict[str, Any] = {"protect": ["/login"], "api_server": url}
        inner = GeeTestMiddleware(app, captcha_id="c" * 32, captcha_key="d" * 32, fields="inner_", **settings)
        outer = GeeTestMiddleware(inner, captcha_id="a" * 32, captcha_key="b" * 32, **settings)
        second = {f"inner_{name}": value for name, value in simulator.token(captcha_id="c" * 32).items()}
        both = simulator.token() | second
        assert (await visit(both).run(outer)).status == 200
        assert (await visit(simulator.token()).run(outer)).code == "captcha_missing"
        await inner.aclose()
        await outer.aclose()
    assert app.seen[0].body == form(both)
    assert [call.parameters["captcha_id"][0] for call in simulator.calls] == ["a", "c", "a"]


@each_backend
async def test_a_scope_type_that_is_unknown_passes_unchanged(geetest: GeeTest) -> None:
    given: list[object] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        given.extend([scope, receive, send])

    strange = Visit({"type": "webtransport", "path": "/login"})
    await geetest.guard(app, protect=None)(strange.scope, strange.receive, strange.send)
    assert given[0] is strange.scope
    assert given[1:] == [strange.receive, strange.send]
    assert strange.scope == {"type": "webtransport", "path": "/login"}


@each_backend
async def test_an_outer_guards_last_word_is_not_the_inner_guards(geetest: GeeTest, app: App) -> None:
    """`accept` belongs to its rule: a guard that only watches denies nobody behind it."""
    inner = geetest.guard(app)
    outer = geetest.guard(inner, mode="monitor", accept=lambda result, scope: False)
    visitor = await visit(geetest.token()).run(outer)
    assert visitor.code == "in"
    assert len(geetest.simulator.calls) == 1


@pytest.mark.parametrize("sent", [[], False, None, "x", 5])
@each_backend
async def test_a_client_is_given_what_a_visitor_sent_in_place_of_an_object(sent: Any, geetest: GeeTest) -> None:
    client = GeeTestClient(geetest.simulator.captcha_id, geetest.simulator.captcha_key, api_server=geetest.url)
    result = await client.validate(sent)
    assert result.outcome in (Outcome.MISSING, Outcome.MALFORMED)
    assert not geetest.simulator.calls


REQUIRED = {"type", "method", "path"}


@pytest.mark.parametrize("method", ["POST", "OPTIONS"])
@pytest.mark.parametrize("absent", [*sorted(http_scope().keys() - REQUIRED), "all of these"])
@each_backend
async def test_a_scope_may_be_short(absent: str, method: str, geetest: GeeTest) -> None:
    """As those that tests write by hand are, and those of servers that leave out what ASGI lets them."""
    geetest.simulator.down()
    scope = http_scope(method, query=form(geetest.token()))
    scope = {name: value for name, value in scope.items() if name in REQUIRED or absent not in (name, "all of these")}
    guard = geetest.guard(App(400), protect=["* /login"], sources=["header", "query", "body"])
    went = await Visit(scope, {"type": "http.request", "body": b""}).run(guard)
    assert went.status == (400 if "query_string" in scope else 403)
