"""The key and the token are nowhere but where they belong: in no log, no repr, no traceback, no denial, no URL."""

import logging
import socket
import traceback
from collections.abc import Callable
from typing import Any

import anyio
import pytest
from starlette.types import Receive, Scope, Send

from geetest_asgi.testing import Simulator

from .servers import CLIENTS, Behave, GeeTest, RawServer, http_reply, refusing, reset
from .site import App, Front, Told, raw_request
from .visitors import FORM, form, visit

pytestmark = pytest.mark.anyio


LOGGERS = (None, "geetest_asgi", "httpx", "httpcore", "httpx2", "httpcore2", "uvicorn")


@pytest.fixture
def log(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    """Everything that any logger says from DEBUG on."""
    for name in LOGGERS:
        caplog.set_level(logging.DEBUG, name)
    return caplog


def said(log: pytest.LogCaptureFixture, *names: str) -> str:
    """All that stands in the records of these loggers, or of any."""
    records = [each for each in log.records if each.name in names or not names]
    errors = [each.exc_info[1] for each in records if each.exc_info]
    parts = [f"{each.getMessage()} {vars(each)}" for each in records]
    return "\n".join([*parts, *("".join(traceback.format_exception(error)) for error in errors)])


def secrets_of(geetest: GeeTest, token: dict[str, str]) -> list[str]:
    """What must not be seen, and pieces of it long enough to be of use. The lot number is public, like an order's."""
    whole = [geetest.simulator.captcha_key, token["pass_token"], token["captcha_output"]]
    return [part for each in whole for part in (each[:16], each[-16:].strip("="), each[8:24])]


def assert_none(secrets: list[str], *texts: str) -> None:
    for text in texts:
        found = [secret for secret in secrets if secret and secret in text]
        assert not found, f"{found} stands in {text[:2000]!r}"


FAULTS: dict[str, Callable[[Simulator], None]] = {
    "none": lambda s: s.up(),
    "down": lambda s: s.down(),
    "hanging": lambda s: s.hanging(),
    "an error": lambda s: s.error("-50005"),
    "a redirect": lambda s: s.answers(307, headers={"location": "http://127.0.0.1:9/validate"}),
}


@pytest.mark.slow_except("own-*", "httpx-hanging-*", "httpx2-an error-*")
@pytest.mark.parametrize("kind", ["good", "forged", "replayed", "malformed", "monitored"])
@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("client", CLIENTS)
def test_no_secret_is_logged_or_answered(
    client: str, fault: str, kind: str, geetest: GeeTest, app: App, log: pytest.LogCaptureFixture
) -> None:
    token, told = geetest.token(forged=kind == "forged"), Told()
    if kind == "malformed":
        token["gen_time"] = "abc"
    FAULTS[fault](geetest.simulator)
    mode: Any = "monitor" if kind == "monitored" else "enforce"
    timeout = 0.5 if fault == "hanging" else 5
    guard = geetest.guard(app, client=CLIENTS[client], timeout=timeout, mode=mode, on_result=told)
    answers = [visit(token, headers={"accept": "text/html"}) for _ in range(2 if kind == "replayed" else 1)]

    async def main() -> None:
        for each in answers:
            await each.run(guard)

    anyio.run(main)
    shown = repr({name: value for name, value in vars(guard).items() if name != "app"})
    sent = [str(message) for answer in answers for message in answer.sent]
    assert_none(secrets_of(geetest, token), said(log), shown, repr(told.results), str(told.results[0]), *sent)
    assert said(log, "geetest_asgi")
    if kind == "good" and client != "own":  # it was listened to
        assert said(log, "httpcore2.http11" if client == "httpx2" else "httpcore.http11")


CONNECTION_FAULTS: dict[str, Behave] = {
    "reset": lambda server, connection: reset(connection),
    "the token as a status line": lambda server, connection: connection.sendall(
        server.read_request(connection).partition(b"\r\n\r\n")[2] + b"\r\n\r\n"
    ),
    "echo": lambda server, connection: connection.sendall(http_reply(server.read_request(connection)[-600:])),
}


def keep_silent(server: RawServer, connection: socket.socket) -> None: ...


@pytest.mark.parametrize("fault", [*CONNECTION_FAULTS, "refused"])
@pytest.mark.parametrize("client", CLIENTS)
def test_no_secret_is_in_what_a_failed_call_leaves_behind(
    client: str, fault: str, geetest: GeeTest, app: App, log: pytest.LogCaptureFixture
) -> None:
    token, told = geetest.token(), Told()
    settings: dict[str, Any] = {"client": CLIENTS[client], "on_unavailable": "deny", "on_result": told}
    denied = visit(token)
    with refusing() as nobody, RawServer(CONNECTION_FAULTS.get(fault, keep_silent)) as server:
        url = nobody if fault == "refused" else server.url
        anyio.run(denied.run, geetest.guard(app, api_server=url, timeout=5, **settings))
    assert not told.results[0].allowed
    assert_none(secrets_of(geetest, token), said(log, "geetest_asgi"), repr(told.results), repr(denied.sent))
    if fault != "the token as a status line":  # which httpcore itself puts into its exception, and logs at DEBUG
        assert_none(secrets_of(geetest, token), said(log))


class BoomError(Exception):
    """What the app or a hook raises."""


@pytest.mark.parametrize("where", ["app", "accept", "skip", "on_denied", "on_result", "client"])
def test_no_traceback_shows_a_secret(where: str, geetest: GeeTest, front: Front, log: pytest.LogCaptureFixture) -> None:
    """uvicorn logs the whole of it, causes included."""

    def boom(*_: object) -> Any:
        raise BoomError("what went wrong")

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await App()(scope, receive, boom if where == "app" else send)

    settings: dict[str, Any] = {} if where == "app" else {where: boom}
    token = geetest.token(forged=where == "on_denied")
    front.app = geetest.guard(app, **settings)
    answer = front.talk(raw_request(form(token), f"Content-Type: {FORM}", "Connection: close"))
    assert_none(secrets_of(geetest, token), said(log), answer.decode("latin-1"))
    if where not in ("on_result", "client"):
        assert answer.startswith(b"HTTP/1.1 500 ")
    if where != "client":
        assert "what went wrong" in said(log)
        assert "Traceback" in said(log)


async def test_no_locals_of_ours_hold_the_key_by_name_alone(geetest: GeeTest) -> None:
    """Error trackers show the repr of every local variable. The app raises with all of our frames open above it."""

    async def failing(scope: Scope, receive: Receive, send: Send) -> None:
        raise BoomError

    token = geetest.token()
    with pytest.raises(BoomError) as raised:
        await visit(token).run(geetest.guard(failing))
    frames = [frame for frame, _ in traceback.walk_tb(raised.tb)]
    ours = [frame.f_locals for frame in frames if frame.f_globals["__name__"].startswith("geetest_asgi.")]
    assert len(ours) >= 3
    shown = repr([{name: value for name, value in each.items() if name != "scope"} for each in ours])
    assert_none(secrets_of(geetest, token), shown)


async def test_what_a_visitor_or_geetest_says_cannot_begin_a_line_in_the_log(
    geetest: GeeTest, app: App, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, "geetest_asgi")
    geetest.simulator.answers(
        200, {"status": "error", "code": "1\nroot: in", "msg": "x\r\nroot: in\u2028" + "y" * 5000}
    )
    await visit(geetest.token(), path="/login\nroot: in\x1b[2J" + "z" * 1000).run(geetest.guard(app, protect=["/**"]))
    lines = [record.getMessage() for record in caplog.records if record.name == "geetest_asgi"]
    assert lines
    for line in lines:
        assert line.isprintable()
        assert len(line) < 1000
