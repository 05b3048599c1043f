"""The simulator keeps its word: GeeTest's checks in their order, its answers, its keys and its tokens."""

import base64
import json
import re
import sys
from collections.abc import Mapping
from itertools import combinations
from typing import Any

import pytest
from clocks import Clock
from commands import printed
from simulators import OTHER_ID, OTHER_KEY, ask, failure, refusal, result, send, sign, signed

from geetest_asgi.testing import DEMO_ID, DEMO_KEY, Simulator
from geetest_asgi.testing import _service as service

pytestmark = pytest.mark.anyio

ARABIC_DIGITS = "".join(chr(0x660 + int(digit)) for digit in "1700000000")
CAPITALS = sign("a" * 32).upper()
PAIRS = {DEMO_ID: DEMO_KEY, OTHER_ID: OTHER_KEY}


def altered(text: str) -> str:
    """The same text with another first character, which keeps a field's shape."""
    return ("1" if text[0] != "1" else "2") + text[1:]


async def test_a_minted_token_passes_once_with_the_documented_answer(simulator: Simulator) -> None:
    call = signed(simulator.token())
    args = {"used_type": "slide", "user_ip": "198.51.100.7", "ip_type": 1, "fail_count": 0, "client_type": "web"}
    args |= {"user_info": "", "ua": "", "scene": "反爬虫", "referer": "http://127.0.0.1:8077/"}
    passes = {"status": "success", "result": "success", "reason": ""}
    assert await ask(simulator, call) == passes | {"captcha_args": args | {"lot_number": call["lot_number"]}}
    assert await result(simulator, call) == "pass_token used"


Call = Mapping[str, str | None]
WRONG: list[tuple[str, Call, dict[str, object]]] = [
    *(("id", {"captcha_id": given}, refusal("-50101")) for given in (None, "")),
    ("unknown id", {"captcha_id": OTHER_ID}, refusal("-50102")),
    *(("gen_time", {"gen_time": given}, refusal("-50005")) for given in (None, "", "-17", ARABIC_DIGITS)),
    ("gen_time of 5000 digits", {"gen_time": "1" * 5000}, failure("pass_token error")),
    *(("signature", {"sign_token": given}, failure("sign_token error")) for given in (None, "", "ж" * 64, CAPITALS)),
    ("lot number, unsigned", {"lot_number": "b" * 32}, failure("sign_token error")),
    *(("lot number", {"lot_number": given, "sign_token": sign("")}, refusal("-50302")) for given in (None, "")),
    *(
        ("lot number's shape", {"lot_number": given, "sign_token": sign(given)}, refusal("-50303"))
        for given in ("abc", "A" * 32)
    ),
    *(("pass_token", {"pass_token": given}, failure("pass_token error")) for given in (None, "ж" * 64)),
    ("output", {"captcha_output": None}, failure("pass_token error")),
]
"""What is wrong with an otherwise good call (None: left out), and the answer to it."""


@pytest.mark.parametrize(("of", "changes", "expected"), WRONG)
async def test_a_wrong_call_gets_geetests_answer(of: str, changes: Call, expected: dict[str, object]) -> None:
    simulator = Simulator({DEMO_ID: DEMO_KEY})
    good = signed(simulator.token())
    assert await ask(simulator, without_none({**good, **changes})) == expected
    assert await result(simulator, good) == "success", "nothing is spent"


def without_none(call: Call) -> dict[str, str]:
    return {key: value for key, value in call.items() if value is not None}


async def test_of_two_mistakes_the_earlier_check_speaks() -> None:
    simulator = Simulator({DEMO_ID: DEMO_KEY})
    checks = ["id", "unknown id", "gen_time", "signature", "lot number", "lot number's shape", "pass_token"]
    by_check = {of: (changes, expected) for of, changes, expected in reversed(WRONG)}
    for earlier, later in combinations(checks, 2):
        (first, expected), (second, _) = by_check[earlier], by_check[later]
        call = without_none({**signed(simulator.token()), **second, **first})
        assert await ask(simulator, call) == expected, (earlier, later)


async def test_a_token_with_an_altered_or_anothers_field_is_not_genuine(simulator: Simulator) -> None:
    one, other = simulator.token(), simulator.token()
    for name in ("captcha_output", "pass_token", "gen_time"):
        spoilt = signed(one | {name: altered(one[name])})
        assert await ask(simulator, spoilt) == failure("pass_token error"), name
    moved = {"captcha_output": one["captcha_output"] + one["gen_time"][0], "gen_time": one["gen_time"][1:]}
    assert await ask(simulator, signed(one | moved)) == failure("pass_token error")
    anothers = {"lot_number": refusal("-50304"), "captcha_output": refusal("-50304")}
    for name, expected in (anothers | {"pass_token": failure("pass_token error")}).items():
        assert await ask(simulator, signed(one | {name: other[name]})) == expected, name
    assert await result(simulator, signed(one)) == await result(simulator, signed(other)) == "success"


