"""docs/command-line.md shows what the commands print: each block is run in a shell and compared."""

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from commands import ROOT, SECONDS, environment

from geetest_asgi.testing import DEMO_ID, DEMO_KEY, Simulator, serve

PAGE = (ROOT / "docs" / "command-line.md").read_text()
BLOCKS = re.findall(r"^```console\n\$ (.*)\n((?:.*\n)*?)```$", PAGE, re.MULTILINE)
ADDRESS = "http://127.0.0.1:8077"


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with serve(Simulator()) as url:
        yield url


@pytest.fixture(scope="module")
def programs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory for PATH with `geetest-asgi` of this interpreter in it."""
    place = tmp_path_factory.mktemp("programs")
    program = place / "geetest-asgi"
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m geetest_asgi "$@"\n')
    program.chmod(0o755)
    return place


@pytest.mark.parametrize(("command", "shown"), BLOCKS, ids=[command for command, _ in BLOCKS])
def test_a_command_prints_what_the_page_shows(command: str, shown: str, url: str, programs: Path) -> None:
    settings = environment(captcha_id=DEMO_ID, captcha_key=DEMO_KEY, api_server=url)
    done = subprocess.run(
        ["/bin/sh", "-c", command],
        cwd=ROOT,
        env=settings | {"PATH": f"{programs}:{settings.get('PATH', '')}"},
        capture_output=True,
        text=True,
        timeout=SECONDS,
        stdin=subprocess.DEVNULL,
    )
    assert done.stderr == ""
    assert settled(done.stdout.replace(url, ADDRESS)) == settled(shown)


def settled(output: str) -> str:
    """How long something took is another number each time."""
    return re.sub(r" \d+ ms *", " N ms  ", output)


def test_there_are_blocks_of_every_command() -> None:
    assert {command.split()[1].strip(";") for command, _ in BLOCKS} == {"check", "match", "explain", "sign"}
    assert PAGE.count("```console") == len(BLOCKS)
