"""What the guard does to the app's answer: a token kept for one more request, and headers of its own."""

from collections.abc import Sequence
from typing import Any

import pytest
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from geetest_asgi import GeeTestMiddleware, Limits, Outcome, Rule
from geetest_asgi.clearance import Clearance

from .servers import GeeTest
from .site import App
from .visitors import Visit, handshake, unfinished, visit

pytestmark = pytest.mark.anyio


async def outcomes(guard: GeeTestMiddleware, token: dict[str, str], *paths: str) -> list[str]:
    """What becomes of one token that is sent again and again: the app's status, or the denial's code."""
    found = []
    for path in paths:
        asked = await visit(token, path=path).run(guard)
        found.append(asked.code if asked.status == 403 else str(asked.status))
    return found


@pytest.mark.parametrize("status", [400, 422])
async def test_a_forgiven_answer_leaves_the_token_good_for_one_more_request(status: int, geetest: GeeTest) -> None:
    app = App(status)
    guard, token = geetest.guard(app, forgive=(status,)), geetest.token()
    mistyped = await visit(token).run(guard)
    assert (mistyped.status, mistyped.headers["x-geetest-token"]) == (status, "kept")
    app.status = 200
    right = await visit(token).run(guard)
    assert (right.code, "x-geetest-token" in right.headers) == ("in", False)
    assert (await visit(token).run(guard)).code == "captcha_replayed"
    assert len(geetest.calls) == 1
    assert [seen.result.verified for seen in app.seen] == [True, True]


@pytest.mark.parametrize(("status", "forgive"), [(200, [422]), (302, [422]), (303, [422]), (400, [422]), (422, [])])
async def test_another_status_is_not_forgiven(status: int, forgive: list[int], geetest: GeeTest) -> None:
    app = App(status, headers=[(b"location", b"/login")])
    guard, token = geetest.guard(app, forgive=forgive), geetest.token()
    assert "x-geetest-token" not in (await visit(token).run(guard)).headers
    assert (await visit(token).run(guard)).code == "captcha_replayed"


ALIKE: list[tuple[list[Any], str, str]] = [
    # the rules; the method and the path of another rule than the first one's, which has the same name or pattern
    ([Rule("POST /register", name="form"), Rule("POST /login", name="form")], "POST", "/login"),
    ([Rule("/register", methods="POST"), Rule("/register", methods="PUT")], "PUT", "/register"),
]


@pytest.mark.parametrize(("rules", "method", "path"), ALIKE, ids=["a name for two", "the same pattern"])
async def test_a_forgiven_token_is_good_under_its_own_rule_only(
    rules: list[Any], method: str, path: str, geetest: GeeTest
) -> None:
    guard, token = geetest.guard(App(422), protect=rules, forgive=[422]), geetest.token()
    assert (await visit(token, path="/register").run(guard)).headers["x-geetest-token"] == "kept"
    assert (await visit(token, path=path, method=method).run(guard)).code == "captcha_replayed"
    assert (await visit(token, path="/register").run(guard)).status == 422


async def test_only_a_token_that_geetest_verified_is_forgiven(geetest: GeeTest) -> None:
    app, forged = App(422), geetest.token(forged=True)
    watching = geetest.guard(app, forgive=[422], mode="monitor")
    assert "x-geetest-token" not in (await visit(forged).run(watching)).headers
    assert (await visit(forged).run(watching)).status == 422
    assert app.seen[-1].result.outcome is Outcome.REPLAYED
    geetest.simulator.down()
    unverified = await visit(geetest.token()).run(geetest.guard(app, forgive=[422]))
    assert (unverified.status, "x-geetest-token" in unverified.headers) == (422, False)


async def test_accept_has_its_say_about_a_forgiven_token_too(geetest: GeeTest) -> None:
    app, answers = App(422), iter([True, False])
    guard = geetest.guard(app, forgive=[422], accept=lambda result, scope: next(answers))
    token = geetest.token()
    assert await outcomes(guard, token, "/login", "/login") == ["422", "captcha_failed"]


