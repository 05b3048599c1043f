"""The simulator for browsers, by HTTP: JSONP, callback names, scripts, CORS, and the ids that decide outcomes."""

import hashlib
import hmac
import json
import re
import time
from collections.abc import Mapping
from typing import Any

import anyio
import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Mount, Route

from geetest_asgi import GeeTestMiddleware, geetest_result
from geetest_asgi.testing import DEMO_ID, DEMO_KEY, MAGIC, Simulator, tokens

each_backend = pytest.mark.anyio
OTHER_ID = "0123456789abcdef0123456789abcdef"
JAVASCRIPT = "text/javascript; charset=utf-8"


def browser(simulator: Simulator, base_url: str = "http://127.0.0.1:8077") -> httpx.AsyncClient:
    return httpx.AsyncClient(transport=httpx.ASGITransport(app=simulator), base_url=base_url)


async def get(simulator: Simulator, path: str, **parameters: str) -> httpx.Response:
    async with browser(simulator) as http:
        return await http.get(path, params=parameters)


async def load(simulator: Simulator, captcha_id: str = DEMO_ID) -> dict[str, Any]:
    answer = (await get(simulator, "/load", captcha_id=captcha_id)).json()
    assert answer["status"] == "success"
    data: dict[str, Any] = answer["data"]
    return data


def a_try(data: Mapping[str, Any], captcha_id: str = DEMO_ID, w: str = "solved") -> dict[str, str]:
    """What a browser asks `/verify`."""
    papers = {name: data[name] for name in ("lot_number", "payload", "process_token")}
    return {**papers, "captcha_id": captcha_id, "w": w, "payload_protocol": "1", "client_type": "web"}


def signed(fields: Mapping[str, str], key: str = DEMO_KEY) -> dict[str, str]:
    return {**fields, "sign_token": hmac.new(key.encode(), fields["lot_number"].encode(), "sha256").hexdigest()}


# --- /load ------------------------------------------------------------------------------------------------------------


@each_backend
async def test_load_gives_out_a_captcha_and_says_where_its_scripts_are() -> None:
    simulator = Simulator()
    data = await load(simulator)
    assert re.fullmatch("[0-9a-f]{32}", data["lot_number"])
    assert data["captcha_type"] == "slide"
    assert data["static_servers"] == ["127.0.0.1:8077/"]
    for name in ("js", "gct_path", "css"):
        path = data[name] if name == "gct_path" else data["static_path"] + data[name]
        assert (await get(simulator, path)).status_code == 200
    assert data["lot_number"] != (await load(simulator))["lot_number"]


@each_backend
async def test_load_names_the_risk_type_that_was_asked_for() -> None:
    reply = await get(Simulator(), "/load", captcha_id=DEMO_ID, risk_type="match")
    assert reply.json()["data"]["captcha_type"] == "match"


@pytest.mark.parametrize(
    ("pairs", "asked", "code"),
    [
        (None, {}, "-50101"),
        (None, {"captcha_id": ""}, "-50101"),
        ({DEMO_ID: DEMO_KEY}, {"captcha_id": OTHER_ID}, "-50102"),
        ({DEMO_ID: DEMO_KEY}, {"captcha_id": "sim-pass"}, "-50102"),
        (None, {"captcha_id": DEMO_ID, "risk_type": "<script>"}, "-50001"),
    ],
)
@each_backend
async def test_load_refuses_what_geetest_refuses(
    pairs: dict[str, str] | None, asked: dict[str, str], code: str
) -> None:
    answer = (await get(Simulator(pairs), "/load", **asked)).json()
    assert (answer["status"], answer["code"]) == ("error", code)


@pytest.mark.parametrize(
    ("host", "place"),
    [
        ("static.geetest.com", "static.geetest.com/"),
        ("localhost:8077", "localhost:8077/"),
        ("[::1]:8077", "[::1]:8077/"),
        ('evil".example/</script>', "127.0.0.1:8077/"),
        ("user@host", "127.0.0.1:8077/"),
    ],
)
@each_backend
async def test_the_scripts_are_where_the_browser_found_the_simulator(host: str, place: str) -> None:
    async with browser(Simulator()) as http:
        reply = await http.get("/load", params={"captcha_id": DEMO_ID}, headers={"host": host})
    assert reply.json()["data"]["static_servers"] == [place]


@each_backend
async def test_it_says_so_too_where_it_is_mounted_below_another_app() -> None:
    app = Starlette(routes=[Mount("/geetest", Simulator())])
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://localhost") as http:
        data = (await http.get("/geetest/load", params={"captcha_id": DEMO_ID})).json()["data"]
        assert data["static_servers"] == ["localhost/geetest/"]
        assert (await http.get("/geetest" + data["static_path"] + data["js"])).status_code == 200


