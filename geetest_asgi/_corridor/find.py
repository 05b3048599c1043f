"""Find the captcha fields in one source.

Each function returns the fields, or evidence that ends the search; or, if the source has no fields, a text that says
what it has instead.
"""

import re
from collections.abc import Sequence
from typing import Final

from starlette.types import Scope

from .._core.fields.gatherer import Gatherer, from_headers
from .._core.fields.names import shown_names
from .._core.fields.scanners import MultipartScanner, UrlencodedScanner, scanner_for
from .._core.model import CaptchaFields, Evidence, Outcome
from .._core.policy import Policy
from .._core.rules import Source
from .body import Body

Found = CaptchaFields | Evidence | str

IN_BODY: Final = ("body", "text")
"""Sources that need the body. A websocket's handshake has none."""

_MEDIA_TYPE: Final = re.compile(rb"([\w.+-]{1,40}/[\w.+-]{1,40})\s*(?:;|$)")


def sources(policy: Policy, scope: Scope) -> Sequence[Source]:
    """Return the sources of this request, in order."""
    if scope["type"] == "http":
        return policy.sources
    return tuple(source for source in policy.sources if source not in IN_BODY) or ("header", "query")


def in_head(source: Source, policy: Policy, scope: Scope) -> Found:
    """Search the headers or the query."""
    gatherer = Gatherer(policy.spelling, policy.limits.max_field)
    return _in_query(scope, gatherer) if source == "query" else _in_headers(scope, gatherer)


def _in_headers(scope: Scope, gatherer: Gatherer) -> Found:
    headers = scope.get("headers", ())
    if (found := from_headers(headers, gatherer)) is not None:
        return found
    return f"headers with 'geetest': {shown_names(n.decode('latin-1') for n, _ in headers if b'geetest' in n.lower())}"


def _in_query(scope: Scope, gatherer: Gatherer) -> Found:
    scanner = UrlencodedScanner(gatherer)
    scanner.feed(scope.get("query_string") or b"")
    scanner.end()
    return gatherer.conclude() or f"query: {shown_names(scanner.names())}"


async def in_body(source: Source, policy: Policy, scope: Scope, body: Body) -> Found:
    """Search the body. Raises VisitorLeft."""
    gatherer = Gatherer(policy.spelling, policy.limits.max_field)
    types, encodings, length = _about_body(scope)
    scanner = scanner_for(types, encodings, gatherer, source)
    if scanner is None:
        return f"{source} ({_body_type(types, encodings)}): not read"
    most = policy.limits.max_body
    # A multipart body is read as far as its fields, so its length says nothing.
    if length > most and not isinstance(scanner, MultipartScanner):
        return Evidence(Outcome.TOO_LARGE, f"a body of more than {most} bytes")
    if (evidence := await body.search(scanner)) is not None:
        return evidence
    return gatherer.conclude(scanner.broken) or f"{source} ({_body_type(types)}): {shown_names(scanner.names())}"


def _about_body(scope: Scope) -> tuple[list[bytes], list[bytes], int]:
    """Return all values of Content-Type and of Content-Encoding, and the greatest Content-Length, 0 without one."""
    types, encodings, length = [], [], 0
    for raw_name, value in scope.get("headers", ()):
        name = raw_name.lower()
        if name == b"content-type":
            types.append(value)
        elif name == b"content-encoding":
            encodings.append(value)
        elif name == b"content-length" and value.isdigit():
            length = max(length, int(value[:18]))  # int() refuses thousands of digits
    return types, encodings, length


def _body_type(types: Sequence[bytes], encodings: Sequence[bytes] = ()) -> str:
    """Describe the media type, and the encoding that keeps the body from being read."""
    if len(types) != 1:
        return "two Content-Types" if types else "no Content-Type"
    found = _MEDIA_TYPE.match(types[0])
    name = found[1].decode().lower() if found else "unknown type"
    return ", ".join([name, *(["encoded"] if encodings else [])])
