"""`python -m mutation`: it notices what tests notice, and its page is of this code."""

import re
import sys
from pathlib import Path

import pytest
from commands import printed
from pages import ROOT, Page
from projects import write

from mutation import guard
from mutation.page import PAGE, Reasons

RUN = """
import sys
from pathlib import Path
from mutation.mutants import mutants
from mutation.runner import run

def found(module, mutant, outcome):
    print(outcome, mutant.before, "->", mutant.after)

source = Path("door.py")
sys.exit(run({"door": list(mutants(source.read_text(), str(source.resolve())))}, ["test_door.py"], found))
"""
DOOR = """
from functools import cache

@cache
def opens(key):
    return key == 7

OPEN = opens(7)

def rings(times):
    return times > 2

def unknown():
    return 1
"""
TESTS = """
import pytest
from door import opens, rings

def test_the_key():
    assert opens(7)

def test_the_bell():
    assert not rings(1)

@pytest.mark.parametrize("raw", [b"\\xff"], ids=repr)
def test_an_id_that_pytest_would_not_find(raw):
    rings(3)

def test_that_fails_anyway():
    assert not rings(3)
"""


def test_a_mutant_is_killed_survives_or_is_not_reached(tmp_path: Path) -> None:
    pytest.importorskip("coverage")
    write(tmp_path, {"door.py": DOOR, "test_door.py": TESTS})
    said = printed([sys.executable, "-c", RUN], cwd=tmp_path, env={"PYTHONPATH": f"{ROOT}:."})
    outcomes = {(line.partition(" ")[0], line.partition(" ")[2]) for line in said.splitlines() if "->" in line}
    assert outcomes == {
        ("killed", "return key == 7 -> return None"),
        ("killed", "return key == 7 -> return (key != 7)"),
        ("killed", "return key == 7 -> return key == 8"),
        ("survived", "return times > 2 -> return None"),
        ("survived", "return times > 2 -> return (times >= 2)"),
        ("survived", "return times > 2 -> return times > 3"),
        ("unreached", "return 1 -> return None"),
        ("unreached", "return 1 -> return 2"),
    }


def test_the_page_has_each_module_of_the_guard() -> None:
    rows = [row[0].strip("`") for row in Page(f"docs/{PAGE.name}").rows("module")]
    assert rows == [*guard.modules(), "all"]


def test_each_reason_is_for_a_module_that_there_is_and_a_line_that_is_written_there() -> None:
    for module, before, _ in Reasons():
        text = " ".join((ROOT / "geetest_asgi" / module).read_text().split())
        assert re.sub(r"^… | …$", "", before).split(" … ")[0] in text
