"""A site under load while GeeTest dies, hangs, flaps and comes back: `python -m benchmarks.chaos`. Five minutes.

Everything is real but the visitors: several uvicorn worker processes, the simulator as a process that is killed with
SIGKILL, sockets between them. An hour of four logins a second is made in some five minutes, by honest visitors, by bots
with forged and with repeated tokens, and by those who leave at once. Then the promises of docs/outages.md are held
against what was measured; the exit status is 1 if one is broken.

`--redis`: four workers share a Redis with a replica and a Sentinel. Both are killed, then the master alone; a worker is
killed, and all are replaced by SIGHUP. Ten minutes.
`--short`: some ten seconds, with shorter times everywhere; both are among the tests.
"""

import asyncio
import json
import math
import os
import random
import signal
import socket
import statistics
import subprocess
import sys
import time
import urllib.request
from collections import Counter, OrderedDict, deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final, NamedTuple
from urllib.parse import urlencode

from starlette.routing import Router
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from benchmarks.redis_server import RedisPair, redis_pair
from geetest_asgi import GeeTestMiddleware, GeeTestResult, Limits, geetest_result
from geetest_asgi.stores import MemoryStore, Store
from geetest_asgi.testing import Simulator

ROOT: Final = Path(__file__).parent.parent
REMEMBERED: Final = 5000
"""Tokens, by the site and by this account of it: few, so that memory is level after the first minute."""


PHASES: Final = ("up", "killed", "up", "hanging", "up", "flapping", "up")
REDIS_PHASES: Final = ("Redis killed", "up", "Redis fails over", "up", "workers killed", "up", "workers replaced", "up")
"""Every other one is a fault: of GeeTest, of Redis, of the site."""


class Scale(NamedTuple):
    """How long and how hard."""

    limits: Limits
    timeout: float
    phase: float
    """Seconds of each phase."""
    rate: int
    """Requests a second, in all."""
    slack: float
    """Seconds that this machine may be late; inf: how soon GeeTest's return is noticed is told, and not judged."""
    workers: int = 2
    phases: tuple[str, ...] = PHASES

    @property
    def shared(self) -> bool:
        """Whether the workers share a Redis."""
        return "Redis killed" in self.phases


FULL: Final = Scale(Limits(), 3.0, 35.0, 50, 2.0)
_QUICK: Final = Limits(breaker_pause=0.1, breaker_longest_pause=0.4, unverified_per_second=5, unverified_per_client=10)
SHORT: Final = Scale(_QUICK, 0.4, 1.0, 60, math.inf)
SCALES: Final = {
    "full": FULL,
    "short": SHORT,
    "redis": FULL._replace(workers=4, phases=(*PHASES, *REDIS_PHASES)),
    "redis short": SHORT._replace(phases=("up", "killed", "up", *REDIS_PHASES), phase=2.0),
}


# --- the site ---------------------------------------------------------------------------------------------------------


class Books:
    """What one process of the site knows of itself."""

    def __init__(self) -> None:
        self.seconds: Counter[int] = Counter()
        self.minutes: Counter[tuple[str, int]] = Counter()
        self.let_in: OrderedDict[str, None] = OrderedDict()
        self.twice = 0

    def enter(self, result: GeeTestResult, scope: Scope) -> None:
        """on_result."""
        if not result.allowed or result.lot_number is None:
            return
        self.twice += result.lot_number in self.let_in
        self.let_in[result.lot_number] = None
        if len(self.let_in) > REMEMBERED:
            self.let_in.popitem(last=False)
        if not result:
            now = time.monotonic()
            self.seconds[int(now)] += 1
            self.minutes[scope["client"][0], int(now / 60)] += 1

    def report(self) -> dict[str, Any]:
        """For the account at the end."""
        return {
            "pid": os.getpid(),
            "twice": self.twice,
            "seconds": [self.seconds[each] for each in sorted(self.seconds)],
            "most_of_one_client": max(self.minutes.values(), default=0),
            "tasks": len(asyncio.all_tasks()),
            "descriptors": len(os.listdir("/proc/self/fd")),
            "resident": int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE"),
        }


