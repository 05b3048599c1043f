"""Cache of decisions by request line: a site serves few paths many times."""

from collections.abc import Callable
from typing import Final, TypeVar

T = TypeVar("T")
RequestLine = tuple[str, str, bytes, str]
"""Method, path, raw path, root path: all parameters of `RuleTable.match`."""

KEPT: Final = 1024
"""Decisions in the cache; with `LONGEST` this bounds it to about a megabyte."""
LONGEST: Final = 512
"""Characters of a request line that is kept."""


class Decisions(dict[RequestLine, T | None]):
    """A cache of `decide` with at most `KEPT` entries. It is a dictionary, since every request of the app reads it.

    Clients choose the request lines: an invented one costs what it would cost without the cache.
    """

    def __init__(self, decide: Callable[[str, str, bytes, str], T | None]) -> None:
        super().__init__()
        self._decide = decide

    def __missing__(self, line: RequestLine) -> T | None:
        found = self._decide(*line)
        if sum(map(len, line)) <= LONGEST:
            if len(self) >= KEPT:
                self.clear()  # simpler than an LRU; the site's own paths soon return
            self[line] = found
        return found
