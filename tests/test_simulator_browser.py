"""The simulator for browsers, by HTTP: JSONP, callback names, scripts, CORS, and the ids that decide outcomes."""

import json
import re
from collections.abc import Mapping
from typing import Any

import httpx
import pytest
from simulators import OTHER_ID, ask, client, refusal, send, signed
from starlette.applications import Starlette
from starlette.routing import Mount
from starlette.types import ASGIApp

from geetest_asgi import GeeTestClient
from geetest_asgi.testing import DEMO_ID, DEMO_KEY, MAGIC, GeeTest, Simulator, tokens

pytestmark = pytest.mark.anyio
JAVASCRIPT = "text/javascript; charset=utf-8"
HERE = "http://127.0.0.1:8077"
Data = dict[str, Any]


async def get(app: ASGIApp, path: str, headers: Mapping[str, str] | None = None, /, **params: str) -> httpx.Response:
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=HERE) as http:
        return await http.get(path, params=params, headers=headers)


async def load(simulator: Simulator, captcha_id: str = DEMO_ID) -> Data:
    found: Data = (await get(simulator, "/load", captcha_id=captcha_id)).json()["data"]
    return found


def a_try(data: Mapping[str, Any], captcha_id: str = DEMO_ID, w: str = "solved") -> dict[str, str]:
    papers = {name: data[name] for name in ("lot_number", "payload", "process_token")}
    return {**papers, "captcha_id": captcha_id, "w": w, "payload_protocol": "1", "client_type": "web"}


async def verify(simulator: Simulator, data: Data, captcha_id: str = DEMO_ID, /, **changes: str) -> Data:
    """What a try gets: the data, or an error."""
    answer = (await get(simulator, "/verify", **a_try(data, captcha_id) | changes)).json()
    found: Data = answer.get("data", answer)
    return found


async def validate(simulator: Simulator, call: Mapping[str, str]) -> str:
    """What the site is told: its result, reason or code."""
    answer = await ask(simulator, call)
    return str(answer.get("code") or answer["reason"] or answer["result"])


async def test_load_gives_out_a_captcha_and_says_where_its_scripts_are(simulator: Simulator) -> None:
    data = await load(simulator)
    assert data["captcha_type"] == "slide"
    for path in (data["gct_path"], data["static_path"] + data["js"], data["static_path"] + data["css"]):
        assert (await get(simulator, path)).status_code == 200
    assert data["lot_number"] != (await load(simulator))["lot_number"]


REFUSED = [({"captcha_id": OTHER_ID}, "-50102"), ({"captcha_id": DEMO_ID, "risk_type": "<script>"}, "-50001")]


@pytest.mark.parametrize(("asked", "code"), REFUSED)
async def test_load_refuses_as_geetest_does(asked: dict[str, str], code: str) -> None:
    answer = (await get(Simulator({DEMO_ID: DEMO_KEY}), "/load", **asked)).json()
    assert (answer["status"], answer["code"]) == ("error", code)


async def test_the_scripts_are_where_the_browser_found_the_simulator(simulator: Simulator) -> None:
    for host, place in (("[::1]:8077", "[::1]:8077"), ('evil".example/</script>', "127.0.0.1:8077")):
        reply = await get(simulator, "/load", {"host": host}, captcha_id=DEMO_ID)
        assert reply.json()["data"]["static_servers"] == [f"{place}/"]
    app = Starlette(routes=[Mount("/geetest", simulator)])
    data = (await get(app, "/geetest/load", captcha_id=DEMO_ID)).json()["data"]
    assert data["static_servers"] == ["127.0.0.1:8077/geetest/"]
    assert (await get(app, "/geetest" + data["static_path"] + data["js"])).status_code == 200


@pytest.mark.parametrize("path", ["/load", "/verify"])
async def test_jsonp_calls_the_pages_function(simulator: Simulator, path: str) -> None:
    reply = await get(simulator, path, callback="geetest_1700000000000")
    called, argument = re.fullmatch(r"([^(]*)\((.*)\)", reply.text).groups()  # type: ignore[union-attr]
    assert (called, json.loads(argument)["code"]) == ("geetest_1700000000000", "-50101")
    assert (reply.headers["content-type"], reply.headers["cache-control"]) == (JAVASCRIPT, "no-store")


NO_NAMES = ["", "a" * 65, "alert(1)//", "a\n", "a\u2028", "</script><script>alert(1)</script>"]


