"""Real processes race for the same tokens, in a SQLite file and in a real Redis.

Processes that are killed and a Redis that fails meanwhile: benchmarks/chaos.py.
"""

import subprocess
import sys
import time

import pytest
from commands import ROOT, SECONDS

pytestmark = pytest.mark.slow

PROCESSES, TOKENS = 4, 25
ROUNDS = 5
"""A busy machine may let one process run ahead of the others: then there was no race, and there is another one."""


def start(url: str, first: int) -> "subprocess.Popen[str]":
    command = [sys.executable, "-W", "error", "-m", "tests.stores.racer", url, str(first), str(first + TOKENS)]
    pipe = subprocess.PIPE
    return subprocess.Popen(command, cwd=ROOT, stdin=pipe, stdout=pipe, stderr=pipe, text=True)


def race(number: int, url: str, first: int) -> list[list[str]]:
    """What each of so many processes has said, all of which begin at the same moment."""
    racers = [start(url, first) for _ in range(number)]
    for racer in racers:
        assert racer.stdout is not None
        assert racer.stdout.readline() == "ready\n"
    at = time.time() + 0.2
    for racer in racers:
        print(at, file=racer.stdin, flush=True)
    told = [racer.communicate(timeout=SECONDS) for racer in racers]
    assert [(racer.returncode, log) for racer, (_, log) in zip(racers, told, strict=True)] == [(0, "")] * number
    return [said.splitlines() for said, _ in told]


def winners(url: str, first: int) -> int:
    """One race for TOKENS tokens. Return how many processes let requests in."""
    told = [*race(PROCESSES, url, first), *race(1, url, first)]  # the last one uses up what the others have left
    lines = [line for said in told for line in said]
    failed = {int(line[1:]) for line in lines if line.startswith("?")}  # the machine was too busy for the store
    for number in range(first, first + TOKENS):
        counts = lines.count(f"{number} asked"), lines.count(f"{number} kept")
        assert counts == (1, 3) or (number in failed and counts[0] <= 1 and counts[1] <= 3)
    assert len(failed) < 13
    return sum(any(line[0] != "?" for line in said) for said in told)


def test_of_many_processes_one_asks_about_a_token_and_each_kept_verdict_is_used_once(store_url: str) -> None:
    """A form that is shown again each time, and that comes twice at once to each of four processes."""
    assert any(winners(store_url, first) > 1 for first in range(0, ROUNDS * TOKENS, TOKENS)), "nobody has raced"
