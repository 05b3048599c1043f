"""Real processes race for the same keys and tokens, in a SQLite file and in a real Redis, and are killed meanwhile.

A Redis that fails meanwhile: benchmarks/chaos.py.
"""

import re
import time
from collections import Counter
from pathlib import Path

import pytest

from .support import Racer, RedisServer

pytestmark = pytest.mark.slow

KEYS = 400
PROCESSES = 4


@pytest.fixture(params=["sqlite", "redis"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The store that all processes share."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'spent.db'}"
    server: RedisServer = request.getfixturevalue("redis")
    server.ask("FLUSHALL")
    return server.url


def go(racers: list[Racer]) -> None:
    """All at once, when all are ready."""
    for racer in racers:
        while (heard := racer.hear()) != "ready":  # it tells first that it could connect
            assert heard, racer.end()
    at = time.time() + 0.2
    for racer in racers:
        racer.say(at)


def won_by(said: list[str]) -> list[int]:
    return [int(line) for line in said if line.isdigit()]


def failed_for(said: list[str]) -> set[int]:
    """Where the machine was too busy for the store: the key may be taken, and nobody knows."""
    return {int(line[1:]) for line in said if line.startswith("?")}


ROUNDS = 5
"""A busy machine may let one process run ahead of the others: then there was no race, and there is another one."""


def winners(told: list[tuple[list[str], str]]) -> int:
    """How many of the processes were first at something."""
    return sum(any(re.match(r"\d", line) for line in said) for said, _ in told)


TOKENS = 25


def chain(url: str, first: int) -> int:
    """One race for TOKENS tokens. Return how many processes let requests in."""
    told: list[tuple[list[str], str]] = []
    for number in (PROCESSES, 1):  # the last one uses up what the others have left
        racers = [Racer("chain", url, first, first + TOKENS) for _ in range(number)]
        go(racers)
        told += [racer.end() for racer in racers]
    assert [(said[-1:], log) for said, log in told] == [(["done"], "")] * (PROCESSES + 1)
    lines = [line for said, _ in told for line in said]
    failed = failed_for(lines)
    let_in = Counter(line for line in lines if line.endswith((" asked", " kept")))
    for number in set(range(first, first + TOKENS)) - failed:
        assert let_in[f"{number} asked"] == 1
        assert let_in[f"{number} kept"] == 3
    for number in failed:
        assert let_in[f"{number} asked"] <= 1
        assert let_in[f"{number} kept"] <= 3
    assert len(failed) < 13
    return winners(told)


def test_of_many_processes_one_asks_about_a_token_and_each_kept_verdict_is_used_once(url: str) -> None:
    """A form that is shown again each time, and that comes twice at once to each of four processes."""
    assert any(chain(url, first) > 1 for first in range(0, ROUNDS * TOKENS, TOKENS)), "nobody has raced"


def test_workers_killed_amid_the_load_let_nothing_in_twice(url: str) -> None:
    """What a killed process has won stays won; the others go on, and find the store in order."""
    doomed, others = [Racer("race", url, 0, 1_000_000) for _ in range(3)], [Racer("race", url, 0, KEYS)]
    go([*doomed, *others])
    heard = [doomed[0].hear() for _ in range(20)]
    for racer in doomed:
        racer.kill()
    told = [racer.end() for racer in [*doomed, *others]]
    said = [*heard, *(line for lines, _ in told for line in lines)]
    assert told[-1][0][-1] == "done"
    assert [log for _, log in told] == [""] * 4
    wins = Counter(won_by(said))
    assert set(wins.values()) == {1}
    # A key that was won in the moment of the kill may be told by nobody.
    lost = set(range(KEYS)) - set(wins) - failed_for(said)
    assert len(lost) <= 10 * len(doomed)
    last = Racer("race", url, 0, KEYS)
    go([last])
    again, log = last.end()
    assert (set(won_by(again)) & set(wins), again[-1], log) == (set(), "done", ""), "spent is spent"


def test_processes_that_build_the_same_app_at_once_do_not_get_in_each_others_way(tmp_path: Path) -> None:
    racers = [Racer("race", f"sqlite:///{tmp_path / 'new.db'}", 0, 5) for _ in range(6)]
    go(racers)
    assert [(said[-1:], log) for said, log in (racer.end() for racer in racers)] == [(["done"], "")] * 6
