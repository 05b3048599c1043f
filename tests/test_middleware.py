"""GeeTestMiddleware: what a lifespan does, and what is looked up at all."""

from dataclasses import replace

import httpx
import pytest
from pages import site
from refusals import guard
from starlette.types import Message, Receive, Scope, Send

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize(("root_path", "status"), [("/shop", 403), ("", 200)])
async def test_a_root_path_is_taken_off(root_path: str, status: int) -> None:
    transport = httpx.ASGITransport(guard(site, protect="POST /login"), root_path=root_path)
    async with httpx.AsyncClient(transport=transport, base_url="https://shop") as client:
        assert (await client.post("/shop/login")).status_code == status


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
