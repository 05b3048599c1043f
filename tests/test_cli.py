"""`python -m geetest_asgi` as a shell sees it: output, errors and exit statuses. The demo has a file of its own."""

import io
import os
import shlex
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from commands import PROGRAM, command, ended, ended_by_ctrl_c, environment, free_port, lines_until, running

import geetest_asgi
from geetest_asgi.testing import DEMO_ID, DEMO_KEY

VECTORS = [  # GeeTest's documentation's key
    ("4dc3cfc2cdff448cad8d13107198d473", "c99f3aa68104bdcd085f372dc6556a17a5a830a1a3d25125fb0010466977f3d8"),
    ("c4c69a52999045aea1d34b57f1ef29f2", "142733d93745d0fa2538afe1b91f35b06e8011941c052dba337ffe0cd0e024b1"),
]
LOT_NUMBER, SIGN_TOKEN = VECTORS[0]


def sign(*arguments: str, key: str = "") -> tuple[int, str]:
    done = command("sign", *arguments, captcha_key=key)
    assert (done.stderr == "") == (done.returncode == 0)
    return done.returncode, done.stdout


@pytest.mark.parametrize(("lot_number", "sign_token"), VECTORS)
def test_sign_gives_the_documented_vectors_with_the_first_key(lot_number: str, sign_token: str) -> None:
    for key in (DEMO_KEY, f"{DEMO_KEY},another"):
        assert sign(lot_number, key=key) == (0, f"{sign_token}\n")


@pytest.mark.parametrize("content", [DEMO_KEY, DEMO_KEY + "\n", DEMO_KEY + "\r\nmore\n"])
def test_a_key_file_goes_before_the_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, content: str) -> None:
    (tmp_path / "key").write_bytes(content.encode())
    monkeypatch.setattr(sys, "stdin", io.StringIO(content))
    for file in (str(tmp_path / "key"), "-"):
        assert sign(LOT_NUMBER, f"--key-file={file}", key="another") == (0, f"{SIGN_TOKEN}\n")


@pytest.mark.parametrize("content", [b"", b"\n" + DEMO_KEY.encode(), b"\xff\xfe\n", None])
def test_a_key_file_without_a_key_is_an_error(tmp_path: Path, content: bytes | None) -> None:
    if content is not None:
        (tmp_path / "key").write_bytes(content)
    assert sign(LOT_NUMBER, "--key-file", str(tmp_path / "key"), key=DEMO_KEY) == (2, "")


@pytest.mark.parametrize(
    ("arguments", "key", "told"),
    [
        (["sign", ""], DEMO_KEY, ["is no lot number"]),  # as of a variable that is not set in a script
        (["sign", " "], DEMO_KEY, ["is no lot number"]),
        (["sign", "4dc3 cfc2"], DEMO_KEY, ["is no lot number"]),
        (["sign", LOT_NUMBER], "", ["GEETEST_CAPTCHA_KEY", "--key-file"]),
        (["sign", LOT_NUMBER], f"{DEMO_KEY} ", ["captcha_key"]),
        (["sign", LOT_NUMBER, "--key", DEMO_KEY], "", ["process list"]),
        (["sign", LOT_NUMBER, f"--key={DEMO_KEY}"], "", ["process list"]),
        *(
            ([*command, f"--port={port}"], "", ["a number from 0 to 65535 is wanted"])
            for command in (["demo"], ["simulator"], ["record", "tape.json"])
            for port in ("-1", "65536", "eighty", "80.0", "٨٠", "")
        ),
        (["match", "POST", "/login"], "", ["--app or --protect"]),
        *(
            (["match", *swapped, "--protect", "/login"], "", ["match POST /login"])
            for swapped in (("/login", "POST"), ("POST", "login"), ("POST", ""), ("", "/login"))
        ),
        (["explain", "no-such-file", "--protect", "/a"], "", ["no-such-file: No such file"]),
        (["explain", os.devnull], "", ["give --app or --protect"]),
        (["explain", os.devnull, "--app", "x:y", "--fields", "captcha"], "", ["--app brings its own fields"]),
        (["explain", os.devnull, "--protect", "/a", "--sources", "cookie"], "", ["list each of header, query, body"]),
        (["explain", os.devnull, "--protect", "/a", "--fields", "a b"], "", ["'a b'"]),
        ([], "", ["COMMAND"]),
        (["validate"], "", ["demo", "simulator", "check", "match", "sign"]),
        (["demo", "--live", "--once"], "", ["not allowed with"]),
        (["simulator", "--pair", "only-an-id"], "", ["--pair"]),
    ],
)
def test_wrong_usage_is_status_2_and_shows_no_key(arguments: list[str], key: str, told: list[str]) -> None:
    done = command(*arguments, captcha_id="", captcha_key=key)
    assert (done.returncode, done.stdout) == (2, "")
    assert [each for each in told if each not in done.stderr] == []
    assert DEMO_KEY not in done.stderr


