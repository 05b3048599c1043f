"""The simulator keeps its word: GeeTest's checks, answers and token formats, outages on demand, a real socket."""

import base64
import gc
import hmac
import json
import os
import re
import secrets
import signal
import socket
import subprocess
import sys
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import FrozenInstanceError
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlencode

import anyio
import httpx
import pytest
from starlette.types import Message, Receive, Scope, Send

from geetest_asgi._config import is_loopback
from geetest_asgi.testing import (
    CODES,
    DEMO_ID,
    DEMO_KEY,
    Fault,
    Simulator,
    _wire,
    command,
    run_simulator,
    serve,
    tokens,
)
from geetest_asgi.testing import _service as service

OTHER_ID = "0123456789abcdef0123456789abcdef"
OTHER_KEY = "fedcba9876543210fedcba9876543210"
ARABIC_DIGITS = "".join(chr(0x660 + int(digit)) for digit in "1700000000")
FORM = "application/x-www-form-urlencoded"
ROOT = Path(__file__).parent.parent

each_backend = pytest.mark.anyio


def sign(lot_number: str, key: str = DEMO_KEY) -> str:
    return hmac.new(key.encode(), lot_number.encode(), "sha256").hexdigest()


def signed(fields: Mapping[str, str], captcha_id: str = DEMO_ID, key: str = DEMO_KEY) -> dict[str, str]:
    """A whole call to /validate about these fields."""
    return {**fields, "captcha_id": captcha_id, "sign_token": sign(fields.get("lot_number", ""), key)}


def client(simulator: Simulator) -> httpx.AsyncClient:
    transport = httpx.ASGITransport(app=simulator, client=("198.51.100.7", 4711))
    return httpx.AsyncClient(transport=transport, base_url="http://simulator")


async def ask(simulator: Simulator, call: Mapping[str, str]) -> dict[str, Any]:
    """Post the call as the documentation recommends: the id in the query, the rest in the form."""
    form = dict(call)
    query = {"captcha_id": form.pop("captcha_id")} if "captcha_id" in form else {}
    async with client(simulator) as http:
        reply = await http.post("/validate", params=query, data=form)
    assert reply.status_code == 200
    assert reply.headers["content-type"] == "application/json"
    answer: dict[str, Any] = reply.json()
    return answer


async def reason(simulator: Simulator, call: Mapping[str, str]) -> str:
    """Why the token did not pass, where the captcha is a genuine one, which the answer is about."""
    answer = await ask(simulator, call)
    assert answer["captcha_args"]["lot_number"] == call["lot_number"]
    said: str = answer["reason"]
    return said


def failure(reason: str) -> dict[str, Any]:
    return {"status": "success", "result": "fail", "reason": reason, "captcha_args": {}}


def refusal(code: str) -> dict[str, Any]:
    return {"status": "error", "code": code, "msg": CODES[code], "desc": {"type": "defined error"}}


def altered(text: str) -> str:
    """The same text with another first character, which keeps a field's shape."""
    return ("1" if text[0] != "1" else "2") + text[1:]


class Clock:
    """Unix seconds that stand still until they are told to move."""

    def __init__(self) -> None:
        self.now = 1_700_000_000.0

    def __call__(self) -> float:
        return self.now


# --- what the service answers -----------------------------------------------------------------------------------------


@each_backend
async def test_a_minted_token_passes_with_the_documented_answer() -> None:
    simulator = Simulator()
    fields = simulator.token()
    assert await ask(simulator, signed(fields)) == {
        "status": "success",
        "result": "success",
        "reason": "",
        "captcha_args": {
            "used_type": "slide",
            "user_ip": "198.51.100.7",
            "ip_type": 1,
            "fail_count": 0,
            "client_type": "web",
            "user_info": "",
            "ua": "",
            "lot_number": fields["lot_number"],
            "scene": "反爬虫",
            "referer": "http://127.0.0.1:8077/",
        },
    }


@pytest.mark.parametrize(
    ("lot_number", "signature"),
    [
        ("4dc3cfc2cdff448cad8d13107198d473", "c99f3aa68104bdcd085f372dc6556a17a5a830a1a3d25125fb0010466977f3d8"),
        ("c4c69a52999045aea1d34b57f1ef29f2", "142733d93745d0fa2538afe1b91f35b06e8011941c052dba337ffe0cd0e024b1"),
        ("", "b8bb62f461a0cdf43d654740132898c1592d62c0739544030dcae4b0eb68a1ee"),
    ],
)
@each_backend
async def test_the_published_signatures_are_the_right_ones(lot_number: str, signature: str) -> None:
    call = {"captcha_id": DEMO_ID, "lot_number": lot_number, "gen_time": "1700000000", "sign_token": signature}
    accepted = failure("pass_token error") if lot_number else refusal("-50302")
    assert await ask(Simulator(), call) == accepted
    assert await ask(Simulator(), {**call, "sign_token": altered(signature)}) == failure("sign_token error")


def wrong_calls() -> dict[str, tuple[dict[str, str | None], dict[str, Any]]]:
    """What is wrong with an otherwise good call (None: left out), and the answer to it."""
    return {
        "no id": ({"captcha_id": None}, refusal("-50101")),
        "blank id": ({"captcha_id": ""}, refusal("-50101")),
        "unknown id": ({"captcha_id": OTHER_ID}, refusal("-50102")),
        "no gen_time": ({"gen_time": None}, refusal("-50005")),
        "blank gen_time": ({"gen_time": ""}, refusal("-50005")),
        "gen_time in letters": ({"gen_time": "abc"}, refusal("-50005")),
        "gen_time below zero": ({"gen_time": "-1700000000"}, refusal("-50005")),
        "gen_time with a point": ({"gen_time": "1700000000.5"}, refusal("-50005")),
        "gen_time in Arabic digits": ({"gen_time": ARABIC_DIGITS}, refusal("-50005")),
        "gen_time of 5000 digits": ({"gen_time": "1" * 5000}, failure("pass_token error")),
        "no signature": ({"sign_token": None}, failure("sign_token error")),
        "blank signature": ({"sign_token": ""}, failure("sign_token error")),
        "signature in capitals": ({"sign_token": sign("a" * 32).upper()}, failure("sign_token error")),
        "signature beyond ASCII": ({"sign_token": "ж" * 64}, failure("sign_token error")),
        "wrong lot number, unsigned": ({"lot_number": "b" * 32}, failure("sign_token error")),
        "blank lot number": ({"lot_number": "", "sign_token": sign("")}, refusal("-50302")),
        "no lot number": ({"lot_number": None, "sign_token": sign("")}, refusal("-50302")),
        "short lot number": ({"lot_number": "abc", "sign_token": sign("abc")}, refusal("-50303")),
        "lot number in capitals": ({"lot_number": "A" * 32, "sign_token": sign("A" * 32)}, refusal("-50303")),
        "no pass_token": ({"pass_token": None}, failure("pass_token error")),
        "pass_token beyond ASCII": ({"pass_token": "ж" * 64}, failure("pass_token error")),
        "no output": ({"captcha_output": None}, failure("pass_token error")),
    }


