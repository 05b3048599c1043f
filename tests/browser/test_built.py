"""geetest-form.js as it is shipped: built of its source, and typed."""

import os
import subprocess
from pathlib import Path

from geetest_asgi.frontend import MODULE, SCRIPT, TYPES

ROOT = Path(__file__).parent.parent.parent
RIGHT = """
import { attach, captcha, denial, fetch, type Captcha } from "./geetest-form.mjs";
const form = document.querySelector("form")!;
attach(form, { captchaId: "x", product: "bind", fields: "geetest_", when: "asked" }).detach();
attach(document.body, { captchaId: "x", paths: ["POST /api/orders"], origins: ["https://api.example"] });
const made: Captcha = await captcha({ captchaId: "x" });
const response: Response = await fetch("/api", { method: "POST" }, made, { when: "asked" });
const status: number = await made.use(async (token) => token.pass_token.length);
const problem = await denial(response);
if (problem) console.log(problem.retry === "solve", problem.detail, status);
form.addEventListener("geetest:denied", ({ detail }) => console.log(detail.problem.code));
GeetestForm.attach(form);
// @ts-expect-error: there is no such product
attach(form, { captchaId: "x", product: "sheet" });
// @ts-expect-error: an element that is no form needs paths
attach(document.body, { captchaId: "x" });
// @ts-expect-error: a request needs a captcha
await fetch("/api", {}, "token");
"""


def test_the_built_files_are_the_sources(node_modules: Path, tmp_path: Path) -> None:
    tools = {**os.environ, "FRONT_END_TOOLS": str(node_modules.parent)}
    subprocess.run([ROOT / ".ci" / "front-end", tmp_path], env=tools, check=True, capture_output=True)
    for file in (SCRIPT, MODULE):
        assert (tmp_path / file.name).read_bytes() == file.read_bytes(), "run .ci/front-end"


def test_the_types_are_what_typescript_understands(node_modules: Path, tmp_path: Path) -> None:
    (tmp_path / TYPES.name).write_bytes(TYPES.read_bytes())
    (tmp_path / MODULE.name).write_bytes(MODULE.read_bytes())
    (tmp_path / "page.mts").write_text(RIGHT)
    options = ("--noEmit", "--strict", "--target", "es2022", "--module", "nodenext", "--types", "")
    tsc = [str(node_modules / ".bin" / "tsc"), *options, "page.mts"]
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
