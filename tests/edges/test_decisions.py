"""What each kind of request meets: the table of outcomes row by row, what hooks have to say, and the three modes."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import anyio
import pytest
from starlette.types import Message, Scope

from geetest_asgi import AfterFailures, GeeTestResult, Limits, Outcome
from geetest_asgi.testing import Simulator

from .servers import SECONDS, GeeTest
from .site import App, Told, later
from .visitors import Visit, cut, form, http_scope, visit

pytestmark = pytest.mark.anyio


class BoomError(Exception):
    """What a hook of the developer's raises."""


def boom(*_: object) -> Any:
    raise BoomError


@dataclass(frozen=True)
class Row:
    """One way into an outcome, and the status that the visitor gets."""

    outcome: Outcome
    status: int = 200
    calls: int = 0
    settings: Mapping[str, Any] = field(default_factory=dict)
    fields: Callable[[GeeTest], dict[str, str]] = GeeTest.token
    fault: Callable[[Simulator], None] = Simulator.up


RETRY = {403: "solve", 413: "never", 503: "later"}
DENY = {"on_unavailable": "deny"}
ROWS = {
    "passed": Row(Outcome.PASSED, calls=1),
    "skipped": Row(Outcome.SKIPPED, settings={"skip": lambda scope: "has an API key"}, fields=lambda _: {}),
    "off": Row(Outcome.SKIPPED, settings={"mode": "off"}, fields=lambda _: {}),
    "missing": Row(Outcome.MISSING, 403, fields=lambda _: {"username": "ada"}),
    "malformed": Row(Outcome.MALFORMED, 403, fields=lambda _: {"lot_number": "x"}),
    "failed": Row(Outcome.FAILED, 403, calls=1, fields=lambda geetest: geetest.token(forged=True)),
    "not accepted": Row(Outcome.FAILED, 403, calls=1, settings={"accept": lambda result, scope: False}),
    "GeeTest's error": Row(Outcome.REFUSED, 403, calls=1, fault=lambda s: s.error("-50005")),
    "too large": Row(Outcome.TOO_LARGE, 413, settings={"limits": Limits(max_body=100)}),
    "no client": Row(Outcome.MISCONFIGURED, 503, settings={"client": boom}),
    "unknown id": Row(Outcome.MISCONFIGURED, 503, calls=1, fault=lambda s: s.error("-50102")),
    "wrong key": Row(Outcome.MISCONFIGURED, 503, calls=1, settings={"captcha_key": "f" * 32}),
    "busy": Row(Outcome.BUSY, 503, settings={"limits": Limits(max_buffered=10)}),
    "down, deny": Row(Outcome.UNAVAILABLE, 503, calls=1, settings=DENY, fault=Simulator.down),
    "down, allow": Row(Outcome.UNAVAILABLE, calls=1, fault=Simulator.down),
    "hanging": Row(Outcome.UNAVAILABLE, calls=1, settings={"timeout": 1.0}, fault=Simulator.hanging),
}


@pytest.mark.parametrize("name", ROWS)
async def test_each_row_of_the_table_in_process(name: str, geetest: GeeTest, app: App) -> None:
    row, told = ROWS[name], Told()
    fields = row.fields(geetest)
    row.fault(geetest.simulator)
    asked = await visit(fields).run(geetest.guard(app, on_result=told, **row.settings))
    assert (told.outcomes, asked.status, len(geetest.calls)) == ([row.outcome], row.status, row.calls)
    assert row.outcome is Outcome.PASSED or told.reasons[0]
    assert told.results[0].allowed is (row.status == 200)
    if row.status == 200:
        assert asked.code == "in"
        assert [seen.result for seen in app.seen] == told.results
        return
    assert app.seen == []
    problem, headers, code = asked.problem, asked.headers, f"captcha_{row.outcome}"
    assert (problem["code"], problem["retry"], problem["status"]) == (code, RETRY[row.status], row.status)
    assert (headers["content-type"], headers["x-geetest-denial"]) == ("application/problem+json", code)
    assert headers["cache-control"] == "no-store"
    assert ("retry-after" in headers) is (row.status == 503)
    assert 0 < int(headers.get("retry-after", 1)) <= 120


