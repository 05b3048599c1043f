"""Cassettes: GeeTest's answers are recorded without a secret, replayed, and held against the simulator's."""

import json
import socket
from pathlib import Path
from typing import Any

import httpx
import pytest
from commands import PROGRAM, command, ended_by_ctrl_c, lines_until, running
from simulators import send

from geetest_asgi import GeeTestClient
from geetest_asgi.testing import GeeTest, GeeTestServer, Simulator, cassette, serve, twin
from geetest_asgi.testing.recorder import Recorder

pytestmark = pytest.mark.anyio

SECRET = "0123456789abcdef0123456789abcdef"
CALL = {
    "captcha_id": SECRET,
    "lot_number": "4dc3cfc2cdff448cad8d13107198d473",
    "captcha_output": "output-" * 20,
    "pass_token": SECRET * 2,
    "gen_time": "1700000000",
    "sign_token": "",
}


def recorded(body: object, status: int = 200) -> cassette.Recording:
    return cassette.recording("POST", CALL, status, "application/json", json.dumps(body).encode())


def test_a_parameter_is_told_by_its_kind_alone_and_of_a_body_the_words_of_the_protocol_stay() -> None:
    kinds = ["32 hex", "32 hex", "140 characters", "64 hex", "10 digits", "empty"]
    assert recorded({}).parameters == dict(zip(CALL, kinds, strict=True))
    args = {"used_type": "slide", "ip_type": 2, "lot_number": CALL["lot_number"], "user_ip": "203.0.113.9", "risk": 0.7}
    seen = [SECRET, True, None, {"code": "-1", "ua": "Mozilla", "lot_number": SECRET}]
    said = {"status": "success", "reason": "pass_token used"}
    assert recorded({**said, "captcha_args": args, "seen": seen}).body == {
        **said,
        "captcha_args": {"used_type": "slide", "ip_type": 2, "lot_number": "{lot_number}", "user_ip": "…", "risk": 0},
        "seen": ["…", True, None, {"code": "-1", "ua": "…", "lot_number": "…"}],
    }


@pytest.mark.parametrize("content", [b"", b"<html>", b"[1]", b"\xff", b"[" * 10_000])
def test_an_answer_that_is_no_object_is_told_by_its_status(content: bytes) -> None:
    assert cassette.recording("POST", CALL, 502, "text/html", content).body is None


GOOD: dict[str, Any] = {"method": "POST", "parameters": {}, "status": 200, "content_type": "", "body": None}


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("[]", "no cassette of format 1"),
        ('{"format": 2, "calls": []}', "format is 2"),
        (json.dumps({"format": 1, "calls": [{**GOOD, "more": 1}]}), "unexpected keyword argument 'more'"),
        (json.dumps({"format": 1, "calls": [{**GOOD, "status": 99}]}), "from 200 to 599 is wanted"),
    ],
)
def test_what_is_no_cassette_is_an_error_that_says_so(tmp_path: Path, text: str, wrong: str) -> None:
    (file := tmp_path / "tape.json").write_text(text)
    with pytest.raises(ValueError, match=wrong):
        cassette.load(file)


async def test_a_guard_is_answered_as_geetest_did_from_the_first_call_to_the_last_and_again(geetest: GeeTest) -> None:
    geetest.replay()
    assert geetest.mode == "replay"
    client = GeeTestClient(geetest.captcha_id, geetest.captcha_key)
    results = [await client.validate(geetest.token()) for _ in range(4)]
    assert [result.outcome for result in results] == ["passed", "failed", "refused", "passed"]
    assert results[0].captcha_args["lot_number"] != results[3].captcha_args["lot_number"]
    geetest.expect("success", "pass_token expire", "-50005", "success")
    geetest.reset()
    assert geetest.mode == "up"


async def test_status_and_type_are_those_of_the_recording(simulator: Simulator, tmp_path: Path) -> None:
    calls = (cassette.recording("POST", {}, 418, "text/html", b"<html>"), recorded({"result": "fail"}))
    cassette.save(tape := tmp_path / "tape.json", calls)
    assert cassette.load(tape) == calls
    simulator.replay(str(tape))
    answer = await send(simulator, "POST", "/validate")
    assert (answer.status_code, answer.headers["content-type"], answer.content) == (418, "text/html", b"")


def test_a_simulator_is_started_with_a_cassette() -> None:
    with running([*PROGRAM, "simulator", "--replay", str(cassette.DOCUMENTED)]) as process:
        url = lines_until(process, "listening on").split()[-1]
        answers = [httpx.post(f"{url}/validate", trust_env=False).json() for _ in range(3)]
    assert [answer.get("result") or answer["code"] for answer in answers] == ["success", "fail", "-50005"]


async def test_calls_pass_through_and_no_secret_is_written(geetest_server: GeeTestServer, tmp_path: Path) -> None:
    recorder = Recorder(geetest_server.url, file := tmp_path / "tape.json")
    tokens = [geetest_server.token(), geetest_server.token(expired=True), geetest_server.token() | {"gen_time": "0"}]
    with serve(recorder) as place:
        client = GeeTestClient(geetest_server.captcha_id, geetest_server.captcha_key, api_server=place)
        assert [(await client.validate(each)).outcome for each in tokens] == ["passed", "failed", "failed"]
        await client.aclose()
    written = file.read_text()
    sent = {value for call in geetest_server.calls for value in call.parameters.values() if len(value) > 1}
    assert len(sent) > 10
    assert not [value for value in sent if value in written]
    assert "127.0.0.1" not in written
    assert [twin.kind(call) for call in cassette.load(file)] == ["success", "pass_token expire", "pass_token error"]


