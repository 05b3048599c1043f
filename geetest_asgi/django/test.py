"""Django's test clients, with the guard of GEETEST in front of the site.

    class LoginTest(TestCase):
        client_class = Client

        def setUp(self):
            self.geetest = geetest_for(self)

        def test_login(self):
            answer = self.client.post("/login/", {"username": "ada", **self.geetest.token()})

`AsyncClient` is the same for `async_client_class`. `GuardedClientMixin` does it to another synchronous client:

    class GuardedAPIClient(GuardedClientMixin, rest_framework.test.APIClient):
        pass

`force_login`, `response.context`, `assertContains` and all else are as ever: views run in the client's own handler.
"""

from typing import TYPE_CHECKING, Any, Final

from anyio import sleep_forever
from asgiref.sync import async_to_sync, sync_to_async
from django.core.handlers.asgi import ASGIRequest
from django.core.handlers.wsgi import WSGIRequest
from django.http import HttpResponse
from django.test.client import AsyncClient as DjangoAsyncClient
from django.test.client import AsyncClientHandler, FakePayload
from django.test.client import Client as DjangoClient

from . import protect

if TYPE_CHECKING:
    from starlette.types import Message, Receive, Scope, Send

    from .._middleware import GeeTestMiddleware

_RESPONSE: Final = "geetest_asgi.response"
"""In the message that begins an answer: Django's response, which says more than the message does."""
_ENVIRON: Final = "geetest_asgi.environ"
"""In the scope: the WSGI environment that it was made of."""
_SCOPE: Final = "geetest_asgi.scope"
"""In a WSGI environment: the scope, with the decision in its state."""


class GuardedHandler(AsyncClientHandler):  # type: ignore[misc, unused-ignore]  # Django has no types
    """The handler of Django's asynchronous client, behind the guard. One for each client, and so for each test."""

    _guard: "GeeTestMiddleware | None" = None

    async def __call__(self, scope: dict[str, Any]) -> Any:
        """The response: Django's, or the guard's where Django was not reached."""
        body = scope.pop("_body_file", None)
        scope |= {"query_string": scope.get("query_string", "").encode()}
        self._guard = self._guard or protect(self._django)  # not before the first request: settings may be overridden
        response = await _answer(self._guard, scope, body.read() if body else b"")
        if not hasattr(response, "asgi_request"):
            response.asgi_request = ASGIRequest(scope, FakePayload(b""))
        return response

    async def _django(self, scope: "Scope", receive: "Receive", send: "Send") -> None:
        response = await super().__call__({**scope, "_body_file": FakePayload(await _read(receive))})
        await _send(response, send)


class AsyncClient(DjangoAsyncClient):  # type: ignore[misc, unused-ignore]
    """`django.test.AsyncClient` with the guard in front. A wrong GEETEST is a ConfigError at its first request."""

    def __init__(self, enforce_csrf_checks: bool = False, *args: Any, **kwargs: Any) -> None:
        super().__init__(enforce_csrf_checks, *args, **kwargs)
        self.handler = GuardedHandler(enforce_csrf_checks)


class GuardedHandlerMixin:
    """Puts the guard in front of a synchronous handler: of Django's client, or of one that is made of it."""

    _guard: "GeeTestMiddleware | None" = None

    def __call__(self, environ: dict[str, Any]) -> Any:
        """The response: Django's, or the guard's where Django was not reached."""
        self._guard = self._guard or protect(self._django)
        scope = {**_scope(environ), _ENVIRON: environ}
        response = async_to_sync(_answer)(self._guard, scope, environ["wsgi.input"].read())
        if not hasattr(response, "wsgi_request"):
            response.wsgi_request = WSGIRequest({**environ, "wsgi.input": FakePayload(b"")})
        return response

    async def _django(self, scope: "Scope", receive: "Receive", send: "Send") -> None:
        environ = {**scope[_ENVIRON], "wsgi.input": FakePayload(await _read(receive)), _SCOPE: scope}
        # In the test's own thread, with its database connections and its transaction.
        await _send(await sync_to_async(super().__call__)(environ), send)  # type: ignore[misc]

    def get_response(self, request: Any) -> Any:
        """As the handler does, for a view that reads the decision."""
        request.scope = request.environ[_SCOPE]
        return super().get_response(request)  # type: ignore[misc]


class GuardedClientMixin:
    """Puts the guard in front of a synchronous client that is made of Django's."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        handler: Any = self.handler  # type: ignore[has-type]
        kind = type("GuardedClientHandler", (GuardedHandlerMixin, type(handler)), {})
        self.handler = kind(handler.enforce_csrf_checks)


class Client(GuardedClientMixin, DjangoClient):  # type: ignore[misc, unused-ignore]
    """`django.test.Client` with the guard in front. A wrong GEETEST is a ConfigError at its first request."""


def _scope(environ: dict[str, Any]) -> dict[str, Any]:
    """The ASGI scope of a request that comes as a WSGI environment."""
    headers = {name[5:]: value for name, value in environ.items() if name.startswith("HTTP_")}
    headers |= {name: environ[name] for name in ("CONTENT_TYPE", "CONTENT_LENGTH") if environ.get(name)}
    headers.setdefault("HOST", environ["SERVER_NAME"])
    path = environ["PATH_INFO"].encode("latin-1")
    return {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": environ["REQUEST_METHOD"],
        "scheme": environ["wsgi.url_scheme"],
        "root_path": environ.get("SCRIPT_NAME", ""),
        "path": path.decode(errors="replace"),
        "query_string": environ.get("QUERY_STRING", "").encode("latin-1"),
        "headers": [
            (name.replace("_", "-").lower().encode(), str(value).encode("latin-1")) for name, value in headers.items()
        ],
        "client": (environ.get("REMOTE_ADDR", "127.0.0.1"), 0),
        "server": (environ["SERVER_NAME"], int(environ["SERVER_PORT"])),
    }


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
    return _response(messages)


async def _send(response: Any, send: "Send") -> None:
    headers = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in response.items()]
    start = {"type": "http.response.start", "status": response.status_code, "headers": headers}
    await send({**start, _RESPONSE: response})
    await send({"type": "http.response.body", "body": b""})  # nobody in between looks at it


def _response(messages: list["Message"]) -> Any:
    start = messages[0]
    response = start.get(_RESPONSE)
    if response is None:
        response = HttpResponse(b"".join(each.get("body", b"") for each in messages[1:]), status=start["status"])
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