@pytest.mark.parametrize("name", wrong_calls())
@each_backend
async def test_a_wrong_call_gets_geetests_answer_and_spends_nothing(name: str) -> None:
    changes, expected = wrong_calls()[name]
    simulator = Simulator({DEMO_ID: DEMO_KEY})
    good = signed(simulator.token())
    call = {key: value for key, value in {**good, **changes}.items() if value is not None}
    assert await ask(simulator, call) == expected
    assert (await ask(simulator, good))["result"] == "success"


@pytest.mark.parametrize(
    ("earlier", "later"),
    [
        ({"captcha_id": ""}, {"gen_time": "abc"}),
        ({"captcha_id": OTHER_ID}, {"gen_time": "abc"}),
        ({"gen_time": "abc"}, {"sign_token": "x"}),
        ({"sign_token": "x"}, {"lot_number": ""}),
        ({"lot_number": "", "sign_token": sign("")}, {"pass_token": "x"}),
        ({"lot_number": "abc", "sign_token": sign("abc")}, {"pass_token": "x"}),
    ],
)
@each_backend
async def test_of_two_mistakes_the_earlier_check_speaks(earlier: dict[str, str], later: dict[str, str]) -> None:
    simulator = Simulator({DEMO_ID: DEMO_KEY})
    good = signed(simulator.token())
    alone = await ask(simulator, {**good, **earlier})
    assert alone["reason" if "reason" in alone else "code"]
    assert await ask(simulator, {**good, **later, **earlier}) == alone


@pytest.mark.parametrize("name", ["captcha_output", "pass_token", "gen_time"])
@each_backend
async def test_a_token_with_any_field_altered_is_not_genuine(name: str) -> None:
    simulator = Simulator()
    fields = simulator.token()
    assert await ask(simulator, signed({**fields, name: altered(fields[name])})) == failure("pass_token error")


@each_backend
async def test_a_lot_number_of_another_captcha_does_not_match() -> None:
    simulator = Simulator()
    fields = simulator.token()
    other = simulator.token()["lot_number"]
    assert await ask(simulator, signed({**fields, "lot_number": other})) == refusal("-50304")
    assert (await ask(simulator, signed(fields)))["result"] == "success"


@pytest.mark.parametrize("line", [b"[1]", b"null", b"{", b"[" * 20000, b"\xff"])
@each_backend
async def test_an_output_that_says_nothing_of_its_captcha_is_not_genuine(line: bytes) -> None:
    simulator = Simulator()
    output = base64.urlsafe_b64encode(line + b"\n" + b"x" * 96).decode()
    assert await ask(simulator, signed({**simulator.token(), "captcha_output": output})) == failure("pass_token error")


@pytest.mark.parametrize("captcha_id", ["ж", "two words", '"quoted"', "*", "x" * 65, "line\n"])
@each_backend
async def test_a_malformed_id_is_illegal_where_any_id_is_taken(captcha_id: str) -> None:
    simulator = Simulator()
    assert await ask(simulator, {**signed(simulator.token()), "captcha_id": captcha_id}) == refusal("-50102")
    async with client(simulator) as http:
        assert (await http.get("/load", params={"captcha_id": captcha_id})).json()["code"] == "-50102"
    spelt = Simulator({captcha_id: OTHER_KEY})
    assert (await ask(spelt, signed(spelt.token(), captcha_id, OTHER_KEY)))["result"] == "success"


@each_backend
async def test_fields_of_two_tokens_do_not_mix() -> None:
    simulator = Simulator()
    one, other = simulator.token(), simulator.token()
    mixed = {**one, "captcha_output": other["captcha_output"]}
    assert await ask(simulator, signed(mixed)) == refusal("-50304")
    mixed = {**one, "pass_token": other["pass_token"]}
    assert await ask(simulator, signed(mixed)) == failure("pass_token error")


@each_backend
async def test_a_character_moved_from_one_field_to_the_next_is_noticed() -> None:
    simulator = Simulator()
    fields = simulator.token()
    lot, output = fields["lot_number"], fields["captcha_output"]
    assert not tokens.is_genuine(DEMO_ID, {**fields, "lot_number": lot[:-1], "captcha_output": lot[-1] + output})


@each_backend
async def test_a_token_solved_under_another_id_is_not_genuine() -> None:
    simulator = Simulator({DEMO_ID: DEMO_KEY, OTHER_ID: OTHER_KEY})
    fields = simulator.token(captcha_id=OTHER_ID)
    assert await ask(simulator, signed(fields)) == failure("pass_token error")
    assert (await ask(simulator, signed(fields, OTHER_ID, OTHER_KEY)))["result"] == "success"


@each_backend
async def test_forged_expired_used_and_offline_tokens_are_refused_each_with_its_reason() -> None:
    simulator = Simulator()
    assert await ask(simulator, signed(simulator.token(forged=True))) == failure("pass_token error")
    assert await ask(simulator, signed(simulator.token(offline=True))) == failure("pass_token error")
    assert await reason(simulator, signed(simulator.token(expired=True))) == "pass_token expire"
    assert await reason(simulator, signed(simulator.token(used=True))) == "pass_token used"
    both = simulator.token(used=True, expired=True)
    assert await reason(simulator, signed(both)) == "pass_token expire"


@each_backend
async def test_a_token_passes_once() -> None:
    simulator = Simulator()
    call = signed(simulator.token())
    assert (await ask(simulator, call))["result"] == "success"
    assert await reason(simulator, call) == "pass_token used"


@each_backend
async def test_of_many_copies_at_once_one_passes() -> None:
    simulator = Simulator()
    call = signed(simulator.token())
    results: list[str] = []

    async def one_copy() -> None:
        results.append((await ask(simulator, call))["result"])

    async with anyio.create_task_group() as group:
        for _ in range(20):
            group.start_soon(one_copy)
    assert sorted(results) == ["fail"] * 19 + ["success"]


@each_backend
async def test_a_token_is_valid_for_ten_minutes_by_the_given_clock() -> None:
    clock = Clock()
    simulator = Simulator(clock=clock)
    in_time, too_late = signed(simulator.token()), signed(simulator.token())
    clock.now += 600
    assert (await ask(simulator, in_time))["result"] == "success"
    clock.now += 1
    assert await reason(simulator, too_late) == "pass_token expire"


# --- whose pairs ------------------------------------------------------------------------------------------------------