def site() -> ASGIApp:
    """What each worker serves: a guarded login that says which process it is, and that process's books."""
    scale, books = SCALES[os.environ["CHAOS_SCALE"]], Books()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            return await Router()(scope, receive, send)
        if scope["path"] == "/report":
            body = json.dumps(books.report()).encode()
        else:
            body = b'{"code":"verified"}' if geetest_result(scope) else b'{"code":"unverified"}'
        headers = [(b"content-length", b"%d" % len(body))]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        return await send({"type": "http.response.body", "body": body})

    guard = GeeTestMiddleware(
        app,
        protect=["POST /login"],
        timeout=scale.timeout,
        limits=scale.limits,
        on_result=books.enter,
        store=_store(os.environ["CHAOS_SENTINEL"]),
    )

    async def signed(scope: Scope, receive: Receive, send: Send) -> None:
        async def sign(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], (b"x-process", b"%d" % os.getpid())]
            await send(message)

        await guard(scope, receive, send if scope["type"] == "lifespan" else sign)

    return signed


def _store(sentinel: str) -> Store:
    """`sentinel`: its port, or empty."""
    if not sentinel:
        return MemoryStore(REMEMBERED)
    from redis.asyncio import Sentinel

    from geetest_asgi.stores import RedisStore

    return RedisStore(lambda: Sentinel([("127.0.0.1", int(sentinel))]).master_for(RedisPair.NAME))


# --- the processes ----------------------------------------------------------------------------------------------------


def free_port() -> int:
    """A port that nobody has."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        port: int = held.getsockname()[1]
        return port


def wait_for(port: int) -> None:
    """Until somebody listens."""
    ends = time.monotonic() + 30
    while time.monotonic() < ends:
        with suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        time.sleep(0.02)
    raise TimeoutError(f"nobody listens on port {port}")


class GeeTest:
    """The simulator's process."""

    def __init__(self) -> None:
        self.port = free_port()
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Up, whatever it was before."""
        if self._process is None:
            command = [sys.executable, "-m", "geetest_asgi", "simulator", "--port", str(self.port)]
            self._process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL)
            wait_for(self.port)
        self._fault("up")

    def kill(self) -> None:
        """At once, in the middle of whatever it does."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def hang(self) -> None:
        """Takes calls and does not answer."""
        self._fault("hanging")

    def refuse(self) -> None:
        """HTTP 503."""
        self._fault("down")

    def _fault(self, mode: str) -> None:
        url = f"http://127.0.0.1:{self.port}/simulator/fault?mode={mode}"
        urllib.request.urlopen(urllib.request.Request(url, method="POST"), timeout=10).close()


@contextmanager
def workers(geetest: GeeTest, scale: str, redis: RedisPair | None, log: Path) -> Iterator["Site"]:
    """The site, in processes of its own. `redis`: what they share, if they do."""
    port = free_port()
    simulator = Simulator()
    environment = {
        **os.environ,
        "CHAOS_SCALE": scale,
        "CHAOS_SENTINEL": str(redis.sentinel.port) if redis else "",
        "GEETEST_API_SERVER": f"http://127.0.0.1:{geetest.port}",
        "GEETEST_CAPTCHA_ID": simulator.captcha_id,
        "GEETEST_CAPTCHA_KEY": simulator.captcha_key,
    }
    options = [
        "--factory",
        "--workers",
        str(SCALES[scale].workers),
        "--port",
        str(port),
        "--no-access-log",
        "--log-level",
        "error",
    ]
    options += ["--timeout-keep-alive", "600"]  # else it may hang up on a visitor who is just coming
    options += ["--timeout-worker-healthcheck", "60"]  # a busy machine starts a worker in more than the default 5 s
    command = [sys.executable, "-m", "uvicorn", "benchmarks.chaos:site", *options]
    with log.open("wb") as stderr:
        process = subprocess.Popen(command, cwd=ROOT, env=environment, stderr=stderr)
    try:
        wait_for(port)
        yield Site(port, process, log)
    finally:
        process.send_signal(signal.SIGINT)
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()


class Site(NamedTuple):
    """The running site."""

    port: int
    supervisor: "subprocess.Popen[bytes]"
    log: Path
    """The warnings of all its processes."""

    def replace_workers(self) -> None:
        """One after another, each when it has answered its requests."""
        self.supervisor.send_signal(signal.SIGHUP)


