"""Timing that a busy machine does not spoil: rivals take turns in short rounds, medians are compared, never one run.

What runs in this process alone is timed by its processor time, which the neighbours' work is no part of.
"""

import gc
import os
import statistics
import time
from collections.abc import Callable, Container, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, TypeVar

from .checkouts import BESIDE, OURS

SECONDS: Final = float(os.environ.get("BENCHMARK_SECONDS", "1"))
"""How long a turn takes; below 1 everything else shrinks with it, for a look at whether it runs."""

T = TypeVar("T")
Work = Callable[[int], None]
"""Does its thing so many times."""


def scaled(number: int, least: int = 1) -> int:
    """Turns, rounds or sizes, as `BENCHMARK_SECONDS` shrinks them."""
    return max(least, round(number * min(1.0, SECONDS)))


def take_turns(rivals: Mapping[str, Callable[[], T]], rounds: int) -> dict[str, list[T]]:
    """What came of each rival's turns. All have one in each round, in alternating order: the first may be slower."""
    took: dict[str, list[T]] = {name: [] for name in rivals}
    for number in range(scaled(rounds)):
        for name in list(rivals) if number % 2 else reversed(list(rivals)):
            took[name].append(rivals[name]())
    return took


def alternate(
    rivals: Mapping[str, Work],
    *,
    times: int,
    rounds: int = 15,
    clock: Callable[[], int] = time.process_time_ns,
    choose: Callable[[Sequence[float]], float] = statistics.median,
) -> dict[str, float]:
    """Nanoseconds that one turn of each rival takes: by default the median over the rounds.

    What waits for another process is timed by the clock on the wall, `time.perf_counter_ns`.
    """
    times = scaled(times)

    def timed(work: Work) -> Callable[[], float]:
        def turn() -> float:
            gc.collect()
            start = clock()
            work(times)
            return (clock() - start) / times

        return turn

    for work in rivals.values():
        work(times // 10 + 1)  # the first turns of anything are slow
    gc.disable()
    try:
        took = take_turns({name: timed(work) for name, work in rivals.items()}, rounds)
    finally:
        gc.enable()
    return {name: choose(each) for name, each in took.items()}


@dataclass(frozen=True)
class Goal:
    """A figure and what it is held against: at most `bound`, or at least."""

    what: str
    measured: float
    bound: float
    unit: str
    at_least: bool = False
    pair: str = ""
    """Of a ratio: our figure and the rival's."""
    beside: float | None = None
    """The same figure of the other checkout."""

    @property
    def met(self) -> bool:
        """Whether it is so."""
        return self.measured >= self.bound if self.at_least else self.measured <= self.bound


def goal(
    what: str,
    figure: Callable[[str], float | tuple[float, float]],
    bound: float,
    unit: str,
    rows: Container[str],
    *,
    at_least: bool = False,
) -> Goal:
    """What this figure of ours is held against, with that of the other checkout where it is one of the rows.

    `figure` gives a row's, or a pair of it and the rival's: then their ratio is held, and `unit` is the pair's.
    """
    ours = figure(OURS)
    other = figure(BESIDE) if BESIDE in rows else None
    if not isinstance(ours, tuple):
        return Goal(what, ours, bound, unit, at_least, beside=_held(other))
    pair = f"{rounded(ours[0])} / {rounded(ours[1])} {unit}"
    return Goal(what, divided(*ours), bound, "×", at_least, pair, _held(other))


def _held(figure: float | tuple[float, float] | None) -> float | None:
    return divided(*figure) if isinstance(figure, tuple) else figure


def divided(one: float, other: float) -> float:
    """The one by the other; not a number where there is no other."""
    return one / other if other else float("nan")


def goals(*each: Goal) -> str:
    """A table of them, with a column for the other checkout if there is one."""
    rows = {
        "goal": [one.what for one in each],
        "ours / the rival's": [one.pair for one in each],
        "measured": [f"{rounded(one.measured)} {one.unit}" for one in each],
        BESIDE: ["" if one.beside is None else f"{rounded(one.beside)} {one.unit}" for one in each],
        "bound": [f"{'≥' if one.at_least else '≤'} {one.bound:,g} {one.unit}" for one in each],
        "met": ["yes" if one.met else "**no**" for one in each],
    }
    shown = {head: cells for head, cells in rows.items() if any(cells)}
    return table(list(shown), [list(row) for row in zip(*shown.values(), strict=True)])


def rounded(figure: float) -> str:
    """As it is printed: from ten on without decimals."""
    return f"{figure:,.0f}" if abs(figure) >= 10 else f"{figure:.2f}"


def table(head: list[str], rows: list[list[str]]) -> str:
    """Markdown, aligned so that it reads as plain text too; the first column to the left, the others to the right."""
    columns = list(zip(head, *rows, strict=True))
    widths = [max(map(len, column)) for column in columns]

    def line(cells: list[str]) -> str:
        first, *others = cells
        padded = [first.ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(others, widths[1:], strict=True))]
        return f"| {' | '.join(padded)} |"

    rule = f"|{'|'.join('-' * (width + 1) + ('-' if not i else ':') for i, width in enumerate(widths))}|"
    return "\n".join([line(head), rule, *map(line, rows)])
