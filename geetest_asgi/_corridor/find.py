"""Find the captcha fields. The first source that contains any of them is used; sources are never combined."""

import re
from collections.abc import Sequence
from typing import Final

from starlette.types import Scope

from .._core.fields.gatherer import NOTHING, Gatherer, from_headers
from .._core.fields.names import shown_names
from .._core.fields.scanners import MultipartScanner, UrlencodedScanner, scanner_for
from .._core.model import CaptchaFields, Evidence, Outcome
from .._core.policy import Policy
from .._core.rules import Source
from .body import Body

Found = CaptchaFields | Evidence

_IN_BODY: Final = ("body", "text")

_MEDIA_TYPE: Final = re.compile(rb"([\w.+-]{1,40}/[\w.+-]{1,40})\s*(?:;|$)")


async def find(policy: Policy, scope: Scope, body: Body) -> Found:
    """Return the fields, or evidence that says why there are none. Raises VisitorLeft."""
    searched = []
    for source in policy.sources if scope["type"] == "http" else _of_a_handshake(policy.sources):
        gatherer = Gatherer(policy.spelling, policy.limits.max_field)
        if source in _IN_BODY:
            found = await _in_body(source, policy, scope, body, gatherer)
        else:
            found = _in_query(scope, gatherer) if source == "query" else _in_headers(scope, gatherer)
        if not isinstance(found, str):
            return found
        searched.append(found)
    return Evidence(Outcome.MISSING, f"{NOTHING}: {'; '.join(searched)}")


def _of_a_handshake(sources: Sequence[Source]) -> Sequence[Source]:
    return tuple(source for source in sources if source not in _IN_BODY) or ("header", "query")


def _is_missing(found: Found) -> bool:
    return isinstance(found, Evidence) and found.outcome is Outcome.MISSING


def _in_headers(scope: Scope, gatherer: Gatherer) -> Found | str:
    headers = scope.get("headers", ())
    if not _is_missing(found := from_headers(headers, gatherer)):
        return found
    return f"headers with 'geetest': {shown_names(n.decode('latin-1') for n, _ in headers if b'geetest' in n.lower())}"


def _in_query(scope: Scope, gatherer: Gatherer) -> Found | str:
    scanner = UrlencodedScanner(gatherer)
    scanner.feed(scope.get("query_string") or b"")
    scanner.end()
    found = gatherer.conclude()
    return f"query: {shown_names(scanner.names())}" if _is_missing(found) else found


async def _in_body(source: Source, policy: Policy, scope: Scope, body: Body, gatherer: Gatherer) -> Found | str:
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
    found = gatherer.conclude(scanner.broken)
    return f"{source} ({_body_type(types)}): {shown_names(scanner.names())}" if _is_missing(found) else found


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