def test_without_pairs_the_public_demonstration_pair_is_the_simulators() -> None:
    assert (Simulator().captcha_id, Simulator().captcha_key) == (DEMO_ID, DEMO_KEY)
    assert (DEMO_ID, DEMO_KEY) == ("647f5ed2ed8acb4be36784e01556bb71", "b09a7aafbfd83f73b35a9b530d0337bf")


def test_with_pairs_the_first_one_is_the_simulators() -> None:
    simulator = Simulator({OTHER_ID: OTHER_KEY, DEMO_ID: DEMO_KEY})
    assert (simulator.captcha_id, simulator.captcha_key) == (OTHER_ID, OTHER_KEY)
    assert tokens.is_genuine(OTHER_ID, simulator.token())


def test_an_empty_mapping_of_pairs_is_a_mistake() -> None:
    with pytest.raises(ValueError, match="pairs is empty"):
        Simulator({})


@each_backend
async def test_without_pairs_any_other_id_is_taken_with_anything_like_a_signature() -> None:
    simulator = Simulator()
    call = signed(simulator.token(captcha_id=OTHER_ID), OTHER_ID, "a key that the simulator never saw")
    assert await ask(simulator, {**call, "sign_token": "unsigned"}) == failure("sign_token error")
    assert (await ask(simulator, call))["result"] == "success"


@each_backend
async def test_without_pairs_the_public_ids_signature_is_strict() -> None:
    simulator = Simulator()
    call = signed(simulator.token(), key=OTHER_KEY)
    assert await ask(simulator, call) == failure("sign_token error")


@each_backend
async def test_with_pairs_each_id_has_its_own_key() -> None:
    simulator = Simulator({DEMO_ID: DEMO_KEY, OTHER_ID: OTHER_KEY})
    fields = simulator.token(captcha_id=OTHER_ID)
    assert await ask(simulator, signed(fields, OTHER_ID, DEMO_KEY)) == failure("sign_token error")
    assert (await ask(simulator, signed(fields, OTHER_ID, OTHER_KEY)))["result"] == "success"


def test_a_later_change_of_the_callers_mapping_changes_nothing() -> None:
    pairs = {OTHER_ID: OTHER_KEY}
    simulator = Simulator(pairs)
    pairs.clear()
    assert simulator.captcha_key == OTHER_KEY


def test_repr_does_not_show_the_key() -> None:
    simulator = Simulator({OTHER_ID: OTHER_KEY})
    assert OTHER_KEY not in repr(simulator)
    assert OTHER_ID in repr(simulator)
    simulator.slow(1)
    assert "slow" in repr(simulator)


# --- tokens -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [{}, {"expired": True}, {"used": True}, {"forged": True}])
def test_tokens_have_geetests_shapes(kind: dict[str, bool]) -> None:
    simulator = Simulator()
    for _ in range(50):
        fields = simulator.token(**kind)  # type: ignore[arg-type]
        assert fields.keys() == {"lot_number", "captcha_output", "pass_token", "gen_time"}
        assert re.fullmatch("[0-9a-f]{32}", fields["lot_number"])
        assert re.fullmatch("[0-9a-f]{64}", fields["pass_token"])
        assert re.fullmatch("[0-9]{10}", fields["gen_time"])
        output = fields["captcha_output"]
        assert re.fullmatch("[0-9A-Za-z_-]+={0,2}", output)
        assert 128 <= len(output) <= 512
        assert 96 <= len(base64.urlsafe_b64decode(output)) <= 384


def test_outputs_vary_in_length_and_padding() -> None:
    outputs = [Simulator().token()["captcha_output"] for _ in range(200)]
    assert {output.count("=") for output in outputs} == {0, 1, 2}
    assert len({len(output) for output in outputs}) > 20


