"""Timing that a busy machine does not spoil: rivals take turns in short rounds, medians are compared, never one run."""

import gc
import statistics
import time
from collections.abc import Callable, Mapping

Work = Callable[[int], None]
"""Does its thing so many times."""


def alternate(rivals: Mapping[str, Work], *, times: int, rounds: int = 15) -> dict[str, float]:
    """Nanoseconds that one turn of each rival takes: the median over the rounds, in each of which all have a turn."""
    took: dict[str, list[float]] = {name: [] for name in rivals}
    for work in rivals.values():
        work(times // 10 + 1)  # the first turns of anything are slow
    gc.collect()
    gc.disable()
    try:
        for turn in range(rounds):
            # Not always in one order: what runs first in a round may find the caches cold.
            for name in list(rivals) if turn % 2 else reversed(list(rivals)):
                start = time.perf_counter_ns()
                rivals[name](times)
                took[name].append((time.perf_counter_ns() - start) / times)
    finally:
        gc.enable()
    return {name: statistics.median(each) for name, each in took.items()}


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