# --- JSONP ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["geetest_1700000000000", "$", "_", "jQuery$1", "a" * 64])
@pytest.mark.parametrize("path", ["/load", "/verify"])
@each_backend
async def test_jsonp_calls_the_pages_function(path: str, name: str) -> None:
    reply = await get(Simulator(), path, callback=name)
    called, argument = re.fullmatch(r"([^(]*)\((.*)\)", reply.text).groups()  # type: ignore[union-attr]
    assert called == name
    assert json.loads(argument)["code"] == "-50101"
    assert reply.headers["content-type"] == JAVASCRIPT
    assert reply.headers["cache-control"] == "no-store"


@pytest.mark.parametrize(
    "name",
    [
        "",
        "1a",
        "a.b",
        "a" * 65,
        "alert(1)//",
        "a;alert(1)",
        "a\n",
        "a b",
        "</script><script>alert(1)</script>",
        "a[0]",
        "é",
        "\uff41",
        "a\u2028",
        "a\0",
        "%61",
    ],
)
@pytest.mark.parametrize("path", ["/load", "/verify"])
@each_backend
async def test_a_callback_that_is_more_than_a_name_is_an_error_and_is_not_repeated(path: str, name: str) -> None:
    reply = await get(Simulator(), path, callback=name, captcha_id=DEMO_ID)
    assert reply.json() == {"status": "error", "code": "-50004", "msg": "jsonp xss", "desc": {"type": "defined error"}}
    assert reply.headers["content-type"] == "application/json"
    assert reply.headers["x-content-type-options"] == "nosniff"


@each_backend
async def test_a_bad_callback_uses_nothing_up() -> None:
    simulator = Simulator()
    asked = a_try(await load(simulator))
    assert (await get(simulator, "/verify", **asked, callback="a.b")).json()["code"] == "-50004"
    assert (await get(simulator, "/verify", **asked)).json()["data"]["result"] == "success"


# --- /verify ----------------------------------------------------------------------------------------------------------


@each_backend
async def test_a_right_try_gives_the_token_of_this_captcha_which_validate_takes() -> None:
    simulator = Simulator()
    data = await load(simulator)
    answer = (await get(simulator, "/verify", **a_try(data))).json()["data"]
    assert (answer["result"], answer["fail_count"], answer["lot_number"]) == ("success", 0, data["lot_number"])
    seccode = answer["seccode"]
    assert seccode.keys() == {"captcha_id", "lot_number", "captcha_output", "pass_token", "gen_time"}
    assert all(isinstance(value, str) for value in seccode.values())
    assert (await get(simulator, "/validate", **signed(seccode))).json()["result"] == "success"
    assert [call.result for call in simulator.calls] == ["success"], "the browser's side is no call of the site's"


@each_backend
async def test_a_wrong_try_gives_a_payload_for_the_next() -> None:
    simulator = Simulator()
    data = await load(simulator)
    for number in (1, 2):
        failed = (await get(simulator, "/verify", **a_try(data, w="anything"))).json()["data"]
        assert (failed["result"], failed["fail_count"]) == ("fail", number)
        assert "seccode" not in failed
        data |= failed
    assert (await get(simulator, "/verify", **a_try(data))).json()["data"]["result"] == "success"


@pytest.mark.parametrize("w", ["solved", "wrong"])
@each_backend
async def test_a_payload_is_good_for_one_try(w: str) -> None:
    simulator = Simulator()
    asked = a_try(await load(simulator), w=w)
    assert (await get(simulator, "/verify", **asked)).json()["status"] == "success"
    assert (await get(simulator, "/verify", **asked)).json()["code"] == "-50308"


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"captcha_id": ""}, "-50101"),
        ({"captcha_id": OTHER_ID}, "-50306"),
        ({"lot_number": ""}, "-50302"),
        ({"lot_number": "A" * 32}, "-50303"),
        ({"lot_number": "a" * 32}, "-50306"),
        ({"process_token": ""}, "-50306"),
        ({"process_token": "é"}, "-50306"),
        ({"payload": ""}, "-50307"),
        ({"payload": "é"}, "-50307"),
        ({"payload": "1." + "0" * 64}, "-50307"),
        ({"payload": "9" * 5000}, "-50307"),
    ],
)
@each_backend
async def test_papers_that_do_not_fit_are_refused(changes: dict[str, str], code: str) -> None:
    simulator = Simulator()
    asked = a_try(await load(simulator)) | changes
    answer = (await get(simulator, "/verify", **asked)).json()
    assert (answer["status"], answer["code"]) == ("error", code)


