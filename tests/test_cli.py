"""`python -m geetest_asgi` as a shell sees it: output, errors and exit statuses. The demo has a file of its own."""

import io
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import httpx
import pytest

import geetest_asgi
from geetest_asgi.__main__ import main
from geetest_asgi.testing import DEMO_ID, DEMO_KEY

ROOT = Path(__file__).parent.parent
SECONDS = 15

VECTORS = [  # GeeTest's documentation's key
    ("4dc3cfc2cdff448cad8d13107198d473", "c99f3aa68104bdcd085f372dc6556a17a5a830a1a3d25125fb0010466977f3d8"),
    ("c4c69a52999045aea1d34b57f1ef29f2", "142733d93745d0fa2538afe1b91f35b06e8011941c052dba337ffe0cd0e024b1"),
]
LOT_NUMBER, SIGN_TOKEN = VECTORS[0]


@pytest.fixture(autouse=True)
def no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("GEETEST_CAPTCHA_ID", "GEETEST_CAPTCHA_KEY", "GEETEST_API_SERVER"):
        monkeypatch.delenv(name, raising=False)


def run(*arguments: str | bytes, env: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "geetest_asgi", *arguments],
        cwd=ROOT,
        env=os.environ | dict(env or {}),
        capture_output=True,
        text=True,
        timeout=SECONDS,
        stdin=subprocess.DEVNULL,
    )