@pytest.mark.parametrize(("draw", "size"), [(lambda bound: 0, 96), (lambda bound: bound - 1, 384)])
def test_outputs_have_96_to_384_bytes(draw: Callable[[int], int], size: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(secrets, "randbelow", draw)
    assert len(base64.urlsafe_b64decode(Simulator().token()["captcha_output"])) == size


def test_every_token_is_another() -> None:
    minted = [Simulator().token() for _ in range(100)]
    assert all(len({fields[name] for fields in minted}) == 100 for name in ("lot_number", "pass_token"))


def test_gen_time_is_the_clocks_and_an_expired_one_is_an_hour_old() -> None:
    simulator = Simulator(clock=Clock())
    assert simulator.token()["gen_time"] == "1700000000"
    assert simulator.token(expired=True)["gen_time"] == str(1_700_000_000 - 3600)


def test_gen_time_keeps_ten_digits_whatever_the_clock() -> None:
    assert Simulator(clock=lambda: 7.5).token()["gen_time"] == "0000000007"
    assert Simulator(clock=lambda: 7.5).token(expired=True)["gen_time"] == "0000000000"


def test_the_offline_token_is_gt4s_constant() -> None:
    fields = Simulator().token(offline=True, expired=True, captcha_id=OTHER_ID)
    assert fields["lot_number"] == "V000000cabf2f4f37bbb10c358b865c41"
    assert fields["captcha_output"] == "1X_RK3ag_IklW15iHhSywQ=="
    assert fields["gen_time"] == "1623828054"
    assert fields["pass_token"] == "2cc051e0" + "0" * 56
    fields.clear()
    assert Simulator().token(offline=True), "the constant itself is not handed out"


@each_backend
async def test_a_token_of_another_process_is_genuine_here() -> None:
    script = "import json; from geetest_asgi.testing import Simulator; print(json.dumps(Simulator().token()))"
    minted = subprocess.run(
        [sys.executable, "-c", script], check=True, capture_output=True, env={**os.environ, "PYTHONPATH": str(ROOT)}
    )
    assert (await ask(Simulator(), signed(json.loads(minted.stdout))))["result"] == "success"


class SlowToSay(OrderedDict[str, None]):
    """Leaves time for another thread between the look and the record."""

    def __contains__(self, key: object) -> bool:
        known = super().__contains__(key)
        time.sleep(0.02)
        return known


def test_of_many_threads_one_spends_a_token() -> None:
    spent = service.SpentTokens()
    spent._spent = SlowToSay()
    assert sorted(in_threads(4, lambda: str(spent.spend("a token")))) == ["False"] * 3 + ["True"]


def test_the_memory_of_spent_tokens_is_bounded_and_forgets_the_oldest() -> None:
    spent = service.SpentTokens(capacity=2)
    assert [spent.spend(name) for name in ("one", "two", "three")] == [True] * 3
    assert len(spent) == 2
    assert [spent.spend(name) for name in ("three", "two", "one")] == [False, False, True]


# --- how parameters may come ------------------------------------------------------------------------------------------


async def send_raw(
    simulator: Simulator, *, query: str = "", body: bytes = b"", content_type: str | None = FORM, method: str = "POST"
) -> httpx.Response:
    headers = {} if content_type is None else {"content-type": content_type}
    async with client(simulator) as http:
        return await http.request(method, f"/validate?{query}", content=body, headers=headers)


@pytest.mark.parametrize("in_query", [(), ("captcha_id",), ("captcha_id", "lot_number", "gen_time"), None])
@pytest.mark.parametrize("method", ["GET", "POST"])
@each_backend
async def test_query_and_form_make_one_call(method: str, in_query: tuple[str, ...] | None) -> None:
    simulator = Simulator()
    call = signed(simulator.token())
    query = urlencode({name: value for name, value in call.items() if in_query is None or name in in_query})
    form = urlencode({name: value for name, value in call.items() if in_query is not None and name not in in_query})
    reply = await send_raw(simulator, method=method, query=query, body=form.encode())
    assert reply.json()["result"] == "success"


@pytest.mark.parametrize(
    "content_type", [FORM, FORM + ";charset=UTF-8", FORM + " ; charset=utf-8", FORM.title(), FORM.upper()]
)
@each_backend
async def test_a_forms_content_type_may_have_parameters_and_any_letter_case(content_type: str) -> None:
    simulator = Simulator()
    body = urlencode(signed(simulator.token())).encode()
    assert (await send_raw(simulator, body=body, content_type=content_type)).json()["result"] == "success"
    assert simulator.calls[-1].content_type == content_type


@pytest.mark.parametrize("content_type", ["application/json", "text/plain", "multipart/form-data; boundary=x", None])
@each_backend
async def test_a_body_that_is_no_form_is_not_read(content_type: str | None) -> None:
    simulator = Simulator()
    body = urlencode(signed(simulator.token())).encode()
    reply = await send_raw(simulator, query=f"captcha_id={DEMO_ID}", body=body, content_type=content_type)
    assert reply.json() == refusal("-50005")


@each_backend
async def test_a_json_body_ends_as_illegal_gen_time() -> None:
    simulator = Simulator()
    call = signed(simulator.token())
    async with client(simulator) as http:
        reply = await http.post("/validate", params={"captcha_id": DEMO_ID}, json=call)
    assert reply.json() == refusal("-50005")


@each_backend
async def test_unknown_parameters_are_ignored() -> None:
    simulator = Simulator()
    assert (await ask(simulator, {**signed(simulator.token()), "client_type": "web"}))["result"] == "success"


@each_backend
async def test_lower_case_escapes_and_a_body_in_pieces_are_read() -> None:
    simulator = Simulator()
    escaped = urlencode(signed(simulator.token())).replace("%3D", "%3d").encode()
    sent = await drive(
        simulator, http_scope("POST", "/validate"), *(request(escaped[i : i + 1]) for i in range(len(escaped)))
    )
    assert json.loads(sent[1]["body"])["result"] == "success"


@each_backend
async def test_where_query_and_form_disagree_the_form_counts() -> None:
    simulator = Simulator()
    call = signed(simulator.token())
    reply = await send_raw(simulator, query="gen_time=abc", body=urlencode(call).encode())
    assert reply.json()["result"] == "success"


@each_backend
async def test_bytes_that_are_no_text_are_a_wrong_value_and_no_crash() -> None:
    reply = await send_raw(
        Simulator(), query=f"captcha_id={DEMO_ID}", body=b"gen_time=1&sign_token=\xff\xfe&lot_number=%ff%00"
    )
    assert reply.json() == failure("sign_token error")


@each_backend
async def test_a_body_of_64_kib_is_read_and_one_byte_more_is_413() -> None:
    simulator = Simulator()
    call = urlencode(signed(simulator.token())).encode() + b"&more="
    full = call.ljust(64 * 1024, b"x")
    too_much = await send_raw(simulator, body=full + b"x")
    assert too_much.status_code == 413
    assert not simulator.calls
    assert (await send_raw(simulator, body=full)).json()["result"] == "success"


@each_backend
async def test_no_more_of_a_body_is_kept_than_the_413_needs() -> None:
    pieces = iter([request(b"x" * 50_000), request(b"x" * 50_000), request(b"x" * 50_000, more=False)])

    async def receive() -> Message:
        return next(pieces)

    assert await _wire.read_body(receive) == b"x" * (64 * 1024 + 1)
    assert not list(pieces), "read to its end, so that the client comes to read the answer"


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("PUT", "/validate", 405),
        ("HEAD", "/validate", 405),
        ("DELETE", "/validate", 405),
        ("POST", "/validate/", 404),
        ("POST", "/Validate", 404),
        ("GET", "/v4", 404),
        ("POST", "/load", 405),
        ("POST", "/v4/gt4.js", 405),
        ("GET", "/load", 200),
        ("GET", "/v4/gt4.js", 200),
        ("GET", "/simulator/fault", 405),
        ("POST", "/simulator/token", 405),
        ("POST", "/simulator/calls", 405),
        ("POST", "/", 405),
        ("GET", "/validate", 200),
        ("GET", "/simulator/token", 200),
        ("GET", "/simulator/token?expired=perhaps", 400),
    ],
)
@each_backend
async def test_every_answer_has_a_right_status_and_the_simulators_mark(method: str, path: str, status: int) -> None:
    async with client(Simulator()) as http:
        reply = await http.request(method, path)
    assert reply.status_code == status
    assert reply.headers["X-GeeTest-Simulator"] == "1"
    assert ("allow" in reply.headers) == (status == 405)


@each_backend
async def test_it_can_be_mounted_below_another_app() -> None:
    simulator = Simulator()
    scope = http_scope("POST", "/geetest/validate") | {"root_path": "/geetest"}
    sent = await drive(simulator, scope, request(urlencode(signed(simulator.token())).encode(), more=False))
    assert json.loads(sent[1]["body"])["result"] == "success"


# --- plain ASGI -------------------------------------------------------------------------------------------------------


def http_scope(method: str, path: str) -> dict[str, Any]:
    headers = [(b"content-type", FORM.encode())]
    return {"type": "http", "method": method, "path": path, "query_string": b"", "headers": headers}


def request(body: bytes, *, more: bool = True) -> Message:
    return {"type": "http.request", "body": body, "more_body": more}


async def drive(simulator: Simulator, scope: Scope, *messages: Message) -> list[Message]:
    """Run the app on these messages, then an empty end of the body, then http.disconnect; what it sent."""
    waiting: Iterator[Message] = iter([*messages, request(b"", more=False), {"type": "http.disconnect"}])
    sent: list[Message] = []

    async def receive() -> Message:
        return next(waiting)

    async def send(message: Message) -> None:
        sent.append(message)

    await simulator(scope, receive, send)
    return sent


