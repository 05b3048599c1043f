"""The rows on the screen. The mark is a word; colour comes on top of it, and on a terminal only."""

from typing import Final, TextIO

from ..commands.report import has_colour
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
