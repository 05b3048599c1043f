"""Where the app finds the decision: `scope["state"]["geetest"]`, which Starlette calls `request.state.geetest`."""

from collections.abc import Mapping
from typing import Any, Final

from starlette.types import Scope

from ._core.model import GeeTestResult

KEY: Final = "geetest"
PROTECTED: Final = "geetest_asgi.protected"
"""Scope key: the patterns of the guards that this request came through, for the message of LookupError."""


def with_result(scope: Scope, result: GeeTestResult) -> Scope:
    """A scope for the app, with the decision in a state of its own: nothing that requests share is written to."""
    return {**scope, "state": {**(scope.get("state") or {}), KEY: result}}


def geetest_result(request_or_scope: Any) -> GeeTestResult:
    """The decision about this request, in any framework: give it the request object or the ASGI scope.

    Raises LookupError where no guard decided about this request; the message says which paths are protected.
    """
    scope = request_or_scope if isinstance(request_or_scope, Mapping) else getattr(request_or_scope, "scope", None)
    if not isinstance(scope, Mapping):
        raise TypeError(f"geetest_result() wants a request with a scope, or a scope, not {type(request_or_scope)}")
    result = (scope.get("state") or {}).get(KEY)
    if isinstance(result, GeeTestResult):
        return result
    known = ", ".join(scope.get(PROTECTED, ())) or "none: no GeeTestMiddleware saw this request"
    raise LookupError(f"{scope.get('path', '?')!r} is not protected by GeeTest; protected here: {known}")


def is_preflight(scope: Scope) -> bool:
    """Is this a CORS preflight? It has no body (Fetch standard, section 4.8, CORS-preflight fetch).

    What says that a body comes is none: a `Content-Length` other than 0, or any `Transfer-Encoding`. With that, any
    request could pass for a preflight, and handlers that take every method would act on it.
    """
    if scope.get("method") != "OPTIONS":
        return False
    headers = [(name.lower(), value) for name, value in scope.get("headers", ())]
    names = {name for name, _ in headers}
    if b"transfer-encoding" in names or any(value.strip(b"0 ") for name, value in headers if name == b"content-length"):
        return False
    return b"origin" in names and b"access-control-request-method" in names
