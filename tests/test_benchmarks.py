"""Each benchmark runs and says what it should; how fast, is no test's business. The picture is the page's."""

import os
import re
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest
from pages import ROOT, Page
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from benchmarks import picture
from benchmarks.__main__ import COMMANDS, NAMES, main
from benchmarks.checkouts import BESIDE, OURS
from benchmarks.load import turn
from benchmarks.measure import Goal, goals
from geetest_asgi.testing import serve

PAGE = Page("docs/performance.md").text


def run(*arguments: str) -> "subprocess.CompletedProcess[str]":
    environment = {**os.environ, "BENCHMARK_SECONDS": "0.01"}
    command = [sys.executable, "-m", "benchmarks", *arguments]
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=300)


def headings(text: str) -> list[str]:
    """The first head of each table, without the size of an upload, which is small here."""
    heads = [rows.splitlines()[0].strip("|").split("|")[0].strip() for rows in re.findall(r"(?:^\|.*\n?)+", text, re.M)]
    return [re.sub(r"^[\d,]+ ", "", each) for each in heads]


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
    printed, shown = headings(done.stdout), headings(section(name))
    assert printed == shown


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


def test_a_refused_login_is_no_login() -> None:
    statuses: list[int] = []

    async def app(request: Request) -> Response:
        await request.body()
        statuses.append(403 if len(statuses) % 2 else 200)
        return Response(status_code=statuses[-1])

    with serve(Starlette(routes=[Route("/{path:path}", app, methods=["POST"])])) as url:
        took = turn(int(url.rpartition(":")[2]), 4, 0.0)
    assert len(took.first) == 4
    assert took.first.refused + took.again.refused == statuses.count(403) >= 4
    assert len(took.first.times) + len(took.again.times) == statuses.count(200)
    assert took.let_in == round(took.rate * took.seconds) <= len(took.again.times)


def test_the_picture_is_the_pages() -> None:
    assert (ROOT / "docs" / "performance.svg").read_text() == picture.draw(picture.charts(PAGE))


def test_a_goal_is_met_on_the_right_side_of_its_bound() -> None:
    said = goals(Goal("most", 2, 2, "ms"), Goal("more", 2.1, 2, "ms"), Goal("least", 2, 2, "times", at_least=True))
    assert [line.split("|")[4].strip() for line in said.splitlines()[2:]] == ["yes", "**no**", "yes"]
    assert "**no**" in goals(Goal("less", 1.9, 2, "times", at_least=True))
