"""What the servers serve: all apps of all frameworks side by side, the header `x-app` says which one is meant.

    x-app: starlette           the bare app
    x-app: starlette+guard     the same app with the guard
    x-app: entered             a JSON object: which handlers were reached, and how often

So one process for each server is enough. The path, which is what the tests are about, reaches an app as it came.
An app is built, and its framework imported, when it is first asked for.
"""

import json
from collections.abc import Mapping
from functools import cache
from typing import Any

from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from .apps import NAME, builds, entered


@cache
def built(name: str) -> ASGIApp:
    bare, plus, _ = name.partition("+guard")
    return builds(bare.partition("-")[0])[bare](bool(plus))


def _wanted(scope: Mapping[str, Any]) -> str:
    return next((value.decode() for name, value in scope["headers"] if name == b"x-app"), "")


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    if scope["type"] == "lifespan":
        await _lifespan(receive, send)
        return
    name = _wanted(scope)
    if name == "entered":
        await Response(json.dumps(entered))(scope, receive, send)
    else:
        await _serve(built(name), {**scope, NAME: name}, receive, send)


async def _serve(wanted: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
    """An app that fails is answered for here: some servers take a second to print a traceback."""
    started = False

    async def watch(message: Message) -> None:
        nonlocal started
        started = True
        await send(message)

    try:
        await wanted(scope, receive, watch)
    except Exception as error:
        if started or scope["type"] != "http":
            raise
        await Response(repr(error), 500, {"x-failed": "1"})(scope, receive, send)


async def _lifespan(receive: Receive, send: Send) -> None:
    for moment in ("startup", "shutdown"):
        await receive()
        await send({"type": f"lifespan.{moment}.complete"})
