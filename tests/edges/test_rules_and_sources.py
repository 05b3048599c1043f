"""Which rule a request falls under, where its token is looked for, and what the app finds in its scope."""

from types import SimpleNamespace
from typing import Any

import pytest
from starlette.responses import PlainTextResponse
from starlette.types import Receive, Scope, Send

from geetest_asgi import GeeTestResult, Outcome, Rule, geetest_result

from .servers import GeeTest
from .site import App, Told
from .visitors import FORM, form, http_scope, in_headers, visit

pytestmark = pytest.mark.anyio


async def test_a_result_is_true_only_where_a_human_was_verified(geetest: GeeTest, app: App) -> None:
    token = geetest.token()
    await visit(token).run(geetest.guard(app))
    geetest.simulator.down()
    await visit(geetest.token()).run(geetest.guard(app))
    await visit().run(geetest.guard(app, skip=lambda scope: "why not"))
    await visit().run(geetest.guard(app, mode="monitor"))
    assert [(seen.result.allowed, bool(seen.result), seen.result.unverified) for seen in app.seen] == [
        (True, True, False),
        (True, False, True),
        (True, False, False),
        (False, False, False),
    ]
    passed = app.seen[0].result
    assert (passed.rule, passed.lot_number) == ("POST /login", token["lot_number"])
    assert passed.captcha_args["scene"] == "反爬虫"
    assert 0 < passed.elapsed < 5


def test_geetest_result_finds_the_scope_behind_a2wsgi() -> None:
    result = GeeTestResult(Outcome.PASSED, allowed=True, verified=True)
    environ: dict[str, Any] = {"wsgi.version": (1, 0), "asgi.scope": http_scope(state={"geetest": result})}
    for given in (environ, SimpleNamespace(environ=environ)):  # as Flask's request
        assert geetest_result(given) is result
    with pytest.raises(TypeError):
        geetest_result("POST /login")


async def test_headers_that_can_be_read_once_reach_the_app(geetest: GeeTest, app: App) -> None:
    """ASGI calls them an iterable of iterables; the test client of Falcon 4.4 gives iterators of iterators."""
    asked = visit(geetest.token())
    asked.scope["headers"] = iter([iter(pair) for pair in asked.scope["headers"]])
    assert (await asked.run(geetest.guard(app))).code == "in"
    assert list(app.seen[0].scope["headers"]) == [(b"content-type", FORM.encode())]


async def test_the_scope_that_came_is_the_scope_that_goes_on(geetest: GeeTest) -> None:
    """Middleware further out sees what a router writes into it: `route`, `endpoint`, `path_params`, `state`."""
    seen: list[Scope] = []
    given: list[object] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        seen.append(scope)
        given[:] = [dict(scope), receive, send]
        scope.setdefault("state", {})["user"] = "ada"
        await PlainTextResponse("in")(scope, receive, send)

    guard = geetest.guard(app, protect=["POST /login", "/api/**"], exempt=["/api/webhook"])
    for asked in (visit(path="/open"), visit(path="/api/webhook"), visit(method="GET")):
        before = dict(asked.scope)
        await asked.run(guard)
        assert seen[-1] is asked.scope
        assert given == [before, asked.receive, asked.send], "nothing is added, nothing stands between"
        assert asked.scope == before | {"state": {"user": "ada"}}
    for asked in (visit(geetest.token()), visit(geetest.token(), state={"db": 1})):
        before = dict(asked.scope)
        await asked.run(guard)
        assert seen[-1] is asked.scope
        assert asked.scope["state"].keys() >= {"geetest", "user"}
        assert all(asked.scope[name] is value for name, value in before.items())


@pytest.mark.parametrize("path", ["/users/DEMO/reset", "/users/" + "a" * 2048], ids=["letter case", "too long"])
async def test_a_path_under_two_rules_is_refused_by_neither_even_with_a_token(
    path: str, geetest: GeeTest, app: App
) -> None:
    told, own = Told(), Told()
    hooks: dict[str, Any] = {
        "on_result": own,
        "on_denied": lambda result, scope: PlainTextResponse("the rule's own", 418),
    }
    excusing = Rule("/users/demo/**", skip=lambda scope: "demo", on_unavailable="deny", **hooks)
    guard = geetest.guard(app, protect=[excusing, "/users/**"], on_result=told)
    assert (await visit(geetest.token(), path=path).run(guard)).code == "captcha_malformed"
    assert (geetest.calls, app.seen) == ([], [])
    assert [(each.rule, each.outcome) for each in told.results] == [("", Outcome.MALFORMED)]
    assert own.results == []
    assert (await visit(path="/users/demo/reset").run(guard)).code == "in"


@pytest.mark.parametrize(
    ("first", "second"), [("monitor", "enforce"), ("enforce", "off"), ("monitor", "monitor"), ("off", "monitor")]
)
async def test_it_is_let_in_only_where_no_rule_refuses_anybody(
    first: Any, second: Any, geetest: GeeTest, app: App
) -> None:
    guard = geetest.guard(app, protect=[Rule("/users/demo/**", mode=first), Rule("/users/**", mode=second)])
    answer = await visit(geetest.token(), path="/users/DEMO/reset").run(guard)
    assert answer.code == ("captcha_malformed" if "enforce" in (first, second) else "in")
    assert geetest.calls == []


async def test_sources_are_looked_at_in_order(geetest: GeeTest, app: App) -> None:
    places = {"header": geetest.token(), "query": geetest.token(), "body": geetest.token()}
    for sources in (("header", "query", "body"), ("query", "body", "header"), ("body", "header", "query")):
        full = visit(places["body"], headers=in_headers(places["header"]), query=form(places["query"]))
        await full.run(geetest.guard(app, sources=sources))
        assert geetest.calls[-1].parameters["lot_number"] == places[sources[0]]["lot_number"]
        places[sources[0]] = geetest.token()
    assert len(geetest.calls) == 3


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


async def test_header_and_query_leave_the_body_alone(geetest: GeeTest, app: App) -> None:
    """Which the app alone has read: a form comes in one message."""
    guard = geetest.guard(app, sources=("header", "query"))
    for asked in (visit(headers=in_headers(geetest.token())), visit(query=form(geetest.token()))):
        await asked.run(guard)
        assert asked.received == 1
    denied = await visit(geetest.token(), headers={"expect": "100-continue"}).run(guard)
    assert (denied.code, denied.received) == ("captcha_missing", 0)


PREFLIGHT = {"origin": "https://a.example", "access-control-request-method": "POST"}


async def test_a_preflight_is_handed_on_with_an_empty_body_whatever_comes(geetest: GeeTest, app: App) -> None:
    """HTTP/2 needs no header to announce a body, and a handler may take any method."""
    guard = geetest.guard(app, protect=["* /login"])
    asked = await visit(body=[b"amount=", b"1000"], method="OPTIONS", headers=PREFLIGHT).run(guard)
    assert (asked.code, app.seen[0].body) == ("in", b"")
    assert app.seen[0].scope is asked.scope
    result = app.seen[0].result
    assert (result.outcome, result.reason, result.verified) == (Outcome.SKIPPED, "a CORS preflight", False)


async def test_with_preflight_denied_it_is_a_request_like_others(geetest: GeeTest, app: App) -> None:
    guard = geetest.guard(app, protect=["* /login"], preflight="deny")
    assert (await visit(method="OPTIONS", headers=PREFLIGHT).run(guard)).code == "captcha_missing"
    assert (await visit(geetest.token(), method="OPTIONS", headers=PREFLIGHT).run(guard)).code == "in"
