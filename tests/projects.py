"""Other people's projects: files in a fresh directory, and pytest run there as a process of its own."""

import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from commands import ended, environment

# pytest-asyncio, where it is installed, says at the start that its defaults will change (1.5, 2026).
STRICT = ("-W", "error", "-W", "ignore::pytest.PytestDeprecationWarning")

# Plugins that no project here uses, and that take longer to load than a project's tests do.
LEAN = ("-p", "no:faker", "-p", "no:hypothesispytest")

PAGE = (Path(__file__).parent.parent / "docs" / "testing.md").read_text()


LABEL = r"(?:#|<!--|\{#) (\S+\.\w+)(?: -->| #\})?\n"
"""The first line of a block that is a file: a comment with the file's name. A reader copies it with the rest."""


def projects_of(page: str) -> dict[str, dict[str, str]]:
    """The files in a page, by the heading that they stand under: each block begins with its file's name."""
    found = {}
    for section in re.split(r"^## ", page, flags=re.MULTILINE)[1:]:
        files = re.findall(rf"^```\w+\n({LABEL}.*?)^```$", section, re.MULTILINE | re.DOTALL)
        if files:
            found[section.partition("\n")[0]] = {name: text for text, name in files}
    return found


PROJECTS = projects_of(PAGE)


@dataclass(frozen=True)
class Run:
    status: int
    text: str
    """What it printed, both streams."""

    @property
    def counts(self) -> dict[str, int]:
        """`{"passed": 2, "failed": 1}`, from pytest's last line."""
        last = self.text.strip().splitlines()[-1].partition(" in ")[0]
        return {what.rstrip("s"): int(number) for number, what in re.findall(r"(\d+) ([a-z]+)", last)}


def write(directory: Path, files: Mapping[str, str]) -> None:
    for name, text in files.items():
        (directory / name).parent.mkdir(parents=True, exist_ok=True)
        (directory / name).write_text(text)


def run_pytest(directory: Path, files: Mapping[str, str], *arguments: str, env: Mapping[str, str] | None = None) -> Run:
    """Write the files and run pytest among them; every warning is an error."""
    write(directory, files)
    line = [sys.executable, "-m", "pytest", "-q", *STRICT, *LEAN, "-p", "no:cacheprovider", *arguments]
    done = ended(line, cwd=directory, env=environment() | dict(env or {}))
    return Run(done.returncode, done.stderr + done.stdout)
