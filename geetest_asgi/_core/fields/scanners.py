"""Choose the scanner that looks for the captcha fields in a request body as it arrives.

    scanner = scanner_for(content_types, encodings, gatherer)     None: a body of this type has no fields
    scanner.feed(chunk) … scanner.end()        until scanner.done
    gatherer.conclude(scanner.broken)          the answer

Laws: how the input is cut never changes the answer; what comes after `done` changes nothing; nothing raises; memory is
bounded, by `max_field` or, for JSON, by the length of the body.
"""

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Final

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import parse_options_header

from .gatherer import Gatherer
from .json_scanner import JsonScanner
from .multipart_scanner import MultipartScanner
from .urlencoded_scanner import UrlencodedScanner

__all__ = ["MAX_CONTENT_TYPE", "JsonScanner", "MultipartScanner", "Scanner", "UrlencodedScanner", "scanner_for"]

MAX_CONTENT_TYPE: Final = 512
"""Bytes. A longer header is not parsed: it names no type we know, and parsers of it have been slow."""

Scanner = UrlencodedScanner | JsonScanner | MultipartScanner

_SIMPLE: Final[dict[bytes, Callable[[Gatherer], Scanner]]] = {
    b"application/x-www-form-urlencoded": UrlencodedScanner,
    b"application/json": JsonScanner,
}


def scanner_for(content_types: Sequence[bytes], encodings: Sequence[bytes], gatherer: Gatherer) -> Scanner | None:
    """The scanner for a body with these `Content-Type` and `Content-Encoding` headers, or None.

    None, which means no fields: no content type, two of them, an overlong or unknown one, or a content encoding.
    """
    if len(content_types) != 1 or len(content_types[0]) > MAX_CONTENT_TYPE:
        return None
    if any(encoding.strip().lower() not in (b"", b"identity") for encoding in encodings):
        return None
    make = _SIMPLE.get(content_types[0]) or _parameterized(bytes(content_types[0]))
    return make(gatherer) if make else None


@lru_cache(128)
def _parameterized(content_type: bytes) -> Callable[[Gatherer], Scanner | None] | None:
    media_type, options = parse_options_header(content_type)
    media_type = media_type.lower()  # python-multipart below 0.0.33 leaves that to us where there are parameters
    if media_type == b"multipart/form-data":
        return lambda gatherer: _multipart(options.get(b"boundary", b""), gatherer)
    if media_type.startswith(b"application/") and media_type.endswith(b"+json"):
        return JsonScanner
    return _SIMPLE.get(media_type)


def _multipart(boundary: bytes, gatherer: Gatherer) -> Scanner | None:
    try:
        return MultipartScanner(gatherer, boundary) if boundary else None
    except FormParserError:  # a boundary longer than any that a client makes
        return None
