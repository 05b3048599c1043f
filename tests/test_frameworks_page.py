"""docs/frameworks.md and frameworks-more.md: each of their projects in a fresh directory, as a reader would copy it."""

import re
from pathlib import Path

import pytest
from projects import projects_of, run_pytest

DOCS = Path(__file__).parent.parent / "docs"
PAGE = "".join((DOCS / name).read_text() for name in ("frameworks.md", "frameworks-more.md"))
PROJECTS = projects_of(PAGE)
MODULES = {heading: heading.lower() for heading in PROJECTS}


@pytest.mark.parametrize("heading", PROJECTS)
def test_each_project_of_the_page_passes(heading: str, tmp_path: Path) -> None:
    pytest.importorskip(MODULES[heading], reason=f"{heading} is not installed: pip install 'geetest-asgi[conformance]'")
    ran = run_pytest(tmp_path, PROJECTS[heading])
    assert ran.status == 0, ran.text
    assert set(ran.counts) == {"passed"}, ran.text
    assert ran.counts["passed"] >= 1


def test_no_block_of_python_is_without_a_file_name() -> None:
    blocks = len(re.findall(r"^```python$", PAGE, re.MULTILINE))
    assert blocks == sum(name.endswith(".py") for files in PROJECTS.values() for name in files)


def test_the_table_has_each_framework_and_leads_to_it() -> None:
    rows = re.findall(r"^\| \[(\w+)\]\(#(\w+)\) \|", PAGE, re.MULTILINE)
    assert [name for name, _ in rows] == list(PROJECTS)
    assert all(anchor == name.lower() for name, anchor in rows)