@each_backend
async def test_nobody_gives_himself_another_count_of_failures() -> None:
    simulator = Simulator()
    data = await load(simulator, "sim-retry")
    data["payload"] = "1" + data["payload"][1:]
    assert (await get(simulator, "/verify", **a_try(data, "sim-retry"))).json()["code"] == "-50307"


@each_backend
async def test_an_unknown_id_is_refused_at_verify_too() -> None:
    asked = a_try(await load(Simulator(), OTHER_ID), OTHER_ID)
    assert (await get(Simulator({DEMO_ID: DEMO_KEY}), "/verify", **asked)).json()["code"] == "-50102"


# --- scripts ----------------------------------------------------------------------------------------------------------


@each_backend
async def test_the_scripts_have_right_types_and_are_asked_for_again() -> None:
    simulator = Simulator()
    for path in ("/v4/gt4.js", "/v4/ct4.js", "/v4/bypass.js", "/v4/geebypass.js"):
        reply = await get(simulator, path)
        assert reply.status_code == 200
        assert reply.headers["content-type"] == JAVASCRIPT
        assert reply.headers["cache-control"] == "no-cache"
        assert b"{gcaptcha4.css}" not in reply.content
        assert "window.Geetest4 = " in reply.text
        async with browser(simulator) as http:
            again = await http.get(path, headers={"if-none-match": reply.headers["etag"]})
        assert (again.status_code, again.content) == (304, b"")


@each_backend
async def test_the_script_has_the_origin_that_it_was_fetched_from() -> None:
    tags = []
    for origin in ("http://127.0.0.1:8077", "https://static.geetest.com"):
        transport = httpx.ASGITransport(app=Simulator())
        async with httpx.AsyncClient(transport=transport, base_url=origin) as http:
            for path in ("/v4/gt4.js", "/v4/ct4.js"):
                reply = await http.get(path)
                assert f'"{origin}"' in reply.text
                assert "{origin}" not in reply.text
                tags.append(reply.headers["etag"])
    assert tags[0] == tags[1] != tags[2] == tags[3]


@each_backend
async def test_the_widget_is_kept_under_its_digest() -> None:
    simulator = Simulator()
    data = await load(simulator)
    reply = await get(simulator, data["static_path"] + data["js"])
    assert data["static_path"].endswith("/" + hashlib.sha256(reply.content).hexdigest()[:16])
    assert reply.headers["cache-control"] == "public, max-age=31536000, immutable"
    css = await get(simulator, data["static_path"] + data["css"])
    assert css.headers["content-type"] == "text/css; charset=utf-8"
    older = await get(simulator, "/v4/static/0123456789abcdef" + data["js"])
    assert (older.status_code, older.headers["cache-control"]) == (200, "no-cache")


@pytest.mark.parametrize(
    "path",
    [
        "/v4/",
        "/v4/static/",
        "/v4/static/x",
        "/v4/static/x/js/../gt4.js",
        "/v4/static/x/y/js/gcaptcha4.js",
        "/v4/gt4.css",
    ],
)
@each_backend
async def test_there_are_no_other_files(path: str) -> None:
    assert (await get(Simulator(), path)).status_code == 404


# --- pages of other origins -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "path",
    [
        *("/load", "/verify", "/v4/gt4.js", "/v4/bypass.js", "/load?callback=f", "/load?callback=f()"),
    ],
)
@each_backend
async def test_what_a_widget_asks_may_be_read_by_any_page(path: str) -> None:
    reply = await get(Simulator(), path)
    assert reply.headers["access-control-allow-origin"] == "*"
    assert reply.headers["x-content-type-options"] == "nosniff"
    assert reply.headers["cross-origin-resource-policy"] == "cross-origin"
    assert reply.headers["x-geetest-simulator"] == "1"


@pytest.mark.parametrize(
    "path",
    [
        *("/", "/validate", "/nothing", "/simulator/token", "/simulator/calls", "/simulator/token?used=perhaps"),
        *("/simulator/fault", "/simulator/reset"),
    ],
)
@each_backend
async def test_nothing_else_may(path: str) -> None:
    reply = await get(Simulator(), path)
    assert not {"access-control-allow-origin", "cross-origin-resource-policy"} & reply.headers.keys()
    assert reply.headers["x-content-type-options"] == "nosniff"
    assert reply.headers["x-geetest-simulator"] == "1"


