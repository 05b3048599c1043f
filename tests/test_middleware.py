"""GeeTestMiddleware: which requests are protected, what the start says, and what a lifespan does."""

from dataclasses import replace
from typing import Any

import pytest
from refusals import guard
from starlette.types import Message, Receive, Scope, Send

pytestmark = pytest.mark.anyio


async def rule(protect: list[str], **scope: Any) -> str | None:
    """The rule that a request comes under; None: it is not protected."""
    rules: list[str] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if "state" in scope:
            rules.append(scope["state"]["geetest"].rule)

    async def never(*_: Any) -> Any:
        raise AssertionError("nothing is read or answered in mode off")

    await guard(app, protect=protect, mode="off")({"type": "http", "method": "POST", **scope}, never, never)
    return rules[0] if rules else None


@pytest.mark.parametrize(
    ("pattern", "scope", "protected"),
    [
        ("POST /{name}", {"path": "/a/b", "raw_path": b"/a%2Fb"}, True),
        ("POST /{name}", {"path": "/a/b", "raw_path": b"/a/b"}, False),
        ("POST /login", {"path": "/shop/login", "root_path": "/shop"}, True),
        *(("POST /login", {"path": "/shop/login", "root_path": root_path}, False) for root_path in ("", "/other")),
        ("POST /X/login", {"path": "/login", "root_path": "/X"}, True),
    ],
)
async def test_path_raw_path_and_root_path_decide(pattern: str, scope: dict[str, Any], protected: bool) -> None:
    assert await rule([pattern], **scope) == (pattern if protected else None)


class Line:
    def __init__(self) -> None:
        self.events: list[str] = []

    async def prepare(self) -> None:
        self.events.append("prepared")

    async def aclose(self) -> None:
        self.events.append("closed")


LIFESPANS = {
    ("startup.complete",): ["prepared", "startup.complete"],
    ("startup.complete", "shutdown.complete"): ["prepared", "startup.complete", "closed", "shutdown.complete"],
    ("startup.complete", "shutdown.failed"): ["prepared", "startup.complete", "closed", "shutdown.failed"],
    ("startup.failed",): ["closed", "startup.failed"],
}


@pytest.mark.parametrize("messages", LIFESPANS)
async def test_a_lifespan_prepares_the_calls_and_closes_their_connections(messages: tuple[str, ...]) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        for each in messages:
            await send({"type": f"lifespan.{each}"})

    async def send(message: Message) -> None:
        line.events.append(message["type"].removeprefix("lifespan."))

    async def receive() -> Message:
        raise AssertionError

    line, middleware = Line(), guard(app)
    middleware.guard = replace(middleware.guard, line=line)
    await middleware({"type": "lifespan"}, receive, send)
    assert line.events == LIFESPANS[messages]


def test_paths_are_looked_up_where_there_are_patterns() -> None:
    """A guard of one route does not know under which paths it is mounted."""
    middleware = guard(print, protect=["POST /login"])
    policy = middleware.guard.match("POST", "/x/../LOGIN", b"", "")
    assert policy is not None
    assert policy.name == "POST /login"
    assert guard(print, protect=None).guard.match is None
