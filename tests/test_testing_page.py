"""docs/testing.md: each of its projects in a fresh directory, as a reader would copy it, and its tables."""

import re
from importlib.util import find_spec
from pathlib import Path

import pytest
from projects import PAGE, PROJECTS, run_pytest

from geetest_asgi.testing import GeeTestServer


@pytest.mark.slow
@pytest.mark.parametrize("heading", PROJECTS)
def test_each_project_of_the_page_passes(heading: str, tmp_path: Path) -> None:
    missing = [name for name in ("django", "pytest_django", "ninja", "rest_framework") if find_spec(name) is None]
    if heading.startswith("Django") and missing:
        pytest.skip(f"{missing[0]} is not installed: pip install 'geetest-asgi[conformance]'")
    ran = run_pytest(tmp_path, PROJECTS[heading])
    assert ran.counts.keys() == {"passed"}, ran.text


def test_the_controls_in_the_table_are_all_there_are() -> None:
    there = {name for name in dir(GeeTestServer()) if not name.startswith("_")}
    assert there == set(re.findall(r"`\.(\w+)", PAGE))
