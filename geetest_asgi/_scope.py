"""What the guard reads from an ASGI scope and writes to it: `scope["state"]["geetest"]` is the decision."""

from collections.abc import Mapping, MutableMapping
from typing import Any, Final

from ._core.model import GeeTestResult

KEY: Final = "geetest"


def put_result(scope: MutableMapping[str, Any], result: GeeTestResult) -> None:
    """Set `scope["state"]["geetest"]` in place: middleware further out keeps seeing the scope that it handed on.

    Servers give each request a state of its own (ASGI, "Lifespan state").
    """
    scope.setdefault("state", {})[KEY] = result


def scope_of(request_or_scope: Any) -> Mapping[str, Any]:
    """The ASGI scope of a request object, or the scope itself. Raises TypeError.

    Behind a2wsgi it is in the WSGI environ, as "asgi.scope". An environ without it is returned as it is.
    """
    found = request_or_scope
    if not isinstance(found, Mapping):
        kept = (getattr(found, name, None) for name in _ATTRIBUTES)
        found = next((each for each in kept if isinstance(each, Mapping)), None)
    if found is None:
        raise TypeError(f"give a request that has a scope, or a scope, not {type(request_or_scope)}")
    scope = found.get("asgi.scope", found)
    return scope if isinstance(scope, Mapping) else found


_ATTRIBUTES: Final = ("scope", "asgi_scope", "environ")
"""Where request objects keep it: most frameworks; Microdot; WSGI's, such as Flask's."""


def geetest_result(request_or_scope: Any) -> GeeTestResult:
    """The decision about this request, in any framework: give it the request object or the ASGI scope.

    Raises LookupError where no guard decided about this request.
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
    method, path = scope.get("method", ""), scope.get("path", "?")
    raise LookupError(
        f"{path!r} is not protected by GeeTest: no GeeTestMiddleware in front of it has a rule for it; "
        f"'geetest-asgi match' says which rules there are, and whether one is for '{method} {path}'"
    )


def is_preflight(scope: Mapping[str, Any]) -> bool:
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
