"""What is built from this tree: the files of wheel and sdist, the package's page, and the types of what is public."""

import re
import subprocess
import sys
import tarfile
import zipfile
from email.message import Message
from email.parser import Parser
from pathlib import Path

import pytest

import geetest_asgi
from geetest_asgi import stores, testing

ROOT = Path(__file__).parent.parent
DIST_INFO = {"METADATA", "RECORD", "WHEEL", "entry_points.txt", "licenses/LICENSE"}
KINDS = {".py", ".js", ".mjs", ".mts", ".css", ".html", ".json", ".typed"}
"""What a package for users is made of."""

from_source = pytest.mark.skipif(
    not (ROOT / "geetest_asgi").exists(), reason="an installed package is tested, and there is nothing to build"
)


def sources() -> set[str]:
    """The tree's own files: those that git knows or would take; in a copy without git, all but hidden ones."""
    if (ROOT / ".git").exists():
        command = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
        listed = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout.splitlines()
        found = [Path(name) for name in listed if (ROOT / name).exists()]
    else:
        found = [path.relative_to(ROOT) for path in ROOT.rglob("*") if path.is_file() and path.suffix != ".pyc"]
    return {str(path) for path in found if not any(part.startswith(".") for part in path.parts)}


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("dist")
    subprocess.run([sys.executable, "-m", "hatchling", "build", "-d", str(folder)], cwd=ROOT, check=True)
    return folder


@pytest.fixture(scope="module")
def wheel(built: Path) -> zipfile.ZipFile:
    [path] = built.glob("*.whl")
    return zipfile.ZipFile(path)


@pytest.fixture(scope="module")
def metadata(wheel: zipfile.ZipFile) -> Message:
    [name] = [name for name in wheel.namelist() if name.endswith(".dist-info/METADATA")]
    return Parser().parsestr(wheel.read(name).decode())


@from_source
def test_the_wheel_has_the_package_whole_and_nothing_else(wheel: zipfile.ZipFile) -> None:
    names = set(wheel.namelist())
    info = f"geetest_asgi-{geetest_asgi.__version__}.dist-info"
    package = {name for name in sources() if name.startswith("geetest_asgi/")}
    assert names == package | {f"{info}/{name}" for name in DIST_INFO}
    assert {Path(name).suffix for name in package} == KINDS
    assert all(wheel.read(name) == (ROOT / name).read_bytes() for name in package)


@from_source
def test_the_sdist_has_the_whole_tree_and_nothing_else(built: Path) -> None:
    [path] = built.glob("*.tar.gz")
    with tarfile.open(path) as sdist:
        names = {name.partition("/")[2] for name in sdist.getnames()}
    assert names - {"PKG-INFO", ".gitignore"} == sources()


@from_source
def test_the_page_of_the_package_has_no_link_that_leads_nowhere_there(metadata: Message) -> None:
    page, readme = str(metadata.get_payload()), (ROOT / "README.md").read_text()
    assert metadata["Description-Content-Type"] == "text/markdown"
    block = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)
    assert block.findall(page) == block.findall(readme)
    prose = block.sub("", page)
    assert [link for link in re.findall(r"\]\(([^)]*)\)", prose) if not link.startswith("https:")] == []
    assert re.findall(r"<(?:a|img|details)\b", page) == []
    assert re.findall(r"^#+ .*$", page, re.MULTILINE) == re.findall(r"^#+ .*$", readme, re.MULTILINE)


@from_source
def test_the_metadata_speak_of_what_is_there(metadata: Message, wheel: zipfile.ZipFile) -> None:
    version = geetest_asgi.__version__
    assert (metadata["Name"], metadata["Version"], metadata["License-Expression"]) == ("geetest-asgi", version, "MIT")
    needs = {re.split(r"[<>=\[; ]", each)[0] for each in metadata.get_all("Requires-Dist", []) if ";" not in each}
    assert needs == {"starlette", "httpx", "h11", "anyio", "python-multipart"}
    entries = wheel.read(f"geetest_asgi-{version}.dist-info/entry_points.txt").decode()
    assert re.findall(r"= (\S+)", entries) == ["geetest_asgi.__main__:main", "geetest_asgi.pytest_plugin"]


def test_every_public_name_is_in_the_file_that_type_checkers_read() -> None:
    text = (ROOT / "tests" / "typed_api.py").read_text()
    _, _, used = text.partition("\n# The front door")
    public = {*geetest_asgi.__all__, *stores.__all__, *testing.__all__, "Clearance", "OpenTelemetry", "form_script"}
    public |= {"add_geetest", "Captcha", "CaptchaResult", "GeeTestPlugin", "GeeTestSettings"}
    assert [name for name in sorted(public) if not re.search(rf"\b{name}\b", used)] == []
