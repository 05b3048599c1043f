"""One module for each framework; what their handlers have in common is here.

A module has `APPS`, which maps a name to a function that builds an app. `build(name)` gives the pair that is compared:
the app as it is, and the same app behind the guard. In the apps that bring their own guard the bare one has none.

Every app has the same handlers. Each module's `reads`, `parses` and `streams` make them: they read the whole body,
parse it with the framework's own parser, or answer with a stream.

    POST /login                        read the whole body
    POST … /users/{name}/reset         as above; every method that the framework can route but GET and HEAD
    GET  /page                         protected although it is a GET
    POST /json, POST /form             parse the body
    POST /stream                       answer in five pieces
    POST /endless                      answer without end, until the client leaves
    POST /open                         not protected
    /ws                                a websocket that says what the guard decided (not in Django)

Each calls `enter` before anything else, so that it shows when it was reached even if it fails later on.
"""

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping
from hashlib import sha256
from importlib import import_module
from typing import Any, Final

from starlette.types import ASGIApp

from geetest_asgi import GeeTestMiddleware, geetest_result

PROTECT: Final = [
    *("/users/{name}/reset", "GET /page", "WEBSOCKET /ws"),
    *(f"POST /{name}" for name in ("login", "json", "form", "stream", "endless", "wait", "folder")),
]

FRAMEWORKS: Final = ("starlette", "fastapi", "litestar", "quart", "django", "falcon", "blacksheep")

VARIANTS: Final[Mapping[str, str]] = {
    "starlette-mounted": "/api",
    "starlette-guard-in-a-mount": "/api",
    "starlette-guard-in-a-mount-whole-path": "/api",
    "starlette-guard-on-a-mount": "/api",
    "starlette-guard-on-a-route": "",
    "starlette-two-guards": "",
    "fastapi-root-path": "/api",
    "fastapi-root-path-added": "/api",
    "fastapi-guard-on-a-sub-app": "/api",
    "fastapi-three-guards": "",
    "litestar-mounted": "/api",
    "litestar-added": "",
    "quart-lenient": "",
    "django-regex": "/old",
    "falcon-stripping": "",
    "blacksheep-mounted": "/api",
}
"""Other ways to put an app and a guard together, with what stands before `/login`, their one protected path."""

NAME: Final = "conformance.app"
"""Scope key: under which name the request was sent."""

entered: Final[Counter[str]] = Counter()
"""`app handler`: how often it was reached; `app ended`: how many endless answers were ended from outside."""

TICKS: Final = 150
"""The end of an endless answer that nobody ends: three seconds."""


def scope_of(request: Any) -> Any:
    """The ASGI scope; a websocket app has nothing but it."""
    return request if isinstance(request, dict) else request.scope


def enter(handler: str, request: Any) -> None:
    """A handler was reached."""
    entered[f"{scope_of(request)[NAME]} {handler}"] += 1


def outcome(request: Any) -> str:
    """What the guard decided; "none" where there is no guard."""
    try:
        return str(geetest_result(request).outcome)
    except LookupError:
        return "none"


def report(handler: str, request: Any, body: bytes = b"", **more: Any) -> dict[str, str]:
    """What a handler saw, as headers of its answer: a header is there even in an answer to HEAD."""
    digest = sha256(body).hexdigest()
    seen = {"handler": handler, "outcome": outcome(request), "size": len(body), "sha256": digest, **more}
    return {"x-report": json.dumps(seen)}


def lot_number(found: Any) -> str | None:
    """What a parser made of the field, where it made anything of it."""
    value = found.get("lot_number") if hasattr(found, "get") else None
    return None if value is None else str(value)


async def pieces(request: Any) -> AsyncIterator[bytes]:
    """A streamed answer."""
    for number in range(5):
        await asyncio.sleep(0.005)
        yield f"{number}\n".encode()


async def endless(request: Any) -> AsyncIterator[bytes]:
    """A streamed answer that goes on until somebody ends it."""
    name = scope_of(request)[NAME]
    try:
        for _ in range(TICKS):
            yield b"tick\n"
            await asyncio.sleep(0.02)
    except (GeneratorExit, asyncio.CancelledError):
        entered[f"{name} ended"] += 1
        raise


def guard(app: ASGIApp, **settings: Any) -> GeeTestMiddleware:
    """The id, the key and the address of the simulator are in the environment."""
    return GeeTestMiddleware(app, **{"protect": PROTECT, "on_unavailable": "deny", "timeout": 30, **settings})


Build = Callable[[bool], ASGIApp]
"""Makes an app; true: with the guard."""
Stream = Callable[[Any], AsyncIterator[bytes]]
"""Of a request: a streamed answer."""


def builds(framework: str) -> dict[str, Build]:
    """The apps of a framework by name. Imports it."""
    found: dict[str, Build] = import_module(f".{framework}_apps", __name__).APPS
    return found


def in_front(make: Callable[[], ASGIApp], **settings: Any) -> Build:
    """The guard stands before the whole app, as in most sites."""
    return lambda guarded: guard(make(), **settings) if guarded else make()
