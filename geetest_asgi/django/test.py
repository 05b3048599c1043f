"""Django's asynchronous test client, with the guard of GEETEST in front of the site.

    class LoginTest(TestCase):
        async_client_class = AsyncClient

        @pytest.fixture(autouse=True)
        def _geetest(self, geetest):
            self.geetest = geetest

        async def test_login(self):
            answer = await self.async_client.post("/login/", {"username": "ada", **self.geetest.token()})

`force_login`, `response.context`, `assertContains` and all else are as ever: views run in Django's own test handler.
Django's synchronous `Client` is WSGI, and no ASGI guard can stand in front of it.
"""

from typing import TYPE_CHECKING, Any, Final

from anyio import sleep_forever
from django.core.handlers.asgi import ASGIRequest
from django.http import HttpResponse
from django.test.client import AsyncClient as DjangoAsyncClient
from django.test.client import AsyncClientHandler, FakePayload

from . import protect

if TYPE_CHECKING:
    from starlette.types import Message, Receive, Scope, Send

    from .._middleware import GeeTestMiddleware

_RESPONSE: Final = "geetest_asgi.response"
"""In the message that begins an answer: Django's response, which says more than the message does."""


class GuardedHandler(AsyncClientHandler):  # type: ignore[misc, unused-ignore]  # Django has no types
    """The handler of Django's test client, behind the guard. One for each client, and so for each test."""

    _guard: "GeeTestMiddleware | None" = None

    async def __call__(self, scope: dict[str, Any]) -> Any:
        """The response: Django's, or the guard's where Django was not reached."""
        body = scope.pop("_body_file", None)
        scope |= {"query_string": scope.get("query_string", "").encode()}
        self._guard = self._guard or protect(self._django)  # not before the first request: settings may be overridden
        return await _answer(self._guard, scope, body.read() if body else b"")

    async def _django(self, scope: "Scope", receive: "Receive", send: "Send") -> None:
        response = await super().__call__({**scope, "_body_file": FakePayload(await _read(receive))})
        headers = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in response.items()]
        start = {"type": "http.response.start", "status": response.status_code, "headers": headers}
        await send({**start, _RESPONSE: response})
        await send({"type": "http.response.body", "body": b""})  # nobody in between looks at it


class AsyncClient(DjangoAsyncClient):  # type: ignore[misc, unused-ignore]
    """`django.test.AsyncClient` with the guard in front. A wrong GEETEST is a ConfigError at its first request."""

    def __init__(self, enforce_csrf_checks: bool = False, *args: Any, **kwargs: Any) -> None:
        super().__init__(enforce_csrf_checks, *args, **kwargs)
        self.handler = GuardedHandler(enforce_csrf_checks)


async def _answer(guard: "GeeTestMiddleware", scope: dict[str, Any], body: bytes) -> Any:
    requests: list[Message] = [{"type": "http.request", "body": body}]
    messages: list[Message] = []

    async def receive() -> "Message":
        if not requests:
            await sleep_forever()  # a test does not hang up
        return requests.pop()

    async def send(message: "Message") -> None:
        messages.append(message)

    await guard(scope, receive, send)
    return _response(scope, messages)


def _response(scope: dict[str, Any], messages: list["Message"]) -> Any:
    start = messages[0]
    response = start.get(_RESPONSE)
    if response is None:
        response = HttpResponse(b"".join(each.get("body", b"") for each in messages[1:]), status=start["status"])
        response.asgi_request = ASGIRequest(scope, FakePayload(b""))
    for name, value in start["headers"]:
        if name == b"set-cookie":  # of a clearance
            response.cookies.load(value.decode("latin-1"))
        else:
            response.headers[name.decode("latin-1")] = value.decode("latin-1")
    return response


async def _read(receive: "Receive") -> bytes:
    body = b""
    while (message := await receive())["type"] == "http.request":
        body += message.get("body", b"")
        if not message.get("more_body"):
            break
    return body
