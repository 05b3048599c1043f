"""Every page: its links lead somewhere, its code is run by a test, and what it speaks of is there."""

import ast
import re
from pathlib import Path

import pytest
from pages import ROOT, Page, codes

import geetest_asgi
from geetest_asgi import Outcome
from geetest_asgi.testing import MAGIC

PACKAGE = Path(geetest_asgi.__file__).parent
PLACES = [where for _, where in Page("CONTRIBUTING.md").rows("what", "where")]


@pytest.mark.parametrize(
    "path", sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]), ids=lambda path: path.stem
)
def test_every_link_of_a_page_leads_somewhere(path: Path) -> None:
    assert Page(str(path.relative_to(ROOT))).lost_links == []


NAMES = """clearance clients cookbook fields how-a-request-travels index migrating observability outages outcomes
           patterns production settings simulator when"""
FOUND_BY_WORDS = ["README.md", *(f"docs/{name}.md" for name in NAMES.split())]
"""Pages whose blocks are found by words in them. Each other page has a test that reads one block after the other."""
FINDERS = {"run", "block", "shell", "recipe", "login_of", "parametrize"}
"""Functions to which tests give such words."""
INSTALLS = re.compile(r"pip install|-m venv|-m benchmarks")


def words_of(test: Path) -> set[str]:
    """Return the words by which the file finds blocks."""
    tree = ast.parse(test.read_text())
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
    places: list[ast.AST] = [node.value for node in tree.body if isinstance(node, ast.Assign)]
    places += [each for call in calls if ast.unparse(call.func).rpartition(".")[2] in FINDERS for each in call.args]
    constants = [each.value for place in places for each in ast.walk(place) if isinstance(each, ast.Constant)]
    return {each for each in constants if isinstance(each, str) and len(each) > 4}


@pytest.mark.parametrize("name", FOUND_BY_WORDS)
def test_each_block_of_code_is_found_by_a_test_which_runs_it(name: str) -> None:
    page, tests = Page(name), [path for path in ROOT.glob("tests/test_*.py") if f'Page("{name}")' in path.read_text()]
    found = [[block for block in page.blocks if word in block.text] for word in set().union(*(map(words_of, tests)))]
    alone = [blocks[0] for blocks in found if len(blocks) == 1]
    code = [block for block in page.blocks if block.language in ("python", "sh") and not INSTALLS.search(block.text)]
    assert [block.text for block in code if block not in alone] == []


@pytest.mark.parametrize("places", PLACES)
def test_where_to_change_something_is_a_place_that_there_is(places: str) -> None:
    """Each file of a row is there, in the package or in the tree, and each name stands in one of them."""
    words = codes(places)
    files = [word for word in words if re.fullmatch(r"[\w./]+(\.(py|js|md|json|toml)|/)", word)]
    found = [path for file in files for path in (PACKAGE / file, ROOT / file) if path.exists()]
    assert [file for file in files if not any((top / file).exists() for top in (PACKAGE, ROOT))] == []
    text = "".join(path.read_text() for path in found if path.is_file())
    names = [word.split(".")[-1] for word in words if re.fullmatch(r"\w+(\.\w+)?", word) and word not in files]
    assert [name for name in names if not re.search(rf"\b{name}\b", text)] == []


def test_the_map_of_the_tests_has_each_folder_and_no_place_that_there_is_not() -> None:
    places = [each for place, _ in Page("CONTRIBUTING.md").rows("folder or file") for each in codes(place)]
    assert [each for each in places if not list(ROOT.glob(each))] == []
    folders = {f"tests/{path.parent.name}/" for path in ROOT.glob("tests/*/test_*.py")}
    assert folders <= set(places)


def test_the_changelog_begins_with_this_version() -> None:
    versions = re.findall(r"^## (\S+)", Page("CHANGELOG.md").text, re.MULTILINE)
    assert versions[0] == geetest_asgi.__version__


def test_each_fault_has_a_test_and_names_outcomes_that_there_are() -> None:
    tests = "".join(path.read_text() for path in (ROOT / "tests").rglob("test_*.py"))
    for fault, outcome, test in Page("docs/faults.md").rows("what happens"):
        assert f"def {test.strip('`')}(" in tests, fault
        words = {code for code in codes(outcome) if code.isidentifier()} - {"max_in_flight"}
        assert words <= {str(each) for each in Outcome}, fault


def test_the_page_on_the_simulator_lists_the_ids_that_there_are() -> None:
    rows = Page("docs/simulator.md").rows("captcha id")
    assert rows == [[f"`{name}`", magic.widget, magic.says] for name, magic in MAGIC.items()]