@pytest.mark.parametrize("hook", [boom, later(boom)], ids=["at once", "later"])
async def test_a_fault_in_on_result_does_not_matter(
    hook: Any, geetest: GeeTest, app: App, caplog: pytest.LogCaptureFixture
) -> None:
    """It may be asynchronous, and is awaited then."""
    assert (await visit(geetest.token()).run(geetest.guard(app, on_result=hook))).code == "in"
    (fault,) = [vars(record) for record in caplog.records if record.exc_info]
    assert (fault["geetest_hook"], type(fault["exc_info"][1])) == ("on_result", BoomError)


async def test_skip_excuses_a_request_without_reading_or_asking(geetest: GeeTest, app: App) -> None:
    def has_api_key(scope: Scope) -> Any:
        return {b"right": "an API key", b"none": "", b"wrong": False}[dict(scope["headers"])[b"x-api-key"]]

    for skip in (has_api_key, later(has_api_key)):
        guard = geetest.guard(app, skip=skip)
        excused = await visit({"a": "b"}, headers={"x-api-key": "right"}).run(guard)
        assert (excused.code, excused.received) == ("in", 1), "the app alone has read the body"
        assert app.seen[-1].result.reason == "an API key"
        for key in ("none", "wrong"):
            assert (await visit({"a": "b"}, headers={"x-api-key": key}).run(guard)).code == "captcha_missing"
    assert len(app.seen) == 2
    assert geetest.calls == []


async def test_accept_has_the_last_word_on_a_token_that_passed(geetest: GeeTest, app: App) -> None:
    def on_that_path(result: GeeTestResult, scope: Scope) -> bool:
        assert result.verified, "what did not pass is not its business"
        return bool(result.captcha_args["scene"] == "反爬虫" and scope["path"] == "/that")

    for accept in (on_that_path, later(on_that_path)):
        told = Told()
        guard = geetest.guard(app, protect=["/this", "/that"], accept=accept, on_result=told)
        assert (await visit(geetest.token(), path="/this").run(guard)).code == "captcha_failed"
        assert (await visit(geetest.token(), path="/that").run(guard)).code == "in"
        assert (await visit(geetest.token(forged=True), path="/that").run(guard)).code == "captcha_failed"
        assert [result.verified for result in told.results] == [False, True, False]
        assert "accept" in told.reasons[0]


@pytest.mark.parametrize("hook", [boom, later(boom)])
@pytest.mark.parametrize(("name", "row"), [("skip", "missing"), ("accept", "passed"), ("on_denied", "missing")])
async def test_what_a_hook_raises_is_the_apps_error_and_lets_nobody_in(
    name: str, row: str, hook: Any, geetest: GeeTest, app: App
) -> None:
    with pytest.raises(BoomError):
        await visit(ROWS[row].fields(geetest)).run(geetest.guard(app, **{name: hook}))
    assert app.seen == []


@pytest.mark.parametrize("name", [name for name, row in ROWS.items() if row.status != 200])
async def test_monitor_forwards_what_would_be_denied_with_its_body(name: str, geetest: GeeTest, app: App) -> None:
    row, told = ROWS[name], Told()
    fields = row.fields(geetest)
    row.fault(geetest.simulator)
    assert (await visit(fields).run(geetest.guard(app, mode="monitor", on_result=told, **row.settings))).code == "in"
    assert app.seen[0].body == form(fields)
    assert told.results == [app.seen[0].result]
    assert (told.outcomes, told.results[0].allowed) == ([row.outcome], False)


@pytest.mark.parametrize("size", [1, 99, 150, 100_000])
@pytest.mark.parametrize("limits", [Limits(max_body=100), Limits(max_buffered=100)], ids=["too large", "busy"])
async def test_monitor_forwards_the_whole_of_a_body_that_is_not_read_to_its_end(
    limits: Limits, size: int, geetest: GeeTest, app: App
) -> None:
    """However it is cut, and also where the limit is passed in the very last piece. The length is not told before."""
    body = b"x" * 250
    await visit(body=cut(body, size)).run(geetest.guard(app, mode="monitor", limits=limits))
    assert app.seen[0].body == body
    assert app.seen[0].result.outcome in (Outcome.TOO_LARGE, Outcome.BUSY)


