"""GeeTestMiddleware: what a lifespan does, and what of a request decides."""

from dataclasses import replace

import httpx
import pytest
from pages import site
from refusals import guard
from starlette.types import Message, Receive, Scope, Send

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize(
    ("pattern", "path", "root_path", "status"),
    [
        ("POST /login", "/shop/login", "/shop", 403),
        ("POST /login", "/shop/login", "", 200),
        ("POST /{name}", "/a%2Fb", "", 403),
        ("POST /{name}", "/a/b", "", 200),
    ],
)
async def test_path_raw_path_and_root_path_decide(pattern: str, path: str, root_path: str, status: int) -> None:
    transport = httpx.ASGITransport(guard(site, protect=pattern), root_path=root_path)
    async with httpx.AsyncClient(transport=transport, base_url="https://shop") as client:
        assert (await client.post(path)).status_code == status


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
