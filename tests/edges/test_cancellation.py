"""A request is cancelled where it waits for the first time, for the second, and so on, as servers and time-outs do it:
nothing may stay behind, no token may be lost, and the next visitor is served.
"""

import asyncio
import socket
import types
from collections.abc import Callable, Coroutine, Generator, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import anyio
import httpx
import pytest
import trio
import trustme
from starlette.responses import PlainTextResponse

from geetest_asgi import GeeTestMiddleware, Limits
from geetest_asgi.stores import MemoryStore

from .servers import SUCCESS, Behave, GeeTest, RawServer, http_reply, peers, secured
from .site import App, later
from .visitors import Visit, cut, form, visit

LIMITS = Limits(max_body=4 * 1024 * 1024, max_in_flight=2)
"""A place in flight that was not given back is missed at the third call."""
FAILURE = b'{"status":"success","result":"fail","reason":"pass_token expire","captcha_args":{}}'
Token = Mapping[str, str]


class Places(trio.abc.Instrument):
    """Counts how often the tasks of the running event loop wait, and cancels at the chosen place."""

    def __init__(self, chosen: int) -> None:
        self.seen = 0
        self.cancel: Callable[[], object] = lambda: None
        self._chosen = chosen
        self._me: object = self

    @contextmanager
    def watched(self, way: str) -> Iterator[None]:
        """Watch every task that begins in here; on trio, every task but this one."""
        if way == "trio":
            self._me = trio.lowlevel.current_task()
            trio.lowlevel.add_instrument(self)
            yield
            trio.lowlevel.remove_instrument(self)
        else:
            asyncio.get_running_loop().set_task_factory(self._make_task)
            yield
            asyncio.get_running_loop().set_task_factory(None)

    def after_task_step(self, task: trio.lowlevel.Task | None) -> None:
        self.seen += task is not self._me
        if self.seen == self._chosen and task is not self._me:
            self.cancel()

    def _make_task(self, loop: asyncio.AbstractEventLoop, coro: Any, **more: Any) -> "asyncio.Task[Any]":
        task = asyncio.Task(self._stepwise(coro), loop=loop, **more)
        task.add_done_callback(lambda _: coro.close())  # it may have been cancelled before it began
        return task

    async def _stepwise(self, coro: Any) -> Any:
        return await self._steps(coro)

    @types.coroutine
    def _steps(self, coro: Coroutine[Any, Any, Any]) -> Generator[Any, Any, Any]:
        error: BaseException | None = None
        while True:
            try:
                awaited = coro.send(None) if error is None else coro.throw(error)
            except StopIteration as end:
                return end.value
            self.after_task_step(None)
            error = None
            try:
                yield awaited
            except BaseException as thrown:
                error = thrown


def slowly(method: Any) -> Any:
    async def waits(*given: Any) -> Any:
        await anyio.sleep(0)
        found = await method(*given)
        await anyio.sleep(0)
        return found

    return waits


class SlowStore(MemoryStore):
    """It waits before each call and after it."""

    add, pop, delete = map(slowly, (MemoryStore.add, MemoryStore.pop, MemoryStore.delete))


def in_pieces(token: Token) -> Visit:
    return visit(body=cut(form(token), 100))


def large(token: Token) -> Visit:
    return visit(body=cut(b"x=" + b"y" * 2_500_000 + b"&" + form(token), 500_000))


@dataclass
class Case:
    """A request, and what awaits it. `reply`: GeeTest's, None: none at all. `cold`: no connection is kept open."""

    send: Callable[[Token], Visit]
    settings: Mapping[str, Any] = field(default_factory=dict)
    reply: bytes | None = SUCCESS
    leaves: bool = False
    cold: bool = False
    tls: bool = False
    status: int = 200


HOOKS = {
    "skip": later(lambda scope: None),
    "accept": later(lambda result, scope: True),
    "on_denied": later(lambda result, scope: PlainTextResponse("no")),
}
SOON = {"timeout": 0.03}
CASES: Mapping[str, Case] = {
    "a form": Case(in_pieces),
    "a new connection": Case(in_pieces, cold=True),
    "a new connection over TLS": Case(in_pieces, cold=True, tls=True),
    "a client of the user's": Case(in_pieces, {"client": lambda: httpx.AsyncClient(verify=False)}, cold=True),
    "a form with a long tail": Case(lambda token: visit(body=[form(token) + b"&tail=", bytes(5000)])),
    "a large form": Case(large),
    "a large form, denied": Case(large, HOOKS, FAILURE),
    "hooks and a store that wait": Case(in_pieces, {**HOOKS, "store": SlowStore()}),
    "a redirect": Case(in_pieces, {"store": SlowStore()}, status=307),
    "no answer": Case(in_pieces, {**SOON, "store": SlowStore()}, None),
    "no answer over TLS": Case(in_pieces, SOON, None, cold=True, tls=True),
    "the visitor leaves": Case(large, {"store": SlowStore(), "timeout": 0.3}, None, leaves=True),
}
TRIALS = [(way, name) for way in ("asyncio", "trio") for name in CASES]
TRIALS += [("task.cancel", name) for name in [*CASES][:5]]  # asyncio's own way, which knows none of anyio's shields


