"""The simulator's own pages: tokens, faults and calls over HTTP, for programs and not for pages of other origins."""

import json
import re
from typing import Any
from urllib.parse import parse_qsl

import pytest
from simulators import FORM, OTHER_ID, ask, client, result, send, signed

from geetest_asgi.testing import MAGIC, Call, Simulator

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize(
    ("query", "reason"),
    [
        ("", ""),
        ("?used=1", "pass_token used"),
        ("?used=1&expired=1", "pass_token expire"),
        ("?forged=true", "pass_token error"),
        ("?offline=1", "pass_token error"),
        (f"?captcha_id={OTHER_ID}", "pass_token error"),
        ("?format=form", ""),
    ],
)
async def test_the_token_page_mints_every_kind(simulator: Simulator, query: str, reason: str) -> None:
    reply = await send(simulator, "GET", f"/simulator/token{query}")
    form = "form" in query
    assert reply.headers["content-type"] == (FORM if form else "application/json")
    fields = dict(parse_qsl(reply.text, strict_parsing=True)) if form else reply.json()
    assert (await ask(simulator, signed(fields)))["reason"] == reason


@pytest.mark.parametrize(
    ("order", "status"),
    [
        ({"mode": "down"}, 503),
        ({"mode": "slow", "seconds": "0.01"}, 200),
        ({"mode": "answers", "status": "404", "body": "gone", "content_type": "text/plain"}, 404),
    ],
)
@pytest.mark.parametrize("way", ["params", "data", "json"])
async def test_the_fault_page_sets_a_fault(simulator: Simulator, order: dict[str, str], status: int, way: str) -> None:
    async with client(simulator) as http:
        given: Any = {way: order}
        assert (await http.post("/simulator/fault", **given)).json() == {"mode": order["mode"]}
        assert (await http.get("/simulator/token")).status_code == 200, "the simulator's own pages have no faults"
        assert (await http.get("/validate")).status_code == status
        assert (await http.post("/simulator/fault", data={"mode": "up"})).json() == {"mode": simulator.mode}


async def test_an_order_as_json_has_numbers_a_body_and_headers(simulator: Simulator) -> None:
    order = {"mode": "answers", "status": 418, "body": {"scene": "ж"}, "headers": {"retry-after": "7"}}
    headers = {"content-type": "Application/JSON ; charset=utf-8"}
    await send(simulator, "POST", "/simulator/fault", content=json.dumps(order), headers=headers)
    reply = await send(simulator, "GET", "/validate")
    assert (reply.status_code, reply.json(), reply.headers["retry-after"]) == (418, {"scene": "ж"}, "7")
    await send(simulator, "POST", "/simulator/fault", json={"mode": "error", "code": "-59999", "msg": "new error"})
    assert (await ask(simulator, {}))["msg"] == "new error"


@pytest.mark.parametrize(
    ("method", "page", "hint"),
    [
        ("GET", "token?expird=1", "is no parameter of this page"),
        ("GET", "token?format=xml", "format is 'xml': json or form is wanted"),
        ("POST", "fault", "up, down, hanging, garbled, slow, error"),
        ("POST", "fault?mode=slow&second=2", "one of mode, seconds"),
        ("POST", "fault?mode=answers&headers=x", "a JSON object of strings"),
        *(("POST", f"fault?mode=answers&status={each}", "from 200 to 599") for each in ("199", "ok", "٤٠٤")),
        ("POST", "fault?mode=slow&seconds=nan", "from 0 to 3600"),
        ("POST", "fault?mode=error&code=7", "-50005"),
    ],
)
async def test_a_wrong_parameter_is_told_what_is_right(simulator: Simulator, method: str, page: str, hint: str) -> None:
    refused = await send(simulator, method, f"/simulator/{page}")
    assert (refused.status_code, simulator.mode) == (400, "up")
    assert hint in refused.json()["error"]


@pytest.mark.parametrize(
    ("body", "hint"),
    [
        ("[" * 30000, "no JSON"),
        ("[]", "no object"),
        ('{"mode": null}', "mode is None: a string is wanted"),
        ('{"mode": "answers", "headers": {"a": 1}}', "a JSON object of strings"),
        ('{"mode": "down", "\\ud800": 1}', "no parameter"),
        ('{"mode": "answers", "content_type": "\\u4e2d"}', "can't encode"),
    ],
)
async def test_json_that_is_no_order_is_told_so(simulator: Simulator, body: str, hint: str) -> None:
    headers = {"content-type": "application/json"}
    refused = await send(simulator, "POST", "/simulator/fault", content=body, headers=headers)
    assert (refused.status_code, simulator.mode) == (400, "up")
    assert hint in refused.json()["error"]


CONTROL = [("GET", "token"), ("GET", "calls"), ("POST", "reset"), ("POST", "fault?mode=down")]
STRANGERS: list[dict[str, str]] = [
    {"host": "127.0.0.1.evil.example"},
    {"host": "evil.example:8077", "origin": "http://evil.example:8077"},
    *({"origin": origin} for origin in ("null", "http://localhost:3000", "http://evil.simulator")),
    {"sec-fetch-site": "same-site", "origin": "http://simulator"},
]
FRIENDS: list[dict[str, str]] = [
    *({"host": host} for host in ("[::1]:8077", "LOCALHOST:1", "geetest:8077", "docker.internal")),
    {"host": "localhost", "origin": "https://forwarded.example", "sec-fetch-site": "same-origin"},
    {"sec-fetch-site": "none"},
]


@pytest.mark.parametrize("headers", STRANGERS)
async def test_a_page_of_another_origin_reads_and_orders_nothing(simulator: Simulator, headers: dict[str, str]) -> None:
    await ask(simulator, signed(simulator.token()))
    for method, page in CONTROL:
        refused = await send(simulator, method, f"/simulator/{page}", headers=headers)
        assert (refused.status_code, refused.text[:10]) == (403, "Forbidden:"), page
        assert (await send(simulator, "OPTIONS", f"/simulator/{page}", headers=headers)).status_code == 405
    assert (simulator.mode, len(simulator.calls)) == ("up", 1)


@pytest.mark.parametrize("headers", FRIENDS)
async def test_programs_and_pages_of_its_own_may(simulator: Simulator, headers: dict[str, str]) -> None:
    for method, page in CONTROL:
        assert (await send(simulator, method, f"/simulator/{page}", headers=headers)).status_code == 200, page


async def test_the_calls_are_listed_and_reset_forgets_them_and_fault_and_used_tokens(simulator: Simulator) -> None:
    call = signed(simulator.token())
    await ask(simulator, call)
    simulator.down()
    assert (await send(simulator, "POST", "/simulator/reset")).json() == {"mode": "up"}
    assert (await send(simulator, "GET", "/simulator/calls")).json() == simulator.calls == []
    await send(simulator, "GET", "/validate", params={"captcha_id": "ж"})
    listed = (await send(simulator, "GET", "/simulator/calls")).json()
    assert [Call(**each) for each in listed] == simulator.calls
    assert await result(simulator, call) == "success"


async def test_the_front_page_tells_how_to_use_it(simulator: Simulator) -> None:
    async with client(simulator, "http://127.0.0.1:8077") as http:
        text = (await http.get("/")).text
    assert '<script src="http://127.0.0.1:8077/v4/gt4.js"></script>' in text
    assert [name for name in MAGIC if not re.search(rf"^  {name} +\S", text, re.MULTILINE)] == []
