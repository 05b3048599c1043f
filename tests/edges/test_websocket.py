"""The handshake of a websocket: guarded where a rule says so, by fields of the query or the headers.

Hand-made scopes: what a server makes of the messages is its own affair, and the messages are all that ASGI has.
"""

from collections.abc import Mapping, Sequence
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


@pytest.mark.parametrize("place", ["query", "header"])
async def test_a_token_in_the_query_or_the_headers_opens_it(place: str, geetest: GeeTest, app: App) -> None:
    """By default; the `connect` message is the app's to receive."""
    token = geetest.token()
    asked = handshake(query=token) if place == "query" else handshake(headers=in_headers(token))
    await asked.run(geetest.guard(app, protect=RULES))
    assert [message["type"] for message in asked.sent] == ["websocket.accept", "websocket.close"]
    assert app.seen[0].result.outcome is Outcome.PASSED
    assert app.seen[0].result.rule == "WEBSOCKET /ws"
    assert len(geetest.calls) == 1


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


DENIED: dict[str, tuple[int, str]] = {
    "missing": (403, "captcha_missing"),
    "malformed": (403, "captcha_malformed"),
    "failed": (403, "captcha_failed"),
    "unavailable": (503, "captcha_unavailable"),
}


@pytest.mark.parametrize("http_response", [True, False])
@pytest.mark.parametrize("name", DENIED)
async def test_a_denial_is_an_http_response_where_the_server_can_and_else_closes_before_the_handshake(
    name: str, http_response: bool, geetest: GeeTest, app: App
) -> None:
    """Which servers answer with HTTP 403. The connect message must be received first, as ASGI has it."""
    token: dict[str, str] = {
        "missing": {},
        "malformed": {"lot_number": "x"},
        "failed": geetest.token(forged=True),
        "unavailable": geetest.token(),
    }[name]
    if name == "unavailable":
        geetest.simulator.down()
    asked = handshake(query=token, http_response=http_response)
    await asked.run(geetest.guard(app, protect=RULES, on_unavailable="deny"))
    assert (asked.received, app.seen) == (1, [])
    if not http_response:
        assert asked.sent == CLOSED
        return
    assert (asked.status, asked.code) == DENIED[name]
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


async def test_sources_of_a_rule_hold_for_websockets(geetest: GeeTest, app: App) -> None:
    """The body is none of them: a handshake has no body."""
    only_header = geetest.guard(app, protect=[Rule("WEBSOCKET /ws", sources=["header", "body"])])
    assert (await handshake(query=geetest.token()).run(only_header)).sent == CLOSED
    opened = await handshake(headers=in_headers(geetest.token())).run(only_header)
    assert opened.sent[0]["type"] == "websocket.accept"


SETTINGS: dict[str, tuple[dict[str, Any], Outcome]] = {
    "monitor": ({"mode": "monitor"}, Outcome.MISSING),
    "off": ({"mode": "off"}, Outcome.SKIPPED),
    "skip": ({"skip": lambda scope: "staff"}, Outcome.SKIPPED),
}


@pytest.mark.parametrize("name", SETTINGS)
async def test_modes_and_skip_hold_for_websockets(name: str, geetest: GeeTest, app: App) -> None:
    settings, outcome = SETTINGS[name]
    asked = await handshake().run(geetest.guard(app, protect=RULES, **settings))
    assert asked.sent[0]["type"] == "websocket.accept"
    assert app.seen[0].result.outcome is outcome


async def test_an_outage_lets_a_websocket_in_by_policy(geetest: GeeTest, app: App) -> None:
    geetest.simulator.down()
    asked = await handshake(query=geetest.token(offline=True)).run(geetest.guard(app, protect=RULES))
    assert asked.sent[0]["type"] == "websocket.accept"
    assert not app.seen[0].result.verified


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


async def test_a_scope_without_extensions_is_closed(geetest: GeeTest, app: App) -> None:
    """`extensions` is optional in ASGI, and may be None."""
    for missing in (True, False):
        asked = handshake()
        if missing:
            del asked.scope["extensions"]
        else:
            asked.scope["extensions"] = None
        assert (await asked.run(geetest.guard(app, protect=RULES))).sent == CLOSED


async def test_a_visitor_who_left_before_the_denial_is_no_error(geetest: GeeTest, app: App) -> None:
    asked = handshake()
    asked.incoming.clear()
    asked.leave()
    with anyio.fail_after(2):
        await asked.run(geetest.guard(app, protect=RULES))
    assert app.seen == []
