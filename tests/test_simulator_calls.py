"""How a call may come to the simulator: query and form, any ASGI server; outages on demand; the record of the calls."""

import json
import tracemalloc
from typing import Any
from urllib.parse import urlencode

import anyio
import httpx
import pytest
from simulators import FORM, ask, drive, failure, http_scope, refusal, request, result, send, signed

from geetest_asgi.testing import DEMO_ID, Call, Simulator

pytestmark = pytest.mark.anyio


@pytest.fixture
def call(simulator: Simulator) -> dict[str, str]:
    """One that passes."""
    return signed(simulator.token())


async def validate(
    simulator: Simulator, *, query: str = "", body: bytes = b"", content_type: str = FORM, method: str = "POST"
) -> httpx.Response:
    headers = {"content-type": content_type}
    return await send(simulator, method, f"/validate?{query}", content=body, headers=headers)


@pytest.mark.parametrize("in_query", [0, 1, 3, 5])
@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_query_and_form_make_one_call(
    simulator: Simulator, call: dict[str, str], method: str, in_query: int
) -> None:
    fields = list(call.items())
    query, form = urlencode(fields[:in_query]), urlencode(fields[in_query:])
    reply = await validate(simulator, method=method, query=query, body=form.encode())
    assert reply.json()["result"] == "success"


async def test_a_form_is_known_by_its_content_type(simulator: Simulator) -> None:
    body = urlencode(signed(simulator.token())).encode()
    content_type = f"{FORM.upper()} ; charset=utf-8"
    assert (await validate(simulator, body=body, content_type=content_type)).json()["result"] == "success"
    reply = await validate(simulator, query=f"captcha_id={DEMO_ID}", body=body, content_type="text/plain")
    assert reply.json() == refusal("-50005")


async def test_the_form_counts_before_the_query_and_what_is_no_text_is_a_wrong_value(simulator: Simulator) -> None:
    body = urlencode(signed(simulator.token())).encode()
    reply = await validate(simulator, query="gen_time=abc&client_type=web", body=body)
    assert reply.json()["result"] == "success"
    body = b"gen_time=1&sign_token=\xff\xfe&lot_number=%ff%00"
    reply = await validate(simulator, query=f"captcha_id={DEMO_ID}", body=body)
    assert reply.json() == failure("sign_token error")


async def test_of_a_body_of_more_than_64_kib_little_is_read(simulator: Simulator, call: dict[str, str]) -> None:
    full = (urlencode(call).encode() + b"&more=").ljust(64 * 1024, b"x")
    pieces = [request(full), request(b"x"), *[request(b"x" * 1_000_000)] * 30, request(b"", more=False)]
    tracemalloc.start()
    start, _ = await drive(simulator, http_scope("POST", "/validate"), *pieces)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert start["status"] == 413
    assert not simulator.calls
    assert most < 2_000_000
    assert (await validate(simulator, body=full)).json()["result"] == "success"


STATUSES = {
    200: ["GET /load", "GET /v4/gt4.js", "GET /validate", "GET /simulator/token"],
    400: ["GET /simulator/token?expired=perhaps"],
    404: ["POST /validate/", "GET /v4"],
    405: ["HEAD /validate", "POST /load", "POST /v4/gt4.js", "GET /simulator/fault"],
}


@pytest.mark.parametrize(("status", "line"), [(status, line) for status in STATUSES for line in STATUSES[status]])
async def test_every_answer_has_a_status_and_the_simulators_mark(simulator: Simulator, status: int, line: str) -> None:
    reply = await send(simulator, *line.split())
    assert reply.status_code == status
    assert reply.headers["X-GeeTest-Simulator"] == "1"
    assert ("allow" in reply.headers) == (status == 405)


async def test_a_body_in_pieces_is_read_below_another_app(simulator: Simulator, call: dict[str, str]) -> None:
    escaped = urlencode(call).replace("%3D", "%3d").encode()
    scope = http_scope("POST", "/geetest/validate", root_path="/geetest")
    _, sent = await drive(simulator, scope, *(request(escaped[i : i + 1]) for i in range(len(escaped))))
    answer = json.loads(sent["body"])
    assert (answer["result"], answer["captcha_args"]["user_ip"]) == ("success", "")


async def test_a_lifespan_is_answered_and_a_websocket_or_half_a_body_is_no_call(simulator: Simulator) -> None:
    events = ({"type": "lifespan.startup"}, {"type": "lifespan.shutdown"})
    answered = await drive(simulator, {"type": "lifespan"}, *events)
    assert [message["type"] for message in answered] == ["lifespan.startup.complete", "lifespan.shutdown.complete"]
    assert [message["type"] for message in await drive(simulator, {"type": "websocket"})] == ["websocket.close"]
    assert await drive(simulator, http_scope("POST", "/validate"), request(b"a=b"), {"type": "http.disconnect"}) == []
    assert not simulator.calls


