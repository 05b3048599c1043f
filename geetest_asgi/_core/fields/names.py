"""Show the names that were sent in place of the captcha fields, for developers. Never a value."""

import re
from collections import deque
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Final
from urllib.parse import unquote_plus

LOOKED_AT: Final = 4096
"""Bytes of a form, from its beginning, whose names are shown."""
_MOST: Final = 12
_ENOUGH: Final = 50
"""Names looked at; those that are shown come from these."""

_NAME: Final = re.compile(r"[A-Za-z_][\w.\[\]-]{0,39}", re.ASCII)
"""A name that may be shown. A body under the wrong content type has values where names would be: JSON that is read as
a form is one long name."""


def shown_names(names: Iterable[object]) -> str:
    """The names as one line: "username, captcha.lotNumber and others"."""
    looked_at = list(islice(names, _ENOUGH + 1))
    fit = dict.fromkeys(name for name in looked_at if isinstance(name, str) and _NAME.fullmatch(name))
    shown = list(fit)[:_MOST]
    others = len(shown) < len(fit) or len(looked_at) > _ENOUGH or any(name not in fit for name in looked_at)
    if not shown:
        return "other names" if others else "no names"
    return ", ".join(shown) + (" and others" if others else "")


def names_in_form(start: bytes) -> Iterator[str]:
    """The names of pairs with a `=`. `start`: LOOKED_AT bytes at most."""
    for pair in start.split(b"&"):
        name, equals, _ = pair.partition(b"=")
        if equals:
            yield unquote_plus(name.decode("latin-1"))


def names_in_json(document: object) -> Iterator[str]:
    """The names of a document that `read_json` has read, those at the top first; below them as "captcha.lot_number"."""
    objects = deque([("", document)])
    while objects:
        path, members = objects.popleft()
        for key, inner in members if isinstance(members, tuple) else ():
            yield path + key
            if isinstance(inner, tuple) and _NAME.fullmatch(path + key):
                objects.append((f"{path}{key}.", inner))
