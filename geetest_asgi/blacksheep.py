"""BlackSheep: the decision is a handler's parameter, by its type.

    @post("/login")
    async def login(captcha: CaptchaResult): ...

    guarded = GeeTestMiddleware(app, protect=["POST /login"])

Nothing else is needed: without this module `geetest_asgi.geetest_result(request)` gives the same.
"""

from typing import Any, TypeAlias

from blacksheep.server.bindings import Binder

from ._core.model import GeeTestResult
from ._scope import geetest_result

CaptchaResult: TypeAlias = GeeTestResult
"""Annotates a parameter of a request handler or of a websocket handler: the decision about this request.

Where no guard decided the handler is not run: `geetest_result` raises LookupError, which BlackSheep answers with 500.
"""


class CaptchaResultBinder(Binder):  # type: ignore[misc, unused-ignore]  # without BlackSheep there are no types
    """BlackSheep finds it by the type that it handles, from the moment that it is defined."""

    handle = GeeTestResult

    async def get_value(self, request: Any) -> GeeTestResult:
        """Called for each request, before the handler."""
        return geetest_result(request)