TWO_RULES = ["POST /login", "POST /transfer"]
REDIRECTS: dict[str, tuple[Sequence[str], Sequence[str] | None, list[str], bool]] = {
    # the values of Location; the patterns; the paths to which the token is sent in turn; is it good once more?
    "the path itself": (["/login"], TWO_RULES, ["/login"], True),
    "relative": (["login/"], TWO_RULES, ["/login", "/login/"], True),
    "absolute, with a query": (["https://shop.example/login/?next=%2F"], TWO_RULES, ["/login", "/login/"], True),
    "another spelling": (["/x/../LOGIN"], TWO_RULES, ["/login"], True),
    "another rule's path": (["/transfer"], TWO_RULES, ["/login", "/transfer"], False),
    "another rule's path, and back": (["/transfer"], TWO_RULES, ["/login"], False),
    "no page": (["mailto:login"], TWO_RULES, ["/login"], False),
    "not a URL": (["http://["], TWO_RULES, ["/login"], False),
    "nowhere": ([], TWO_RULES, ["/login"], False),
    "two of them, of which clients follow one or the other": (["/login", "/transfer"], TWO_RULES, ["/login"], False),
    "no patterns, to its own path": (["/login/"], None, ["/login", "/login/"], True),
    "no patterns, to a path behind it": (["/sizes/X"], None, ["/sizes"], False),
    "no patterns, to a path before it": (["/sizes"], None, ["/sizes/X"], False),
}


@pytest.mark.parametrize("status", [307, 308])
@pytest.mark.parametrize("name", REDIRECTS)
async def test_a_redirect_under_the_same_rule_keeps_the_verdict_and_elsewhere_it_spends_the_token(
    name: str, status: int, geetest: GeeTest
) -> None:
    """A handler that acts and redirects by 307, as frameworks do by default, would give the token a second act."""
    locations, protect, paths, kept = REDIRECTS[name]
    app = App(status, headers=[(b"location", each.encode()) for each in locations])
    guard = geetest.guard(app, protect=protect)
    expected = [f"{status}", f"{status}" if kept else "captcha_replayed"]
    assert await outcomes(guard, geetest.token(), paths[0], paths[-1]) == expected
    assert len(geetest.calls) == 1


async def test_a_redirect_under_a_root_path_keeps_the_verdict(geetest: GeeTest) -> None:
    guard, token = geetest.guard(App(307, headers=[(b"location", b"/shop/login/")])), geetest.token()
    for _ in range(2):
        assert (await visit(token, path="/shop/login", root_path="/shop").run(guard)).status == 307


class Never:
    """A `when` that wants no captcha, and the statuses that it is told of."""

    def __init__(self) -> None:
        self.statuses: list[int] = []

    async def wanted(self, scope: Scope, store: Any) -> bool:
        return False

    async def answered(self, scope: Scope, store: Any, status: int) -> None:
        self.statuses.append(status)


START: Message = {"type": "http.response.start", "status": 422, "headers": []}
ANSWERS: dict[str, tuple[list[Message], int]] = {
    "an early hint comes before": ([{"type": "http.response.early_hint", "links": []}, START], 422),
    "a body comes after": ([START, {"type": "http.response.body", "body": b""}], 422),
    "a websocket is accepted": ([{"type": "websocket.accept"}, {"type": "websocket.close"}], 101),
    "a websocket is closed": ([{"type": "websocket.close"}], 403),
    "a websocket is answered": ([{"type": "websocket.http.response.start", "status": 401, "headers": []}], 401),
}


def sending(messages: list[Message]) -> ASGIApp:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        for message in messages:
            await send(message)

    return app


@pytest.mark.parametrize("name", ANSWERS)
async def test_when_is_told_of_each_answer_once(name: str, geetest: GeeTest) -> None:
    (messages, status), when = ANSWERS[name], Never()
    asked = visit() if messages[-1]["type"].startswith("http") else handshake()
    await asked.run(geetest.guard(sending(messages), protect=None, when=when))
    assert (asked.sent, when.statuses) == (messages, [status])


