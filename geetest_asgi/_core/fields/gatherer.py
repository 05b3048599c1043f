"""Where the captcha fields live and how they are spelt. To add a place or a spelling, start here.

    Spelling   what the `fields` setting means: names, or one container that holds all four
    Gatherer   takes named values as a scanner finds them, and says what they amount to

The first value of a name counts. What an unsolved captcha leaves behind (`getValidate()` gives `false`; pages then
post "false", "undefined", "null" or nothing) counts as not sent.
"""

import base64
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

from ..errors import ConfigError
from ..model import FIELD_NAMES, CaptchaFields, Evidence, Outcome

_UNSOLVED: Final = frozenset({"", "false", "null", "undefined"})

# GEETEST's formats: hex is lower case, times are Unix seconds. A lot number that begins with V is the constant one
# that GeeTest's browser script hands out while it reaches no server. `[0-9]` and not `\d`: ASCII only.
_SHAPES: Final[Mapping[str, re.Pattern[str]]] = {
    "lot_number": re.compile(r"V?[0-9a-f]{32}"),
    "captcha_output": re.compile(r"[A-Za-z0-9_=-]+"),
    "pass_token": re.compile(r"[0-9a-f]{64}"),
    "gen_time": re.compile(r"[0-9]{10,13}"),
}


class JsonNumber(str):
    """The text of a JSON number: a string here, but one that only `gen_time` may be."""

    __slots__ = ()


UNREADABLE: Final = object()
"""A value that is there and can be no captcha field: a list, `true`, bytes that are no text."""


@dataclass(frozen=True)
class Spelling:
    """How one rule's fields are named. `names` maps what is sent to GeeTest's name; headers are lower case.

    With a `container`, all four are in one object: a JSON object at that path of keys, or a field or header of
    that name whose text is the object in JSON or in base64url of JSON.
    """

    names: Mapping[str, str]
    headers: Mapping[str, str]
    container: tuple[str, ...] | None = None
    container_header: str = "x-geetest"
    """A header that holds all four; "x-geetest" does so besides."""

    @cached_property
    def wanted(self) -> frozenset[bytes]:
        """The names of the fields as bytes: most of what is sent is passed over by this."""
        return frozenset(name.encode() for name in self.names)

    @cached_property
    def container_name(self) -> str | None:
        """The container's name where there is no depth: in a form, a query, a multipart body."""
        return ".".join(self.container) if self.container else None


