"""python -m benchmarks                        lists the benchmarks
python -m benchmarks NAME                   runs one and prints its tables
python -m benchmarks NAME --beside PATH     measures the geetest_asgi of another checkout in the same run, in turn
python -m benchmarks all                    runs all that docs/performance.md has, and writes it and its picture
python -m benchmarks picture                draws the picture again from the page
"""

import os
import platform
import re
import subprocess
import sys
import time
from collections.abc import Iterable
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Final

from . import picture
from .measure import SECONDS

NAMES: Final = ("login", "call", "unprotected", "share", "bodies", "uploads", "odd", "start", "memory")
"""Those that docs/performance.md has a place for."""
COMPARED: Final = ("login", "call", "unprotected", "share", "uploads", "budget")
"""Those that measure another checkout too."""
OTHERS: Final = ("stores", "admissions", "chaos", "scale", "collect")
"""With pages of their own: docs/stores.md, docs/outages.md, docs/scale.md, docs/testing.md."""
COMMANDS: Final = (*NAMES, "budget")
DOCS: Final = Path(__file__).parent.parent / "docs"
_VERSIONS: Final = (
    *("starlette", "httpx", "httpcore", "anyio", "h11", "httptools", "python-multipart"),
    *("uvicorn", "uvloop", "aiohttp", "httpx-aiohttp", "requests"),
)


def main(arguments: list[str]) -> str:
    """What is to be printed."""
    match arguments:
        case ["all"]:
            return run_all(DOCS)
        case ["picture"]:
            return draw(DOCS)
        case [name] if name in COMMANDS:
            return str(import_module(f".{name}", __package__).main())
        case [name, "--beside", path] if name in COMPARED:
            return str(import_module(f".{name}", __package__).main(Path(path)))
        case []:
            return f"{__doc__}\n{_list()}"
    raise SystemExit(f"{' '.join(arguments)!r} is no benchmark; there are\n\n{_list()}")


def _list() -> str:
    def lines(names: Iterable[str]) -> str:
        docs = {name: import_module(f".{name}", __package__).__doc__ or "" for name in names}
        return "\n".join(f"{name:12} {doc.splitlines()[0]}" for name, doc in docs.items())

    beside = f"--beside is for {', '.join(COMPARED)}"
    return f"{lines(COMMANDS)}\n\n{beside}; besides, as python -m benchmarks.NAME:\n\n{lines(OTHERS)}"


def run_all(docs: Path, names: tuple[str, ...] = NAMES) -> str:
    """Each in a process of its own, its tables put where the page has a place for them."""
    page, start, load = docs / "performance.md", time.monotonic(), os.getloadavg()[0]
    for name in names:
        print(f"{name} …", file=sys.stderr, flush=True)
        command = [sys.executable, "-m", "benchmarks", name]
        done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
        page.write_text(put(page.read_text(), name, done.stdout.strip()))
    minutes = (time.monotonic() - start) / 60
    hurried = f" A glance, with BENCHMARK_SECONDS={SECONDS:g}." if SECONDS < 1 else ""
    loads = f"{minutes:.0f} min; load average {load:.1f} before, {os.getloadavg()[0]:.1f} after"
    page.write_text(put(page.read_text(), "machine", f"{machine()}\n{loads}.{hurried}"))
    return draw(docs)


def draw(docs: Path) -> str:
    """The picture, from the page."""
    page = (docs / "performance.md").read_text()
    (docs / "performance.svg").write_text(picture.draw(picture.charts(page)))
    return f"{docs / 'performance.md'} and {docs / 'performance.svg'} are written"


def put(page: str, name: str, text: str) -> str:
    """The page with this text between its marks `<!-- name -->` and `<!-- / -->`."""
    place = re.compile(rf"(<!-- {name} -->\n).*?(<!-- / -->)", re.DOTALL)
    if len(place.findall(page)) != 1:
        raise ValueError(f"the page must have one place for {name}")
    return place.sub(lambda marks: f"{marks[1]}\n{text}\n\n{marks[2]}", page)


def machine() -> str:
    """When, and on what."""
    packages = ", ".join(f"{name} {number}" for name in _VERSIONS if (number := _version(name)))
    cores = f"{os.cpu_count()} cores ({_processor()}), {platform.system()}"
    return f"{time.strftime('%Y-%m-%d')}, {cores}, Python {platform.python_version()}, {packages};"


def _processor() -> str:
    try:
        found = re.search(r"^model name\s*:\s*(.+)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    except OSError:
        found = None
    return found[1] if found else platform.machine()


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return ""


if __name__ == "__main__":
    if SECONDS < 1:
        print("A glance: numbers, rounds and sizes are smaller than the tables say.", file=sys.stderr)
    print(main(sys.argv[1:]))