@each_backend
async def test_lifespan_is_answered() -> None:
    sent: list[Message] = []
    events = iter([{"type": "lifespan.startup"}, {"type": "lifespan.shutdown"}])

    async def receive() -> Message:
        return next(events)

    async def send(message: Message) -> None:
        sent.append(message)

    await Simulator()({"type": "lifespan"}, receive, send)
    assert [message["type"] for message in sent] == ["lifespan.startup.complete", "lifespan.shutdown.complete"]


@each_backend
async def test_a_websocket_is_refused() -> None:
    sent = await drive(Simulator(), {"type": "websocket"})
    assert [message["type"] for message in sent] == ["websocket.close"]


@each_backend
async def test_a_client_that_leaves_within_its_body_is_answered_nothing_and_is_no_call() -> None:
    simulator = Simulator()
    assert await drive(simulator, http_scope("POST", "/validate"), request(b"a=b"), {"type": "http.disconnect"}) == []
    assert not simulator.calls


@each_backend
async def test_a_server_that_names_no_peer_is_served() -> None:
    simulator = Simulator()
    body = urlencode(signed(simulator.token())).encode()
    sent = await drive(simulator, http_scope("POST", "/validate"), request(body))
    assert json.loads(sent[1]["body"])["captcha_args"]["user_ip"] == ""


# --- faults -----------------------------------------------------------------------------------------------------------


async def post(simulator: Simulator, call: Mapping[str, str]) -> httpx.Response:
    async with client(simulator) as http:
        return await http.post("/validate", data=dict(call))


@each_backend
async def test_down_answers_503_until_up_and_spends_nothing() -> None:
    simulator = Simulator()
    call = signed(simulator.token())
    simulator.down()
    assert [(await post(simulator, call)).status_code for _ in range(2)] == [503, 503]
    simulator.up()
    assert (await post(simulator, call)).json()["result"] == "success"


@each_backend
async def test_garbled_answers_200_with_a_page_of_html() -> None:
    simulator = Simulator()
    simulator.garbled()
    reply = await post(simulator, signed(simulator.token()))
    assert (reply.status_code, reply.headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert reply.text.startswith("<!doctype html>")
    assert reply.headers["X-GeeTest-Simulator"] == "1"


@each_backend
async def test_slow_answers_rightly_and_late() -> None:
    simulator = Simulator()
    simulator.slow(0.1)
    began = time.monotonic()
    assert (await post(simulator, signed(simulator.token()))).json()["result"] == "success"
    assert time.monotonic() - began >= 0.1


@each_backend
async def test_who_gives_up_on_a_slow_answer_has_spent_the_token() -> None:
    simulator = Simulator()
    call = signed(simulator.token())
    simulator.slow(60)
    with anyio.move_on_after(0.05) as patience:
        await post(simulator, call)
    assert patience.cancelled_caught
    assert simulator.calls[-1].result == "success"
    simulator.up()
    assert await reason(simulator, call) == "pass_token used"


@each_backend
async def test_hanging_answers_nothing_and_ends_when_cancelled() -> None:
    simulator = Simulator()
    call = signed(simulator.token())
    simulator.hanging()
    with anyio.move_on_after(0.05) as patience:
        await post(simulator, call)
    assert patience.cancelled_caught
    simulator.up()
    assert (await post(simulator, call)).json()["result"] == "success"


@each_backend
async def test_hanging_ends_when_the_client_leaves() -> None:
    simulator = Simulator()
    simulator.hanging()
    with anyio.fail_after(5):
        assert await drive(simulator, http_scope("POST", "/validate"), request(b"a=b")) == []
    assert simulator.calls[-1].status is None


@pytest.mark.parametrize("code", CODES)
@each_backend
async def test_error_answers_any_code_with_its_message(code: str) -> None:
    simulator = Simulator()
    simulator.error(code)
    assert await ask(simulator, signed(simulator.token())) == refusal(code)


def test_the_table_of_codes_is_geetests() -> None:
    assert len(CODES) == 19
    assert (CODES["-50005"], CODES["-50305"]) == ("illegal gen_time", "lot_number Expried")


@each_backend
async def test_error_takes_a_number_and_a_message_of_ones_own() -> None:
    simulator = Simulator()
    simulator.error(-50000)
    assert (await ask(simulator, {}))["code"] == "-50000"
    simulator.error("-59999", "brand new error")
    answer = await ask(simulator, {})
    assert (answer["code"], answer["msg"]) == ("-59999", "brand new error")


def test_a_fault_that_means_nothing_is_a_mistake_and_changes_nothing() -> None:
    simulator = Simulator()
    with pytest.raises(ValueError, match="-59999"):
        simulator.error("-59999")
    for seconds in (-1, float("nan"), float("inf"), 3601):
        with pytest.raises(ValueError, match="from 0 to 3600"):
            simulator.slow(seconds)
    for status in (100, 600, 0):
        with pytest.raises(ValueError, match="from 200 to 599"):
            simulator.answers(status)
    assert simulator.mode == "up"


@each_backend
async def test_answers_gives_any_fixed_answer() -> None:
    simulator = Simulator()
    simulator.answers(404, {"result": "success", "scene": "ж"})
    reply = await post(simulator, {})
    assert (reply.status_code, reply.json()) == (404, {"result": "success", "scene": "ж"})
    simulator.answers(body=b"{", content_type="application/json;charset=UTF-8")
    reply = await post(simulator, {})
    assert (reply.status_code, reply.content) == (200, b"{")
    assert reply.headers["content-type"] == "application/json;charset=UTF-8"
    simulator.answers(302, headers={"location": "https://example.org/"})
    reply = await post(simulator, {})
    assert (reply.status_code, reply.content, reply.headers["location"]) == (302, b"", "https://example.org/")
    assert reply.headers["X-GeeTest-Simulator"] == "1"


@each_backend
async def test_a_fault_does_not_touch_the_simulators_own_pages() -> None:
    simulator = Simulator()
    simulator.hanging()
    async with client(simulator) as http:
        assert (await http.get("/simulator/token")).status_code == 200
        assert (await http.post("/simulator/fault?mode=up")).status_code == 200


def test_a_fault_is_a_frozen_value() -> None:
    with pytest.raises(FrozenInstanceError):
        Fault("up").mode = "down"  # type: ignore[misc]
    assert Fault("slow", seconds=1) == Fault("slow", seconds=1)


# --- calls ------------------------------------------------------------------------------------------------------------


@each_backend
async def test_calls_tell_what_was_asked_and_answered_faults_included() -> None:
    simulator = Simulator()
    call = signed(simulator.token())
    await ask(simulator, call)
    await ask(simulator, call)
    await send_raw(simulator, method="GET", query="captcha_id=x&gen_time=", content_type=None)
    simulator.down()
    await post(simulator, {"lot_number": "a&b"})
    told = [(seen.method, seen.status, seen.result, seen.reason, seen.code) for seen in simulator.calls]
    assert told == [
        ("POST", 200, "success", "", ""),
        ("POST", 200, "fail", "pass_token used", ""),
        ("GET", 200, "", "", "-50005"),
        ("POST", 503, "", "", ""),
    ]
    assert simulator.calls[0].parameters == call
    assert simulator.calls[2].parameters == {"captcha_id": "x", "gen_time": ""}
    assert simulator.calls[3].parameters == {"lot_number": "a&b"}
    assert [seen.content_type for seen in simulator.calls] == [FORM, FORM, "", FORM]


@each_backend
async def test_a_call_cannot_be_changed_afterwards() -> None:
    simulator = Simulator()
    await ask(simulator, {})
    with pytest.raises(FrozenInstanceError):
        simulator.calls[0].code = "x"  # type: ignore[misc]
    with pytest.raises(TypeError):
        simulator.calls[0].parameters["captcha_id"] = "x"  # type: ignore[index]


@each_backend
async def test_only_the_last_thousand_calls_are_kept() -> None:
    simulator = Simulator()
    for number in range(1003):
        await drive(simulator, http_scope("GET", "/validate") | {"query_string": b"n=%d" % number})
    assert len(simulator.calls) == 1000
    assert (simulator.calls[0].parameters["n"], simulator.calls[-1].parameters["n"]) == ("3", "1002")


# --- the simulator's own pages ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("query", "reason"),
    [
        ("", ""),
        ("?expired=0&used=false&forged=", ""),
        ("?expired=1", "pass_token expire"),
        ("?used=1", "pass_token used"),
        ("?forged=true", "pass_token error"),
        ("?offline=1", "pass_token error"),
        (f"?captcha_id={OTHER_ID}", "pass_token error"),
    ],
)
@each_backend
async def test_the_token_page_mints_every_kind(query: str, reason: str) -> None:
    simulator = Simulator()
    async with client(simulator) as http:
        reply = await http.get(f"/simulator/token{query}")
    assert reply.headers["content-type"] == "application/json"
    assert (await ask(simulator, signed(reply.json())))["reason"] == reason


