"""How much of the guard one login walks through, and how long the guard is: no more than this.

`python -m benchmarks budget` prints the figures. The goals beside them are where they are to come down to.
"""

import asyncio
from pathlib import Path
from typing import Any

import pytest

import geetest_asgi
from benchmarks import budget
from mutation.guard import NOT_THE_GUARD

BUDGET = {  # at most             goal
    "functions": 92,  #            60
    "coroutines": 22,  #            22
    "files": 32,  #                 12
    "depth": 8,  #                  8
    "lines": 7500,  #            4,300
    "median function": 8,  #         8
    "longest function": 59,  #      40
}


@pytest.fixture(scope="module")
def figures() -> dict[str, float]:
    return budget.measure(Path(geetest_asgi.__file__).parent.parent)


@pytest.mark.parametrize("figure", BUDGET)
def test_a_login_and_the_guard_stay_within_their_budget(figure: str, figures: dict[str, float]) -> None:
    assert figures[figure] <= BUDGET[figure], budget.WHAT[figure]


def test_a_login_is_counted_from_the_middleware_to_the_wire(figures: dict[str, list[str]]) -> None:
    folders = {place.partition("/")[0].partition(".")[0] for place in figures["walked"]}
    assert {"_middleware", "_core", "_line", "stores"} <= folders
    assert not folders & NOT_THE_GUARD


def test_a_walk_counts_a_coroutine_once_however_often_it_goes_on(tmp_path: Path) -> None:
    code = (
        "import asyncio\n"
        "async def outer():\n    await inner()\n    await inner()\n"
        "async def inner():\n    async for _ in steps(): pass\n"
        "async def steps():\n    for _ in range(3):\n        yield await asyncio.sleep(0)\n"
    )
    names: dict[str, Any] = {}
    exec(compile(code, str(tmp_path / "walked.py"), "exec"), names)
    figures = asyncio.run(budget.walked(tmp_path, names["outer"])).figures()
    assert figures == {"functions": 3, "calls": 5, "coroutines": 3, "files": 1, "depth": 2}
