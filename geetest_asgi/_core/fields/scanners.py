"""Choose the scanner that looks for the captcha fields in a request body as it arrives.

    scanner = scanner_for(content_types, encodings, gatherer)     None: bodies of this type have no fields
    scanner.feed(chunk) … scanner.end()        until scanner.done
    gatherer.conclude(scanner.broken)          the fields, or evidence, or None: nothing was found
    scanner.names()                            the names in the body, for developers

For all scanners: the cuts of the input never change the result; bytes after `done` change nothing; no input raises;
memory is bounded by `max_field` or, for JSON, by the length of the body.
"""

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Final

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import parse_options_header

from ..rules import Source
from .gatherer import Gatherer
from .json_scanner import JsonScanner
from .multipart_scanner import MultipartScanner
from .urlencoded_scanner import UrlencodedScanner

__all__ = ["MAX_CONTENT_TYPE", "JsonScanner", "MultipartScanner", "Scanner", "UrlencodedScanner", "scanner_for"]

MAX_CONTENT_TYPE: Final = 512
"""Bytes. A longer Content-Type is not parsed: it names no known type, and its parsers have been slow."""

Scanner = UrlencodedScanner | JsonScanner | MultipartScanner

_KNOWN: Final[dict[bytes, tuple[Source, type[UrlencodedScanner | JsonScanner]]]] = {
    b"application/x-www-form-urlencoded": ("body", UrlencodedScanner),
    b"application/json": ("body", JsonScanner),
    b"text/plain": ("text", JsonScanner),
}


def scanner_for(
    content_types: Sequence[bytes], encodings: Sequence[bytes], gatherer: Gatherer, source: Source = "body"
) -> Scanner | None:
    """Return the scanner for a body with these `Content-Type` and `Content-Encoding` headers.

    None if such a body has no fields: without a content type, with two, with a too long one or one of another source,
    and with a content encoding.
    """
    if len(content_types) != 1 or len(content_types[0]) > MAX_CONTENT_TYPE:
        return None
    for encoding in encodings:
        if encoding.strip().lower() not in (b"", b"identity"):
            return None
    known = _KNOWN.get(content_types[0]) or _parameterized(bytes(content_types[0]))
    return known[1](gatherer) if known and known[0] == source else None


@lru_cache(128)
def _parameterized(content_type: bytes) -> tuple[Source, Callable[[Gatherer], Scanner | None]] | None:
    media_type, options = parse_options_header(content_type)
    media_type = media_type.lower()  # python-multipart below 0.0.33 does not, where there are parameters
    if media_type == b"multipart/form-data":
        return "body", lambda gatherer: _multipart(options.get(b"boundary", b""), gatherer)
    if media_type.startswith(b"application/") and media_type.endswith(b"+json"):
        return "body", JsonScanner
    return _KNOWN.get(media_type)


def _multipart(boundary: bytes, gatherer: Gatherer) -> Scanner | None:
    try:
        return MultipartScanner(gatherer, boundary) if boundary else None
    except FormParserError:  # a boundary longer than any that a client makes
        return None
