"""One request's body: what is read of it, what the app gets, what is drained, and that all memory is given back."""

import gc
from collections import deque
from contextlib import suppress

import anyio
import pytest
from anyio.lowlevel import checkpoint
from starlette.types import Message

from geetest_asgi import Limits, Outcome
from geetest_asgi._bounds.counters import BodyMemory
from geetest_asgi._core.fields.gatherer import Gatherer
from geetest_asgi._core.fields.scanners import Scanner, scanner_for
from geetest_asgi._core.fields.spelling import spelling
from geetest_asgi._core.limits import MIB
from geetest_asgi._core.model import Evidence
from geetest_asgi._corridor.body import Body, VisitorLeft, without_body

pytestmark = pytest.mark.anyio

CLIENT = "203.0.113.7"
MEMORY = 1000
KIB = 1024
LEFT: Message = {"type": "http.disconnect"}


def piece(body: bytes, *, more: bool = True) -> Message:
    return {"type": "http.request", "body": body, "more_body": more}


class Server:
    """A server that has these messages, and the memory for bodies as it was when each was asked for."""

    def __init__(self, *messages: Message) -> None:
        self.messages = deque(messages)
        self.memory = BodyMemory(MEMORY)
        self.free: list[int] = []

    async def receive(self) -> Message:
        self.free.append(self.memory.left)
        await checkpoint()
        if not self.messages:
            await anyio.sleep(10)  # nothing comes any more
        return self.messages.popleft()

    def body(self, limits: Limits | None = None) -> Body:
        return Body(self.receive, limits or Limits(), self.memory, CLIENT)


def scanner(content_type: bytes = b"application/x-www-form-urlencoded") -> Scanner:
    found = scanner_for([content_type], [], Gatherer(spelling(None), 100))
    assert found is not None
    return found


