"""Read JSON, and the texts that hold all four captcha fields: JSON, base64url of JSON, or URL-encoded pairs."""

import base64
import json
from collections.abc import Iterable
from typing import Final
from urllib.parse import parse_qsl

Pairs = tuple[tuple[str, object], ...]
"""A JSON object as it was written, doubled names and all. JSON lists are lists, so a tuple is always an object."""

_DECODE: Final = json.JSONDecoder(object_pairs_hook=tuple).decode


def read_json(text: str) -> object:
    """Decode one JSON document, with objects as `Pairs`. Raises ValueError, or RecursionError where it is deep."""
    return _DECODE(text)


def read_container(value: object, max_field: int) -> Iterable[tuple[str, object]]:
    """The names and values in a text of at most `max_field` bytes; none where it cannot be read."""
    if not isinstance(value, str) or len(value.encode(errors="surrogatepass")) > max_field:
        return ()
    text = value.strip()
    try:
        if not text.startswith("{"):
            if "&" in text:  # no sign of base64
                return parse_qsl(text)
            text = base64.urlsafe_b64decode(text.rstrip("=") + "==").decode()
        found = read_json(text)
    except (ValueError, RecursionError):  # bad base64 and bad UTF-8 are ValueErrors
        return ()
    return found if isinstance(found, tuple) else ()