async def test_a_callback_that_is_more_than_a_name_is_not_repeated_and_uses_nothing_up(simulator: Simulator) -> None:
    data = await load(simulator)
    for name in NO_NAMES:
        for path, asked in (("/load", {"captcha_id": DEMO_ID}), ("/verify", a_try(data))):
            reply = await get(simulator, path, callback=name, **asked)
            assert reply.json() == refusal("-50004")
            assert reply.headers["content-type"] == "application/json"
    assert (await verify(simulator, data))["result"] == "success"


async def test_a_right_try_gives_the_token_of_this_captcha_which_validate_takes(simulator: Simulator) -> None:
    data = await load(simulator)
    answer = await verify(simulator, data)
    assert (answer["result"], answer["fail_count"], answer["lot_number"]) == ("success", 0, data["lot_number"])
    seccode = answer["seccode"]
    assert seccode.keys() == {"captcha_id", "lot_number", "captcha_output", "pass_token", "gen_time"}
    assert await validate(simulator, signed(seccode)) == "success"
    assert [call.result for call in simulator.calls] == ["success"], "the browser's side is no call of the site's"


async def test_a_wrong_try_gives_a_payload_for_the_next_and_each_is_good_for_one(simulator: Simulator) -> None:
    data = await load(simulator)
    for number in (1, 2):
        failed = await verify(simulator, data, w="anything")
        assert (failed["result"], failed["fail_count"]) == ("fail", number)
        assert "seccode" not in failed
        assert (await verify(simulator, data, w="anything"))["code"] == "-50308"
        data |= failed
    assert (await verify(simulator, data))["result"] == "success"
    assert (await verify(simulator, data))["code"] == "-50308"
    simulator.reset()
    assert (await verify(simulator, data))["result"] == "success"


ILL_FITTING: dict[str, list[dict[str, str]]] = {
    "-50101": [{"captcha_id": ""}],
    "-50303": [{"lot_number": "A" * 32}],
    "-50306": [{"captcha_id": OTHER_ID}, {"process_token": "é"}],
    "-50307": [{"payload": payload} for payload in ("é", "1." + "0" * 64, "9" * 5000)],
    "-50001": [{"risk_type": "<script>"}],
}


@pytest.mark.parametrize("code", ILL_FITTING)
async def test_papers_that_do_not_fit_are_refused(simulator: Simulator, code: str) -> None:
    data = await load(simulator)
    for changes in ILL_FITTING[code]:
        assert (await verify(simulator, data, **changes))["code"] == code, changes


async def test_the_script_has_the_origin_that_it_was_fetched_from(simulator: Simulator) -> None:
    async with client(simulator, "https://static.geetest.com") as http:
        reply = await http.get("/v4/gt4.js")
        again = await http.get("/v4/gt4.js", headers={"if-none-match": reply.headers["etag"]})
    assert '"https://static.geetest.com"' in reply.text
    assert (reply.headers["content-type"], reply.headers["cache-control"]) == (JAVASCRIPT, "no-cache")
    assert (again.status_code, again.content) == (304, b"")


@pytest.mark.parametrize("path", ["/v4/bypass.js", "/v4/geebypass.js"])
async def test_a_genuine_script_of_geetest_or_geelab_finds_its_offline_mode(simulator: Simulator, path: str) -> None:
    simulator.offline()
    reply = await get(simulator, path)
    assert (reply.status_code, "window.Geetest4 = function" in reply.text) == (200, True)


async def test_no_path_leads_out_of_the_folder_of_scripts(simulator: Simulator) -> None:
    assert (await get(simulator, "/v4/static/x/js/../gt4.js")).status_code == 404


FOR_WIDGETS = ["/load", "/verify", "/v4/gt4.js", "/load?callback=f", "/load?callback=f()"]
OTHERS = ["/", "/validate", "/nothing", "/simulator/token", "/simulator/token?used=perhaps", "/simulator/fault"]


@pytest.mark.parametrize("path", FOR_WIDGETS + OTHERS)
async def test_what_a_widget_asks_may_be_read_by_any_page_and_nothing_else(simulator: Simulator, path: str) -> None:
    headers = (await get(simulator, path)).headers
    may = path in FOR_WIDGETS
    assert headers.get("access-control-allow-origin") == ("*" if may else None)
    assert headers.get("cross-origin-resource-policy") == ("cross-origin" if may else None)
    assert headers["x-content-type-options"] == "nosniff"


