"""docs/scale.md: its tables are what the model computes today."""

import re
import sys

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
    assert needs(1, Figures())["processes, a core each"] == "1"
    assert needs(1172, Figures())["processes, a core each"] == "2"
    assert walls(Figures(cpu=1))[0][1] == "`max_in_flight` of a process is used up", "the nearest comes first"
