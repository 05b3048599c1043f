"""docs/command-line.md shows what the commands print: each block is run in a shell and compared."""

import re
import sys
from pathlib import Path

import pytest
from commands import ended, environment
from pages import Page

from geetest_asgi.testing import DEMO_ID, DEMO_KEY, GeeTestServer

SHOWN = [block.text for block in Page("docs/command-line.md").blocks if block.language == "console"]
BLOCKS = [re.fullmatch(r"\$ (.*)\n((?:.*\n)*)", text).groups() for text in SHOWN]  # type: ignore[union-attr]
ADDRESS = "http://127.0.0.1:8077"


@pytest.fixture(scope="module")
def programs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory for PATH with `geetest-asgi` of this interpreter in it."""
    place = tmp_path_factory.mktemp("programs")
    program = place / "geetest-asgi"
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m geetest_asgi "$@"\n')
    program.chmod(0o755)
    return place


@pytest.mark.parametrize(("command", "shown"), BLOCKS, ids=[command for command, _ in BLOCKS])
def test_commands_print_what_is_shown(command: str, shown: str, geetest_server: GeeTestServer, programs: Path) -> None:
    env = environment(captcha_id=DEMO_ID, captcha_key=DEMO_KEY, api_server=geetest_server.url)
    env["PATH"] = f"{programs}:{env.get('PATH', '')}"
    done = ended(["/bin/sh", "-c", command], env=env)
    assert done.stderr == ""
    assert settled(done.stdout.replace(geetest_server.url, ADDRESS)) == settled(shown)


def settled(output: str) -> str:
    """How long something took is another number each time."""
    return re.sub(r" \d+ ms *", " N ms  ", output)


def test_there_are_blocks_of_every_command() -> None:
    assert {command.split()[1].strip(";") for command, _ in BLOCKS} == {"check", "match", "explain", "sign"}
