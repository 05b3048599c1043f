"""The rows on the screen. The mark is a word; colour comes on top of it, and on a terminal only."""

import os
from typing import Final, TextIO

from .story import Row

_GREEN: Final = "\x1b[32m"
_RED: Final = "\x1b[1;31m"
_PLAIN: Final = "\x1b[0m"


def write_row(row: Row, stream: TextIO) -> None:
    """One line, at once; one more below a row that is not as it should be."""
    mark, colour = ("ok  ", _GREEN) if row.as_expected else ("FAIL", _RED)
    painted = f"{colour}{mark}{_PLAIN}" if has_colour(stream) else mark
    expected = "" if row.as_expected else f"\n       expected: {row.step.expected}"
    print(f"{painted} {row}{expected}", file=stream, flush=True)


def has_colour(stream: TextIO) -> bool:
    """A terminal that can show colour, and nobody who has said that they want none (https://no-color.org)."""
    return stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