@pytest.mark.parametrize("line", [b"[1]", b"null", b"{", b"[" * 20000, b"\xff"])
async def test_an_output_that_says_nothing_of_its_captcha_is_not_genuine(simulator: Simulator, line: bytes) -> None:
    output = base64.urlsafe_b64encode(line + b"\n" + b"x" * 96).decode()
    assert await ask(simulator, signed({**simulator.token(), "captcha_output": output})) == failure("pass_token error")


async def test_a_token_is_valid_for_ten_minutes_by_the_given_clock() -> None:
    simulator = Simulator(clock=(clock := Clock(1_700_000_000.0)))
    in_time, too_late = signed(simulator.token()), signed(simulator.token())
    clock.now += 600
    assert await result(simulator, in_time) == "success"
    clock.now += 1
    assert await result(simulator, too_late) == "pass_token expire"


@pytest.mark.parametrize("pairs", [{}, {"id": ""}, {7: "key"}])
def test_a_pair_is_two_texts(pairs: dict[Any, Any]) -> None:
    with pytest.raises(ValueError, match="at least one captcha_id and its captcha_key"):
        Simulator(pairs)


async def test_with_pairs_each_id_has_its_own_key_and_without_any_other_id_is_taken(simulator: Simulator) -> None:
    call = signed(simulator.token(captcha_id=OTHER_ID), OTHER_ID, "a key that the simulator never saw")
    assert await ask(simulator, {**call, "sign_token": "unsigned"}) == failure("sign_token error")
    assert await result(simulator, call) == "success"
    of_the_public_id = signed(simulator.token(), key=OTHER_KEY)
    assert await ask(simulator, of_the_public_id) == failure("sign_token error"), "whose key is known"
    strict = Simulator(PAIRS)
    fields = strict.token(captcha_id=OTHER_ID)
    assert await ask(strict, signed(fields)) == failure("pass_token error")
    assert await ask(strict, signed(fields, OTHER_ID, DEMO_KEY)) == failure("sign_token error")
    assert await result(strict, signed(fields, OTHER_ID, OTHER_KEY)) == "success"


@pytest.mark.parametrize("captcha_id", ["ж", "x" * 65, "line\n"])
async def test_a_malformed_id_is_illegal_where_any_id_is_taken(simulator: Simulator, captcha_id: str) -> None:
    assert await ask(simulator, {**signed(simulator.token()), "captcha_id": captcha_id}) == refusal("-50102")
    loaded = await send(simulator, "GET", "/load", params={"captcha_id": captcha_id})
    assert loaded.json()["code"] == "-50102"


def test_repr_tells_the_id_and_not_the_key() -> None:
    told = repr(Simulator({OTHER_ID: OTHER_KEY}))
    assert (OTHER_ID in told, OTHER_KEY in told) == (True, False)


SHAPES = {
    "lot_number": "[0-9a-f]{32}",
    "captcha_output": "[0-9A-Za-z_-]+={0,2}",
    "pass_token": "[0-9a-f]{64}",
    "gen_time": "[0-9]{10}",
}


@pytest.mark.parametrize("kind", [{}, {"expired": True}, {"used": True}, {"forged": True}])
def test_tokens_have_geetests_shapes_and_are_all_different(simulator: Simulator, kind: dict[str, bool]) -> None:
    minted = [simulator.token(**kind) for _ in range(100)]  # type: ignore[arg-type]
    for fields in minted:
        assert fields.keys() == SHAPES.keys()
        assert all(re.fullmatch(shape, fields[name]) for name, shape in SHAPES.items())
    assert all(len({fields[name] for fields in minted}) == 100 for name in ("lot_number", "pass_token"))
    assert {fields["captcha_output"].count("=") for fields in minted} == {0, 1, 2}


def test_gen_time_is_the_clocks_and_an_expired_one_an_hour_old() -> None:
    simulator = Simulator(clock=Clock(1_700_000_000.5))
    assert (simulator.token()["gen_time"], simulator.token(expired=True)["gen_time"]) == ("1700000000", "1699996400")


async def test_a_token_of_another_process_is_genuine_here(simulator: Simulator) -> None:
    script = "import json; from geetest_asgi.testing import Simulator; print(json.dumps(Simulator().token()))"
    minted = json.loads(printed([sys.executable, "-c", script]))
    assert await result(simulator, signed(minted)) == "success"


def test_the_memory_of_spent_tokens_is_bounded_and_forgets_the_oldest() -> None:
    spent = service.SpentTokens(capacity=2)
    assert [spent.spend(name) for name in ("one", "two", "three")] == [True] * 3
    assert len(spent) == 2
    assert [spent.spend(name) for name in ("three", "two", "one")] == [False, False, True]
