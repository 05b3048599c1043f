"""The body goes on untouched, and every bound on it holds; behind it the app meets the server itself."""

import json
import random
import time
from collections.abc import Callable
from typing import Any

import anyio
import pytest
from starlette.responses import PlainTextResponse
from starlette.types import Receive, Scope, Send

from geetest_asgi import Limits

from .servers import GeeTest
from .site import App, Told
from .visitors import FORM, Visit, as_parts, cut, form, http_scope, messages, unfinished, visit

pytestmark = pytest.mark.anyio


def urlencoded(token: dict[str, str], noise: bytes) -> tuple[str, bytes]:
    escaped = "".join(f"%{byte:02x}" for byte in noise).encode()
    return FORM, b"user=ada&&=&x=" + escaped + b"&" + form(token) + b"&y=%zz%&;" + escaped


def as_json(token: dict[str, str], noise: bytes) -> tuple[str, bytes]:
    text = json.dumps({"user": noise.decode("latin-1"), **token, "deep": [[{}], None], "é": "\ud83d"}, indent=1)
    return "application/json; charset=utf-8", b"\xef\xbb\xbf \r\n" + text.encode() + b"\n \n"


def multipart(token: dict[str, str], noise: bytes) -> tuple[str, bytes]:
    file = b'--cut-here\r\nContent-Disposition: form-data; name="f"; filename="a\xff.bin"\r\n\r\n' + noise
    # The noise may hold anything but the boundary; a line of its own that nearly is one is a fine trap.
    trap = b"\r\n--cut-her\r\n\r\n--cut-here-not\r\n"
    body = file + trap + b"\r\n" + as_parts(token, "cut-here") + file + b"\r\n--cut-here--\r\nepilogue"
    return "multipart/form-data; boundary=cut-here", body


@pytest.mark.parametrize("size", [1, 7, 64, 1000, 10**9])
@pytest.mark.parametrize("kind", [urlencoded, as_json, multipart])
async def test_the_app_gets_the_same_bytes_however_they_are_cut(
    kind: Callable[[dict[str, str], bytes], tuple[str, bytes]], size: int, geetest: GeeTest, app: App
) -> None:
    noise = random.Random(size).randbytes(300).replace(b"\r\n--", b"")
    content_type, body = kind(geetest.token(), noise)
    pieces = [piece for each in cut(body, size) for piece in (each, b"")]
    assert (await visit(body=pieces, content_type=content_type).run(geetest.guard(app))).code == "in"
    assert app.seen[-1].body == body


@pytest.mark.parametrize("method", ["POST", "GET"])
async def test_an_empty_body_is_an_empty_body(method: str, geetest: GeeTest, app: App) -> None:
    """Let in by the fields of the query, after the body was searched in vain. Both keys are optional in ASGI."""
    guard = geetest.guard(app, protect=None, sources=("body", "query"))
    for incoming in (messages(b""), messages(b"", b"", b""), [{"type": "http.request"}]):
        scope = http_scope(method, headers={"content-type": FORM}, query=form(geetest.token()))
        assert (await Visit(scope, *incoming).run(guard)).code == "in"
        assert app.seen[-1].body == b""


async def test_a_length_past_the_limit_is_refused_before_reading(geetest: GeeTest, app: App) -> None:
    body, told = form(geetest.token()), Told()
    guard = geetest.guard(app, limits=Limits(max_body=len(body)), on_result=told)
    for length, code in ((len(body), "in"), (len(body) + 1, "captcha_too_large")):
        assert (await visit(body=body, headers={"content-length": f"{length}"}).run(guard)).code == code
    assert f"{len(body)} bytes" in told.reasons[1]
    assert len(app.seen) == len(geetest.calls) == 1


async def test_a_multipart_body_may_be_longer_than_the_limit_behind_its_fields(geetest: GeeTest, app: App) -> None:
    fields = as_parts(geetest.token()) + b"--b\r\n"
    body = fields + b'Content-Disposition: form-data; name="f"; filename="f"\r\n\r\n' + b"x" * 5000 + b"\r\n--b--\r\n"
    sent = visit(body=body, content_type="multipart/form-data; boundary=b", headers={"content-length": f"{len(body)}"})
    assert (await sent.run(geetest.guard(app, limits=Limits(max_body=len(fields))))).code == "in"
    assert app.seen[0].body == body


@pytest.mark.parametrize("length", ["0", "-1", "1_0", "abc", "", "٣", "9" * 20, "9" * 5000])
async def test_a_length_is_never_trusted_and_never_raises(length: str, geetest: GeeTest, app: App) -> None:
    """Short of the truth, it changes nothing; and no server vouches for its being a number."""
    body = form(geetest.token())
    answered = await visit(body=body, headers={"content-length": length}).run(geetest.guard(app))
    if length.startswith("9"):
        assert answered.code == "captcha_too_large"
    else:
        assert answered.code == "in"
        assert app.seen[0].body == body


