"""Find the captcha fields in a JSON body. It is decoded once, at its end, as the app will decode it."""

import gc
from collections.abc import Iterator, Sequence
from typing import Final

from ..limits import MIB
from .gatherer import Gatherer
from .names import names_in_json
from .texts import read_json

MAX_VALUES: Final = 700_000
"""Greatest number of values in a document; 1 MiB cannot hold more. Decoding blocks the event loop, for 20 to 50 ms at
most for 1 MiB; this bounds the time if `Limits.max_body` is raised."""


class JsonScanner:
    """Finds the captcha fields at the top level of a JSON object, or in the container that the spelling names.

    It finds nothing before `end`, so a caller that keeps the body may feed it whole.
    """

    def __init__(self, gatherer: Gatherer) -> None:
        self._gatherer = gatherer
        self._body = bytearray()
        self._document: object = None
        self.broken = ""
        self.done = False

    def feed(self, data: bytes | bytearray) -> None:
        """Take the next bytes of the body. They are kept; `Limits.max_body` bounds their number."""
        self._body += data

    def end(self) -> None:
        """The body is over."""
        self.done = True
        # Garbage collection of the new objects would cost up to ten times the decoding. JSON has no cycles, so nothing
        # leaks.
        collecting = gc.isenabled()
        gc.disable()
        try:
            self._read()
        finally:
            if collecting:
                gc.enable()

    def names(self) -> Iterator[str]:
        """Return the names in the document, for developers."""
        return names_in_json(self._document)

    def _read(self) -> None:
        if not self._body:
            return
        if len(self._body) > MIB and sum(map(self._body.count, (b",", b"[", b"{"))) > MAX_VALUES:
            self.broken = f"more than {MAX_VALUES} values in the body"
            return
        path = self._gatherer.spelling.container or ()
        try:
            text = self._body.decode("utf-8-sig")
            self._body.clear()
            self._document = read_json(text)
        except ValueError:
            self.broken = "the body is not JSON"
        except RecursionError:
            self.broken = "the body is nested too deeply"
        else:
            self._search(self._document, path)

    def _search(self, value: object, path: Sequence[str]) -> None:
        """Offer the fields in a value to the gatherer. `path`: the keys that lead to them; empty: no key is needed."""
        if not isinstance(value, tuple):
            return
        names = self._gatherer.spelling.names
        wanted = path[:1] or names
        for key, inner in [pair for pair in value if pair[0] in wanted]:
            if not path:
                self._gatherer.offer_field(names[key], inner)
            elif isinstance(inner, tuple):
                self._search(inner, path[1:])
            elif len(path) == 1:
                self._gatherer.offer_container(inner)