@pytest.mark.parametrize("path", ["/load", "/verify", "/v4/gt4.js"])
@each_backend
async def test_a_browsers_question_beforehand_is_answered(path: str) -> None:
    asked = {"origin": "http://localhost:3000", "access-control-request-method": "POST"}
    simulator = Simulator()
    async with browser(simulator) as http:
        reply = await http.options(path, headers={**asked, "access-control-request-headers": "content-type"})
    assert (reply.status_code, reply.content) == (204, b"")
    assert reply.headers["access-control-allow-origin"] == "*"
    assert reply.headers["access-control-allow-methods"] == "GET"
    assert reply.headers["access-control-allow-headers"] == "*"
    assert not simulator.calls


@each_backend
async def test_an_answer_of_ones_own_may_refuse_other_origins() -> None:
    simulator = Simulator()
    simulator.answers(headers={"Access-Control-Allow-Origin": "https://example.org"})
    reply = await get(simulator, "/validate")
    assert reply.headers.get_list("access-control-allow-origin") == ["https://example.org"]


@each_backend
async def test_captcha_args_say_how_this_captcha_was_solved() -> None:
    simulator = Simulator()
    about = {"risk_type": "match", "client_type": "h5", "user_info": "ж-7"}
    async with browser(simulator) as http:
        headers = {"user-agent": "Trident" * 40, "referer": "http://shop.example/login"}
        data = (await http.get("/load", params={"captcha_id": DEMO_ID, **about})).json()["data"]
        failed = await http.get("/verify", params=a_try(data, w="wrong") | about)
        again = a_try({**data, **failed.json()["data"]}) | about
        token = (await http.get("/verify", params=again, headers=headers)).json()["data"]["seccode"]
        passed = (await http.post("/validate", data=signed(token))).json()
        used = (await http.post("/validate", data=signed(token))).json()
    assert (passed["result"], used["reason"]) == ("success", "pass_token used")
    assert passed["captcha_args"] == used["captcha_args"]
    expected = {"used_type": "match", "client_type": "h5", "user_info": "ж-7", "fail_count": 1, "ip_type": 1}
    expected |= {"lot_number": data["lot_number"], "referer": headers["referer"], "ua": headers["user-agent"][:120]}
    assert passed["captcha_args"].items() >= expected.items()


@each_backend
async def test_verify_takes_no_risk_type_that_load_would_not() -> None:
    simulator = Simulator()
    reply = await get(simulator, "/verify", **(a_try(await load(simulator)) | {"risk_type": "<script>"}))
    assert reply.json()["code"] == "-50001"


# --- offline ----------------------------------------------------------------------------------------------------------


@each_backend
async def test_offline_is_an_outage_for_browsers_as_well_and_down_is_not() -> None:
    simulator = Simulator()
    simulator.down()
    assert (await load(simulator))["lot_number"]
    async with browser(simulator) as http:
        assert (await http.post("/simulator/fault?mode=offline")).json() == {"mode": "offline"}
    for path in ("/load?callback=f", "/verify", "/validate"):
        assert (await get(simulator, path)).status_code == 503
    assert (await get(simulator, "/v4/bypass.js")).status_code == 200, "GeeTest's files are on other hosts"
    simulator.up()
    assert (await load(simulator))["lot_number"]


# --- the ids that decide, through the guard ---------------------------------------------------------------------------


async def sent(captcha_id: str, simulator: Simulator, fields: Mapping[str, str]) -> httpx.Response:
    """A form with these fields, posted to an app under guard."""

    async def login(request: Request) -> JSONResponse:
        return JSONResponse({"code": f"reached: {geetest_result(request).outcome}"})

    guarded = GeeTestMiddleware(
        Starlette(routes=[Route("/login", login, methods=["POST"])]),
        protect=["POST /login"],
        captcha_id=captcha_id,
        captcha_key="any-key",
        on_unavailable="deny",
        timeout=1.0,
        client=httpx.AsyncClient(transport=httpx.ASGITransport(app=simulator)),
    )
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=guarded), base_url="http://site") as http:
        return await http.post("/login", data=dict(fields))


OUTCOMES = {
    "sim-pass": "reached: passed",
    "sim-fail": "captcha_failed",
    "sim-expired": "captcha_failed",
    "sim-used": "captcha_failed",
    "sim-wrong-key": "captcha_misconfigured",
    "sim-error": "captcha_refused",
    "sim-unknown": "captcha_misconfigured",
    "sim-down": "captcha_unavailable",
    "sim-slow": "captcha_unavailable",
    "sim-hang": "captcha_unavailable",
    "sim-garbled": "captcha_unavailable",
    "sim-retry": "reached: passed",
    "sim-one-tap": "reached: passed",
    "sim-no-captcha": "captcha_misconfigured",
    "sim-offline": "captcha_unavailable",
}
REASONS = {
    "sim-fail": "pass_token error",
    "sim-expired": "pass_token expire",
    "sim-used": "pass_token used",
    "sim-wrong-key": "sign_token error",
}


