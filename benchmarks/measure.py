"""Timing that a busy machine does not spoil: rivals take turns in short rounds, medians are compared, never one run.

What runs in this process alone is timed by its processor time, which the neighbours' work is no part of.
"""

import gc
import os
import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

SECONDS: Final = float(os.environ.get("BENCHMARK_SECONDS", "1"))
"""How long a turn takes; below 1 everything else shrinks with it, for a look at whether it runs."""

Work = Callable[[int], None]
"""Does its thing so many times."""


def scaled(number: int, least: int = 1) -> int:
    """Turns, rounds or sizes, as `BENCHMARK_SECONDS` shrinks them."""
    return max(least, round(number * min(1.0, SECONDS)))


def alternate(
    rivals: Mapping[str, Work], *, times: int, rounds: int = 15, clock: Callable[[], int] = time.process_time_ns
) -> dict[str, float]:
    """Nanoseconds that one turn of each rival takes: the median over the rounds, in each of which all have a turn.

    What waits for another process is timed by the clock on the wall, `time.perf_counter_ns`.
    """
    times, rounds = scaled(times), scaled(rounds)
    took: dict[str, list[float]] = {name: [] for name in rivals}
    for work in rivals.values():
        work(times // 10 + 1)  # the first turns of anything are slow
    gc.collect()
    gc.disable()
    try:
        for turn in range(rounds):
            # Not always in one order: what runs first in a round may find the caches cold.
            for name in list(rivals) if turn % 2 else reversed(list(rivals)):
                start = clock()
                rivals[name](times)
                took[name].append((clock() - start) / times)
            gc.collect()
    finally:
        gc.enable()
    return {name: statistics.median(each) for name, each in took.items()}


@dataclass(frozen=True)
class Goal:
    """A figure and what it is held against: at most `bound`, or at least."""

    what: str
    measured: float
    bound: float
    unit: str
    at_least: bool = False

    @property
    def met(self) -> bool:
        """Whether it is so."""
        return self.measured >= self.bound if self.at_least else self.measured <= self.bound


def goals(*each: Goal) -> str:
    """A table of them."""
    head = ["goal", "bound", "measured", "met"]
    rows = [
        [
            goal.what,
            f"{'≥' if goal.at_least else '≤'} {goal.bound:,g} {goal.unit}",
            f"{_rounded(goal.measured)} {goal.unit}",
            "yes" if goal.met else "**no**",
        ]
        for goal in each
    ]
    return table(head, rows)


def _rounded(figure: float) -> str:
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
