"""Who is let in unverified by 1, 4 and 16 processes that share a Redis: `python -m benchmarks.admissions`. Two minutes.

GeeTest refuses every connection. Each process has a guard with default settings and makes its share of 200 logins a
second; one in four comes from one address. Amid this Redis is killed, and started again.
"""

import json
import os
import random
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Final, NamedTuple

import anyio
from starlette.types import Message, Receive, Scope, Send

from geetest_asgi import GeeTestMiddleware
from geetest_asgi.stores import FailSafe, RedisStore
from geetest_asgi.testing import Simulator

from .measure import table
from .redis_server import RedisServer, redis_server
from .visitors import KINDS, whole

ROOT: Final = Path(__file__).parent.parent
RATE: Final = 200
PHASE: Final = 9.0
SETTLED: Final = 4.0
"""Seconds after which every process has started well, or noticed that Redis is killed or back."""
PHASES: Final = ("Redis works", "Redis is killed", "Redis is back")
BOT: Final = "192.0.2.1"


class Phase(NamedTuple):
    """A stretch of time, and who came in it."""

    seconds: float
    visits: "list[Visit]"

    def alone(self) -> int:
        """How many processes had to do without the store for a time."""
        failures: dict[int, set[int]] = {}
        for visit in self.visits:
            failures.setdefault(visit.process, set()).add(visit.failures)
        return sum(len(each) > 1 for each in failures.values())


class Visit(NamedTuple):
    """One login."""

    when: float
    """Seconds of `time.time`, when it was answered."""
    client: str
    status: int
    took: float
    process: int
    failures: int
    """Calls of the store that had failed in this process by then."""


# --- one process ------------------------------------------------------------------------------------------------------


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    """What is behind the guard."""
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body"})


async def worker(store: str, geetest: str, rate: float, seconds: float) -> None:
    """Say "ready", be told when to begin, and print all visits at the end."""
    shared = FailSafe(RedisStore(store))
    guard = GeeTestMiddleware(
        app, protect=["POST /login"], store=shared, api_server=geetest, captcha_id="id", captcha_key="key"
    )
    print("ready", flush=True)
    begin, visits = float(sys.stdin.readline()), list[Visit]()
    async with anyio.create_task_group() as group:
        for number in range(int(rate * seconds)):
            await anyio.sleep(max(0.0, begin + number / rate - time.time()))
            client = BOT if number % 4 == 0 else f"198.51.{random.randrange(256)}.{random.randrange(256)}"
            group.start_soon(login, guard, client, shared, visits)
    print(json.dumps(visits))


async def login(guard: GeeTestMiddleware, client: str, store: FailSafe, visits: list[Visit]) -> None:
    """One visit, which is added to the others."""
    media_type, body = KINDS["urlencoded"]
    messages = whole(body(Simulator().token()))
    headers = [(b"content-type", media_type.encode())]
    scope = {"type": "http", "method": "POST", "path": "/login", "headers": headers, "client": (client, 1)}
    statuses: list[int] = []

    async def receive() -> Message:
        if not messages:
            await anyio.sleep_forever()
        return messages.pop()

    async def send(message: Message) -> None:
        statuses.append(message.get("status", 0))

    sent = time.perf_counter()
    await guard(scope, receive, send)
    took = time.perf_counter() - sent
    visits.append(Visit(time.time(), client, statuses[0], took, os.getpid(), store.failures))


# --- all of them ------------------------------------------------------------------------------------------------------


@contextmanager
def workers(number: int, store: str, seconds: float) -> Iterator[list["subprocess.Popen[str]"]]:
    """Ready to begin. The guard's warnings, two for each failure of Redis, are not shown."""
    with ExitStack() as stack:
        nobody = stack.enter_context(socket.socket())  # bound and not listening: connections are refused
        nobody.bind(("127.0.0.1", 0))
        geetest = f"http://127.0.0.1:{nobody.getsockname()[1]}"
        command = [sys.executable, "-m", "benchmarks.admissions", store, geetest, str(RATE / number), str(seconds)]
        pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
        found = [subprocess.Popen(command, cwd=ROOT, text=True, **pipes) for _ in range(number)]
        try:
            for process in found:
                process.stdout.readline()  # type: ignore[union-attr]
            yield found
        finally:
            for process in found:
                process.kill()
                process.wait()


def run(number: int, redis: RedisServer, phase: float = PHASE, settled: float = SETTLED) -> list[Phase]:
    """What the visitors of each phase got."""
    with workers(number, redis.url, phase * len(PHASES)) as processes:
        begin = time.time() + 0.2
        for process in processes:
            process.stdin.write(f"{begin}\n")  # type: ignore[union-attr]
            process.stdin.flush()  # type: ignore[union-attr]
        time.sleep(max(0.0, begin + phase - time.time()))
        killed = time.time()
        redis.kill()
        time.sleep(max(0.0, begin + 2 * phase - time.time()))
        redis.start()
        visits = [Visit(*each) for process in processes for each in json.loads(process.communicate()[0])]
    again = begin + 2 * phase
    end = max(visit.when for visit in visits)
    bounds = ((begin + settled, killed), (killed + settled, again), (again + settled, end))
    return [Phase(last - first, [each for each in visits if first <= each.when < last]) for first, last in bounds]


def row(number: int, name: str, phase: Phase) -> list[str]:
    """One line of the table."""
    visits = phase.visits
    let_in = [visit for visit in visits if visit.status == 200]
    took = sorted(visit.took * 1000 for visit in visits) or [0.0]
    times = f"{took[len(took) // 2]:.1f} ms", f"{took[int(len(took) * 0.99)]:.0f} ms"
    return [str(number), name, str(phase.alone()), f"{len(let_in) / phase.seconds:.1f}", *times]


def main() -> str:
    """The table."""
    rows = []
    for number in (1, 4, 16):
        with redis_server() as redis:
            assert redis is not None, "it needs redis-server"
            rows += [row(number, *each) for each in zip(PHASES, run(number, redis), strict=True)]
    head = ["processes", "", "without Redis", "let in, a second", "median", "99 %"]
    return table(head, rows)


if __name__ == "__main__":
    if arguments := sys.argv[1:]:
        anyio.run(worker, arguments[0], arguments[1], float(arguments[2]), float(arguments[3]))
    else:
        print(main())
