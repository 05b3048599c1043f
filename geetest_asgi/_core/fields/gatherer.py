"""Collect the values of the captcha fields from one source, and check their shapes.

The first value of a name counts. The values that pages send for an unsolved captcha (`getValidate()` returns `false`,
so they send "false", "undefined", "null" or nothing) count as not sent.
"""

import re
from collections.abc import Iterable, Mapping
from typing import Any, Final

from ..model import FIELD_NAMES, CaptchaFields, Evidence, Outcome
from .names import shown_names
from .spelling import WHOLE_HEADER, WITH_ID, Spelling, spelling
from .texts import read_container

_UNSOLVED: Final = frozenset({"", "false", "null", "undefined"})

_SHAPES: Final[Mapping[str, re.Pattern[str]]] = {
    "lot_number": re.compile(r"[!-~]{1,128}"),
    "captcha_output": re.compile(r"[!-~]+"),
    "pass_token": re.compile(r"[!-~]{1,512}"),
    "gen_time": re.compile(r"[0-9]{1,13}"),
    "captcha_id": re.compile(r"[!-~]{1,128}"),
}
"""Printable ASCII without blanks. GeeTest documents strings, so its present formats (32 and 64 hex digits, base64url)
are not required; the lengths are several times those that it sends. `gen_time` is documented as Unix seconds."""

_USUAL: Final = spelling(None)

NOTHING: Final = "no captcha field with a value"
"""Reason of `missing`; the names that were found follow."""

UNREADABLE: Final = object()
"""Stands for a value that cannot be a captcha field: bytes that are not UTF-8, or too many of them."""


class Gatherer:
    """Collects the values of one source. Mutable; one for each source of each request."""

    def __init__(self, spelling: Spelling, max_field: int) -> None:
        self.spelling = spelling
        self.max_field = max_field
        """Greatest length of a value in bytes; a longer one is malformed."""
        self.complete = False
        """All fields are found: no later value changes the result."""
        self._values: dict[str, object] = {}

    def offer(self, name: str, value: object) -> None:
        """Take a value from a form, by the name that was sent. Unknown names are ignored."""
        if (field := self.spelling.form_names.get(name)) is not None:
            self.offer_field(field, value)
        elif name in self.spelling.form_containers:
            self.offer_container(value)

    def offer_field(self, field: str, value: object) -> None:
        """Take a value of the field that GeeTest calls `field`."""
        if self.complete or field in self._values or _unsolved(value):
            return
        self._values[field] = value
        self.complete = len(self._values) == len(self.spelling.wanted)

    def offer_container(self, value: object) -> None:
        """Take the text of an object with all four fields. No later value counts, whatever the text contains."""
        if self.complete or _unsolved(value):
            return
        for name, inner in read_container(value, self.max_field):
            field = self.spelling.names.get(name, name if name in self.spelling.wanted else None)
            if field is not None:
                self.offer_field(field, inner)
        self._values.setdefault("lot_number", UNREADABLE)  # it was sent, so the result is not "missing"
        self.complete = True

    def conclude(self, broken: str = "") -> CaptchaFields | Evidence | None:
        """Return the four fields, or evidence of what is wrong, or None if nothing was found.

        `broken`: the reason why the rest of the source could not be read.
        """
        if not self.complete and broken:
            return Evidence(Outcome.MALFORMED, broken)
        if not self._values:
            return None
        texts, wrong = {}, []
        for name in WITH_ID if "captcha_id" in self._values else FIELD_NAMES:
            value = self._values.get(name)
            if type(value) is int and name == "gen_time" and 0 <= value < 10**13:  # str() of huge ints raises
                value = str(value)
            if isinstance(value, str) and len(value) <= self.max_field and _SHAPES[name].fullmatch(value):
                texts[name] = value
            else:
                wrong.append(name)
        if wrong:
            return Evidence(Outcome.MALFORMED, f"missing or of the wrong shape: {', '.join(wrong)}")
        return CaptchaFields(**texts)


def _unsolved(value: object) -> bool:
    return value is None or value is False or (isinstance(value, str) and value in _UNSOLVED)


def fields_from_mapping(values: Mapping[str, Any] | Any, max_field: int) -> CaptchaFields | Evidence:
    """Return the four fields of a mapping that a handler has parsed, or evidence.

    `values` may be any value, since a client chooses it: `await request.json()` may be a list, or the `false` of
    `getValidate()`.
    """
    if not isinstance(values, Mapping):
        unsolved = _unsolved(values)
        return Evidence(Outcome.MISSING if unsolved else Outcome.MALFORMED, "no object with the captcha fields")
    gatherer = Gatherer(_USUAL, max_field)
    for name, value in values.items():
        gatherer.offer(name, value)
    return gatherer.conclude() or Evidence(Outcome.MISSING, f"{NOTHING}: {shown_names(values)}")


def from_headers(headers: Iterable[tuple[bytes, bytes]], gatherer: Gatherer) -> CaptchaFields | Evidence | None:
    """Conclude from the headers (see `Gatherer.conclude`). A header sent twice is malformed: proxies keep either."""
    spelling, seen = gatherer.spelling, set[str]()
    for raw_name, raw_value in headers:
        name = raw_name.decode("latin-1").lower()
        whole = name in (WHOLE_HEADER, spelling.container_header)
        if not whole and name not in spelling.headers:
            continue
        if name in seen:
            return Evidence(Outcome.MALFORMED, "a captcha header is sent twice")
        seen.add(name)
        if whole:
            gatherer.offer_container(raw_value.decode("latin-1"))
        else:
            gatherer.offer_field(spelling.headers[name], raw_value.decode("latin-1"))
    return gatherer.conclude()
