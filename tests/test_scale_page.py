"""docs/scale.md: its tables are what the model computes today."""

import re
import sys

import pytest
from commands import printed
from pages import Page

from benchmarks.scale import Figures, main, needs, walls

PAGE = Page("docs/scale.md").text


def test_the_page_has_the_tables_of_the_model() -> None:
    shown = re.findall(r"<!-- (?:needs|walls) -->\n\n(.*?)\n\n<!-- / -->", PAGE, re.DOTALL)
    assert shown == main(Figures()).split("\n\n")


def test_other_figures_give_other_needs() -> None:
    told = printed([sys.executable, "-m", "benchmarks.scale", "--latency", "350"])
    assert "| 731 " in told, "256 calls at one time, 350 ms each"


@pytest.mark.parametrize(
    ("rate", "processes", "connections"), [(1, "1", "1"), (1172, "2", "59"), (100_000, "86", "5,000")]
)
def test_needs_grow_with_the_rate(rate: int, processes: str, connections: str) -> None:
    found = needs(rate, Figures())
    assert found["processes, a core each"] == processes
    assert found["connections to GeeTest, in all"] == connections


def test_the_nearest_wall_comes_first() -> None:
    rates = [float(row[0].replace(",", "")) for row in walls(Figures())]
    assert rates == sorted(rates)
    assert walls(Figures(cpu=1))[0][1] == "`max_in_flight` of a process is used up"
