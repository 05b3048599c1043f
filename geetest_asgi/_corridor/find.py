"""Find the captcha fields. The first source that contains any of them is used; sources are never combined."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Final

from starlette.types import Scope

from .._core.fields.gatherer import Gatherer, from_headers
from .._core.fields.scanners import MultipartScanner, UrlencodedScanner, scanner_for
from .._core.model import CaptchaFields, Evidence, Outcome
from .._core.policy import Policy
from .body import Body

Found = CaptchaFields | Evidence

_NOTHING: Final = Evidence(Outcome.MISSING, "no captcha field")


async def find(policy: Policy, scope: Scope, body: Body) -> Found:
    """The fields, or why there are none. Raises VisitorLeft."""
    for source in _sources(policy, scope):
        found = await _LOOK[source](policy, scope, body)
        if isinstance(found, CaptchaFields) or found.outcome is not Outcome.MISSING:
            return found
    return _NOTHING


def _sources(policy: Policy, scope: Scope) -> tuple[str, ...]:
    if scope["type"] != "websocket":
        return policy.sources
    return tuple(source for source in policy.sources if source != "body") or ("header", "query")


def _gatherer(policy: Policy) -> Gatherer:
    return Gatherer(policy.spelling, policy.limits.max_field)


async def _in_headers(policy: Policy, scope: Scope, body: Body) -> Found:
    return from_headers(scope.get("headers", ()), _gatherer(policy))


async def _in_query(policy: Policy, scope: Scope, body: Body) -> Found:
    gatherer = _gatherer(policy)
    scanner = UrlencodedScanner(gatherer)
    scanner.feed(scope.get("query_string") or b"")
    scanner.end()
    return gatherer.conclude()


async def _in_body(policy: Policy, scope: Scope, body: Body) -> Found:
    gatherer = _gatherer(policy)
    about = _about_body(scope)
    scanner = scanner_for(about[b"content-type"], about[b"content-encoding"], gatherer)
    if scanner is None:
        return _NOTHING
    most = policy.limits.max_body
    # A multipart body is read as far as its fields, so its length says nothing.
    if not isinstance(scanner, MultipartScanner) and _content_length(about[b"content-length"]) > most:
        return Evidence(Outcome.TOO_LARGE, f"a body of more than {most} bytes")
    return await body.search(scanner) or gatherer.conclude(scanner.broken)


def _about_body(scope: Scope) -> dict[bytes, list[bytes]]:
    """The headers that say what the body is, each as often as it was sent."""
    found: dict[bytes, list[bytes]] = {b"content-type": [], b"content-encoding": [], b"content-length": []}
    for name, value in scope.get("headers", ()):
        if (values := found.get(name.lower())) is not None:
            values.append(value)
    return found


def _content_length(lengths: list[bytes]) -> int:
    """What Content-Length says, or 0. It never says that nothing comes: a chunked body may carry one."""
    # int() refuses thousands of digits.
    return max((int(value[:18]) for value in lengths if value.isdigit()), default=0)


_LOOK: Final[Mapping[str, Callable[[Policy, Scope, Body], Awaitable[Found]]]] = {
    "header": _in_headers,
    "query": _in_query,
    "body": _in_body,
}
