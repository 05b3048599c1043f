"""Decisions by request line, kept: a site serves few paths, again and again."""

from collections.abc import Callable
from typing import Final, TypeVar

T = TypeVar("T")
RequestLine = tuple[str, str, bytes, str]
"""Method, path, raw path, root path: all that a RuleTable looks at."""

KEPT: Final = 1024
LONGEST: Final = 512
"""Decisions that are kept, and the characters that one of them is known by at most: about a megabyte in all."""


class Decisions(dict[RequestLine, T | None]):
    """A dictionary that asks `decide` for what it has not, and keeps the answer. It never has more than `KEPT`.

    A dictionary because nothing in Python is looked up faster, and this stands before every request. Visitors choose
    what is looked up: what they make up is decided anew each time, at the cost that it would have without this.
    """

    def __init__(self, decide: Callable[[str, str, bytes, str], T | None]) -> None:
        super().__init__()
        self._decide = decide

    def __missing__(self, line: RequestLine) -> T | None:
        found = self._decide(*line)
        if sum(map(len, line)) <= LONGEST:
            if len(self) >= KEPT:
                self.clear()  # simpler than knowing which was used last; the site's own paths are soon back
            self[line] = found
        return found