# --- the visitors -----------------------------------------------------------------------------------------------------


@dataclass
class Visit:
    """One answer."""

    phase: int
    sent: float
    took: float
    process: str
    status: int
    code: str
    lot_number: str


@dataclass
class Crowd:
    """Makes so many requests each second, whatever comes of them, on connections that are kept."""

    port: int
    rate: int
    visits: list[Visit] = field(default_factory=list)
    phase: int = 0
    failed: Counter[int] = field(default_factory=Counter)
    """Requests without an answer, by phase."""
    _mint: Simulator = field(default_factory=Simulator)
    _spent: deque[dict[str, str]] = field(default_factory=lambda: deque(maxlen=200))
    _idle: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = field(default_factory=list)

    async def run(self) -> None:
        """Until it is cancelled."""
        start, made = time.monotonic(), 0
        async with asyncio.TaskGroup() as group:
            while True:
                while made < (time.monotonic() - start) * self.rate:
                    made += 1
                    group.create_task(self._visit())
                await asyncio.sleep(1 / self.rate)

    def _fields(self) -> dict[str, str]:
        die = random.random()
        if die < 0.1 and self._spent:
            return random.choice(self._spent)
        fields = self._mint.token(forged=die > 0.9)
        self._spent.append(fields)
        return fields

    async def _visit(self) -> None:
        try:
            wire = self._idle.pop() if self._idle else await asyncio.open_connection("127.0.0.1", self.port)
            phase, sent = self.phase, time.monotonic()
            fields = self._fields()
            wire[1].write(self._request(fields))
            if random.random() < 0.05:
                wire[1].close()  # and is gone
                return
            status, headers, body = await read_answer(wire[0])
        except (OSError, asyncio.IncompleteReadError):
            self.failed[self.phase] += 1
            return
        took, code = time.monotonic() - sent, json.loads(body)["code"].removeprefix("captcha_")
        self.visits.append(Visit(phase, sent, took, headers["x-process"], status, code, fields["lot_number"]))
        if random.random() < 0.02:
            wire[1].close()
        else:
            self._idle.append(wire)

    def _request(self, fields: dict[str, str]) -> bytes:
        body = urlencode(fields).encode()
        address = "192.0.2.0" if random.random() < 0.3 else f"192.0.2.{random.randrange(1, 255)}"
        head = f"POST /login HTTP/1.1\r\nHost: site\r\nX-Forwarded-For: {address}\r\nContent-Length: {len(body)}\r\n"
        return head.encode() + b"Content-Type: application/x-www-form-urlencoded\r\n\r\n" + body

    def close(self) -> None:
        """Hang up."""
        while self._idle:
            self._idle.pop()[1].close()


async def read_answer(reader: asyncio.StreamReader) -> tuple[int, dict[str, str], bytes]:
    """Status, headers and body of one answer."""
    head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in head[1:])}
    return int(head[0].split()[1]), headers, await reader.readexactly(int(headers["content-length"]))


async def reports(port: int, number: int) -> dict[int, dict[str, Any]]:
    """The books of all processes. Which of them takes a connection is the kernel's choice: ask until all have."""
    found: dict[int, dict[str, Any]] = {}
    ends = time.monotonic() + 60
    while len(found) < number:
        if time.monotonic() > ends:
            raise TimeoutError(f"only {len(found)} of {number} processes answered")
        wires = [await asyncio.open_connection("127.0.0.1", port) for _ in range(8)]
        for reader, writer in wires:
            writer.write(b"GET /report HTTP/1.1\r\nHost: site\r\nConnection: close\r\n\r\n")
            book = json.loads((await read_answer(reader))[2])
            found[book["pid"]] = book
            writer.close()
    return found


# --- the story, and what it must not have brought about ---------------------------------------------------------------