@pytest.mark.parametrize("size", [1, 100, 10**9])
async def test_fields_past_the_limit_are_too_large_and_just_within_are_not(
    size: int, geetest: GeeTest, app: App
) -> None:
    """However the body is cut. The limit counts to the end of the last field, which is the `&` behind it, if any."""
    for end in (b"", b"&", b"&y=1&z=2"):
        told: list[str] = []
        for short in (1, 0):
            fields = b"x=1&" + form(geetest.token())
            guard = geetest.guard(app, limits=Limits(max_body=len(fields + end[:1]) - short))
            told.append((await visit(body=cut(fields + end, size)).run(guard)).code)
        assert told == ["captcha_too_large", "in"]


async def test_a_slow_body_is_408_in_time_and_not_before(geetest: GeeTest, app: App) -> None:
    """The deadline is for the whole body: a byte now and then does not put it off."""
    dripping, told = unfinished(b"x"), Told()

    async def drip() -> None:
        for byte in b"&" + form(geetest.token()):
            dripping.say(*messages(bytes([byte]), ends=False))
            await anyio.sleep(0.01)

    start = time.monotonic()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(drip)
        await dripping.run(geetest.guard(app, limits=Limits(body_timeout=0.3), on_result=told))
        tasks.cancel_scope.cancel()
    assert (dripping.status, dripping.code, dripping.problem["retry"]) == (408, "captcha_too_slow", "solve")
    assert time.monotonic() - start >= 0.3
    assert "0.3 s" in told.reasons[0]
    assert (app.seen, geetest.calls) == ([], [])


@pytest.mark.parametrize(("max_body", "code"), [(2000, "captcha_too_large"), (2**20, "captcha_busy")])
async def test_memory_for_bodies_is_given_back_on_every_way_out(
    max_body: int, code: str, geetest: GeeTest, app: App
) -> None:
    guard = geetest.guard(app, limits=Limits(max_buffered=5000, max_body=max_body))
    for _ in range(20):
        leaving = unfinished(b"x" * 1900)
        leaving.leave()
        await leaving.run(guard)
        assert (await visit(body=b"x" * 1900).run(guard)).code == "captcha_missing"
        assert (await visit(body=cut(b"x" * 6000, 500)).run(guard)).code == code
        assert (await visit(geetest.token()).run(guard)).code == "in"


@pytest.mark.parametrize("mode", ["enforce", "monitor"])
@pytest.mark.parametrize("so_far", [b"", b"lot_number=", None])
async def test_a_visitor_who_leaves_mid_body_costs_nothing(
    so_far: bytes | None, mode: str, geetest: GeeTest, app: App
) -> None:
    leaving = unfinished(form(geetest.token())[:-1] if so_far is None else so_far)
    leaving.leave()
    await leaving.run(geetest.guard(app, mode=mode, on_result=lambda *_: pytest.fail("judged")))
    start = {"type": "http.response.start", "status": 400, "headers": []}
    assert leaving.sent == [start, {"type": "http.response.body"}]
    assert (app.seen, geetest.calls) == ([], [])


async def test_a_server_that_raises_for_an_answer_to_nobody_is_no_fault(geetest: GeeTest, app: App) -> None:
    """ASGI 2.4: `send` raises OSError once the client has disconnected."""
    leaving = unfinished(b"lot")
    leaving.leave()

    async def send(message: Any) -> None:
        raise ConnectionResetError

    await geetest.guard(app)(leaving.scope, leaving.receive, send)
    assert (leaving.received, app.seen) == (2, [])


async def test_the_app_runs_in_the_callers_own_task(geetest: GeeTest) -> None:
    """And so in its context: a variable that is set outside is seen inside, and the other way round."""
    tasks: list[anyio.TaskInfo] = []

    async def inside(scope: Scope, receive: Receive, send: Send) -> None:
        tasks.append(anyio.get_current_task())
        await PlainTextResponse("in")(scope, receive, send)

    await visit(geetest.token()).run(geetest.guard(inside))
    assert tasks == [anyio.get_current_task()]


async def test_every_message_that_the_app_sends_goes_through(geetest: GeeTest) -> None:
    out: list[dict[str, Any]] = [
        {"type": "http.response.early_hint", "links": [b"</style.css>"]},
        {"type": "http.response.start", "status": 200, "headers": [(b"a", b"b")], "trailers": True},
        {"type": "http.response.zerocopysend", "file": 3},
        {"type": "http.response.trailers", "headers": []},
    ]

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        for message in out:
            await send(message)

    asked = await visit(geetest.token()).run(geetest.guard(app))
    assert list(map(id, asked.sent)) == list(map(id, out))


@pytest.mark.parametrize("slow", [0, 0.3])
async def test_a_disconnect_that_comes_while_geetest_is_asked_reaches_the_app_once(
    slow: float, geetest: GeeTest
) -> None:
    """A server may say it once only. Here it is there before anybody listens, and so is the app's to hear."""
    geetest.simulator.slow(slow)
    heard: list[str] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        for _ in range(2):
            heard.append((await receive())["type"])
        with anyio.move_on_after(0.05):
            heard.append((await receive())["type"])

    asked = visit(geetest.token())
    asked.say({"type": "http.disconnect"})
    await asked.run(geetest.guard(app, timeout=1))
    assert heard == ["http.request", "http.disconnect"]