async def test_an_exception_of_when_is_logged_and_the_answer_is_sent(
    geetest: GeeTest, app: App, caplog: pytest.LogCaptureFixture
) -> None:
    class Broken(Never):
        async def answered(self, scope: Scope, store: Any, status: int) -> None:
            raise ZeroDivisionError

    assert (await visit().run(geetest.guard(app, when=Broken()))).code == "in"
    assert [vars(record)["geetest_hook"] for record in caplog.records if record.exc_info] == ["when"]


@pytest.mark.parametrize("status", [200, 307, 422])
async def test_headers_that_can_be_read_once_go_out_whole(status: int, geetest: GeeTest) -> None:
    """ASGI says "iterable": a generator is one."""

    headers = iter([(b"location", b"/login"), (b"set-cookie", b"session=1")])
    app = sending([{"type": "http.response.start", "status": status, "headers": headers}])
    asked = await visit(geetest.token()).run(geetest.guard(app, forgive=[422]))
    sent = [name for name, _ in asked.sent[0]["headers"]]
    assert sent == [b"location", b"set-cookie"] + [b"x-geetest-token"] * (status == 422)


def refused(*pieces: bytes, **headers: str) -> Visit:
    return visit(body=pieces, content_type="text/plain", headers=headers)


async def test_the_rest_of_a_refused_body_is_read_before_the_answer_ends(geetest: GeeTest, app: App) -> None:
    """Without the memory for bodies; but not where the client waits for a "continue" that nobody has said."""
    fields = b"lot_number=a+b&pass_token=a&captcha_output=a&gen_time=1&"
    waits = {"expect": "100-continue"}
    for asked, left in (
        (refused(*[b"a" * 1000] * 9), 0),
        (refused(b"a", b"b", **waits), 2),
        (visit(body=[fields, b"b"], headers=waits), 0),
    ):
        await asked.run(geetest.guard(app, limits=Limits(max_buffered=3000)))
        assert (asked.status, len(asked.incoming)) == (403, left)
        assert [message["type"] for message in asked.sent] == ["http.response.start", "http.response.body"]


ENDS: list[Message] = [{"type": "http.response.body", "body": b"b"}, {"type": "http.response.pathsend", "path": "/"}]


@pytest.mark.parametrize("end", ENDS, ids=lambda end: end["type"])
async def test_the_rest_is_read_once_all_but_the_end_of_the_answer_is_sent(
    end: Message, geetest: GeeTest, app: App
) -> None:
    start: Message = {"type": "http.response.start", "status": 403, "headers": []}
    page = sending([start, {"type": "http.response.body", "body": b"a", "more_body": True}, end])

    async def receive() -> Message:
        sent_before.append(len(asked.sent))
        return await asked.receive()

    sent_before: list[int] = []
    asked = refused(b"1", b"2")
    await geetest.guard(app, on_denied=lambda result, scope: page)(asked.scope, receive, asked.send)
    assert (sent_before, len(asked.sent)) == ([2, 2], 3)


async def test_a_body_that_came_too_slowly_is_not_waited_for_once_more(geetest: GeeTest, app: App) -> None:
    slow = unfinished(b"a")
    limits = Limits(body_timeout=0.05, drain_seconds=3600, drain_bytes=10**9)
    assert (await slow.run(geetest.guard(app, limits=limits))).code == "captcha_too_slow"
    assert slow.received == 2


async def test_a_receive_that_raises_does_not_cost_the_answer(geetest: GeeTest, app: App) -> None:
    asked = unfinished(b"a", content_type="text/plain")

    async def broken() -> Any:
        raise RuntimeError("this server's own")

    await geetest.guard(app)(asked.scope, broken, asked.send)
    assert asked.code == "captcha_missing"


async def test_a_websocket_gets_no_clearance_with_its_handshake(geetest: GeeTest) -> None:
    """Browsers keep no header of it, and a close has none."""
    accept: Message = {"type": "websocket.accept"}
    rules = [Rule("/ws", methods="WEBSOCKET")]
    guard = geetest.guard(sending([accept]), protect=rules, clearance=Clearance("s" * 32), sources=("query",))
    asked = await handshake(query=geetest.token()).run(guard)
    assert asked.sent == [accept]
