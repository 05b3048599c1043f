"""`python -m geetest_asgi` as a shell sees it: output, errors and exit statuses. The demo has a file of its own."""

import io
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from commands import PROGRAM, command, ended, ended_by_ctrl_c, free_port, lines_until, running

import geetest_asgi
from geetest_asgi.testing import DEMO_ID, DEMO_KEY

LOT_NUMBER = "4dc3cfc2cdff448cad8d13107198d473"
SIGN_TOKEN = "c99f3aa68104bdcd085f372dc6556a17a5a830a1a3d25125fb0010466977f3d8"
"""By the key of GeeTest's documentation."""


def sign(*arguments: str, key: str) -> tuple[int, str]:
    done = command("sign", LOT_NUMBER, *arguments, captcha_key=key)
    assert (done.stderr == "") == (done.returncode == 0)
    return done.returncode, done.stdout


def test_sign_uses_the_first_key() -> None:
    assert sign(key=f"{DEMO_KEY},another") == (0, f"{SIGN_TOKEN}\n")


@pytest.mark.parametrize("content", [DEMO_KEY, DEMO_KEY + "\r\nmore\n"])
def test_a_key_file_goes_before_the_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, content: str) -> None:
    (tmp_path / "key").write_bytes(content.encode())
    monkeypatch.setattr(sys, "stdin", io.StringIO(content))
    for file in (str(tmp_path / "key"), "-"):
        assert sign(f"--key-file={file}", key="another") == (0, f"{SIGN_TOKEN}\n")


@pytest.mark.parametrize("content", [b"\n" + DEMO_KEY.encode(), b"\xff\xfe\n", None])
def test_a_key_file_without_a_key_is_an_error(tmp_path: Path, content: bytes | None) -> None:
    if content is not None:
        (tmp_path / "key").write_bytes(content)
    assert sign("--key-file", str(tmp_path / "key"), key=DEMO_KEY) == (2, "")


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["sign", ""], "is no lot number"),  # as of a variable that is not set in a script
        (["sign", "\udcff"], "is no lot number"),  # the byte 255
        (["sign", LOT_NUMBER], "GEETEST_CAPTCHA_KEY, or give --key-file"),
        (["sign", LOT_NUMBER, "--key", DEMO_KEY], "process list"),
        (["demo", "--port=eighty"], "a number from 0 to 65535 is wanted"),
        *((["simulator", f"--port={port}"], "a number from 0 to 65535 is wanted") for port in ("-1", "65536", "٨٠")),
        (["match", "/login", "POST", "--protect", "/login"], "/login is no method"),
        (["match", "POST", "login", "--protect", "/login"], "login is no path"),
        (["explain", "no-such-file", "--protect", "/a"], "no-such-file: No such file"),
        (["explain", os.devnull], "give --app or --protect"),
        (["explain", os.devnull, "--app", "x:y", "--fields", "captcha"], "--app brings its own fields"),
        (["explain", os.devnull, "--protect", "/a", "--sources", "cookie"], "list each of header, query, body"),
        (["demo", "--live", "--once"], "not allowed with"),
        (["simulator", "--pair", "only-an-id"], "--pair"),
    ],
)
def test_wrong_usage_is_status_2_and_shows_no_key(arguments: list[str], told: str) -> None:
    done = command(*arguments, captcha_id="", captcha_key="")
    assert (done.returncode, done.stdout) == (2, "")
    assert told in done.stderr
    assert DEMO_KEY not in done.stderr


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
        assert [each for each in (f"GEETEST_API_SERVER={url}", DEMO_ID, DEMO_KEY) if each not in said] == []
        assert ended_by_ctrl_c(process) == (0, "")


def test_the_simulator_knows_the_pairs_that_it_is_given_and_no_others() -> None:
    with simulating("--pair", "mine", "my-key", "--pair", "yours", "your-key") as (_, url, said):
        assert "my-key" in said
        for captcha_id, code in ((DEMO_ID, "-50102"), ("yours", "-50005")):
            answer = httpx.get(f"{url}/validate", params={"captcha_id": captcha_id}, trust_env=False).json()
            assert answer["code"] == code


def test_help_and_version() -> None:
    assert command("--help").returncode == 0
    assert command("--version").stdout == f"geetest-asgi {geetest_asgi.__version__}\n"


@pytest.mark.parametrize(
    ("missing", "arguments", "extra"),
    [
        ("uvicorn", ["demo"], "demo"),
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