def usage_error(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """What a wrong command line is told; it is always status 2, and nothing on standard output."""
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    return captured.err


# sign


@pytest.mark.parametrize(("lot_number", "sign_token"), VECTORS)
def test_sign_gives_the_vectors_of_the_documentation(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, lot_number: str, sign_token: str
) -> None:
    monkeypatch.setenv("GEETEST_CAPTCHA_KEY", DEMO_KEY)
    assert main(["sign", lot_number]) == 0
    assert capsys.readouterr().out == sign_token + "\n"


@pytest.mark.parametrize("lot_number", ["", " ", "4dc3 cfc2"])
def test_sign_refuses_what_can_be_no_lot_number(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, lot_number: str
) -> None:
    """As of a variable that is not set in a script."""
    monkeypatch.setenv("GEETEST_CAPTCHA_KEY", DEMO_KEY)
    assert "is no lot number" in usage_error(capsys, "sign", lot_number)


def test_sign_takes_the_key_from_the_environment() -> None:
    done = run("sign", LOT_NUMBER, env={"GEETEST_CAPTCHA_KEY": DEMO_KEY})
    assert (done.stdout, done.stderr, done.returncode) == (SIGN_TOKEN + "\n", "", 0)


def test_of_several_keys_the_first_signs(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GEETEST_CAPTCHA_KEY", f"{DEMO_KEY},another")
    assert main(["sign", LOT_NUMBER]) == 0
    assert capsys.readouterr().out == SIGN_TOKEN + "\n"


@pytest.mark.parametrize("content", [DEMO_KEY, DEMO_KEY + "\n", DEMO_KEY + "\r\nmore\n"])
def test_a_key_file_goes_before_the_environment(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path, content: str
) -> None:
    monkeypatch.setenv("GEETEST_CAPTCHA_KEY", "another")
    (tmp_path / "key").write_bytes(content.encode())
    assert main(["sign", LOT_NUMBER, "--key-file", str(tmp_path / "key")]) == 0
    assert capsys.readouterr().out == SIGN_TOKEN + "\n"
    monkeypatch.setattr(sys, "stdin", io.StringIO(content))
    assert main(["sign", LOT_NUMBER, "--key-file=-"]) == 0
    assert capsys.readouterr().out == SIGN_TOKEN + "\n"


def test_sign_without_a_key_says_where_one_may_stand(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert main(["sign", LOT_NUMBER]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "GEETEST_CAPTCHA_KEY" in captured.err
    assert "--key-file" in captured.err


@pytest.mark.parametrize("content", [b"", b"\n" + DEMO_KEY.encode(), b"\xff\xfe\n", None])
def test_a_key_file_without_a_key_is_an_error_and_no_reason_to_take_another(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path, content: bytes | None
) -> None:
    monkeypatch.setenv("GEETEST_CAPTCHA_KEY", DEMO_KEY)
    if content is not None:
        (tmp_path / "key").write_bytes(content)
    assert main(["sign", LOT_NUMBER, "--key-file", str(tmp_path / "key")]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "--key-file" in captured.err


def test_a_key_that_cannot_be_meant_is_refused_and_not_shown(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GEETEST_CAPTCHA_KEY", f"{DEMO_KEY} ")
    assert main(["sign", LOT_NUMBER]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "captcha_key" in captured.err
    assert DEMO_KEY not in captured.err


@pytest.mark.parametrize("arguments", [["--key", DEMO_KEY], [f"--key={DEMO_KEY}"]])
def test_a_key_among_the_arguments_is_refused_and_not_repeated(
    capsys: pytest.CaptureFixture[str], arguments: list[str]
) -> None:
    said = usage_error(capsys, "sign", LOT_NUMBER, *arguments)
    assert "process list" in said
    assert DEMO_KEY not in said


def test_what_is_no_text_is_refused_without_a_traceback() -> None:
    done = run("sign", b"\xff\xfe", env={"GEETEST_CAPTCHA_KEY": DEMO_KEY})
    assert done.returncode == 2
    assert "LOT_NUMBER" in done.stderr
    assert "Traceback" not in done.stderr


# simulator


@contextmanager
def simulating(*arguments: str) -> Iterator[tuple[subprocess.Popen[str], str, str]]:
    """The process, its URL, and what it said first."""
    process = subprocess.Popen(
        [sys.executable, "-m", "geetest_asgi", "simulator", *arguments],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    try:
        said = _read_until(process.stdout, "Ctrl-C")
        yield process, said.splitlines()[0].rpartition(" ")[2], said
    finally:
        process.kill()
        process.communicate(timeout=SECONDS)


def _read_until(stream: IO[str], awaited: str) -> str:
    said = ""
    for line in stream:
        said += line
        if awaited in line:
            return said
    raise AssertionError(f"ended without {awaited!r}:\n{said}")


def test_the_simulator_serves_until_ctrl_c_and_says_how_to_use_it() -> None:
    with simulating() as (process, url, said):
        assert f"GEETEST_API_SERVER={url}" in said
        assert DEMO_ID in said
        assert DEMO_KEY in said
        assert set(httpx.get(f"{url}/simulator/token", trust_env=False).json()) >= {"lot_number", "pass_token"}
        process.send_signal(signal.SIGINT)
        assert process.wait(SECONDS) == 0


def test_the_simulator_knows_the_pairs_that_it_is_given_and_no_others() -> None:
    with simulating("--pair", "mine", "my-key", "--pair", "yours", "your-key") as (_, url, said):
        assert "mine" in said
        assert "my-key" in said
        unknown = httpx.get(f"{url}/validate", params={"captcha_id": DEMO_ID}, trust_env=False).json()
        assert unknown["code"] == "-50102"
        known = httpx.get(f"{url}/validate", params={"captcha_id": "yours", "gen_time": "1"}, trust_env=False).json()
        assert known["reason"] == "sign_token error"


ELSEWHERE = "192.0.2.1"
"""An address that no machine has (RFC 5737), and so nobody listens at."""


def test_the_simulator_takes_no_strangers_unless_it_is_told_to() -> None:
    refused = run("simulator", "--host", ELSEWHERE)
    assert refused.returncode == 2
    assert "loopback" in refused.stderr
    allowed = run("simulator", "--host", ELSEWHERE, "--allow-remote")
    assert allowed.returncode == 1
    assert f"cannot start on {ELSEWHERE}" in allowed.stderr


def test_the_simulator_listens_at_the_port_that_it_is_given() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with simulating("--port", str(port)) as (_, url, _said):
        assert url == f"http://127.0.0.1:{port}"


# usage


@pytest.mark.parametrize("command", ["demo", "simulator"])
@pytest.mark.parametrize("port", ["-1", "65536", "eighty", "80.0", "٨٠", ""])
def test_what_is_no_port_is_refused(capsys: pytest.CaptureFixture[str], command: str, port: str) -> None:
    assert "a number from 0 to 65535 is wanted" in usage_error(capsys, command, f"--port={port}")


def test_no_command_is_wrong_usage(capsys: pytest.CaptureFixture[str]) -> None:
    assert "COMMAND" in usage_error(capsys)


def test_an_unknown_command_is_told_which_there_are(capsys: pytest.CaptureFixture[str]) -> None:
    said = usage_error(capsys, "validate")
    assert {name for name in ("demo", "simulator", "check", "match", "sign") if name not in said} == set()


def test_a_live_demo_tells_no_story_and_so_not_once(capsys: pytest.CaptureFixture[str]) -> None:
    assert "not allowed with" in usage_error(capsys, "demo", "--live", "--once")


def test_half_a_pair_is_wrong_usage(capsys: pytest.CaptureFixture[str]) -> None:
    assert "--pair" in usage_error(capsys, "simulator", "--pair", "only-an-id")


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--help"], ["demo", "simulator", "check", "match", "sign", "--version"]),
        (["demo", "--help"], ["--port", "--once", "--live", "GEETEST_CAPTCHA_ID", "GEETEST_CAPTCHA_KEY"]),
        (["simulator", "--help"], ["--host", "--port", "--allow-remote", "--pair", "GEETEST_API_SERVER"]),
        (["sign", "--help"], ["LOT_NUMBER", "--key-file", "GEETEST_CAPTCHA_KEY"]),
        (["--version"], ["geetest-asgi " + geetest_asgi.__version__]),
    ],
)
def test_help_names_everything(arguments: list[str], told: list[str]) -> None:
    done = run(*arguments)
    assert (done.returncode, done.stderr) == (0, "")
    assert [each for each in told if each not in done.stdout] == []


def test_help_and_sign_are_quick_to_start() -> None:
    """They import no server, framework or HTTP client."""
    heavy = {"uvicorn", "starlette", "httpx", "asyncio"}
    code = (
        "import os, sys; os.environ['GEETEST_CAPTCHA_KEY'] = 'b'; from geetest_asgi.__main__ import main; "
        f"main(['sign', 'a']); print(sorted({heavy} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=SECONDS)
    assert done.stdout.splitlines()[1:] == ["[]"], done.stderr