@each_backend
async def test_the_token_page_encodes_as_a_form_does() -> None:
    simulator = Simulator()
    async with client(simulator) as http:
        reply = await http.get("/simulator/token?format=form")
        wrong = await http.get("/simulator/token?format=xml")
    assert reply.headers["content-type"] == "application/x-www-form-urlencoded"
    fields = dict(parse_qsl(reply.text, strict_parsing=True))
    assert (await ask(simulator, signed(fields)))["result"] == "success"
    assert (wrong.status_code, wrong.json()["error"]) == (400, "format is 'xml': json or form is wanted")


@pytest.mark.parametrize(
    ("query", "mode", "status"),
    [
        ("mode=down", "down", 503),
        ("mode=garbled", "garbled", 200),
        ("mode=slow&seconds=0.01", "slow", 200),
        ("mode=error&code=-50005", "error", 200),
        ("mode=answers&status=404&body=gone&content_type=text/plain", "answers", 404),
    ],
)
@each_backend
async def test_the_fault_page_sets_a_fault_and_ends_it(query: str, mode: str, status: int) -> None:
    simulator = Simulator()
    async with client(simulator) as http:
        assert (await http.post(f"/simulator/fault?{query}")).json() == {"mode": mode}
        assert simulator.mode == mode
        assert (await http.get("/validate")).status_code == status
        assert (await http.post("/simulator/fault", data={"mode": "up"})).json() == {"mode": "up"}
    assert simulator.mode == "up"


@each_backend
async def test_the_fault_page_can_make_it_hang() -> None:
    simulator = Simulator()
    async with client(simulator) as http:
        assert (await http.post("/simulator/fault?mode=hanging")).json() == {"mode": "hanging"}
    assert simulator.mode == "hanging"


@pytest.mark.parametrize(
    ("query", "hint"),
    [
        ("", "up, down, hanging, garbled, slow, error"),
        ("mode=broken", "up, down, hanging, garbled, slow, error"),
        ("mode=slow", "a number such as 2"),
        ("mode=down&seconds=2", "none is wanted"),
        ("mode=slow&second=2", "one of mode, seconds"),
        ("mode=answers&status=99", "from 200 to 599"),
        ("mode=answers&status=600", "from 200 to 599"),
        ("mode=answers&status=ok", "from 200 to 599"),
        ("mode=answers&headers=x", "a JSON object of strings"),
        ("mode=slow&seconds=soon", "a number such as 2"),
        ("mode=slow&seconds=nan", "from 0 to 3600"),
        ("mode=slow&seconds=-1", "from 0 to 3600"),
        ("mode=error", "-50005"),
        ("mode=error&code=7", "-50005"),
    ],
)
@each_backend
async def test_the_fault_page_says_what_would_be_right(query: str, hint: str) -> None:
    simulator = Simulator()
    async with client(simulator) as http:
        reply = await http.post(f"/simulator/fault?{query}")
    assert reply.status_code == 400
    assert hint in reply.json()["error"]
    assert simulator.mode == "up"


@each_backend
async def test_orders_may_be_json_and_then_have_a_body_and_headers() -> None:
    simulator = Simulator()
    order = {"mode": "answers", "status": 418, "body": {"scene": "ж"}, "headers": {"retry-after": "7"}}
    async with client(simulator) as http:
        assert (await http.post("/simulator/fault", json=order)).json() == {"mode": "answers"}
        reply = await http.get("/validate")
        assert (reply.status_code, reply.json(), reply.headers["retry-after"]) == (418, {"scene": "ж"}, "7")
        assert (await http.post("/simulator/fault", json={"mode": "slow", "seconds": 0.01})).json() == {"mode": "slow"}


@pytest.mark.parametrize(
    ("body", "hint"),
    [
        ("{", "no JSON"),
        ("[" * 30000, "no JSON"),
        ("[]", "no object"),
        ('{"mode": null}', "mode is None: a string is wanted"),
        ('{"mode": "slow", "seconds": [2]}', "seconds is [2]: a string is wanted"),
        ('{"mode": "answers", "body": [1]}', "body is [1]: a string is wanted"),
        ('{"mode": "answers", "headers": {"a": 1}}', "a JSON object of strings"),
        ('{"mode": "down", "\\ud800": 1}', "no parameter"),
    ],
)
@each_backend
async def test_json_that_is_no_order_is_told_so(body: str, hint: str) -> None:
    simulator = Simulator()
    async with client(simulator) as http:
        reply = await http.post("/simulator/fault", content=body, headers={"content-type": "application/json"})
    assert reply.status_code == 400
    assert hint in reply.json()["error"]
    assert simulator.mode == "up"


