"""A rule with `after=True`: the handler asks when its own checks have passed; only an error leaves before."""

import logging
from collections.abc import Callable

import anyio
import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, RedirectResponse, Response, StreamingResponse
from starlette.routing import Route, WebSocketRoute
from starlette.types import ASGIApp, Receive, Scope, Send
from starlette.websockets import WebSocket

from geetest_asgi import ConfigError, GeeTestMiddleware, GeeTestResult, Outcome, Rule, geetest_result

from .support import App, Front, GeeTest, form, visit

each_backend = pytest.mark.anyio


async def register(request: Request) -> Response:
    """A handler as it should be."""
    fields = await request.form()
    if "@" not in str(fields.get("email", "")):
        return PlainTextResponse("no address", 422)
    result = await geetest_result(request).verify()
    return PlainTextResponse("in") if result.allowed else PlainTextResponse("no", 403)


async def forgetful(request: Request) -> Response:
    """Never asks."""
    await request.form()
    return PlainTextResponse("in")


async def deaf(request: Request) -> Response:
    """Asks, and does not listen."""
    await geetest_result(request).verify()
    return PlainTextResponse("in")


def site(handler: Callable[[Request], object], path: str = "/login") -> ASGIApp:
    return Starlette(routes=[Route(path, handler, methods=["POST"])])


@pytest.mark.parametrize("times", [1, 3])
@each_backend
async def test_a_mistyped_form_costs_no_captcha(times: int, geetest: GeeTest) -> None:
    guard = geetest.guard(site(register), after=True)
    token = geetest.token()
    for _ in range(times):
        wrong = await visit(token | {"email": "ada"}).run(guard)
        assert (wrong.status, wrong.body) == (422, b"no address")
    assert geetest.calls == []
    assert (await visit(token | {"email": "ada@example.org"}).run(guard)).code == "in"
    assert len(geetest.calls) == 1


@each_backend
async def test_a_token_counts_once_here_too(geetest: GeeTest) -> None:
    guard = geetest.guard(site(register), after=True)
    token = geetest.token() | {"email": "ada@example.org"}
    answers = [(await visit(token).run(guard)).body for _ in range(3)]
    assert answers == [b"in", b"no", b"no"]
    assert len(geetest.calls) == 1


@each_backend
async def test_without_the_fields_the_handler_is_not_reached(geetest: GeeTest, app: App) -> None:
    guard = geetest.guard(app, after=True)
    assert (await visit({}).run(guard)).code == "captcha_missing"
    assert (await visit(geetest.token() | {"gen_time": "abc"}).run(guard)).code == "captcha_malformed"
    assert app.seen == []


@each_backend
async def test_a_handler_that_never_asks_is_stopped(geetest: GeeTest, caplog: pytest.LogCaptureFixture) -> None:
    guard = geetest.guard(site(forgetful), after=True)
    stopped = await visit(geetest.token()).run(guard)
    assert (stopped.status, stopped.code) == (503, "captcha_misconfigured")
    assert geetest.calls == []
    errors = [record.getMessage() for record in caplog.records if record.levelno == logging.ERROR]
    told = (
        "misconfigured, not allowed ('the handler answered 200 and never asked'): 'POST' '/login' by rule 'POST /login'"
    )
    assert errors == [told]


@each_backend
async def test_observers_hear_of_a_handler_that_never_asks(geetest: GeeTest) -> None:
    """Also in mode "monitor", where its answer leaves all the same."""
    for mode, code in (("enforce", "captcha_misconfigured"), ("monitor", "in")):
        told: list[GeeTestResult] = []
        guard = geetest.guard(
            site(forgetful), after=True, mode=mode, on_result=lambda result, scope, told=told: told.append(result)
        )
        token = geetest.token()
        assert (await visit(token).run(guard)).code == code
        (result,) = told
        assert (result.outcome, result.allowed, result.rule) == (Outcome.MISCONFIGURED, False, "POST /login")
        assert result.reason == "the handler answered 200 and never asked"
        assert result.lot_number == token["lot_number"]
    assert geetest.calls == []


