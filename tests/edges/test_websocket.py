"""The handshake of a websocket: guarded where a rule says so, by fields of the query or the headers.

Hand-made scopes: what a server makes of the messages is its own affair, and the messages are all that ASGI has.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import anyio
import pytest
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse, Response
from starlette.routing import WebSocketRoute
from starlette.types import Message, Scope
from starlette.websockets import WebSocket

from geetest_asgi import GeeTestResult, Outcome, Rule, geetest_result

from .servers import GeeTest
from .site import App
from .visitors import Visit, form, http_scope, in_headers, visit

pytestmark = pytest.mark.anyio

CONNECT: Message = {"type": "websocket.connect"}


def handshake(
    path: str = "/ws",
    query: Mapping[str, str] | None = None,
    headers: Mapping[str, str] | Sequence[tuple[str, str]] = (),
    *incoming: Message,
    http_response: bool = False,
    **more: Any,
) -> Visit:
    """A visitor who opens a websocket; with `http_response` the server can answer it as HTTP."""
    scope = http_scope("GET", path, headers, form(query or {}), **more)
    del scope["method"]
    scope |= {"type": "websocket", "scheme": "ws", "subprotocols": []}
    scope["extensions"] = {"websocket.http.response": {}} if http_response else {}
    return Visit(scope, CONNECT, *incoming)


RULES = ["WEBSOCKET /ws"]
CLOSED = [{"type": "websocket.close", "code": 1008, "reason": "captcha"}]


def no_token(geetest: GeeTest) -> Visit:
    return handshake()


def in_query(geetest: GeeTest) -> Visit:
    return handshake(query=geetest.token())


def in_header(geetest: GeeTest) -> Visit:
    return handshake(headers=in_headers(geetest.token()))


def offline(geetest: GeeTest) -> Visit:
    geetest.simulator.down()
    return handshake(query=geetest.token(offline=True))


OPENED: dict[str, tuple[Callable[[GeeTest], Visit], dict[str, Any], Outcome]] = {
    "a token in the query": (in_query, {}, Outcome.PASSED),
    "a token in the headers": (in_header, {}, Outcome.PASSED),
    "the rule's own source": (in_header, {"protect": [Rule(RULES[0], sources=["header", "body"])]}, Outcome.PASSED),
    "monitor": (no_token, {"mode": "monitor"}, Outcome.MISSING),
    "off": (no_token, {"mode": "off"}, Outcome.SKIPPED),
    "skip": (no_token, {"skip": lambda scope: "staff"}, Outcome.SKIPPED),
    "an outage": (offline, {}, Outcome.UNAVAILABLE),
}


@pytest.mark.parametrize("name", OPENED)
async def test_a_handshake_that_is_let_in_is_the_apps(name: str, geetest: GeeTest, app: App) -> None:
    """With its `connect` message."""
    made, settings, outcome = OPENED[name]
    asked = await made(geetest).run(geetest.guard(app, **{"protect": RULES, **settings}))
    assert [message["type"] for message in asked.sent] == ["websocket.accept", "websocket.close"]
    assert (app.seen[0].result.outcome, app.seen[0].result.rule) == (outcome, RULES[0])


async def test_the_whole_conversation_is_the_apps(geetest: GeeTest) -> None:
    async def talk(websocket: WebSocket) -> None:
        await websocket.accept()
        said = await websocket.receive_text()
        await websocket.send_text(f"{said} {geetest_result(websocket).outcome}")
        with pytest.raises(Exception, match="1001"):
            await websocket.receive_text()

    starlette = Starlette(routes=[WebSocketRoute("/ws", talk)])
    asked = handshake(
        "/ws",
        geetest.token(),
        (),
        {"type": "websocket.receive", "text": "hello"},
        {"type": "websocket.disconnect", "code": 1001},
    )
    await asked.run(geetest.guard(starlette, protect=RULES))
    assert asked.sent[1]["text"] == "hello passed"


def of_an_unknown_id(geetest: GeeTest) -> dict[str, str]:
    geetest.simulator.error("-50102")
    return geetest.token()


DENIED: dict[str, tuple[Callable[[GeeTest], dict[str, str]], int]] = {
    "captcha_missing": (lambda geetest: {}, 403),
    "captcha_malformed": (lambda geetest: {"lot_number": "x"}, 403),
    "captcha_failed": (lambda geetest: geetest.token(forged=True), 403),
    "captcha_misconfigured": (of_an_unknown_id, 503),
}


@pytest.mark.parametrize("http_response", [True, False])
@pytest.mark.parametrize("code", DENIED)
async def test_a_denial_is_an_http_response_where_the_server_can_and_else_closes_before_the_handshake(
    code: str, http_response: bool, geetest: GeeTest, app: App
) -> None:
    """Which servers answer with HTTP 403. The connect message must be received first, as ASGI has it."""
    made, status = DENIED[code]
    asked = await handshake(query=made(geetest), http_response=http_response).run(geetest.guard(app, protect=RULES))
    assert (asked.received, app.seen) == (1, [])
    if not http_response:
        assert asked.sent == CLOSED
        return
    assert (asked.status, asked.code) == (status, code)
    kinds = {message["type"] for message in asked.sent}
    assert kinds == {"websocket.http.response.start", "websocket.http.response.body"}
    assert asked.headers["cache-control"] == "no-store"
    assert "connection" not in asked.headers


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


async def test_a_token_is_replayed_across_websocket_and_http(geetest: GeeTest, app: App) -> None:
    guard = geetest.guard(app, protect=["WEBSOCKET /ws", "POST /login"], sources=("query",))
    token = geetest.token()
    await handshake(query=token).run(guard)
    second = await handshake(query=token).run(guard)
    assert second.sent == CLOSED
    posted = Visit(http_scope(query=form(token)), {"type": "http.request"})
    assert (await posted.run(guard)).code == "captcha_replayed"


async def test_a_token_in_a_place_that_the_rule_does_not_name_is_missing(geetest: GeeTest, app: App) -> None:
    """The body is none of a handshake's."""
    only_header = geetest.guard(app, protect=[Rule(RULES[0], sources=["header", "body"])])
    assert (await in_query(geetest).run(only_header)).sent == CLOSED


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