async def test_two_guards_in_one_stack_ask_once(geetest: GeeTest, app: App) -> None:
    inner_told, outer_told = Told(), Told()
    inner = geetest.guard(app, protect=None, on_result=inner_told)
    outer = geetest.guard(inner, on_result=outer_told)
    token = geetest.token()
    assert (await visit(token).run(outer)).code == "in"
    assert app.seen[0].body == form(token)
    assert inner_told.outcomes == outer_told.outcomes == [Outcome.PASSED]
    assert inner_told.results[0].elapsed == 0 < outer_told.results[0].elapsed
    assert len(geetest.calls) == 1
    assert (await visit(token).run(outer)).code == "captcha_replayed"
    assert inner_told.outcomes == [Outcome.PASSED]


async def test_of_two_guards_each_judges_by_its_own_rule(geetest: GeeTest, app: App) -> None:
    strict = geetest.guard(app, protect=None, accept=lambda result, scope: False)
    assert (await visit(geetest.token()).run(geetest.guard(strict))).code == "captcha_failed"
    closed = geetest.guard(app, protect=None, on_unavailable="deny")
    geetest.simulator.down()
    assert (await visit(geetest.token()).run(geetest.guard(closed))).code == "captcha_unavailable"
    geetest.simulator.up()
    watching = geetest.guard(geetest.guard(app, protect=None), mode="monitor")
    assert (await visit(geetest.token(forged=True)).run(watching)).code == "captcha_failed"
    assert (await visit().run(watching)).code == "captcha_missing"
    assert app.seen == []


async def test_an_outer_guards_last_word_and_excuse_are_not_the_inner_guards(geetest: GeeTest, app: App) -> None:
    """A guard that only watches denies nobody behind it, and one that wants no captcha lets nobody past the next."""
    watching = geetest.guard(geetest.guard(app), mode="monitor", accept=lambda result, scope: False)
    assert (await visit(geetest.token()).run(watching)).code == "in"
    assert len(geetest.calls) == 1
    excusing = geetest.guard(geetest.guard(app, protect=None), when=AfterFailures(3))
    assert (await visit().run(excusing)).code == "captcha_missing"
    assert (await visit(geetest.token()).run(excusing)).code == "in"
    searching = geetest.guard(geetest.guard(app, protect=None), mode="monitor", sources=["header"])
    assert (await visit(geetest.token()).run(searching)).code == "in"
    other = geetest.guard(geetest.guard(app), mode="monitor", captcha_id="0" * 32)
    assert (await visit(geetest.token()).run(geetest.guard(other))).code == "in", "past a guard of another id"


REQUIRED = {"type", "method", "path"}


@pytest.mark.parametrize("method", ["POST", "OPTIONS"])
@pytest.mark.parametrize("absent", [*sorted(http_scope().keys() - REQUIRED), "all of these"])
async def test_a_scope_may_be_short(absent: str, method: str, geetest: GeeTest) -> None:
    """As those that tests write by hand are, and those of servers that leave out what ASGI lets them."""
    geetest.simulator.down()
    scope = http_scope(method, query=form(geetest.token()))
    scope = {name: value for name, value in scope.items() if name in REQUIRED or absent not in (name, "all of these")}
    guard = geetest.guard(App(400), protect=["* /login"], sources=["header", "query", "body"])
    went = await Visit(scope, {"type": "http.request", "body": b""}).run(guard)
    assert went.status == (400 if "query_string" in scope else 403)


@pytest.mark.parametrize("ends", [True, False])
async def test_monitor_does_not_lose_the_end_of_a_body_whose_time_ran_out(
    ends: bool, geetest: GeeTest, app: App
) -> None:
    """On its last message, after which the app must not wait for another; or before it."""
    body = b"x" * (2 * 1024 * 1024)
    late = visit(body=[body] if ends else [body, b"end"])

    async def receive() -> Message:
        handed: list[Message] = []
        with anyio.CancelScope(shield=bool(late.incoming)):  # the deadline passes while this message is handed over
            await anyio.sleep(0.1)
            handed.append(await Visit.receive(late))
        return handed[0]

    guard = geetest.guard(app, mode="monitor", limits=Limits(body_timeout=0.05, max_body=4 * 1024 * 1024))
    with anyio.fail_after(SECONDS):
        await guard(late.scope, receive, late.send)
    assert app.seen[0].body == (body if ends else body + b"end")