@pytest.mark.parametrize(
    ("method", "page"),
    [("GET", "token?expird=1"), ("GET", "calls?n=1"), ("POST", "reset?mode=up"), ("POST", "fault?mode=up&knid=1")],
)
@each_backend
async def test_an_unknown_parameter_is_an_error(method: str, page: str) -> None:
    async with client(Simulator()) as http:
        reply = await http.request(method, f"/simulator/{page}")
    assert reply.status_code == 400
    assert "is no parameter of this page" in reply.json()["error"]


CONTROL = [("GET", "token"), ("GET", "calls"), ("POST", "reset"), ("POST", "fault?mode=down")]


@pytest.mark.parametrize(
    "headers",
    [
        {"host": "evil.example"},
        {"host": "127.0.0.1.evil.example"},
        {"host": "evil.example:8077", "origin": "http://evil.example:8077"},
        {"origin": "http://evil.example"},
        {"origin": "null"},
        {"origin": "http://localhost:3000"},
        {"origin": "http://simulator.evil.example"},
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site", "origin": "http://simulator"},
    ],
)
@each_backend
async def test_a_page_of_another_origin_reads_no_calls_and_gives_no_orders(headers: dict[str, str]) -> None:
    simulator = Simulator()
    await ask(simulator, signed(simulator.token()))
    async with client(simulator) as http:
        for method, page in CONTROL:
            reply = await http.request(method, f"/simulator/{page}", headers=headers)
            assert (reply.status_code, reply.text[:10]) == (403, "Forbidden:"), page
            assert "access-control-allow-origin" not in reply.headers
            asked = await http.options(f"/simulator/{page}", headers={"origin": "http://evil.example"})
            assert asked.status_code == 405
    assert (simulator.mode, len(simulator.calls)) == ("up", 1)


@pytest.mark.parametrize(
    "headers",
    [
        {"host": "127.0.0.1:8077"},
        {"host": "[::1]:8077"},
        {"host": "LOCALHOST:1"},
        {"host": "geetest:8077"},
        {"host": "host.docker.internal"},
        {"host": "geetest.localhost:8077", "origin": "http://geetest.localhost:8077"},
        {"host": "localhost", "origin": "https://forwarded.example", "sec-fetch-site": "same-origin"},
        {"sec-fetch-site": "none"},
    ],
)
@each_backend
async def test_programs_and_pages_of_its_own_may(headers: dict[str, str]) -> None:
    async with client(Simulator()) as http:
        for method, page in CONTROL:
            reply = await http.request(method, f"/simulator/{page}", headers=headers)
            assert reply.status_code == 200, page
            assert "access-control-allow-origin" not in reply.headers


@each_backend
async def test_reset_forgets_the_fault_the_calls_and_what_was_used() -> None:
    simulator = Simulator()
    call = signed(simulator.token())
    await ask(simulator, call)
    simulator.down()
    async with client(simulator) as http:
        assert (await http.post("/simulator/reset")).json() == {"mode": "up"}
    assert (simulator.mode, simulator.calls) == ("up", [])
    assert (await ask(simulator, call))["result"] == "success"


@each_backend
async def test_expect_compares_the_answers_and_lists_them() -> None:
    simulator = Simulator()
    simulator.expect()
    call = signed(simulator.token())
    await ask(simulator, call)
    await ask(simulator, call)
    await ask(simulator, {**call, "gen_time": "abc"})
    simulator.down()
    await post(simulator, call)
    simulator.garbled()
    await post(simulator, call)
    simulator.hanging()
    await drive(simulator, http_scope("POST", "/validate"), request(b"a=b"))
    answers = ("success", "pass_token used", "-50005", "HTTP 503", "HTTP 200", "no answer")
    simulator.expect(*answers)
    for wrong in ((), answers[:-1], answers[::-1], (*answers, "success")):
        with pytest.raises(AssertionError, match="what it was asked: 6 calls \\('success', 'pass_token used', "):
            simulator.expect(*wrong)
    with pytest.raises(AssertionError, match="expected of GeeTest: 1 call \\('success'\\); what it was asked: no call"):
        Simulator().expect("success")


@each_backend
async def test_the_calls_page_lists_the_calls() -> None:
    simulator = Simulator()
    async with client(simulator) as http:
        assert (await http.get("/simulator/calls")).json() == []
        await http.get("/validate", params={"captcha_id": "ж"})
        listed = (await http.get("/simulator/calls")).json()
    assert listed == [
        {
            "method": "GET",
            "parameters": {"captcha_id": "ж"},
            "content_type": "",
            "status": 200,
            "result": "",
            "reason": "",
            "code": "-50102",
        }
    ]


@each_backend
async def test_the_front_page_tells_how_to_use_it() -> None:
    async with client(Simulator()) as http:
        reply = await http.get("/")
    assert reply.headers["content-type"].startswith("text/plain")
    for page in ("/validate", "/simulator/token", "/simulator/fault", "/simulator/calls"):
        assert page in reply.text


@each_backend
async def test_the_fault_page_takes_a_code_of_ones_own_with_its_message() -> None:
    simulator = Simulator()
    async with client(simulator) as http:
        await http.post("/simulator/fault", params={"mode": "error", "code": "-59999", "msg": "new error"})
    assert (await ask(simulator, {}))["msg"] == "new error"


@each_backend
async def test_a_bug_in_the_judgement_is_no_400() -> None:
    def broken() -> float:
        raise ValueError("no clock")

    with pytest.raises(ValueError, match="no clock"):
        await ask(Simulator(clock=broken), {})


# --- over a socket ----------------------------------------------------------------------------------------------------


def test_serve_gives_a_url_that_answers_and_takes_orders_from_this_thread() -> None:
    simulator = Simulator()
    with serve(simulator) as url, httpx.Client(base_url=url) as http:
        assert re.fullmatch(r"http://127\.0\.0\.1:\d+", url)
        answer = http.post("/validate", data=signed(simulator.token())).json()
        assert answer["captcha_args"]["user_ip"] == "127.0.0.1"
        simulator.down()
        assert http.post("/validate").status_code == 503
        simulator.up()
        assert http.get(f"{url}/").text.count(url) >= 4
    assert [call.status for call in simulator.calls] == [200, 503]


def test_serve_believes_no_forwarded_address() -> None:
    simulator = Simulator()
    with serve(simulator) as url:
        reply = httpx.post(
            f"{url}/validate", data=signed(simulator.token()), headers={"x-forwarded-for": "203.0.113.9"}
        )
    assert reply.json()["captcha_args"]["user_ip"] == "127.0.0.1"


