"""Read JSON, and texts that hold all four captcha fields: JSON, base64url of JSON, or URL-encoded pairs."""

import base64
import json
from collections.abc import Callable, Iterable
from typing import Final
from urllib.parse import parse_qsl

Pairs = tuple[tuple[str, object], ...]
"""A JSON object with all its pairs, repeated names included. JSON lists are lists, so each tuple is an object."""

read_json: Final[Callable[[str], object]] = json.JSONDecoder(object_pairs_hook=tuple).decode
"""Decode a JSON document, with objects as `Pairs`. Raises ValueError, or RecursionError if it is nested too deeply."""


def read_container(value: object, max_field: int) -> Iterable[tuple[str, object]]:
    """Return the names and values in a text of at most `max_field` bytes; none if it cannot be read."""
    if not isinstance(value, str) or len(value.encode(errors="surrogatepass")) > max_field:
        return ()
    text = value.strip()
    try:
        if not text.startswith("{"):
            if "&" in text:  # base64 has no "&"
                return parse_qsl(text)
            text = base64.urlsafe_b64decode(text.rstrip("=") + "==").decode()
        found = read_json(text)
    except (ValueError, RecursionError):  # bad base64 and bad UTF-8 are ValueErrors
        return ()
    return found if isinstance(found, tuple) else ()
