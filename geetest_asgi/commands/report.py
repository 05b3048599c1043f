"""The output of a command: plain lines of at most 100 columns, each with a mark; or the same as one JSON object."""

import json
import os
import textwrap
from collections.abc import Iterable, Sequence
from typing import Any, Final, TextIO

WIDTH: Final = 100
_COLOURS: Final = {"ok": "\x1b[32m", "warn": "\x1b[33m", "FAIL": "\x1b[1;31m"}
_PLAIN: Final = "\x1b[0m"


def has_colour(stream: TextIO) -> bool:
    """Return whether the terminal shows colour and NO_COLOR is not set (https://no-color.org)."""
    return stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def shown(text: str) -> str:
    """Return foreign text in a form that is safe for a terminal: only printable ASCII, the rest escaped."""
    return (
        "".join(each if " " <= each <= "~" else repr(each)[1:-1] for each in text)
        .encode("ascii", "backslashreplace")
        .decode()
    )


def columns(rows: Iterable[Sequence[str]], gap: str = "  ") -> list[str]:
    """The rows with their cells aligned."""
    rows = list(rows)
    widths = [max(map(len, cells)) for cells in zip(*rows, strict=True)]
    return [gap.join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]


class Report:
    """Prints findings, and counts warnings and failures. Marks: ok, note (not counted), warn, FAIL.

    If the reader of the output has ended, as behind `head -1`, the command goes on to its exit status.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._colour = has_colour(stream)
        self._begun = False
        self.counts: dict[str, int] = {"ok": 0, "note": 0, "warn": 0, "FAIL": 0}

    def head(self, title: str) -> None:
        """The head of a section, behind an empty line; cut where it is too long."""
        self._print("\n" * self._begun + (title if len(title) <= WIDTH else title[: WIDTH - 3] + "..."))

    def say(self, mark: str, text: str) -> None:
        """One finding."""
        self.counts[mark] += 1
        first, *more = textwrap.wrap(text, WIDTH - 8, break_on_hyphens=False, drop_whitespace=True) or [""]
        colour = _COLOURS.get(mark, "") if self._colour else ""
        self._print(f"  {colour}{mark.ljust(4)}{_PLAIN if colour else ''}  {first}")
        self.lines(more, indent=8)

    def table(self, head: Sequence[str], rows: Iterable[Sequence[str]], *, headed: bool = True) -> None:
        """Rows with their cells aligned. `headed`: below a line with the names of the columns."""
        self.lines(columns([head, *rows] if headed else rows))

    def lines(self, lines: Iterable[str], indent: int = 2) -> None:
        """Lines as they are; what is too long goes on below, further in."""
        for line in lines:
            for part in _folded(line, WIDTH - indent):
                self._print((" " * indent + part).rstrip())

    def end(self, status: int) -> None:
        """The last line of a check."""
        failed, warned = self.counts["FAIL"], self.counts["warn"]
        parts = [(failed, "failed"), (warned, f"warning{'s' * (warned != 1)}")]
        told = ", ".join(f"{count} {word}" for count, word in parts if count)
        self.head(f"{told}." if told else "All is well.")

    def _print(self, text: str) -> None:
        self._begun = True
        try:
            print(text, file=self._stream, flush=True)
        except BrokenPipeError:
            forget_output(self._stream)


class JSONReport(Report):
    """Prints one object at the end: status, failed, warnings, and sections as they stand in the plain report."""

    def __init__(self, stream: TextIO) -> None:
        super().__init__(stream)
        self._sections: list[dict[str, Any]] = []

    def head(self, title: str) -> None:
        """See Report."""
        self._sections.append({"title": title, "findings": [], "rows": [], "lines": []})

    def say(self, mark: str, text: str) -> None:
        """See Report."""
        self.counts[mark] += 1
        self._sections[-1]["findings"].append({"mark": mark.lower(), "text": text})

    def table(self, head: Sequence[str], rows: Iterable[Sequence[str]], *, headed: bool = True) -> None:
        """See Report. Each row is an object."""
        self._sections[-1]["rows"] += [dict(zip(head, row, strict=True)) for row in rows]

    def lines(self, lines: Iterable[str], indent: int = 2) -> None:
        """See Report."""
        self._sections[-1]["lines"] += lines

    def end(self, status: int) -> None:
        """Print it all."""
        counts = {"failed": self.counts["FAIL"], "warnings": self.counts["warn"]}
        self._print(json.dumps({"status": status, **counts, "sections": self._sections}, indent=2))


def forget_output(stream: TextIO) -> None:
    """From now on the stream leads nowhere, or the interpreter complains at its end."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def _folded(line: str, width: int) -> list[str]:
    if len(line) <= width:
        return [line]
    inner = " " * (len(line) - len(line.lstrip()) + 4)
    return textwrap.wrap(
        line, width, subsequent_indent=inner, break_on_hyphens=False, replace_whitespace=False, tabsize=1
    )