def test_the_query_and_the_form_are_handed_on_as_they_came(
    geetest_server: GeeTestServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")  # a token goes to nobody but GeeTest
    monkeypatch.setenv("NO_PROXY", "")
    with serve(Recorder(geetest_server.url, tmp_path / "tape.json")) as place:
        direct, through = (
            httpx.post(f"{each}/validate?captcha_id=a%20b&lot_number=%7B%22", data={"gen_time": "+ü"}, trust_env=False)
            for each in (geetest_server.url, place)
        )
    assert (through.status_code, through.json()) == (direct.status_code, direct.json())
    assert through.headers["x-geetest-simulator"] == "1", "the guard warns of a simulator behind it, too"
    first, second = geetest_server.calls
    assert first == second


def test_a_cassette_keeps_the_first_calls_that_are_answered(geetest_server: GeeTestServer, tmp_path: Path) -> None:
    with serve(Recorder(geetest_server.url, file := tmp_path / "tape.json", capacity=2)) as place:
        for number in range(3):
            assert httpx.get(f"{place}/validate", params={"x": "1" * number}, trust_env=False).status_code == 200
    assert len(geetest_server.calls) == 3
    assert [call.parameters for call in cassette.load(file)] == [{"x": "empty"}, {"x": "1 digits"}]
    with serve(Recorder("http://127.0.0.1:9", file := tmp_path / "silent.json")) as place:
        assert httpx.post(f"{place}/validate", trust_env=False).status_code == 502
    assert json.loads(file.read_text()) == {"format": 1, "calls": []}


def test_the_command_records_until_ctrl_c_and_writes_over_nothing(
    geetest_server: GeeTestServer, tmp_path: Path
) -> None:
    tape = str(tmp_path / "tape.json")
    with running([*PROGRAM, "record", tape, "--api-server", geetest_server.url]) as process:
        place = lines_until(process, "Ctrl-C").partition("GEETEST_API_SERVER=")[2].split()[0]
        assert httpx.post(f"{place}/validate", trust_env=False).json()["code"] == "-50101"
        status, said = ended_by_ctrl_c(process)
    assert (status, said.splitlines()[-1]) == (0, "1 calls recorded.")
    done = command("record", tape)
    assert (done.returncode, f"{tape} cannot be made" in done.stderr) == (2, True)
    assert len(cassette.load(Path(tape))) == 1


def test_the_command_leaves_no_file_where_it_cannot_listen(tmp_path: Path) -> None:
    tape = tmp_path / "tape.json"
    with socket.create_server(("127.0.0.1", 0)) as taken:
        done = command("record", str(tape), "--port", str(taken.getsockname()[1]))
    assert (done.returncode, "Cannot listen on port" in done.stderr) == (1, True)
    assert not tape.exists()


@pytest.mark.parametrize("reason", ["pass_token error", "pass_token used", "sign_token error"])
def test_the_simulator_has_all_that_the_documentation_prints_and_each_reason(reason: str) -> None:
    documented = cassette.load(cassette.DOCUMENTED)
    assert [twin.kind(call) for call in documented] == ["success", "pass_token expire", "-50005"]
    call = recorded({"status": "success", "result": "fail", "reason": reason, "captcha_args": {}})
    found = [difference for each in (*documented, call) for difference in twin.differences(each)]
    assert not [text for is_missing, text in found if is_missing]


SUCCESS = {"status": "success", "result": "success", "reason": ""}


def test_a_captcha_that_was_solved_in_another_way_is_no_difference() -> None:
    call = recorded({**SUCCESS, "captcha_args": {"used_type": "match", "client_type": "h5", "fail_count": 2}})
    assert not [text for is_missing, text in twin.differences(call) if is_missing]


@pytest.mark.parametrize(
    ("body", "text"),
    [
        ({**SUCCESS, "captcha_args": {"risk": 1}}, "captcha_args.risk: GeeTest sent a number, the simulator nothing"),
        ({"result": "fail", "reason": "too hot"}, "the simulator never says so"),
        ({"code": "-50005", "msg": "gen_time"}, "msg: GeeTest sent 'gen_time', the simulator 'illegal gen_time'"),
    ],
)
def test_what_the_simulator_lacks_is_found(body: dict[str, Any], text: str) -> None:
    assert (True, text) in [*twin.differences(recorded(body))]


def test_the_command_compares(tmp_path: Path) -> None:
    done = command("record", "--compare", str(cassette.DOCUMENTED))
    assert (done.returncode, done.stdout.splitlines()[0]) == (0, "success")
    assert "ok    as the simulator answers" in done.stdout
    cassette.save(file := tmp_path / "tape.json", [recorded({**SUCCESS, "trace": "x"})])
    done = command("record", "--compare", str(file))
    assert (done.returncode, "FAIL  trace: GeeTest sent a text" in done.stdout) == (1, True)
