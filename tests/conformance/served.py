"""What the servers serve: all apps of all frameworks side by side, the header `x-app` says which one is meant.

    x-app: starlette           the bare app
    x-app: starlette+guard     the same app with the guard
    x-app: entered             a JSON object: which handlers were reached, and how often
    x-rules: [{"protect": …}]  the bare app behind guards with these rules; the answer's x-decided is what each decided

So one process for each server is enough. The path, which is what the tests are about, reaches an app as it came.
An app is built, and its framework imported, when it is first asked for.
"""

import json
from collections.abc import Mapping
from functools import cache, lru_cache, partial
from typing import Any

from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from geetest_asgi import GeeTestMiddleware, GeeTestResult, Rule

from .apps import NAME, builds, entered

DECIDED = "conformance.decided"
"""Scope key: by the place of a guard in `x-rules` the rule and the outcome of its decision."""


@cache
def built(name: str) -> ASGIApp:
    bare, plus, _ = name.partition("+guard")
    return builds(bare.partition("-")[0])[bare](bool(plus))


@lru_cache(64)
def ruled(name: str, rules: str) -> ASGIApp:
    """`rules`: JSON, the patterns of several guards. They refuse nothing; each rule is named by its place."""
    app = built(name)
    for number, given in enumerate(json.loads(rules)):
        protect = [Rule(pattern, name=str(place)) for place, pattern in enumerate(given["protect"])]
        settings: dict[str, Any] = {"mode": "monitor", "on_result": partial(_note, number)}
        app = GeeTestMiddleware(app, protect=protect, exempt=given["exempt"], **settings)
    return app


def _note(number: int, result: GeeTestResult, scope: Scope) -> None:
    scope[DECIDED][number] = (result.rule, result.outcome)


def _header(scope: Mapping[str, Any], wanted: bytes) -> str:
    return next((value.decode() for name, value in scope["headers"] if name == wanted), "")


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    if scope["type"] == "lifespan":
        await _lifespan(receive, send)
        return
    name, rules = _header(scope, b"x-app"), _header(scope, b"x-rules")
    if name == "entered":
        await Response(json.dumps(entered))(scope, receive, send)
    else:
        wanted = ruled(name, rules) if rules else built(name)
        await _serve(wanted, {**scope, NAME: name, DECIDED: {}}, receive, send)


async def _serve(wanted: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
    """An app that fails is answered for here: some servers take a second to print a traceback."""
    started = False

    async def watch(message: Message) -> None:
        nonlocal started
        started = True
        if "headers" in message:
            decided = (b"x-decided", json.dumps(scope[DECIDED]).encode())
            message = {**message, "headers": [*message["headers"], decided]}
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