def test_what_is_no_text_is_refused_without_a_traceback() -> None:
    done = ended(
        ["sh", "-c", f"{shlex.join(PROGRAM)} sign \"$(printf '\\377')\""], env=environment(captcha_key=DEMO_KEY)
    )
    assert done.returncode == 2
    assert "LOT_NUMBER" in done.stderr
    assert "Traceback" not in done.stderr


@contextmanager
def simulating(*arguments: str) -> Iterator[tuple[Any, str, str]]:
    """The process, its URL, and what it said first."""
    with running([*PROGRAM, "simulator", *arguments]) as process:
        said = lines_until(process, "Ctrl-C")
        yield process, said.partition("listening on ")[2].split()[0], said


def test_the_simulator_serves_until_ctrl_c_and_says_how_to_use_it() -> None:
    port = free_port()
    with simulating("--host", "localhost", "--port", port) as (process, url, said):
        assert url == f"http://127.0.0.1:{port}"
        assert f"GEETEST_API_SERVER={url}" in said
        assert DEMO_ID in said
        assert DEMO_KEY in said
        assert said.count("  curl ") == 3
        assert set(httpx.get(f"{url}/simulator/token", trust_env=False).json()) >= {"lot_number", "pass_token"}
        assert ended_by_ctrl_c(process) == (0, "")


def test_the_simulator_knows_the_pairs_that_it_is_given_and_no_others() -> None:
    with simulating("--pair", "mine", "my-key", "--pair", "yours", "your-key") as (_, url, said):
        assert "mine" in said
        assert "my-key" in said
        unknown = httpx.get(f"{url}/validate", params={"captcha_id": DEMO_ID}, trust_env=False).json()
        assert unknown["code"] == "-50102"
        known = httpx.get(f"{url}/validate", params={"captcha_id": "yours", "gen_time": "1"}, trust_env=False).json()
        assert known["reason"] == "sign_token error"


def test_the_simulator_that_is_told_to_take_strangers_warns() -> None:
    """Unless it is told to, it takes none: test_simulator_serve.py."""
    elsewhere = "127.1"  # this machine's loopback address, spelt as no name of it that is known
    with simulating("--host", elsewhere, "--allow-remote") as (_, url, said):
        assert f"Warning: everybody who can reach {elsewhere}" in said
        assert httpx.get(f"{url}/simulator/token", trust_env=False).status_code == 200


def test_help_and_version() -> None:
    done = command("--help")
    assert (done.returncode, done.stderr) == (0, "")
    names = ("demo", "simulator", "check", "match", "sign", "--version")
    assert [each for each in names if each not in done.stdout] == []
    assert command("--version").stdout == f"geetest-asgi {geetest_asgi.__version__}\n"


@pytest.mark.parametrize(
    ("missing", "arguments", "extra"),
    [
        ("uvicorn", ["demo"], "demo"),
        ("uvicorn", ["simulator"], "demo"),
        ("trustme", ["simulator", "--tls", os.devnull], "tls"),
        ("shtab", ["completion", "bash"], "completion"),
    ],
)
def test_a_command_whose_extra_is_missing_says_what_to_install(missing: str, arguments: list[str], extra: str) -> None:
    code = f"import sys; sys.modules[{missing!r}] = None; import geetest_asgi.__main__ as it; sys.exit(it.main())"
    done = ended([sys.executable, "-c", code, *arguments])
    assert done.returncode in (1, 2)
    assert f"pip install 'geetest-asgi[{extra}]'" in done.stderr
    assert "Traceback" not in done.stderr
