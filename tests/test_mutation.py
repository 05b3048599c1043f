"""`python -m mutation`: what it changes, that it notices what tests notice, and that its page is of this code."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
from pages import ROOT, Page

from mutation import guard
from mutation.mutants import mutants
from mutation.page import PAGE, Reasons

SOURCE = '''\
"""Not changed: {0}."""

LIMIT = 5


class Door:
    """Not changed."""

    @property
    def wide(self) -> bool:
        """Not changed."""
        return self.width > 3 and not self.locked

    @wide.setter
    def wide(self, width: int) -> None:
        self.width = width

    def enter(self, name: str = "nobody") -> None:
        if name != LIMIT:
            raise ValueError(f"{name}: stay out")
        return greet(
            name,
            loudly=True,
        )
'''


def changed(source: str) -> set[tuple[str, str, str]]:
    return {(each.function, each.before, each.after) for each in mutants(source, "door.py")}


def test_each_mutant_is_one_change_of_one_function() -> None:
    assert changed(SOURCE) == {
        ("Door.wide", "return self.width > 3 and not self.locked", after)
        for after in (
            "return None",
            "return (self.width > 3 or not self.locked)",
            "return (self.width >= 3) and not self.locked",
            "return self.width > 4 and not self.locked",
            "return self.width > 3 and self.locked",
        )
    } | {
        ("Door.wide", "self.width = width", "pass"),
        ("Door.enter", "if name != LIMIT:", "if True:"),
        ("Door.enter", "if name != LIMIT:", "if False:"),
        ("Door.enter", "if name != LIMIT:", "if (name == LIMIT):"),
        ("Door.enter", 'raise ValueError(f"{name}: stay out")', "pass"),
        ("Door.enter", "return greet( name, loudly=True, )", "return None"),
        ("Door.enter", "loudly=True,", ""),
        ("Door.enter", "loudly=True,", "loudly=False,"),
    }


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
    return "loudly" if times > 2 else "softly"

def unknown():
    return 1
"""
TESTS = """
import pytest
from door import opens, rings

def test_the_key():
    assert opens(7)

def test_the_bell():
    assert rings(1) == "softly"

@pytest.mark.parametrize("raw", [b"\\xff"], ids=repr)
def test_an_id_that_pytest_would_not_find(raw):
    rings(3)

def test_that_fails_anyway():
    assert rings(3) == "softly"
"""


def outcomes(folder: Path, door: str, tests: str) -> set[tuple[str, str]]:
    """What became of each mutant."""
    pytest.importorskip("coverage")
    (folder / "door.py").write_text(door)
    (folder / "test_door.py").write_text(tests)
    done = subprocess.run(
        [sys.executable, "-c", RUN], cwd=folder, env={"PYTHONPATH": f"{ROOT}:."}, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return {(line.partition(" ")[0], line.partition(" ")[2]) for line in done.stdout.splitlines() if "->" in line}


def test_a_mutant_is_killed_survives_or_is_not_reached(tmp_path: Path) -> None:
    assert outcomes(tmp_path, DOOR, TESTS) == {
        ("killed", "return key == 7 -> return None"),
        ("killed", "return key == 7 -> return (key != 7)"),
        ("killed", "return key == 7 -> return key == 8"),
        ("killed", 'return "loudly" if times > 2 else "softly" -> return None'),
        ("killed", 'return "loudly" if times > 2 else "softly" -> return "loudly"'),
        ("killed", 'return "loudly" if times > 2 else "softly" -> return "loudly" if times > 2 else "softlyX"'),
        ("survived", 'return "loudly" if times > 2 else "softly" -> return "softly"'),
        ("survived", 'return "loudly" if times > 2 else "softly" -> return "loudlyX" if times > 2 else "softly"'),
        ("survived", 'return "loudly" if times > 2 else "softly" -> return "loudly" if (times >= 2) else "softly"'),
        ("survived", 'return "loudly" if times > 2 else "softly" -> return "loudly" if times > 3 else "softly"'),
        ("unreached", "return 1 -> return None"),
        ("unreached", "return 1 -> return 2"),
    }


# --- of this code -----------------------------------------------------------------------------------------------------


def test_the_page_has_each_module_of_the_guard() -> None:
    rows = [row[0].strip("`") for row in Page(f"docs/{PAGE.name}").rows("module")]
    assert rows == [*guard.modules(), "all"]


def test_each_reason_is_for_a_module_that_there_is_and_a_line_that_is_written_there() -> None:
    for module, before, _ in Reasons():
        text = " ".join((ROOT / "geetest_asgi" / module).read_text().split())
        assert re.sub(r"^… | …$", "", before).split(" … ")[0] in text