@each_backend
async def test_a_handler_that_does_not_listen_is_stopped(geetest: GeeTest, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    guard = geetest.guard(site(deaf), after=True)
    assert (await visit(geetest.token()).run(guard)).code == "in"
    stopped = await visit(geetest.token(expired=True)).run(guard)
    assert (stopped.status, stopped.code) == (403, "captcha_failed")
    assert "'POST /login': the handler asked, heard failed, and answered 200" in caplog.messages


@pytest.mark.parametrize(("status", "leaves"), [(200, False), (204, False), (303, False), (302, False), (400, True)])
@each_backend
async def test_only_errors_leave_unasked(status: int, leaves: bool, geetest: GeeTest) -> None:
    guard = geetest.guard(App(status=status), after=True)
    assert ((await visit(geetest.token()).run(guard)).status == status) is leaves


@each_backend
async def test_a_stream_is_stopped_whole(geetest: GeeTest) -> None:
    async def stream(request: Request) -> Response:
        await request.body()
        return StreamingResponse(iter(["secret"] * 3))

    stopped = await visit(geetest.token()).run(geetest.guard(site(stream), after=True))
    assert stopped.code == "captcha_misconfigured"
    assert b"secret" not in stopped.body
    assert len(stopped.sent) == 2


@each_backend
async def test_a_redirect_with_the_same_body_needs_no_yes(geetest: GeeTest) -> None:
    """Routers add a slash before any handler runs."""
    guard = geetest.guard(Starlette(routes=[Route("/login/", register, methods=["POST"])]), after=True)
    token = geetest.token() | {"email": "ada@example.org"}
    assert (await visit(token).run(guard)).status == 307
    assert (await visit(token, path="/login/").run(guard)).code == "in"
    assert len(geetest.calls) == 1


@pytest.mark.parametrize("asks", [False, True])
@each_backend
async def test_a_handlers_own_redirect_does_not_leave_with_what_it_carries(asks: bool, geetest: GeeTest) -> None:
    """307 is the status of a RedirectResponse that names none."""

    async def log_in(request: Request) -> Response:
        if asks:
            await geetest_result(request).verify()
        answer = RedirectResponse("/home")
        answer.set_cookie("session", "secret")
        return answer

    stopped = await visit(geetest.token(expired=True)).run(geetest.guard(site(log_in), after=True))
    assert stopped.code == ("captcha_failed" if asks else "captcha_misconfigured")
    assert "set-cookie" not in stopped.headers


@pytest.mark.parametrize(
    ("location", "leaves"),
    [
        ("/new", True),
        ("/new/?next=/", True),
        ("new", True),
        ("https://elsewhere.example/new", True),
        ("//elsewhere.example/%6Eew", True),
        ("?again", True),
        ("", True),
        ("/newer", False),
        ("https://elsewhere.example/", False),
        ("new/../home", False),
        ("https://[elsewhere/new", False),
        (None, False),
    ],
)
@each_backend
async def test_unasked_it_may_go_where_the_guard_sees_it_again(
    location: str | None, leaves: bool, geetest: GeeTest
) -> None:
    headers = [] if location is None else [(b"Location", location.encode())]
    guard = geetest.guard(App(308, headers), protect=["/old", "/new"], after=True)
    assert ((await visit(geetest.token(), path="/old").run(guard)).status == 308) is leaves


@pytest.mark.parametrize(("location", "leaves"), [("/login/", True), ("/home", False)])
@each_backend
async def test_a_guard_on_one_route_knows_that_route(location: str, leaves: bool, geetest: GeeTest) -> None:
    guard = geetest.guard(App(307, [(b"location", location.encode())]), protect=None, after=True)
    assert ((await visit(geetest.token()).run(guard)).status == 307) is leaves


@each_backend
async def test_an_endless_answer_that_is_stopped_lets_the_others_have_their_turn(geetest: GeeTest) -> None:
    async def stream(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        for _ in range(300_000):
            await send({"type": "http.response.body", "body": b"more", "more_body": True})
            if ended:
                return
        raise AssertionError("nobody else had a turn")

    ended: list[bool] = []
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(visit(geetest.token()).run, geetest.guard(stream, after=True))
        await anyio.sleep(0.05)
        ended.append(True)


@each_backend
async def test_a_redirect_after_the_yes_takes_it_along(geetest: GeeTest, app: App) -> None:
    async def moved(request: Request) -> Response:
        assert (await geetest_result(request).verify()).verified
        return RedirectResponse("/new", 308)

    guard = geetest.guard(site(moved, "/old"), protect=[Rule("/old", name="moved")], after=True)
    target = geetest.guard(app, protect=[Rule("/new", name="moved")], store=guard._corridor.store)
    token = geetest.token()
    assert (await visit(token, path="/old").run(guard)).status == 308
    assert (await visit(token, path="/new").run(target)).code == "in"
    assert len(geetest.calls) == 1


@each_backend
async def test_asked_often_and_at_once_it_asks_once(geetest: GeeTest) -> None:
    heard: list[GeeTestResult] = []

    async def eager(request: Request) -> Response:
        async def ask() -> None:
            heard.append(await pending.verify())

        pending = geetest_result(request)
        assert (pending.outcome, pending.allowed, bool(pending)) == (Outcome.MISCONFIGURED, False, False)
        async with anyio.create_task_group() as tasks:
            for _ in range(5):
                tasks.start_soon(ask)
        heard.append(geetest_result(request))
        heard.append(await geetest_result(request).verify())
        return PlainTextResponse("in")

    assert (await visit(geetest.token()).run(geetest.guard(site(eager), after=True))).code == "in"
    assert len(heard) == 7
    assert all(each is heard[0] for each in heard)
    assert len(geetest.calls) == 1


@pytest.mark.parametrize("hook", ["accept", "on_result"])
@each_backend
async def test_a_handler_that_lost_patience_with_a_hook_may_ask_again(hook: str, geetest: GeeTest) -> None:
    """GeeTest has been asked by then: its answer is kept, and the token is not taken for a replay of itself."""

    async def slow_at_first(result: GeeTestResult, scope: Scope) -> bool:
        heard.append(result)
        if len(heard) == 1:
            patience.cancel()
            await anyio.sleep_forever()
        return True

    async def impatient(request: Request) -> Response:
        with patience:
            await geetest_result(request).verify()
        return PlainTextResponse("in" if (await geetest_result(request).verify()).verified else "no")

    heard: list[GeeTestResult] = []
    patience = anyio.CancelScope()
    settings = {hook: slow_at_first}
    assert (await visit(geetest.token()).run(geetest.guard(site(impatient), after=True, **settings))).code == "in"
    assert len(geetest.calls) == 1
    assert len(heard) == (2 if hook == "accept" else 1)


@each_backend
async def test_a_handler_that_lost_patience_with_geetest_leaves_the_token_unspent(geetest: GeeTest) -> None:
    """Law 8: it was not let in, and there was no verdict."""
    waiting = anyio.Event()

    async def impatient(request: Request) -> Response:
        with anyio.move_on_after(0.2 if not waiting.is_set() else None):
            waiting.set()
            await geetest_result(request).verify()
        return PlainTextResponse("in" if geetest_result(request).verified else "too slow", 200)

    guard = geetest.guard(site(impatient), after=True)
    token = geetest.token()
    geetest.simulator.hanging()
    assert (await visit(token).run(guard)).code == "captcha_misconfigured"
    geetest.simulator.up()
    assert (await visit(token).run(guard)).code == "in"


@each_backend
async def test_observers_hear_of_a_decision_once_it_is_made(geetest: GeeTest) -> None:
    told: list[Outcome] = []
    guard = geetest.guard(site(register), after=True, on_result=lambda result, scope: told.append(result.outcome))
    await visit(geetest.token() | {"email": "ada"}).run(guard)
    assert told == []
    await visit(geetest.token() | {"email": "ada@example.org"}).run(guard)
    assert told == [Outcome.PASSED]


@each_backend
async def test_an_outage_is_judged_by_policy(geetest: GeeTest) -> None:
    geetest.simulator.down()
    fields = {"email": "ada@example.org"}
    for policy, body in (("allow", b"in"), ("deny", b"no")):
        guard = geetest.guard(site(register), after=True, on_unavailable=policy)
        assert (await visit(geetest.token() | fields).run(guard)).body == body


@each_backend
async def test_skip_and_accept_have_their_say(geetest: GeeTest, app: App) -> None:
    skipping = geetest.guard(app, after=True, skip=lambda scope: "friend")
    assert (await visit({}).run(skipping)).code == "in"
    assert app.seen[0].result.outcome is Outcome.SKIPPED
    picky = geetest.guard(site(deaf), after=True, accept=lambda result, scope: False)
    assert (await visit(geetest.token()).run(picky)).code == "captcha_failed"


@each_backend
async def test_what_a_hook_raises_gives_the_token_no_second_chance_and_nobody_in(geetest: GeeTest) -> None:
    def accept(result: GeeTestResult, scope: Scope) -> bool:
        raise ZeroDivisionError

    guard = geetest.guard(site(deaf), after=True, accept=accept)
    with pytest.raises(ZeroDivisionError):
        await visit(geetest.token()).run(guard)


@each_backend
async def test_monitoring_stops_nobody(geetest: GeeTest) -> None:
    guard = geetest.guard(site(forgetful), after=True, mode="monitor")
    assert (await visit(geetest.token()).run(guard)).code == "in"
    assert (await visit({}).run(guard)).code == "in"


@each_backend
async def test_a_guard_further_in_asks_and_both_are_content(geetest: GeeTest, app: App) -> None:
    inner = geetest.guard(app)
    outer = geetest.guard(inner, after=True)
    assert (await visit(geetest.token()).run(outer)).code == "in"
    assert app.seen[0].result.outcome is Outcome.PASSED
    assert (await visit(geetest.token(expired=True)).run(outer)).code == "captcha_failed"
    assert len(geetest.calls) == 2


@each_backend
async def test_a_handler_further_in_may_be_the_one_to_ask(geetest: GeeTest) -> None:
    guard = geetest.guard(geetest.guard(site(register), after=True), after=True)
    assert (await visit(geetest.token() | {"email": "ada@example.org"}).run(guard)).code == "in"
    assert (await visit(geetest.token() | {"email": "ada"}).run(guard)).status == 422
    assert len(geetest.calls) == 1


@each_backend
async def test_a_decided_result_can_be_verified_too(geetest: GeeTest) -> None:
    """So a handler need not know which rule it is behind."""
    guard = geetest.guard(site(deaf))
    assert (await visit(geetest.token()).run(guard)).code == "in"
    assert len(geetest.calls) == 1


@each_backend
async def test_a_rule_may_have_it_alone(geetest: GeeTest) -> None:
    guard = geetest.guard(site(forgetful), protect=[Rule("POST /login", after=True), "/x"])
    assert (await visit(geetest.token()).run(guard)).code == "captcha_misconfigured"


@each_backend
async def test_an_error_of_the_app_is_the_apps(geetest: GeeTest) -> None:
    async def broken(scope: Scope, receive: Receive, send: Send) -> None:
        raise ZeroDivisionError

    token = geetest.token()
    with pytest.raises(ZeroDivisionError):
        await visit(token).run(geetest.guard(broken, after=True))
    assert geetest.calls == []


def test_over_a_socket_the_body_is_whole(geetest: GeeTest, front: Front) -> None:
    async def echo(request: Request) -> Response:
        body = await request.body()
        await geetest_result(request).verify()
        return Response(body)

    url = front.put_on(geetest.guard(site(echo), after=True))
    body = form(geetest.token()) + b"&rest=" + b"x" * 300_000
    answer = httpx.post(
        f"{url}/login", content=body, headers={"content-type": "application/x-www-form-urlencoded"}, trust_env=False
    )
    assert answer.content == body


def test_a_websocket_is_asked_about_at_the_handshake(geetest: GeeTest) -> None:
    from starlette.testclient import TestClient

    async def talk(socket: WebSocket) -> None:
        await socket.accept()
        await socket.send_text(geetest_result(socket).outcome)
        await socket.close()

    app = Starlette(routes=[WebSocketRoute("/ws", talk)])
    guard = geetest.guard(app, protect=["WEBSOCKET /ws"], sources=["query"], after=True)
    with TestClient(guard).websocket_connect(f"/ws?{form(geetest.token()).decode()}") as socket:
        assert socket.receive_text() == "passed"


def test_a_denial_in_html_is_shown_for_what_the_handler_forgot(geetest: GeeTest, front: Front) -> None:
    url = front.put_on(geetest.guard(site(forgetful), after=True))
    answer = httpx.post(f"{url}/login", data=geetest.token(), headers={"accept": "text/html"}, trust_env=False)
    assert (answer.status_code, answer.headers["content-type"]) == (503, "text/html; charset=utf-8")


@pytest.mark.parametrize("given", ["yes", 1, None])
def test_it_is_a_yes_or_a_no(given: object) -> None:
    with pytest.raises(ConfigError, match="after="):
        GeeTestMiddleware(App(), captcha_id="a", captcha_key="b", after=given)  # type: ignore[arg-type]


def test_json_handlers_can_be_written_the_same_way(geetest: GeeTest, front: Front) -> None:
    async def order(request: Request) -> Response:
        wanted = await request.json()
        if not wanted.get("items"):
            return JSONResponse({"error": "no items"}, 422)
        result = await geetest_result(request).verify()
        return JSONResponse({"verified": result.verified}, 200 if result.allowed else 403)

    url = front.put_on(geetest.guard(site(order), after=True))
    token = geetest.token()
    assert httpx.post(f"{url}/login", json=token, trust_env=False).status_code == 422
    assert httpx.post(f"{url}/login", json=token | {"items": [1]}, trust_env=False).json() == {"verified": True}