def _camel(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(word.capitalize() for word in rest)


_HEADER: Final = "x-geetest"
_FLAT: Final = {name: name for name in FIELD_NAMES}
_CAMEL: Final = {_camel(name): name for name in FIELD_NAMES}
_HEADERS: Final = {"x-geetest-" + name.replace("_", "-"): name for name in FIELD_NAMES}


def spelling(fields: str | Mapping[str, str] | None) -> Spelling:
    """What the `fields` setting means. Raises ConfigError.

    None: the four names. A mapping: GeeTest's name → yours. "camelCase". A word that ends in "_" or "-": a prefix.
    Any other word: a container, dotted for depth.
    """
    if fields is None:
        return Spelling(_FLAT, _HEADERS)
    if isinstance(fields, Mapping):
        return _renamed(fields)
    if not isinstance(fields, str) or not re.fullmatch(r"[^\s.]+(\.[^\s.]+)*", fields):
        raise ConfigError(
            f"fields={fields!r}: give a mapping such as {{'lot_number': 'lot'}}, a prefix 'geetest_', "
            "'camelCase', or a container 'captcha' or 'data.captcha'"
        )
    if fields != "camelCase" and re.sub("[_-]", "", fields).lower() == "camelcase":
        raise ConfigError(f"fields={fields!r}: would be a container of that name; write 'camelCase'")
    if fields == "camelCase":
        return Spelling(_CAMEL, _HEADERS)
    if fields.endswith(("_", "-")):
        return Spelling({fields + name: name for name in FIELD_NAMES}, _HEADERS)
    return Spelling(_FLAT | _CAMEL, _HEADERS, tuple(fields.split(".")), fields.lower())


def _renamed(fields: Mapping[str, str]) -> Spelling:
    unknown = [name for name in fields if name not in FIELD_NAMES]
    if unknown or not all(isinstance(sent, str) and sent for sent in fields.values()):
        raise ConfigError(f"fields={dict(fields)!r}: map GeeTest's names to yours, {', '.join(FIELD_NAMES)}")
    names = {fields.get(name, name): name for name in FIELD_NAMES}
    if len(names) < len(FIELD_NAMES):
        raise ConfigError(f"fields={dict(fields)!r}: two fields have the same name")
    return Spelling(names, _HEADERS | {sent.lower(): name for sent, name in names.items() if name in fields})


class Gatherer:
    """Collects the values of one source, and says what they are. Mutable; one for each source of each request."""

    def __init__(self, spelling: Spelling, max_field: int) -> None:
        self.spelling = spelling
        self.max_field = max_field
        self.complete = False
        """Nothing that comes later can change the answer."""
        self._values: dict[str, object] = {}

    def offer(self, name: str, value: object) -> None:
        """A value by the name it was sent under; names that mean nothing here are passed over."""
        if self.spelling.container is not None:
            if name == self.spelling.container_name:
                self.offer_container(value)
        elif (field := self.spelling.names.get(name)) is not None:
            self.offer_field(field, value)

    def offer_field(self, field: str, value: object) -> None:
        """A value of the field that GeeTest calls `field`."""
        if self.complete or _unsolved(value):
            return
        if type(value) is JsonNumber and field != "gen_time":
            value = UNREADABLE
        self._values.setdefault(field, value)
        self.complete = len(self._values) == len(FIELD_NAMES)

    def offer_container(self, value: object) -> None:
        """The text of an object that holds all four. It settles the matter, whatever is in it."""
        if self.complete or _unsolved(value):
            return
        for name, inner in _read_object(value, self.max_field):
            field = self.spelling.names.get(name, name if name in FIELD_NAMES else None)
            if field is not None:
                self.offer_field(field, inner)
        self._values.setdefault("lot_number", UNREADABLE)  # present, and so never "missing"
        self.complete = True

    def conclude(self, broken: str = "") -> CaptchaFields | Evidence:
        """What was found. `broken` says why the rest could not be read, where it could not."""
        if not self.complete and broken:
            return Evidence(Outcome.MALFORMED, broken)
        if not self._values:
            return Evidence(Outcome.MISSING, "no captcha field")
        wrong = [name for name in FIELD_NAMES if not self._fits(name)]
        if wrong:
            return Evidence(Outcome.MALFORMED, f"missing or of the wrong shape: {', '.join(wrong)}")
        return CaptchaFields(*(str(self._values[name]) for name in FIELD_NAMES))

    def _fits(self, name: str) -> bool:
        value = self._values.get(name)
        return isinstance(value, str) and len(value) <= self.max_field and bool(_SHAPES[name].fullmatch(value))


def _unsolved(value: object) -> bool:
    return value is None or value is False or (isinstance(value, str) and value in _UNSOLVED)


class _Members(list[tuple[str, object]]):
    """An object as it was written: of a doubled name the first value counts, here as everywhere."""


def _read_object(value: object, max_field: int) -> Iterable[tuple[str, object]]:
    if not isinstance(value, str) or len(value.encode(errors="surrogatepass")) > max_field:
        return ()
    try:
        text = value.strip()
        if not text.startswith("{"):
            text = base64.urlsafe_b64decode(text.rstrip("=") + "==").decode()
        found = json.loads(text, object_pairs_hook=_Members, parse_int=JsonNumber)
    except (ValueError, RecursionError):  # bad base64, UTF-8 and JSON are all ValueErrors
        return ()
    return found if isinstance(found, _Members) else ()


def fields_from_mapping(values: Mapping[str, Any] | Any, max_field: int) -> CaptchaFields | Evidence:
    """The four fields out of a mapping that a handler has parsed by itself, checked like any others.

    Or out of what a visitor sent in its place: `await request.json()` may be a list, or the `false` of `getValidate()`.
    """
    if not isinstance(values, Mapping):
        unsolved = _unsolved(values)
        return Evidence(Outcome.MISSING if unsolved else Outcome.MALFORMED, "no object with the captcha fields")
    gatherer = Gatherer(spelling(None), max_field)
    for name, value in values.items():
        # No longer number is a time, and str() refuses the longest.
        gatherer.offer(name, JsonNumber(value) if type(value) is int and 0 <= value < 10**13 else value)
    return gatherer.conclude()


def from_headers(headers: Iterable[tuple[bytes, bytes]], gatherer: Gatherer) -> CaptchaFields | Evidence:
    """The fields out of a request's headers. A doubled header is malformed: proxies differ in which one they keep."""
    spelling, seen = gatherer.spelling, set[str]()
    for raw_name, raw_value in headers:
        name, value = raw_name.decode("latin-1").lower(), raw_value.decode("latin-1")
        whole = name in (_HEADER, spelling.container_header)
        if not whole and name not in spelling.headers:
            continue
        if name in seen:
            return Evidence(Outcome.MALFORMED, "a captcha header is sent twice")
        seen.add(name)
        if whole:
            gatherer.offer_container(value)
        else:
            gatherer.offer_field(spelling.headers[name], value)
    return gatherer.conclude()