def test_serve_answers_413_readably_to_a_body_far_too_large() -> None:
    with serve(Simulator()) as url:
        assert httpx.post(f"{url}/validate", content=b"x" * 2_000_000).status_code == 413


def test_of_many_copies_over_many_connections_one_passes() -> None:
    simulator = Simulator()
    call = signed(simulator.token())
    with serve(simulator) as url:
        results = in_threads(8, lambda: httpx.post(f"{url}/validate", data=call).json()["result"])
    assert sorted(results) == ["fail"] * 7 + ["success"]


def in_threads(number: int, work: Callable[[], str]) -> list[str]:
    results: list[str] = []
    threads = [threading.Thread(target=lambda: results.append(work())) for _ in range(number)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results


@contextmanager
def stopwatch(limit: float) -> Iterator[None]:
    began = time.monotonic()
    yield
    assert time.monotonic() - began < limit


@pytest.mark.parametrize("fault", [Simulator.hanging, lambda simulator: simulator.slow(60)], ids=["hanging", "slow"])
def test_serve_ends_soon_and_cleanly_with_a_call_under_way(
    fault: Callable[[Simulator], None], capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    simulator = Simulator()
    fault(simulator)
    before = threading.active_count()
    with socket.socket() as visitor, stopwatch(limit=2.0):
        with serve(simulator) as url:
            visitor.connect(address(url))
            visitor.sendall(b"GET /validate HTTP/1.1\r\nHost: gcaptcha4.geetest.com\r\n\r\n")
            wait_until(lambda: bool(simulator.calls))
        assert received(visitor) == b"", "the connection was hung up without an answer"
    gc.collect()  # an unclosed socket would warn now, and a warning fails the test
    assert threading.active_count() == before
    assert not [entry for entry in caplog.records if entry.levelname in ("WARNING", "ERROR")]
    assert capfd.readouterr() == ("", "")


def test_serve_frees_its_port() -> None:
    with serve(Simulator()) as url:
        port = address(url)[1]
    with serve(Simulator(), port=port) as again:
        assert again == url
    with pytest.raises(httpx.ConnectError):
        httpx.get(url)


def address(url: str) -> tuple[str, int]:
    parts = httpx.URL(url)
    assert parts.port is not None
    return parts.host, parts.port


def wait_until(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 5
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def received(visitor: socket.socket) -> bytes:
    visitor.settimeout(5)
    try:
        return visitor.recv(1000)
    except ConnectionResetError:
        return b""


def test_serve_runs_any_apps_lifespan() -> None:
    seen: list[str] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        assert scope["type"] == "lifespan"
        for _ in range(2):
            message = await receive()
            seen.append(message["type"])
            await send({"type": message["type"] + ".complete"})

    with serve(app):
        assert seen == ["lifespan.startup"]
    assert seen == ["lifespan.startup", "lifespan.shutdown"]


def test_serve_says_so_if_the_app_does_not_start() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        await send({"type": "lifespan.startup.failed", "message": "no database"})

    with pytest.raises(RuntimeError, match="failed to start"), serve(app):
        pytest.fail("the block must not run")


def test_serve_on_a_taken_port_raises_at_once() -> None:
    with serve(Simulator()) as url, pytest.raises(OSError, match="in use"), serve(Simulator(), port=address(url)[1]):
        pytest.fail("the block must not run")


def test_serve_lets_an_exception_of_the_block_through() -> None:
    with pytest.raises(KeyError), serve(Simulator()):
        raise KeyError


def test_serve_without_uvicorn_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "uvicorn", None)
    monkeypatch.delitem(sys.modules, "geetest_asgi.testing._uvicorn", raising=False)
    with pytest.raises(ImportError, match=re.escape("pip install 'geetest-asgi[demo]'")), serve(Simulator()):
        pytest.fail("the block must not run")


def test_importing_the_kit_imports_no_test_framework_client_or_server() -> None:
    script = (
        "import sys, geetest_asgi.testing\n"
        "print({'starlette.testclient', 'pytest', 'httpx', 'httpx2', 'uvicorn', 'trio'} & set(sys.modules))"
    )
    ran = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, cwd=ROOT)
    assert ran.stdout.strip() == b"set()"


# --- the command ------------------------------------------------------------------------------------------------------


@pytest.mark.skipif(sys.platform == "win32", reason="Ctrl-C is sent as a POSIX signal")
def test_the_command_prints_where_it_listens_and_ends_with_ctrl_c() -> None:
    script = "from geetest_asgi.testing import run_simulator; raise SystemExit(run_simulator('localhost', 0))"
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(
        [sys.executable, "-c", script], env=environment, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        banner = read_banner(process.stdout.readline)
        found = re.search(r"http://\S+:\d+", banner)
        assert found
        assert httpx.get(f"{found[0]}/simulator/token").status_code == 200
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=5) == 0
    assert DEMO_ID in banner
    assert DEMO_KEY in banner
    assert banner.count("  curl ") == 3


def read_banner(readline: Callable[[], str]) -> str:
    lines = [readline()]
    while lines[-1] and "Ctrl-C" not in lines[-1]:
        lines.append(readline())
    return "".join(lines)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "example.org", "", "localhost.example.org"])
def test_the_command_refuses_to_listen_beyond_loopback(
    host: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(command, "serve", lambda *_, **__: pytest.fail("it listens"))
    assert run_simulator(host, 0) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert f"Refused to listen on {host!r}" in err
    assert "everybody who can reach it" in err


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.9.10", "::1", "localhost", "LOCALHOST"])
def test_loopback_has_these_names(host: str) -> None:
    assert is_loopback(host)


def test_the_command_listens_anywhere_once_it_is_allowed_and_warns(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    served: list[tuple[str, int]] = []

    @contextmanager
    def fake_serve(app: Simulator, *, host: str, port: int, tls: object) -> Iterator[str]:
        served.append((host, port))
        yield "http://127.0.0.1:8077"

    def interrupted(seconds: float) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(command, "serve", fake_serve)
    monkeypatch.setattr(time, "sleep", interrupted)
    assert run_simulator("0.0.0.0", 8077, allow_remote=True, pairs={OTHER_ID: OTHER_KEY}) == 0
    out, err = capsys.readouterr()
    assert served == [("0.0.0.0", 8077)]
    assert OTHER_KEY in out
    assert "Warning" in err


def test_the_command_that_cannot_listen_says_so(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(time, "sleep", lambda seconds: pytest.fail("it listens"))
    with serve(Simulator()) as url:
        taken = address(url)[1]
        assert run_simulator("127.0.0.1", taken) == 1
    assert run_simulator("127.0.0.1", 70000) == 1
    assert capsys.readouterr().err.count("cannot start") == 2