async def test_captcha_args_say_how_this_captcha_was_solved(simulator: Simulator) -> None:
    about = {"risk_type": "match", "client_type": "h5", "user_info": "ж-7"}
    headers = {"user-agent": "Trident" * 40, "referer": "http://shop.example/login"}
    data = (await get(simulator, "/load", captcha_id=DEMO_ID, **about)).json()["data"]
    assert data["captcha_type"] == "match"
    again = data | await verify(simulator, data, w="wrong", **about)
    solved = (await get(simulator, "/verify", headers, **a_try(again) | about)).json()["data"]
    passed = await ask(simulator, signed(solved["seccode"]))
    expected = {"used_type": "match", "client_type": "h5", "user_info": "ж-7", "fail_count": 1, "ip_type": 1}
    expected |= {"lot_number": data["lot_number"], "referer": headers["referer"], "ua": headers["user-agent"][:120]}
    assert passed["captcha_args"].items() >= expected.items()


async def test_offline_is_an_outage_for_browsers_as_well_and_down_is_not(simulator: Simulator) -> None:
    simulator.down()
    assert (await load(simulator))["lot_number"]
    assert (await send(simulator, "POST", "/simulator/fault?mode=offline")).json() == {"mode": "offline"}
    for path in ("/load", "/verify", "/validate"):
        assert (await get(simulator, path, callback="f")).status_code == 503
    simulator.up()
    assert (await get(simulator, "/load", captcha_id="sim-offline")).status_code == 503


OUTCOMES = {
    **dict.fromkeys(("sim-pass", "sim-retry", "sim-one-tap"), ("passed", "")),
    "sim-fail": ("failed", "pass_token error"),
    "sim-expired": ("failed", "pass_token expire"),
    "sim-used": ("failed", "pass_token used"),
    "sim-wrong-key": ("misconfigured", "sign_token error"),
    **dict.fromkeys(("sim-unknown", "sim-no-captcha"), ("misconfigured", "")),
    "sim-error": ("refused", ""),
    **{f"sim-{fault}": ("unavailable", "") for fault in ("down", "slow", "hang", "garbled", "offline")},
}
"""What the guard makes of a good token, and the reason that it is told."""


@pytest.mark.parametrize("captcha_id", MAGIC)
async def test_a_magic_id_decides_what_comes_of_a_good_token(geetest: GeeTest, captcha_id: str) -> None:
    # Only silence is waited out; all else may take its time on a busy machine.
    seconds = 0.2 if captcha_id in ("sim-slow", "sim-hang") else 20.0
    async with GeeTestClient(captcha_id, "any-key", timeout=seconds) as asks:
        result = await asks.validate(geetest.token())
    assert (str(result.outcome), geetest.calls[-1].reason) == OUTCOMES[captcha_id]


async def test_a_magic_id_decides_what_the_browser_is_given(simulator: Simulator) -> None:
    assert (await load(simulator, "sim-one-tap"))["captcha_type"] == "ai"
    for captcha_id, code in (("sim-unknown", "-50102"), ("sim-no-captcha", "-50103")):
        for path in ("/load", "/verify"):
            assert (await get(simulator, path, captcha_id=captcha_id)).json() == refusal(code)


async def test_sim_pass_takes_any_token_again_and_again_if_the_call_is_in_order(simulator: Simulator) -> None:
    call = signed(simulator.token(forged=True), "sim-pass")
    said = [await validate(simulator, call | changes) for changes in ({}, {}, {"gen_time": "abc"})]
    assert said == ["success", "success", "-50005"]


async def test_sim_retry_fails_one_try_at_each_captcha(simulator: Simulator) -> None:
    data = await load(simulator, "sim-retry")
    failed = await verify(simulator, data, "sim-retry")
    solved = await verify(simulator, data | failed, "sim-retry")
    assert (failed["result"], solved["result"], solved["fail_count"]) == ("fail", "success", 1)
    assert tokens.is_genuine("sim-retry", solved["seccode"])


async def test_with_strict_pairs_no_id_is_magic_that_is_not_among_them() -> None:
    simulator = Simulator({DEMO_ID: DEMO_KEY, "sim-fail": "its-key"})
    assert await validate(simulator, signed(simulator.token(), "sim-down")) == "-50102"
    call = signed(simulator.token(captcha_id="sim-fail"), "sim-fail", "another")
    assert await validate(simulator, call) == "sign_token error"
