"""Find the captcha fields in a JSON body. It is decoded once, when it has ended, as the app will decode it."""

import gc
import re
from collections.abc import Iterator, Sequence
from typing import Final

from ..limits import MIB
from .gatherer import Gatherer
from .names import names_in_json
from .texts import read_json

MAX_VALUES: Final = 700_000
"""Values in one document: as many as 1 MiB can hold. Decoding runs in one go and holds up the event loop, 20 to 50 ms
for the hardest 1 MiB; this keeps it near that where `Limits.max_body` is raised."""


# Possessive quantifiers: each sign is looked at twice at most.
_NO_BRACKET: Final = r'(?:[^"{}\[\]]++|"[^"\\]*+(?:\\.[^"\\]*+)*+")'
_BRACKETS: Final = re.compile(
    rf"(?:{_NO_BRACKET}|[{{\[]{_NO_BRACKET}*+[}}\]])*+(?:(?P<opening>[{{\[]++)|(?P<closing>[}}\]]++))", re.DOTALL
)
"""The next brackets outside of strings; lists and objects with no others in them are passed over."""


def _read(text: str, levels: int) -> object:
    """Decode a document. Where it is nested too deeply for that, without what is nested deeper than `levels`."""
    try:
        return read_json(text)
    except RecursionError:
        return read_json(_shallow(text, levels))


def _shallow(text: str, levels: int) -> str:
    """Put an empty list in place of each list or object that is nested deeper than `levels`."""
    kept, start, level = [], 0, 0
    for brackets in _BRACKETS.finditer(text):
        if brackets["opening"]:
            if level <= levels < level + len(brackets["opening"]):
                kept.append(text[start : brackets.start("opening") + levels - level])
            level += len(brackets["opening"])
        else:
            if level - len(brackets["closing"]) <= levels < level:
                kept.append("[]")
                start = brackets.start("closing") + level - levels
            level -= len(brackets["closing"])
    return "".join(kept) + (text[start:] if level <= levels else "")


class JsonScanner:
    """Finds the captcha fields at the top level of a JSON object, or in the container that the spelling names.

    Nothing is found before the end: whoever keeps the body anyway can feed it in one piece.
    """

    def __init__(self, gatherer: Gatherer) -> None:
        self._gatherer = gatherer
        self._body: bytes | bytearray = b""
        self._document: object = None
        self.broken = ""
        self.done = False

    def feed(self, data: bytes | bytearray) -> None:
        """Take the next bytes of the body. They are kept: `Limits.max_body` bounds them."""
        if self.done:
            return
        if not self._body:
            self._body = data
        else:
            self._body = self._body if isinstance(self._body, bytearray) else bytearray(self._body)
            self._body += data

    def end(self) -> None:
        """The body is over."""
        if self.done:
            return
        self.done = True
        # The collector would look at all the new objects again and again, up to ten times the cost of decoding. Nothing
        # is leaked: JSON has no cycles.
        collecting = gc.isenabled()
        gc.disable()
        try:
            self._read()
        finally:
            if collecting:
                gc.enable()

    def names(self) -> Iterator[str]:
        """The names that were there, for a developer who misses the fields."""
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
            self._body = b""
            self._document = _read(text, len(path) + 1)
        except ValueError:
            self.broken = "the body is not JSON"
        else:
            self._search(self._document, path)

    def _search(self, value: object, path: Sequence[str]) -> None:
        """Offer the fields in one value. `path`: the keys that lead to them; empty: they are in here."""
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
