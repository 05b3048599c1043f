# ruff: noqa: E501 (what a page says is in one piece)
"""The libraries of pages, built for the browser as their users build them."""

import subprocess
from pathlib import Path

REACT = """
import { createElement as h, useState } from "react";
import { createRoot } from "react-dom/client";
const send = async (name) => (await fetch("/login", {method: "POST", headers: {"content-type": "application/json"},
  body: JSON.stringify({username: name})})).text();
function Form({how}) {
  const [name, setName] = useState("ada"), [answer, setAnswer] = useState("");
  const byListener = {onSubmit: async (event) => { event.preventDefault(); setAnswer(await send(name)); }};
  const byAction = {action: async (data) => setAnswer(await send(data.get("username")))};
  const controlled = {name: "username", value: name, onChange: (event) => setName(event.target.value)};
  return h("div", null,
    h("form", {"data-geetest-captcha-id": "sim-site", "data-geetest-product": "bind",
               "data-geetest-when": window.when, ...(how === "action" ? byAction : byListener)},
      h("input", how === "action" ? {name: "username", defaultValue: "ada"} : controlled), h("button", {id: "go"}, "Log in")),
    h("output", null, answer));
}
createRoot(document.querySelector("#root")).render(h(Form, {how: window.how}));
"""
SVELTE = """<script>
  let answer = $state(""), name = $state("ada");
  async function send(event) {
    event.preventDefault();
    const body = new FormData(event.target);
    answer = await (await fetch("/login", {method: "POST", body})).text();
  }
</script>
<form data-geetest-captcha-id="sim-site" data-geetest-product="bind" onsubmit={send}>
  <input name="username" bind:value={name}><button id="go">Log in</button>
</form><output>{answer}</output>
"""
COMPILE = """import { compile } from "svelte/compiler"; import { readFileSync, writeFileSync } from "node:fs";
const [, , from, to] = process.argv; writeFileSync(to, compile(readFileSync(from, "utf8"), {}).js.code);
"""
KY = """import ky from "ky"; const f = document.querySelector("#f");
f.addEventListener("submit", async (event) => {
  event.preventDefault();
  const sent = window.how === "json" ? {json: Object.fromEntries(new FormData(f))} : {body: new FormData(f)};
  document.querySelector("output").textContent = await ky.post("/login", sent).text();
});
"""
MOUNT = """import { mount } from "svelte"; import Form from "./Form.svelte.js";
mount(Form, {target: document.querySelector("#root")});
"""
BUILT = {"react": REACT, "svelte": MOUNT, "ky": KY}
PLAIN = {
    "jquery": "jquery/dist/jquery.min.js",
    "htmx2": "htmx.org/dist/htmx.min.js",
    "htmx4": "htmx4/dist/htmx.min.js",
    "turbo": "@hotwired/turbo/dist/turbo.es2017-umd.js",
    "alpine": "alpinejs/dist/cdn.min.js",
    "unpoly": "unpoly/unpoly.min.js",
    "axios": "axios/dist/axios.min.js",
}


def bundle(node_modules: Path, result: Path, code: str) -> None:
    entry = node_modules / f"entry-{result.name}"
    entry.write_text(code)
    options = ("--bundle", "--minify", "--format=iife", f"--outfile={result}", "--log-level=error")
    react = ("--alias:react=react19", "--alias:react-dom=react-dom19", '--define:process.env.NODE_ENV="production"')
    esbuild = [str(node_modules / ".bin" / "esbuild"), str(entry), *options, *react]
    done = subprocess.run(esbuild, cwd=node_modules, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[:500]


def build(node_modules: Path, home: Path) -> None:
    """Build what has to be built, in the folder `home`."""
    (node_modules / "compile.mjs").write_text(COMPILE)
    (home / "Form.svelte").write_text(SVELTE)
    form = node_modules / "Form.svelte.js"
    subprocess.run(["node", str(node_modules / "compile.mjs"), str(home / "Form.svelte"), str(form)], check=True)
    for name, code in BUILT.items():
        bundle(node_modules, home / f"{name}.js", code)


def scripts(node_modules: Path, home: Path) -> dict[str, bytes]:
    """Each library's script, ready to be served."""
    plain = {name: node_modules / path for name, path in PLAIN.items()}
    built = {name: home / f"{name}.js" for name in BUILT}
    return {name: path.read_bytes() for name, path in (plain | built).items()}