def test_every_magic_id_is_tested_here_and_no_other() -> None:
    assert OUTCOMES.keys() == MAGIC.keys()


@pytest.mark.parametrize("captcha_id", OUTCOMES)
@each_backend
async def test_a_magic_id_decides_what_comes_of_a_good_token(captcha_id: str) -> None:
    simulator = Simulator()
    reply = await sent(captcha_id, simulator, simulator.token(captcha_id=captcha_id))
    # Of a client in this process nobody can tell whether it was silent or our own loop was late.
    silent = {"captcha_busy"} if captcha_id in ("sim-slow", "sim-hang") else set[str]()
    assert reply.json()["code"] in {OUTCOMES[captcha_id], *silent}
    assert [call.reason for call in simulator.calls] == [REASONS.get(captcha_id, "")]


@each_backend
async def test_sim_pass_takes_any_token_again_and_again_if_the_call_is_in_order() -> None:
    simulator = Simulator()
    call = signed({**simulator.token(forged=True), "captcha_id": "sim-pass"})
    for _ in range(2):
        assert (await get(simulator, "/validate", **call)).json()["result"] == "success"
    assert (await get(simulator, "/validate", **call | {"gen_time": "abc"})).json()["code"] == "-50005"
    assert (await get(simulator, "/validate", **call | {"sign_token": ""})).json()["reason"] == "sign_token error"


@each_backend
async def test_sim_slow_is_right_and_two_seconds_late() -> None:
    simulator = Simulator()
    call = signed({**simulator.token(captcha_id="sim-slow"), "captcha_id": "sim-slow"})
    began = time.monotonic()
    with anyio.fail_after(10):
        assert (await get(simulator, "/validate", **call)).json()["result"] == "success"
    assert 2 <= time.monotonic() - began < 5


@each_backend
async def test_sim_retry_fails_one_try_at_each_captcha() -> None:
    simulator = Simulator()
    data = await load(simulator, "sim-retry")
    failed = (await get(simulator, "/verify", **a_try(data, "sim-retry"))).json()["data"]
    assert failed["result"] == "fail"
    solved = (await get(simulator, "/verify", **a_try(data | failed, "sim-retry"))).json()["data"]
    assert (solved["result"], solved["fail_count"]) == ("success", 1)
    assert tokens.is_genuine("sim-retry", solved["seccode"])


@pytest.mark.parametrize(("captcha_id", "status", "code"), [("sim-unknown", 200, "-50102"), ("sim-offline", 503, "")])
@each_backend
async def test_two_ids_are_told_to_the_browser_already(captcha_id: str, status: int, code: str) -> None:
    reply = await get(Simulator(), "/load", captcha_id=captcha_id)
    assert reply.status_code == status
    assert not code or reply.json()["code"] == code


@each_backend
async def test_with_strict_pairs_no_id_is_magic_that_is_not_among_them() -> None:
    simulator = Simulator({DEMO_ID: DEMO_KEY, "sim-fail": "its-key"})
    for captcha_id in ("sim-pass", "sim-down"):
        unknown = signed({**simulator.token(), "captcha_id": captcha_id})
        assert (await get(simulator, "/validate", **unknown)).json()["code"] == "-50102"
    for key, reason in (("its-key", "pass_token error"), ("another", "sign_token error")):
        call = signed({**simulator.token(captcha_id="sim-fail"), "captcha_id": "sim-fail"}, key)
        assert (await get(simulator, "/validate", **call)).json()["reason"] == reason


@each_backend
async def test_an_ordered_fault_comes_before_a_magic_id() -> None:
    simulator = Simulator()
    simulator.down()
    call = signed({**simulator.token(), "captcha_id": "sim-pass"})
    assert (await get(simulator, "/validate", **call)).status_code == 503


@each_backend
async def test_the_front_page_lists_the_magic_ids_and_the_script() -> None:
    page = (await get(Simulator(), "/")).text
    assert all(re.search(rf"^  {name} +\S", page, re.MULTILINE) for name in MAGIC)
    assert '<script src="http://127.0.0.1:8077/v4/gt4.js"></script>' in page
    assert 'apiServers and staticServers are ["127.0.0.1:8077"], protocol is "http://"' in page
