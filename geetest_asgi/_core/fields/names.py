"""List the names that were sent instead of the captcha fields, for developers. Values are never shown."""

import re
from collections import deque
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Final

_MOST: Final = 12
_ENOUGH: Final = 50
"""Number of names that are read."""

_NAME: Final = re.compile(r"[A-Za-z_][\w.\[\]-]{0,39}", re.ASCII)
"""A name that may be shown. A body under the wrong content type has values in place of names: JSON that is read as a
form is one long name."""


def shown_names(names: Iterable[object]) -> str:
    """Return the names as one line: "username, captcha.lotNumber and others"."""
    read = list(islice(names, _ENOUGH + 1))
    fit = dict.fromkeys(name for name in read if isinstance(name, str) and _NAME.fullmatch(name))
    shown = list(fit)[:_MOST]
    others = len(read) > _ENOUGH or len(shown) < len(set(read))
    if not shown:
        return "other names" if others else "no names"
    return ", ".join(shown) + (" and others" if others else "")


def names_in_json(document: object) -> Iterator[str]:
    """Yield the names in a document of `read_json`: first those at the top, then inner ones as "captcha.lot_number"."""
    objects = deque([("", document)])
    while objects:
        path, members = objects.popleft()
        for key, inner in members if isinstance(members, tuple) else ():
            yield path + key
            if isinstance(inner, tuple) and _NAME.fullmatch(path + key):
                objects.append((f"{path}{key}.", inner))
