"""Read and write the decision, `scope["state"]["geetest"]`, and recognise a CORS preflight."""

from collections.abc import Mapping, MutableMapping
from typing import Any, Final

from ._core.model import GeeTestResult

KEY: Final = "geetest"


def put_result(scope: MutableMapping[str, Any], result: GeeTestResult) -> None:
    """Set `scope["state"]["geetest"]` in place, so that middleware further out sees it, too.

    Servers give each request a copy of the state (ASGI, "Lifespan state").
    """
    if scope.get("state") is None:
        scope["state"] = {}
    scope["state"][KEY] = result


def scope_of(request_or_scope: Any) -> Mapping[str, Any]:
    """Return the ASGI scope of a request object, or the scope itself. Raises TypeError for any other object.

    a2wsgi keeps the scope in the WSGI environ, as "asgi.scope". An environ without it is returned as it is.
    """
    found = request_or_scope
    if not isinstance(found, Mapping):
        values = (getattr(found, name, None) for name in _ATTRIBUTES)
        found = next((each for each in values if isinstance(each, Mapping)), None)
    if found is None:
        raise TypeError(f"give a request that has a scope, or a scope, not {type(request_or_scope)}")
    scope: Mapping[str, Any] = found.get("asgi.scope") or found
    return scope


_ATTRIBUTES: Final = ("scope", "asgi_scope", "environ")
"""Attributes of request objects that hold the scope: most frameworks; Microdot; WSGI frameworks such as Flask."""


def geetest_result(request_or_scope: Any) -> GeeTestResult:
    """Return the decision about this request, given the request object of any framework or the ASGI scope.

    Raises LookupError if no guard decided about the request, TypeError for an object that is no request.
    """
    scope = scope_of(request_or_scope)
    result = (scope.get("state") or {}).get(KEY)
    if isinstance(result, GeeTestResult):
        return result
    if "wsgi.version" in scope:
        raise LookupError(
            "this request came by WSGI, where no GeeTestMiddleware can stand: serve the ASGI application; a WSGI one "
            "behind the guard, as GeeTestMiddleware(a2wsgi.WSGIMiddleware(app), …)"
        )
    method, path = scope.get("method", "WEBSOCKET"), scope.get("path")
    raise LookupError(
        f"{path!r} is not protected by GeeTest: no GeeTestMiddleware in front of it has a rule for it; "
        f"'geetest-asgi match' says which rules there are, and whether one is for '{method} {path}'"
    )


def is_preflight(scope: Mapping[str, Any]) -> bool:
    """Return whether this is a CORS preflight. It has no body (Fetch standard, section 4.8, CORS-preflight fetch).

    A request with a `Content-Length` other than 0 or with any `Transfer-Encoding` is no preflight: handlers that take
    every method would act on its body.
    """
    if scope.get("method") != "OPTIONS":
        return False
    headers = [(name.lower(), value) for name, value in scope.get("headers", ())]
    names = {name for name, _ in headers}
    if b"transfer-encoding" in names or any(value.strip(b"0 ") for name, value in headers if name == b"content-length"):
        return False
    return b"origin" in names and b"access-control-request-method" in names