class Stage:
    """The app, and the GeeTest that the guard asks: what both saw of the last request."""

    def __init__(self, case: Case, geetest: GeeTest, monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
        self.case, self.reply, self.app, self.started, self.asked = case, case.reply, App(case.status), 0, 0
        self.token, store = geetest.token, case.settings.get("store", MemoryStore())
        answer: Behave = self._answer
        if case.tls:
            authority = trustme.CA()
            answer = secured(authority.issue_cert("127.0.0.1"), answer)
            authority.cert_pem.write_to_path(file := str(folder / "authority.pem"))
            monkeypatch.setenv("SSL_CERT_FILE", file)
        self.server = RawServer(answer)
        url = self.server.url.replace("http:", "https:") if case.tls else self.server.url
        settings = {"limits": LIMITS, "on_unavailable": "deny", "trust_env": case.tls, **case.settings}
        settings |= {"store": store, "api_server": url}
        self.guard: GeeTestMiddleware = geetest.guard(self._run, **settings)
        self.checker: GeeTestMiddleware = geetest.guard(self._run, **{**settings, "timeout": 10.0})

    async def _run(self, *call: Any) -> None:
        self.started += 1
        await self.app(*call)

    def _answer(self, server: RawServer, wire: socket.socket) -> None:
        while server.read_request(wire):
            self.asked += 1
            if self.reply is not None:
                wire.sendall(http_reply(self.reply))

    async def gets_in(self, token: Token) -> bool:
        before, _ = self.started, await self.case.send(token).run(self.checker)
        return self.started > before

    async def cancelled(self, token: Token, way: str, places: Places) -> None:
        self.started, self.asked, self.reply, visitor = 0, 0, self.case.reply, self.case.send(token)

        async def run() -> None:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(visitor.run, self.guard)
                if self.case.leaves:
                    await anyio.sleep(0.06)  # in a call's first tenth nobody listens
                    visitor.leave()

        with places.watched(way):
            if way == "task.cancel":
                places.cancel = (task := asyncio.create_task(run())).cancel
                await asyncio.wait([task])
                assert task.cancelled() or task.exception() is None
            else:
                async with anyio.create_task_group() as tasks:
                    places.cancel = tasks.cancel_scope.cancel
                    tasks.start_soon(run)
        self.reply = SUCCESS


async def cancel_everywhere(stage: Stage, way: str) -> int:
    number, more = 0, True

    def connections() -> int:
        return sum(peer[1:2] == (stage.server.port,) for peer in peers())

    while more:
        number += 1
        if stage.case.cold:
            await stage.guard.aclose()
        places, token = Places(number), stage.token()
        await stage.cancelled(token, way, places)

        assert stage.guard.guard.memory.left == LIMITS.max_buffered, number
        assert connections() <= 2, number  # each of the two guards may keep one connection
        started, asked = stage.started, stage.asked
        again = await stage.gets_in(token)
        # Spent by the app or by GeeTest's word, which may have been heard or not; good where nobody was asked.
        assert again or started or asked, number
        assert not (again and started) or stage.case.status == 307, f"one token let two in at place {number}"
        assert await stage.gets_in(stage.token()), number
        more = places.seen >= number
    if stage.case.reply is not None:
        assert (await in_pieces(stage.token()).run(stage.guard)).code in ("in", "no"), "it has no place in flight left"
    await stage.guard.aclose()
    await stage.checker.aclose()
    assert connections() == 0
    return number


@pytest.mark.filterwarnings("ignore:Async generator 'httpx:ResourceWarning")  # httpx's own, by a client of the user's
@pytest.mark.parametrize(("way", "name"), TRIALS)
def test_a_request_that_is_cancelled_anywhere_leaves_nothing_behind(
    way: str, name: str, geetest: GeeTest, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    stage = Stage(CASES[name], geetest, monkeypatch, tmp_path)
    with stage.server:
        places = anyio.run(cancel_everywhere, stage, way, backend="trio" if way == "trio" else "asyncio")
    assert places > 5, "not every place was found"
