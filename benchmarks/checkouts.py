"""This checkout, and another beside it: each figure comes from a process whose geetest_asgi is one of them.

The benchmarks themselves are always these, so they use nothing of the package but its public names.
"""

import json
import os
import subprocess
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final

ROOT: Final = Path(__file__).parent.parent
OURS: Final = "**geetest_asgi**"
BESIDE: Final = "the other checkout"


def checkouts(beside: Path | None) -> dict[str, Path]:
    """Rows of a table, and where each one's geetest_asgi is."""
    if beside is None:
        return {OURS: ROOT}
    if not (beside / "geetest_asgi" / "__init__.py").exists():
        raise SystemExit(f"--beside {beside}: there is no geetest_asgi in it; give a checkout of this project")
    return {OURS: ROOT, BESIDE: beside.resolve()}


def rows(ways: Iterable[str], beside: Path | None) -> dict[str, tuple[str, Path]]:
    """By row of a table the way and the checkout: ours once for each, the rivals once."""
    return {
        row: (way, checkout)
        for way in ways
        for row, checkout in (checkouts(beside) if way == OURS else {way: ROOT}).items()
    }


def environment(checkout: Path = ROOT, *, trusted: Path | None = None) -> dict[str, str]:
    """For a process that measures: its checkout, and authorities that it trusts."""
    changes = {"BENCHMARK_CHECKOUT": str(checkout)}
    if trusted is not None:
        changes |= {"BENCHMARK_TRUSTED": str(trusted), "SSL_CERT_FILE": str(trusted)}
    return {name: value for name, value in os.environ.items() if name != "PYTEST_VERSION"} | changes


def command(module: str, *arguments: object) -> list[str]:
    """What runs one of these modules. The rest of the world is asked for nothing: ROOT must be the directory."""
    return [sys.executable, "-m", f"benchmarks.{module}", *map(str, arguments)]


def run(module: str, *arguments: object, env: Mapping[str, str] | None = None) -> Any:
    """What this module prints as JSON, in a process of its own."""
    done = subprocess.run(
        command(module, *arguments),
        cwd=ROOT,
        env=environment() if env is None else env,
        stdout=subprocess.PIPE,
        check=True,
        timeout=600,
    )
    return json.loads(done.stdout)
