"""Each benchmark runs and says what it should; how fast, is no test's business. The picture is the page's."""

import os
import re
import subprocess
import sys
from importlib.util import find_spec

import pytest
from pages import ROOT, Page

from benchmarks import picture
from benchmarks.__main__ import NAMES

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


def test_the_picture_is_the_pages() -> None:
    assert (ROOT / "docs" / "performance.svg").read_text() == picture.draw(picture.charts(PAGE))
