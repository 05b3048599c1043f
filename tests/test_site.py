"""The documentation site, built by the command in CONTRIBUTING.md: without a warning, as of a link that leads nowhere,
and for use without a network.

Skipped where Sphinx is not installed: pip install 'geetest-asgi[docs]'.
"""

import importlib
import json
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from pages import ROOT, Html

pytest.importorskip("sphinx", reason="Sphinx is not installed: pip install 'geetest-asgi[docs]'")

LOADS = {("script", "src"), ("img", "src"), ("link", "href"), ("iframe", "src"), ("source", "src"), ("object", "data")}
NOT_TO_IMPORT = {"commands", "demo", "pytest_plugin", "observers", "observers.logs"}
"""Programs, what pytest loads, and what is always there."""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    (command,) = re.findall(r"^ *(\S+python -m sphinx .*)$", (ROOT / "CONTRIBUTING.md").read_text(), re.MULTILINE)
    words = [sys.executable, *shlex.split(command)[1:-1], str(folder)]
    built = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, timeout=300, check=False)
    assert (built.returncode, built.stdout + built.stderr) == (0, "")
    return folder


@pytest.fixture(scope="module")
def pages(site: Path) -> dict[Path, Html]:
    return {path: Html(path.read_text(encoding="utf-8")) for path in site.rglob("*.html")}


def test_every_page_of_the_repository_is_there(site: Path) -> None:
    for path in [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")]:
        assert (site / path.relative_to(ROOT).with_suffix(".html")).exists()


def test_nothing_is_loaded_from_another_host(site: Path, pages: dict[Path, Html]) -> None:
    loads = [load for page in pages.values() for load in page.values(*LOADS)]
    assert loads
    assert [load for load in loads if urlsplit(load).netloc or load.startswith("//")] == []
    for path in site.rglob("*.css"):
        assert not re.findall(r"(?:url\(|@import)\s*[\"']?(?:https?:)?//[^)]*", path.read_text(encoding="utf-8")), path


def test_the_search_finds_a_chinese_word_within_a_sentence(site: Path) -> None:
    text = (site / "searchindex.js").read_text(encoding="utf-8")
    index = json.loads(text.removeprefix("Search.setIndex(").removesuffix(")"))
    assert index["docnames"].index("docs/zh/outages") in index["terms"]["令牌"]


def public_modules() -> Iterator[str]:
    """The modules that users import, by their names after the package's."""
    package = ROOT / "geetest_asgi"
    for path in [*package.iterdir(), *(package / "observers").iterdir()]:
        name = ".".join(path.relative_to(package).with_suffix("").parts)
        if path.suffix in ("", ".py") and not path.stem.startswith("_") and name not in NOT_TO_IMPORT:
            yield name


def public_names(module: str) -> list[str]:
    """`__all__`; where there is none, what the module itself defines without an underscore."""
    imported = importlib.import_module(module)
    own = [name for name, value in vars(imported).items() if getattr(value, "__module__", "") == module]
    own += vars(imported).get("__annotations__", ())
    return getattr(imported, "__all__", [name for name in own if not name.startswith("_")])


@pytest.mark.parametrize("module", ["geetest_asgi", *(f"geetest_asgi.{name}" for name in sorted(public_modules()))])
def test_every_public_name_is_on_the_page_of_the_api(site: Path, pages: dict[Path, Html], module: str) -> None:
    try:
        names = public_names(module)
    except ImportError as error:
        pytest.skip(f"{module}: {error}")
    ids = pages[site / "docs" / "api.html"].ids
    assert names
    assert [name for name in names if f"{module}.{name}" not in ids] == [], f"tell of {module} in docs/api.md"
