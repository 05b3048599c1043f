"""geetest-form.js as it is shipped: built of its source, and typed."""

import os
import subprocess
from pathlib import Path

from geetest_asgi.frontend import MODULE, SCRIPT, TYPES

from .form_stage import PAGES

ROOT = Path(__file__).parent.parent.parent


def test_the_built_files_are_the_sources(node_modules: Path, tmp_path: Path) -> None:
    tools = {**os.environ, "FRONT_END_TOOLS": str(node_modules.parent)}
    subprocess.run([ROOT / ".ci" / "front-end", tmp_path], env=tools, check=True, capture_output=True)
    for file in (SCRIPT, MODULE):
        assert (tmp_path / file.name).read_bytes() == file.read_bytes(), "run .ci/front-end"


def test_the_types_are_what_typescript_understands(node_modules: Path, tmp_path: Path) -> None:
    (tmp_path / TYPES.name).write_bytes(TYPES.read_bytes())
    (tmp_path / MODULE.name).write_bytes(MODULE.read_bytes())
    (tmp_path / "types.mts").write_bytes((PAGES / "types.mts").read_bytes())
    options = ("--noEmit", "--strict", "--target", "es2022", "--module", "nodenext", "--types", "")
    tsc = [str(node_modules / ".bin" / "tsc"), *options, "types.mts"]
    done = subprocess.run(tsc, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "")


def test_the_module_has_what_the_types_say(node_modules: Path, tmp_path: Path) -> None:
    """The names that are exported, as JavaScript sees them."""
    exported = MODULE.read_text("utf-8").rpartition("export{")[2]
    names = {each.rpartition(" as ")[2].strip("}; \n") for each in exported.split(",")}
    declared = {
        line.partition("function ")[2].partition("(")[0].partition("<")[0]
        for line in TYPES.read_text("utf-8").splitlines()
        if line.startswith("export function ")
    }
    assert names == declared
