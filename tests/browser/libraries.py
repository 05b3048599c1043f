"""The libraries of pages, built for the browser as their users build them."""

import shutil
import subprocess
from pathlib import Path

SOURCES = Path(__file__).parent / "pages" / "libraries"
BUILT = ("react", "svelte", "ky")
PLAIN = {
    "jquery": "jquery/dist/jquery.min.js",
    "htmx2": "htmx.org/dist/htmx.min.js",
    "htmx4": "htmx4/dist/htmx.min.js",
    "turbo": "@hotwired/turbo/dist/turbo.es2017-umd.js",
    "alpine": "alpinejs/dist/cdn.min.js",
    "unpoly": "unpoly/unpoly.min.js",
    "axios": "axios/dist/axios.min.js",
}


def build(node_modules: Path, home: Path) -> None:
    """Build what has to be built, into the folder `home`."""
    sources = shutil.copytree(SOURCES, node_modules / "pages")  # where the packages are found
    options = ("--bundle", "--minify", "--format=iife", f"--outdir={home}", "--log-level=error")
    react = ("--alias:react=react19", "--alias:react-dom=react-dom19", '--define:process.env.NODE_ENV="production"')
    entries = [f"{name}.js" for name in BUILT]
    subprocess.run(["node", "compile.mjs"], cwd=sources, check=True)
    subprocess.run([node_modules / ".bin" / "esbuild", *entries, *options, *react], cwd=sources, check=True)


def scripts(node_modules: Path, home: Path) -> dict[str, bytes]:
    """Each library's script, ready to be served."""
    plain = {name: node_modules / path for name, path in PLAIN.items()}
    built = {name: home / f"{name}.js" for name in BUILT}
    return {name: path.read_bytes() for name, path in (plain | built).items()}