async def post(simulator: Simulator, call: dict[str, str]) -> httpx.Response:
    return await send(simulator, "POST", "/validate", data=call)


async def test_who_gives_up_on_a_slow_answer_has_spent_the_token_and_on_none_has_not(simulator: Simulator) -> None:
    for fault, told, afterwards in (("slow", "success", "pass_token used"), ("hanging", "", "success")):
        call = signed(simulator.token())
        simulator.slow(60) if fault == "slow" else simulator.hanging()
        with anyio.move_on_after(0.05) as waiting:
            await post(simulator, call)
        assert waiting.cancelled_caught
        assert simulator.calls[-1].result == told
        simulator.up()
        assert await result(simulator, call) == afterwards


async def test_error_answers_a_code_of_geetests_and_one_of_ones_own(simulator: Simulator) -> None:
    simulator.error(-50005)
    assert await ask(simulator, {}) == refusal("-50005")
    simulator.error("-59999", "brand new error")
    answer = await ask(simulator, {})
    assert (answer["code"], answer["msg"]) == ("-59999", "brand new error")


def test_a_fault_that_means_nothing_is_a_mistake_and_changes_nothing(simulator: Simulator) -> None:
    with pytest.raises(ValueError, match="-59999"):
        simulator.error("-59999")
    with pytest.raises(ValueError, match="from 0 to 3600"):
        simulator.slow(float("nan"))
    with pytest.raises(ValueError, match="from 200 to 599"):
        simulator.answers(600)
    for body in ('{"result": "success"}', {"score": object()}):
        with pytest.raises(TypeError):
            simulator.answers(body=body)  # type: ignore[arg-type]
    assert simulator.mode == "up"


ANSWERS: list[tuple[dict[str, Any], int, str, tuple[str, str]]] = [
    ({"status": 404, "body": {"scene": "ж"}}, 404, '{"scene": "ж"}', ("content-type", "application/json")),
    ({"body": b"{", "content_type": "text/json; charset=x"}, 200, "{", ("content-type", "text/json; charset=x")),
    ({"status": 302, "headers": {"location": "https://h/"}}, 302, "", ("location", "https://h/")),
]


@pytest.mark.parametrize(("given", "status", "content", "header"), ANSWERS)
async def test_answers_gives_any_fixed_answer(
    simulator: Simulator, given: dict[str, Any], status: int, content: str, header: tuple[str, str]
) -> None:
    simulator.answers(**given)
    reply = await post(simulator, {})
    assert (reply.status_code, reply.content.decode()) == (status, content)
    assert (header[0], reply.headers[header[0]]) == header


async def test_calls_tell_what_was_asked_and_answered(simulator: Simulator, call: dict[str, str]) -> None:
    await ask(simulator, call)
    await send(simulator, "GET", "/validate?captcha_id=x&gen_time=")
    simulator.down()
    await post(simulator, {"lot_number": "a&b"})
    assert simulator.calls == [
        Call("POST", call, FORM, 200, "success", "", ""),
        Call("GET", {"captcha_id": "x", "gen_time": ""}, "", 200, "", "", "-50005"),
        Call("POST", {"lot_number": "a&b"}, FORM, 503, "", "", ""),
    ]


async def test_only_the_last_thousand_calls_are_kept(simulator: Simulator) -> None:
    for number in range(1003):
        await drive(simulator, http_scope("GET", "/validate", query_string=b"n=%d" % number))
    assert [call.parameters["n"] for call in simulator.calls] == [str(number) for number in range(3, 1003)]


async def test_expect_compares_the_answers_and_lists_them(simulator: Simulator, call: dict[str, str]) -> None:
    simulator.expect()
    for each in (call, call, {**call, "gen_time": "abc"}):
        await ask(simulator, each)
    simulator.down()
    await post(simulator, call)
    simulator.hanging()
    assert await drive(simulator, http_scope("POST", "/validate"), request(b"a=b")) == [], "until the client leaves"
    answers = ("success", "pass_token used", "-50005", "HTTP 503", "no answer")
    simulator.expect(*answers)
    for wrong in ((), answers[:-1], answers[::-1]):
        with pytest.raises(AssertionError, match="what it was asked: 5 calls \\('success', 'pass_token used', "):
            simulator.expect(*wrong)
