"""Each benchmark runs and says what it should; how fast, is no test's business. The picture is the page's."""

import itertools
import os
import re
import shutil
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from importlib.util import find_spec
from pathlib import Path

import pytest
from pages import ROOT, Page
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from benchmarks import picture
from benchmarks.__main__ import COMMANDS, NAMES, main, put, run_all
from benchmarks.checkouts import BESIDE, OURS
from benchmarks.load import turn
from benchmarks.measure import Goal, goal, goals, table
from geetest_asgi.testing import serve

PAGE = Page("docs/performance.md").text
SVG = "{http://www.w3.org/2000/svg}"


def run(*arguments: str) -> "subprocess.CompletedProcess[str]":
    environment = {**os.environ, "BENCHMARK_SECONDS": "0.01"}
    command = [sys.executable, "-m", "benchmarks", *arguments]
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=300)


def headings(text: str) -> list[str]:
    """The first cell of each table."""
    return [rows.splitlines()[0].strip("|").split("|")[0].strip() for rows in re.findall(r"(?:^\|.*\n?)+", text, re.M)]


def section(name: str) -> str:
    found = re.search(rf"<!-- {name} -->\n(.*?)<!-- / -->", PAGE, re.DOTALL)
    assert found is not None
    return found[1]


@pytest.mark.slow
@pytest.mark.skipif(find_spec("aiohttp") is None, reason="aiohttp is not installed: pip install '.[bench]'")
@pytest.mark.parametrize("name", NAMES)
def test_each_benchmark_runs_and_prints_the_tables_that_the_page_has(name: str) -> None:
    done = run(name)
    assert done.returncode == 0, done.stderr
    # An upload's size, which is made small here, is in the head of its table.
    assert [re.sub(r"^[\d,]+ ", "", each) for each in headings(done.stdout)] == [
        re.sub(r"^[\d,]+ ", "", each) for each in headings(section(name))
    ]
    assert "is this machine, not GeeTest" not in done.stderr


def test_all_are_listed_and_no_other_is_taken_for_one() -> None:
    listed = main([])
    assert all(re.search(rf"^{name} +\w", listed, re.MULTILINE) for name in COMMANDS)
    with pytest.raises(SystemExit, match="'nonsense' is no benchmark"):
        main(["nonsense"])


@pytest.fixture
def longer(tmp_path: Path) -> Path:
    """Another checkout, whose guard has a thousand lines more."""
    shutil.copytree(ROOT / "geetest_asgi", tmp_path / "geetest_asgi")
    with (tmp_path / "geetest_asgi" / "_middleware.py").open("a") as file:
        file.write("\n" * 1000)
    return tmp_path


@pytest.mark.slow
def test_another_checkout_is_measured_and_not_this_one_again(longer: Path) -> None:
    printed = run("budget", "--beside", str(longer)).stdout
    lines = "lines of the guard proper"
    ours, other = (picture.column(printed, "one protected login", row)[lines] for row in (OURS, BESIDE))
    assert other == ours + 1000


@pytest.mark.slow
def test_our_share_is_held_against_the_other_checkouts(longer: Path) -> None:
    printed = run("share", "--beside", str(longer)).stdout
    table = printed[printed.index("| goal ") :]
    own, beside, *_ = table.splitlines()[2:]
    ours, other = (float(own.split("|")[column].split()[0].replace(",", "")) for column in (2, 3))
    assert "beside the other checkout's" in beside
    assert float(beside.split("|")[2].split()[0]) == pytest.approx(ours / other, abs=0.02)


@pytest.mark.parametrize(("name", "told"), [("budget", "no geetest_asgi in it"), ("memory", "is no benchmark")])
def test_what_is_no_other_checkout_or_not_compared_is_refused(name: str, told: str, tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match=told):
        main([name, "--beside", str(tmp_path)])


def test_a_refused_login_is_no_login() -> None:
    came = itertools.count()
    refused = 0

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        nonlocal refused
        if scope["type"] != "http":
            return
        while (await receive()).get("more_body"):
            pass
        odd = next(came) % 2
        refused += odd
        await Response("", 403 if odd else 200)(scope, receive, send)

    with serve(app) as url:
        took = turn(int(url.rpartition(":")[2]), 4, 0.0)
    assert len(took.first) == 4
    assert took.first.refused + took.again.refused == refused >= 4
    assert len(took.first.times) + len(took.again.times) == next(came) - refused
    assert took.let_in == round(took.rate * took.seconds) <= len(took.again.times)


