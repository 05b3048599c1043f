"""Connections and event loops: made when needed, closed with their loop, never used on another one."""

import asyncio
import gc
import warnings
import weakref
from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any

import anyio
import httpx
import pytest
import trio
from starlette.types import Receive, Scope, Send
from threads import in_threads

from geetest_asgi import GeeTestMiddleware, Limits, Outcome

from .servers import CLIENTS, GeeTest, RawServer, http_reply, replying, settles
from .site import App
from .visitors import Visit, visit

pytestmark = pytest.mark.anyio


GOOD = replying(http_reply())


async def pass_by(guard: GeeTestMiddleware, geetest: GeeTest, times: int = 3) -> None:
    for _ in range(times):
        assert (await visit(geetest.token()).run(guard)).code == "in"


def run(backend: str, main: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """One event loop from its beginning to its end. What is left behind is a warning, and so an error, here."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        anyio.run(main, backend=backend)
        gc.collect()


@pytest.mark.parametrize("backends", [["asyncio"] * 6, ["trio"] * 6, ["asyncio", "trio"] * 3], ids="+".join)
def test_one_event_loop_after_another(backends: list[str], geetest: GeeTest, app: App) -> None:
    """Each opens connections of its own, and none is left open behind it; what has ended is forgotten.

    A test client runs a loop for each request: what they leave behind would add up.
    """
    loops: list[weakref.ref[Any]] = []

    async def main() -> None:
        in_trio = trio.lowlevel.in_trio_run()
        loops.append(weakref.ref(trio.lowlevel.current_trio_token() if in_trio else asyncio.get_running_loop()))
        await pass_by(guard, geetest)

    with RawServer(GOOD) as server:
        guard = geetest.guard(app, api_server=server.url)
        for number, backend in enumerate(backends, 1):
            run(backend, main)
            assert settles(lambda: server.open == 0)
            assert server.accepted == number
    assert sum(loop() is not None for loop in loops) <= 2, "a thread that made the wire may know the latest ones"
    assert [seen.result.outcome for seen in app.seen] == [Outcome.PASSED] * 3 * len(backends)


def test_two_event_loops_at_the_same_time(geetest: GeeTest, app: App) -> None:
    with RawServer(GOOD) as server:
        guard = geetest.guard(app, api_server=server.url)
        in_threads(
            *(
                partial(anyio.run, pass_by, guard, geetest, 20, backend=backend)
                for backend in ("asyncio", "trio", "asyncio")
            )
        )
        assert settles(lambda: server.open == 0)
        assert server.accepted == 3


@pytest.mark.filterwarnings("ignore::ResourceWarning")
def test_loops_that_were_only_closed_do_not_add_up(geetest: GeeTest, app: App) -> None:
    """Without `shutdown_asyncgens` nothing tells the guard of their end."""
    with RawServer(GOOD) as server:
        guard = geetest.guard(app, api_server=server.url)
        for _ in range(3):
            loop = asyncio.new_event_loop()
            loop.run_until_complete(pass_by(guard, geetest))
            loop.close()
        anyio.run(pass_by, guard, geetest)
        del loop
        gc.collect()
        assert settles(lambda: server.open == 0)


@pytest.mark.parametrize("kind", ["lifespan", "webtransport"])
async def test_what_is_neither_http_nor_a_websocket_passes_through_untouched(kind: str, geetest: GeeTest) -> None:
    """The scope object itself, since what the app writes to its state is for the server; and what the app raises."""
    given: list[object] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        given.extend([scope, receive, send])
        scope["state"]["db"] = 1
        raise ZeroDivisionError

    visitor = Visit({"type": kind, "state": {}})
    with pytest.raises(ZeroDivisionError):
        await geetest.guard(app, protect=None)(visitor.scope, visitor.receive, visitor.send)
    assert given[0] is visitor.scope
    assert given[1] == visitor.receive
    assert (given[2] == visitor.send) is (kind == "webtransport"), "of a lifespan the end is heard"
    assert visitor.scope == {"type": kind, "state": {"db": 1}}


def test_aclose_and_then_use_again(anyio_backend: str, geetest: GeeTest, app: App) -> None:
    async def main() -> None:
        guard = geetest.guard(app, api_server=server.url)
        await guard.aclose()  # before anything was opened
        for _ in range(3):
            await pass_by(guard, geetest)
            assert server.open == 1
            await guard.aclose()
            await guard.aclose()
            assert settles(lambda: server.open == 0)

    with RawServer(GOOD) as server:
        run(anyio_backend, main)


@pytest.mark.parametrize("turns", [0, 1, 2, 3, 5, 8, 20, 100])
async def test_aclose_during_a_call_does_not_break_it(turns: int, geetest: GeeTest, app: App) -> None:
    geetest.simulator.slow(0.1)
    guard, asked = geetest.guard(app), visit(geetest.token())
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(asked.run, guard)
        for _ in range(turns):
            await anyio.sleep(0)
        await guard.aclose()
    assert asked.code == "in"
    assert app.seen[0].result.outcome is Outcome.PASSED


def test_a_function_that_makes_a_client_is_called_once_for_each_loop(
    anyio_backend: str, geetest: GeeTest, app: App
) -> None:
    """Also where many requests need it at once; what it made is closed by `aclose` and by the end of the loop."""
    made: list[httpx.AsyncClient] = []

    def make() -> httpx.AsyncClient:
        made.append(httpx.AsyncClient())
        return made[-1]

    async def main() -> None:
        for number in (1, 2):
            async with anyio.create_task_group() as tasks:
                for _ in range(10):
                    tasks.start_soon(pass_by, guard, geetest)
            assert not made[-1].is_closed
            if number == 1:
                await guard.aclose()

    guard = geetest.guard(app, client=make)
    for number in (2, 4):
        run(anyio_backend, main)
        assert [client.is_closed for client in made] == [True] * number


@pytest.mark.parametrize("name", ["httpx", "httpx2"])
def test_a_given_client_of_another_loop_lets_nobody_in(name: str, geetest: GeeTest, app: App) -> None:
    """One client on two loops is a mistake of ours; httpx says so in a RuntimeError, or in stranger ways."""
    client = CLIENTS[name]()
    guard = geetest.guard(app, client=client)

    with asyncio.Runner() as one, asyncio.Runner() as other:
        assert one.run(visit(geetest.token()).run(guard)).code == "in"
        assert other.run(visit(geetest.token(forged=True)).run(guard)).status in (403, 503)
        one.run(client.aclose())
    assert len(app.seen) == 1


async def test_a_guard_never_changes_while_it_works(geetest: GeeTest, app: App) -> None:
    guard = geetest.guard(app, protect=None, limits=Limits(max_body=2000))
    before = dict(vars(guard))
    for asked in (visit(geetest.token()), visit(geetest.token(forged=True)), visit(), visit(body=b"x" * 3000)):
        await asked.run(guard)
    await guard.aclose()
    after = vars(guard)
    assert before.keys() == after.keys()
    assert all(after[name] is value for name, value in before.items())