async def story(
    scale: Scale, geetest: GeeTest, site: "Site", redis: RedisPair | None, crowd: Crowd
) -> tuple[list[float], dict[int, dict[str, Any]]]:
    """The moments at which GeeTest was back, and the books after the first phase."""
    back: list[float] = []
    first: dict[int, dict[str, Any]] = {}
    for number, phase in enumerate(scale.phases):
        if phase == "up":
            await asyncio.to_thread(geetest.start)
            if redis is not None and scale.phases[number - 1].startswith("Redis"):
                await asyncio.to_thread(redis.start)
            back += [time.monotonic()] if number else []
            crowd.phase = number
            await asyncio.sleep(scale.phase + (scale.limits.breaker_longest_pause + scale.timeout if number else 0))
            first = first or await reports(crowd.port, scale.workers)
        else:
            crowd.phase = number
            faults: dict[str, Callable[[], object]] = {
                "killed": geetest.kill,
                "hanging": geetest.hang,
                "flapping": geetest.refuse,
                "Redis killed": redis.kill if redis is not None else geetest.start,
                "Redis fails over": redis.kill_master if redis is not None else geetest.start,
                "workers killed": partial(os.kill, max(first), signal.SIGKILL),
                "workers replaced": site.replace_workers,
            }
            await asyncio.to_thread(faults[phase])
            for _ in range(10):
                await asyncio.sleep(scale.phase / 10)
                if phase == "flapping":
                    await asyncio.to_thread(random.choice([geetest.start, geetest.refuse]))
            if redis is not None and phase == "Redis fails over":
                await asyncio.to_thread(redis.wait_for_master)
    return back, first


async def perform(scale: Scale, geetest: GeeTest, site: "Site", redis: RedisPair | None) -> "Told":
    """All of it, and the books when everybody has gone home."""
    crowd = Crowd(site.port, scale.rate)
    visiting = asyncio.create_task(crowd.run())
    try:
        back, first = await story(scale, geetest, site, redis, crowd)
        for _ in range(600):  # on a busy machine one worker may take nearly all connections for a while
            if len(verifying(scale, crowd.visits)) >= scale.workers:
                break
            await asyncio.sleep(0.1)
    finally:
        visiting.cancel()
        await asyncio.wait([visiting])
        crowd.close()
    await asyncio.sleep(2)
    last = await reports(site.port, scale.workers)
    return Told(crowd.visits, crowd.failed, back, first, last, site.log.read_text().count("Traceback"))


class Told(NamedTuple):
    """What happened."""

    visits: list[Visit]
    failed: Counter[int]
    back: list[float]
    first: dict[int, dict[str, Any]]
    last: dict[int, dict[str, Any]]
    tracebacks: int


class Promise(NamedTuple):
    """One line of the account: no more than the bound."""

    text: str
    measured: float
    bound: float


def account(scale: Scale, told: Told) -> list[Promise]:
    """The promises, and what was measured."""
    limits, books = scale.limits, list(told.last.values())
    cap, counts = limits.unverified_per_second, [book["seconds"] for book in books]
    let_in = Counter(visit.lot_number for visit in told.visits if visit.code in ("verified", "unverified"))
    strict = scale.shared and scale.slack < math.inf
    # A slow machine still replaces workers in the phases that follow.
    replaced = scale.phases.index("workers killed") if scale.shared and not strict else len(scale.phases)
    harmless = [number for number, phase in enumerate(scale.phases[:replaced]) if not phase.startswith("workers ")]

    def more(figure: str) -> float:
        """Of the worst process, beyond that of the worst after the first phase: processes may be new ones."""
        return float(max(book[figure] for book in books) - max(book[figure] for book in told.first.values()))

    return [
        # Without a Redis, or where it is too slow for the machine, each process lets in a token once during an outage.
        Promise(
            "tokens let in twice, over all processes",
            sum(number > 1 for number in let_in.values()),
            0 if strict else math.inf,
        ),
        Promise(
            "let in unverified, in each second of an outage over all processes",
            round(max(rates(scale, told)), 1),
            cap * (1 if strict else scale.workers),
        ),
        Promise("tracebacks", told.tracebacks, 0),
        Promise(
            "seconds from GeeTest's return to the last visitor who was not verified",
            round(max(late(told, number) for number in range(len(told.back))), 1),
            limits.breaker_longest_pause + scale.timeout + scale.slack,
        ),
        Promise(
            "processes that verify nobody at the end",
            len(set(told.last) - verifying(scale, told.visits)),
            0 if replaced == len(scale.phases) else math.inf,
        ),
        # The books are written a moment after the admission: some of one second may stand under the next.
        Promise("let in unverified within a second, most", max(max(each, default=0) for each in counts), 2 * cap),
        Promise(
            "let in unverified, in each second on the average",
            round(max(sum(each) / (len(each) or 1) for each in counts), 1),
            round(cap * max((len(each) + 3) / (len(each) or 1) for each in counts), 1),
        ),
        Promise(
            "let in unverified of one address within a minute, most",
            max(book["most_of_one_client"] for book in books),
            limits.unverified_per_client + cap,
        ),
        Promise("tokens let in twice by one process", sum(book["twice"] for book in books), 0),
        Promise("requests without an answer, no worker being stopped", sum(told.failed[each] for each in harmless), 0),
        Promise("workers that were not replaced", len(set(told.first) & set(told.last)), 0 if strict else math.inf),
        Promise("descriptors more than after the first phase", more("descriptors"), 48 if scale.shared else 16),
        Promise("tasks more than after the first phase", more("tasks"), 16),
        Promise("MiB more than after the first phase", round(more("resident") / 2**20, 1), 24),
    ]