def test_a_run_of_all_writes_the_page_and_the_picture(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BENCHMARK_SECONDS", "0.01")
    monkeypatch.chdir(ROOT)
    (tmp_path / "performance.md").write_text(put(PAGE, "share", "as it was"))
    run_all(tmp_path, ("share",))
    written = (tmp_path / "performance.md").read_text()
    assert "as it was" not in written
    before, after = (
        re.sub(r"<!-- (share|machine) -->.*?<!-- / -->", "", page, flags=re.DOTALL) for page in (PAGE, written)
    )
    assert before == after
    assert "python-multipart" in written.split("<!-- machine -->")[1].split("<!-- / -->")[0]
    assert (tmp_path / "performance.svg").read_text() == picture.draw(picture.charts(written))


def test_a_page_without_a_place_is_not_written_to() -> None:
    with pytest.raises(ValueError, match="one place for login"):
        put("", "login", "text")


def test_the_picture_is_the_pages() -> None:
    assert (ROOT / "docs" / "performance.svg").read_text() == picture.draw(picture.charts(PAGE))


def test_the_picture_has_a_bar_for_each_row_within_its_page_and_names_are_only_names() -> None:
    given = [*picture.charts(PAGE), picture.Chart("<&", '"', {"a<b": 1.0, "**ours**": 2.0})]
    root = ElementTree.fromstring(picture.draw(given))
    texts = ["".join(each.itertext()) for each in root.iter(f"{SVG}text")]
    bars = [bar for bar in root.iter(f"{SVG}rect") if bar.get("class") != "page"]
    rows = [row for chart in given for row in chart.bars.items()]
    assert len(bars) == len(rows) > 8
    for name, figure in rows:
        assert texts[texts.index(picture.plain(name)) + 1] == f"{figure:,.0f}"
    _, _, width, height = map(float, root.attrib["viewBox"].split())
    for bar in bars:
        assert float(bar.get("x", "0")) + float(bar.attrib["width"]) <= width
        assert float(bar.get("y", "0")) + float(bar.attrib["height"]) <= height
    assert "prefers-color-scheme:dark" in (root.findtext(f"{SVG}style") or "")


def test_a_goal_is_met_on_the_right_side_of_its_bound() -> None:
    said = goals(Goal("most", 2, 2, "ms"), Goal("more", 2.1, 2, "ms"), Goal("least", 2, 2, "times", at_least=True))
    assert [line.split("|")[4].strip() for line in said.splitlines()[2:]] == ["yes", "**no**", "yes"]
    assert "**no**" in goals(Goal("less", 1.9, 2, "times", at_least=True))


def test_a_ratio_shows_its_parts_and_the_other_checkouts() -> None:
    cost = {OURS: 30.0, BESIDE: 50.0}
    ratio = goal("cost", lambda row: (cost[row], 20.0), 2, "µs", cost)
    head, _, first, second = goals(ratio, goal("most", lambda row: 2.0, 2, "ms", ())).splitlines()
    assert BESIDE in head
    assert [cell.strip(" \N{MULTIPLICATION SIGN}") for cell in first.split("|")[1:-1]] == [
        *("cost", "30 / 20 µs", "1.50", "2.50", "≤ 2", "yes"),
    ]
    assert [cell.strip() for cell in second.split("|")[1:-1]] == ["most", "", "2.00 ms", "", "≤ 2 ms", "yes"]
    assert "**no**" in goals(goal("nobody was let in", lambda row: (1.0, 0.0), 9, "a second", (), at_least=True))


def test_a_column_is_read_by_its_tables_first_cell_and_its_head() -> None:
    wanted = table(["a", "b", "c"], [["**x**", "1,234 (2 %)", ""], ["y", "", "7"]])
    page = f"{table(['other', 'b'], [['x', '9']])}\n\n{wanted}"
    assert picture.column(page, "a", "b") == {"**x**": 1234.0}
    assert picture.column(page, "a", "c") == {"y": 7.0}
