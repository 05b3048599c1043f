"""The handshake of a websocket: guarded where a rule says so, by fields of the query or the headers."""

from typing import Any

import anyio
import pytest
from starlette.responses import PlainTextResponse, Response
from starlette.types import Scope

from geetest_asgi import GeeTestResult, Outcome, Rule

from .servers import GeeTest
from .site import App
from .visitors import Visit, form, handshake, http_scope, in_headers, visit

pytestmark = pytest.mark.anyio


RULES = ["WEBSOCKET /ws"]
CLOSED = [{"type": "websocket.close", "code": 1008, "reason": "captcha"}]


async def test_a_handshake_that_is_let_in_is_the_apps(geetest: GeeTest, app: App) -> None:
    guard = geetest.guard(app, protect=RULES)
    for asked in (handshake(query=geetest.token()), handshake(headers=in_headers(geetest.token()))):
        await asked.run(guard)
        assert [message["type"] for message in asked.sent] == ["websocket.accept", "websocket.close"]
    assert [(seen.result.outcome, seen.result.rule) for seen in app.seen] == [(Outcome.PASSED, RULES[0])] * 2


async def test_a_rules_own_sources_are_a_handshakes_too(geetest: GeeTest, app: App) -> None:
    """The body is none of a handshake's."""
    guard = geetest.guard(app, protect=[Rule(RULES[0], sources=["header", "body"])])
    assert (await handshake(query=geetest.token()).run(guard)).sent == CLOSED
    assert (await handshake(headers=in_headers(geetest.token())).run(guard)).sent[0] == {"type": "websocket.accept"}


@pytest.mark.parametrize("http_response", [True, False])
@pytest.mark.parametrize(("code", "status"), [("captcha_missing", 403), ("captcha_misconfigured", 503)])
async def test_a_denial_is_an_http_response_where_the_server_can_and_else_closes_before_the_handshake(
    code: str, status: int, http_response: bool, geetest: GeeTest, app: App
) -> None:
    """Which servers answer with HTTP 403. The connect message must be received first, as ASGI has it."""
    geetest.simulator.error("-50102")
    query = {} if code == "captcha_missing" else geetest.token()
    asked = await handshake(query=query, http_response=http_response).run(geetest.guard(app, protect=RULES))
    assert (asked.received, app.seen) == (1, [])
    if not http_response:
        assert asked.sent == CLOSED
        return
    assert (asked.status, asked.code) == (status, code)
    kinds = {message["type"] for message in asked.sent}
    assert kinds == {"websocket.http.response.start", "websocket.http.response.body"}
    assert asked.headers["cache-control"] == "no-store"
    assert ("retry-after" in asked.headers) is (status == 503)
    assert "connection" not in asked.headers


async def test_a_token_is_replayed_across_websocket_and_http(geetest: GeeTest, app: App) -> None:
    guard = geetest.guard(app, protect=["WEBSOCKET /ws", "POST /login"], sources=("query",))
    token = geetest.token()
    await handshake(query=token).run(guard)
    second = await handshake(query=token).run(guard)
    assert second.sent == CLOSED
    posted = Visit(http_scope(query=form(token)), {"type": "http.request"})
    assert (await posted.run(guard)).code == "captcha_replayed"


@pytest.mark.parametrize("method", ["WEBSOCKET", "websocket"])
async def test_a_method_of_that_name_is_no_websocket(method: str, geetest: GeeTest, app: App) -> None:
    """A method is any token: `WEBSOCKET /login HTTP/1.1` is a request over HTTP, and a Django view runs for it."""
    guard = geetest.guard(app, protect=["/login", *RULES])
    assert (await visit(method=method).run(guard)).code == "captcha_missing"
    assert (await visit(method=method, path="/ws").run(guard)).code == "in"


async def test_a_guard_without_patterns_guards_websockets_and_a_pattern_that_does_not_name_them_none(
    geetest: GeeTest, app: App
) -> None:
    assert (await handshake().run(geetest.guard(app, protect=None))).sent == CLOSED
    asked = await handshake().run(geetest.guard(app, protect=["* /**"]))
    assert app.seen[0].scope is asked.scope
    assert asked.sent[0]["type"] == "websocket.accept"


@pytest.mark.parametrize("more", [{}, {"extensions": None}])
async def test_a_scope_without_extensions_is_closed(more: dict[str, Any], geetest: GeeTest, app: App) -> None:
    """`extensions` is optional in ASGI, and may be None."""
    asked = handshake()
    del asked.scope["extensions"]
    asked.scope.update(more)
    assert (await asked.run(geetest.guard(app, protect=RULES))).sent == CLOSED


async def test_a_visitor_who_left_before_the_denial_is_no_error(geetest: GeeTest, app: App) -> None:
    asked = handshake()
    asked.incoming.clear()
    asked.leave()
    with anyio.fail_after(2):
        await asked.run(geetest.guard(app, protect=RULES))
    assert app.seen == []


@pytest.mark.parametrize("http_response", [True, False])
async def test_on_denied_speaks_to_a_websocket_too(http_response: bool, geetest: GeeTest, app: App) -> None:
    told: list[str] = []

    def on_denied(result: GeeTestResult, scope: Scope) -> Response:
        told.append(f"{scope['type']} {result.outcome}")
        return PlainTextResponse("own", 418)

    asked = handshake(http_response=http_response)
    await asked.run(geetest.guard(app, protect=RULES, on_denied=on_denied))
    assert told == ["websocket missing"]
    if http_response:
        assert (asked.status, asked.body) == (418, b"own")
        assert asked.headers["x-geetest-denial"] == "captcha_missing"
    else:
        assert asked.sent == CLOSED


@pytest.mark.parametrize(("down", "mode"), [(True, "enforce"), (False, "monitor"), (False, "off")])
async def test_a_handshake_without_a_verdict_is_let_in_where_the_policy_says_so(
    down: bool, mode: Any, geetest: GeeTest, app: App
) -> None:
    if down:
        geetest.simulator.down()
    asked = handshake(query=geetest.token(offline=True) if down else {})
    await asked.run(geetest.guard(app, protect=RULES, mode=mode))
    assert asked.sent[0] == {"type": "websocket.accept"}