def rates(scale: Scale, told: Told) -> Iterator[float]:
    """For each phase: how many were let in unverified, by the seconds in which that may have begun."""
    for number in range(len(scale.phases)):
        times = [
            visit.sent + visit.took for visit in told.visits if (visit.phase, visit.code) == (number, "unverified")
        ]
        yield len(times) / (int(max(times) - min(times)) + 2) if times else 0.0


def verifying(scale: Scale, visits: Iterable[Visit]) -> set[int]:
    """The processes that have verified somebody in the last phase."""
    last = len(scale.phases) - 1
    return {int(visit.process) for visit in visits if visit.phase == last and visit.code == "verified"}


def late(told: Told, number: int) -> float:
    """Seconds after this return of GeeTest's at which the last visitor came who was let in or refused unverified."""
    phase, back = 2 * number + 2, told.back[number]
    codes = ("unverified", "unavailable")
    return max((v.sent - back for v in told.visits if v.phase == phase and v.code in codes), default=0.0)


def table(scale: Scale, told: Told) -> Iterator[str]:
    """What the visitors of each phase got."""
    yield "| phase | visitors | verified | unverified | 503 unavailable | busy | median | 99 % | slowest |"
    yield "|---|---|---|---|---|---|---|---|---|"
    for number, phase in enumerate(scale.phases):
        visits = [visit for visit in told.visits if visit.phase == number]
        codes = Counter(visit.code for visit in visits)
        took = sorted(visit.took * 1000 for visit in visits) or [0.0]
        times = f"{statistics.median(took):.0f} ms | {took[int(len(took) * 0.99)]:.0f} ms | {took[-1]:.0f} ms"
        counts = " | ".join(str(codes[each]) for each in ("verified", "unverified", "unavailable", "busy"))
        yield f"| {phase} | {len(visits)} | {counts} | {times} |"


def main(scale: str) -> int:
    """0 if every promise was kept."""
    geetest, chosen = GeeTest(), SCALES[scale]
    geetest.start()
    with ExitStack() as stack:
        stack.callback(geetest.kill)
        log = Path(stack.enter_context(TemporaryDirectory())) / "log"
        redis = stack.enter_context(redis_pair()) if chosen.shared else None
        site = stack.enter_context(workers(geetest, scale, redis, log))
        told = asyncio.run(perform(chosen, geetest, site, redis))
    print(*table(chosen, told), "", sep="\n")
    promises = account(chosen, told)
    print("| promise | measured | bound |", "|---|---|---|", sep="\n")
    print(*(f"| {text} | {measured:g} | {bound:g} |" for text, measured, bound in promises), sep="\n")
    broken = [each for each in promises if each.measured > each.bound]
    print("", *(f"BROKEN: {each.text}" for each in broken), sep="\n" if broken else "")
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main(" ".join(each for each in ("redis", "short") if f"--{each}" in sys.argv) or "full"))