async def turns_during_a_search(length: int) -> int:
    """How often another task runs while a body is searched that is all there."""
    turns = 0

    async def receive() -> Message:
        return piece(b"a&" * (length // 2), more=False)

    async def other() -> None:
        nonlocal turns
        while True:
            await checkpoint()
            turns += 1

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(other)
        await Body(receive, Limits(), BodyMemory(4 * MIB), None).search(scanner())
        found = turns
        tasks.cancel_scope.cancel()
    return found


async def test_other_tasks_run_while_a_long_body_is_searched_and_one_piece_is_searched_at_once() -> None:
    assert await turns_during_a_search(MIB) > 2
    assert await turns_during_a_search(1000) == 0


async def test_no_more_is_read_than_the_fields_need() -> None:
    fields = b"lot_number=1&captcha_output=1&pass_token=1&gen_time=1&"
    server = Server(piece(fields[:20]), piece(fields[20:]), piece(b"x=1"))
    assert await server.body().search(scanner()) is None
    assert len(server.messages) == 1


async def test_a_long_body_in_small_pieces_leaves_the_last_quarter_to_short_ones() -> None:
    server = Server(*[piece(b"x" * KIB)] * 1000)
    server.memory = BodyMemory(MIB)
    evidence = await Body(server.receive, Limits(), server.memory, None).search(scanner())
    assert evidence == Evidence(Outcome.BUSY, "no room to keep more request bodies (max_buffered)")
    assert len(server.messages) == 1000 - 3 * 256 - 1
    assert server.memory.take(64 * KIB, None)


async def test_the_memory_that_a_body_took_is_given_back_once() -> None:
    server = Server(piece(b"a=1&"), piece(b"b=2", more=False))
    body = server.body()
    assert await body.search(scanner()) is None
    assert (server.memory.left, server.memory.held) == (MEMORY - 7, {CLIENT: 7})
    await body.receive()
    assert (server.memory.left, server.memory.held) == (MEMORY, {}), "the app holds no memory of the guard's"
    body.close()
    assert (server.memory.left, server.memory.held) == (MEMORY, {})


async def test_the_time_limit_of_a_search_forgets_it() -> None:
    """However it ended; else each request would leave something behind."""

    def scopes() -> int:
        gc.collect()
        return sum(type(each) is kind for each in gc.get_objects())

    async def search(*messages: Message) -> None:
        with suppress(VisitorLeft):
            await Server(*messages).body().search(scanner())

    kind = type(anyio.CancelScope())
    await search(piece(b"a=1", more=False))
    before = scopes()
    for _ in range(20):
        await search(piece(b"a=1", more=False))
        await search(piece(b"a=1"), LEFT)
    assert scopes() < before + 20


async def test_the_receive_of_a_body_that_was_not_read_is_the_servers_own() -> None:
    server = Server()
    assert server.body().receive == server.receive


async def test_the_app_gets_what_was_read_in_one_piece_and_then_what_the_server_has() -> None:
    rest = [piece(b"c=3"), piece(b"d=4", more=False), LEFT]
    server = Server(piece(b"a=1&"), piece(b"lot_number=1", more=False), *rest)
    body = server.body()
    await body.search(scanner())
    assert body.complete
    assert await body.receive() == piece(b"a=1&lot_number=1", more=False)
    assert [await body.receive() for _ in rest] == rest


async def test_a_receive_that_is_cancelled_loses_nothing() -> None:
    body = Server(piece(b"a=1", more=False)).body()
    await body.search(scanner())
    with anyio.CancelScope() as scope:
        scope.cancel()
        message = await body.receive()
    if scope.cancelled_caught:
        message = await body.receive()
    assert message == piece(b"a=1", more=False)


@pytest.mark.parametrize(("message", "disconnected"), [(LEFT, True), ({"type": "http.request"}, False)])
async def test_the_message_that_tells_of_a_disconnect_is_the_apps_too(message: Message, disconnected: bool) -> None:
    server = Server(piece(b"a=1", more=False), message, LEFT)
    body = server.body()
    await body.search(scanner())
    assert await body.wait_for_disconnect() is disconnected
    assert [await body.receive() for _ in range(3)] == [piece(b"a=1", more=False), message, LEFT]


async def test_a_request_without_a_body_has_an_empty_one_however_much_comes() -> None:
    receive = without_body(Server(piece(b"a=1"), piece(b"b=2", more=False), LEFT, LEFT).receive)
    assert [await receive() for _ in range(3)] == [piece(b"", more=False), LEFT, LEFT]


async def test_a_denial_that_reads_the_body_to_its_end_leaves_nothing_to_drain() -> None:
    """A last message need not say that it is one (ASGI, "Request - receive event")."""
    last = {"type": "http.request", "body": b"b=2"}
    body = Server(piece(b"a=1"), last).body()
    assert await body.receive_until_complete() == piece(b"a=1")
    assert not body.complete
    assert await body.receive_until_complete() == last
    assert body.complete
    left = Server(piece(b"a=1"), LEFT).body()
    assert [await left.receive_until_complete() for _ in range(2)] == [piece(b"a=1"), LEFT]
    assert not left.complete, "a disconnect is not the end of a body"


TEN, NONE = piece(b"1234567890"), {"type": "http.request", "more_body": True}
DRAINED: dict[str, tuple[list[Message], Limits, int]] = {
    # the server's messages, and how many of them stay unread
    "to its end": ([TEN, piece(b"1", more=False), LEFT], Limits(), 1),
    "until the client leaves": ([TEN, LEFT, TEN], Limits(), 1),
    "until the client is silent, as curl is": ([TEN], Limits(drain_seconds=3600), 0),
    "not past its bound": ([TEN, TEN, TEN], Limits(drain_bytes=20), 1),
    "up to its bound": ([TEN, TEN, TEN], Limits(drain_bytes=11), 1),
    "over pieces of no bytes": ([NONE] * 5 + [LEFT], Limits(drain_bytes=2), 0),
    "no longer than its time": ([TEN, TEN], Limits(drain_seconds=1e-9), 2),
}


@pytest.mark.parametrize("name", DRAINED)
async def test_a_body_is_drained(name: str) -> None:
    messages, limits, unread = DRAINED[name]
    server = Server(*messages)
    await server.body(limits).drain()
    assert len(server.messages) == unread


async def test_what_was_read_takes_no_memory_while_the_rest_is_drained() -> None:
    server = Server(piece(b"a=1&"), piece(b"b=2"), LEFT, piece(b"", more=False))
    body = server.body()
    with pytest.raises(VisitorLeft):
        await body.search(scanner())
    await body.drain()
    assert server.free == [MEMORY, MEMORY - 4, MEMORY - 7, MEMORY]


async def test_a_body_as_long_as_the_limit_is_searched_to_its_end() -> None:
    """Its end may come in a message of its own."""
    for kind, whole in ((b"application/x-www-form-urlencoded", b"a=1"), (b"application/json", b'{"a": 1}')):
        body, searched = Server(piece(whole), piece(b"", more=False)).body(Limits(max_body=len(whole))), scanner(kind)
        assert (await body.search(searched), body.complete, [*searched.names()]) == (None, True, ["a"])
    body = Server(piece(b"a=1&"), piece(b"", more=False)).body(Limits(max_body=3))
    assert await body.search(scanner()) == Evidence(Outcome.TOO_LARGE, "no fields within 3 bytes")


async def test_an_empty_json_body_is_not_broken() -> None:
    json = scanner(b"application/json")
    assert await Server(piece(b"", more=False)).body().search(json) is None
    assert json.broken == ""
