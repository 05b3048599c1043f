"""The names of the captcha fields in JSON, in forms and in headers, according to the `fields` setting."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Final

from ..errors import ConfigError
from ..model import FIELD_NAMES

WHOLE_HEADER: Final = "x-geetest"
"""The header that may always hold all four fields."""


@dataclass(frozen=True)
class Spelling:
    """The names of one rule's fields. Each mapping leads from the name that is sent to GeeTest's name.

    With a `container` one object holds all four fields: a JSON object at that path of keys, form fields such as
    `captcha[lot_number]`, or a field or header of that name with the object as text.
    """

    names: Mapping[str, str]
    """Names in JSON; also in forms, if there is no container."""
    headers: Mapping[str, str]
    """Names of headers, lower case."""
    container: tuple[str, ...] | None = None
    container_header: str = WHOLE_HEADER
    """The header that holds all four fields, beside `WHOLE_HEADER`."""
    wanted: tuple[str, ...] = FIELD_NAMES
    """The fields to search for, by GeeTest's names. All except `captcha_id` are required."""

    @cached_property
    def form_names(self) -> Mapping[str, str]:
        """Names of the fields in a form, a query or a multipart body."""
        if self.container is None:
            return self.names
        first, *rest = self.container
        dots = {".".join([*self.container, name]): field for name, field in self.names.items()}
        return dots | {_bracketed(first, *rest, name): field for name, field in self.names.items()}

    @cached_property
    def form_containers(self) -> frozenset[str]:
        """Names of form fields that hold all four fields as text."""
        return frozenset({".".join(self.container), _bracketed(*self.container)} if self.container else ())

    @cached_property
    def form_bytes(self) -> frozenset[bytes]:
        """All known names in a form, in UTF-8."""
        return frozenset(name.encode() for name in (*self.form_names, *self.form_containers))


def _bracketed(first: str, *rest: str) -> str:
    """Return a name as PHP, Rails, jQuery and qs write it: `data[captcha][lot_number]`."""
    return first + "".join(f"[{each}]" for each in rest)


def _camel(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(word.capitalize() for word in rest)


_WAY_TO_WRITE: Final = "(lower)?(camel|pascal|snake|kebab)(case)?|none"
_CONTAINER: Final = r"""[^\s.,*<>{}"'\[\]]+(\.[^\s.,*<>{}"'\[\]]+)*"""

WITH_ID: Final = (*FIELD_NAMES, "captcha_id")
"""The four fields and the id of the captcha, which `getValidate()` also gives to a page."""


def spelling(fields: str | Mapping[str, str] | None, wanted: tuple[str, ...] = FIELD_NAMES) -> Spelling:
    """Return the spelling that the `fields` setting describes. Raises ConfigError.

    fields   None: GeeTest's names. A mapping from GeeTest's names to others. "camelCase". A word that ends in "_" or
             "-": a prefix. Any other word: a container, with dots between its keys.
    wanted   FIELD_NAMES or WITH_ID
    """
    flat, camel = {name: name for name in wanted}, {_camel(name): name for name in wanted}
    headers = {"x-geetest-" + name.replace("_", "-"): name for name in wanted}
    if fields is None:
        return Spelling(flat, headers, wanted=wanted)
    if isinstance(fields, Mapping):
        return _renamed(fields, headers, wanted)
    if not isinstance(fields, str) or not re.fullmatch(_CONTAINER, fields):
        raise ConfigError(
            f"fields={fields!r}: give a mapping such as {{'lot_number': 'lot'}}, a prefix 'geetest_', "
            "'camelCase', or a container 'captcha' or 'data.captcha'"
        )
    if fields != "camelCase" and re.fullmatch(_WAY_TO_WRITE, re.sub("[_-]", "", fields).lower()):
        raise ConfigError(
            f"fields={fields!r}: would be a container of that name; write 'camelCase', or None for GeeTest's own names"
        )
    if fields.endswith((*flat, *camel)):
        raise ConfigError(f"fields={fields!r}: names one field; give what all four have in common, or a mapping")
    if fields == "camelCase":
        return Spelling(camel, headers, wanted=wanted)
    if fields.endswith(("_", "-")):
        return Spelling({fields + name: name for name in wanted}, headers, wanted=wanted)
    return Spelling(flat | camel, headers, tuple(fields.split(".")), fields.lower(), wanted)


def _renamed(fields: Mapping[str, str], headers: Mapping[str, str], wanted: tuple[str, ...]) -> Spelling:
    unknown = [name for name in fields if name not in wanted]
    if unknown or not all(isinstance(sent, str) and sent for sent in fields.values()):
        raise ConfigError(f"fields={dict(fields)!r}: map GeeTest's names to yours, {', '.join(wanted)}")
    names = {fields.get(name, name): name for name in wanted}
    if len(names) < len(wanted):
        raise ConfigError(f"fields={dict(fields)!r}: two fields have the same name")
    own = {sent.lower(): name for sent, name in names.items() if name in fields}
    return Spelling(names, {**headers, **own}, wanted=wanted)
