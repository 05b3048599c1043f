"""The call to GeeTest: how many a second, and what each costs, beside other ways to write it.

Each way has turns, in a process of its own, with so many calls under way at once. GeeTest is another process, which
answers at once or after 50 ms, plain or over TLS. The event loop is uvloop's where it is installed, as servers have it.
"""

import asyncio
import functools
import hmac
import json
import ssl
import statistics
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Final
from urllib.parse import urlencode, urlsplit

import certifi
import httpx

from geetest_asgi import GeeTestClient

from .checkouts import OURS, environment, rows, run
from .fast_geetest import authority, fast_geetest
from .load import new_event_loop
from .measure import SECONDS, goal, goals, scaled, table, take_turns
from .visitors import ID, KEY, token

AT_ONCE: Final = (1, 10, 100, 500)
ROUNDS: Final = 3
TURN: Final = 0.7
Call = Callable[[dict[str, str]], Awaitable[bool]]


def form_for(fields: dict[str, str]) -> dict[str, str]:
    """What GeeTest is sent."""
    return fields | {"sign_token": hmac.digest(KEY.encode(), fields["lot_number"].encode(), "sha256").hex()}


@asynccontextmanager
async def ours(url: str) -> AsyncIterator[Call]:
    """GeeTestClient as it is. A call that is refused for want of room tries again after a while."""
    async with GeeTestClient(ID, KEY, api_server=url) as client:

        async def call(fields: dict[str, str]) -> bool:
            return bool(await client.validate(fields)) or await asyncio.sleep(0.05, result=False)

        yield call


@asynccontextmanager
async def httpx_shared(url: str) -> AsyncIterator[Call]:
    """One httpx.AsyncClient for all, as its documentation advises."""
    async with httpx.AsyncClient(timeout=60) as client:

        async def call(fields: dict[str, str]) -> bool:
            return await _post_with_httpx(client, url, fields)

        yield call


@asynccontextmanager
async def httpx_each(url: str) -> AsyncIterator[Call]:
    """A client for each call, as the official demos do it."""

    async def call(fields: dict[str, str]) -> bool:
        async with httpx.AsyncClient(timeout=60) as client:
            return await _post_with_httpx(client, url, fields)

    yield call


async def _post_with_httpx(client: httpx.AsyncClient, url: str, fields: dict[str, str]) -> bool:
    reply = await client.post(f"{url}/validate", params={"captcha_id": ID}, data=form_for(fields))
    return bool(reply.json()["result"] == "success")


@asynccontextmanager
async def aiohttp_shared(url: str) -> AsyncIterator[Call]:
    """One aiohttp.ClientSession for all, with no bound on its connections: the fastest that is widely used."""
    import aiohttp

    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0, ssl=_tls(url) or True)) as session:

        async def call(fields: dict[str, str]) -> bool:
            async with session.post(f"{url}/validate", params={"captcha_id": ID}, data=form_for(fields)) as reply:
                return bool((await reply.json())["result"] == "success")

        yield call


@asynccontextmanager
async def raw_socket(url: str) -> AsyncIterator[Call]:
    """Kept connections and a request put together by hand: the limit, and no client."""
    host, port, tls = str(urlsplit(url).hostname), urlsplit(url).port, _tls(url)
    free: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = []

    async def call(fields: dict[str, str]) -> bool:
        reader, writer = free.pop() if free else await asyncio.open_connection(host, port, ssl=tls)
        form = urlencode(form_for(fields)).encode()
        head = f"POST /validate?captcha_id={ID} HTTP/1.1\r\nHost: {host}\r\nContent-Length: {len(form)}\r\n\r\n"
        writer.write(head.encode() + form)
        reply = await reader.readuntil(b"\r\n\r\n")
        body = await reader.readexactly(int(reply.lower().partition(b"content-length:")[2].split(b"\r\n")[0]))
        free.append((reader, writer))
        return b'"result":"success"' in body

    yield call
    for _, writer in free:
        writer.close()


def _tls(url: str) -> ssl.SSLContext | None:
    return ssl.create_default_context(cafile=certifi.where()) if url.startswith("https:") else None


RAW, EACH = "raw socket (the limit)", "httpx, a client per call"
HOPELESS: Final = 300
"""Calls at once; as many clients read the CA bundle for ten seconds and more."""
WAYS: Final = {
    RAW: raw_socket,
    **({"aiohttp, shared": aiohttp_shared} if find_spec("aiohttp") else {}),
    OURS: ours,
    "httpx, shared": httpx_shared,
    EACH: httpx_each,
}


@dataclass(frozen=True)
class Turn:
    """What came of one turn, once the connections were open."""

    rate: float
    """Calls a second that GeeTest answered."""
    cpu: float
    """Microseconds of processor time for each of them."""
    refused: float
    """The part of the calls that were not let through to GeeTest."""


async def turn(way: str, url: str, at_once: int, seconds: float) -> Turn:
    """One turn, in this process."""
    done = {True: 0, False: 0}
    number = iter(range(10**9))

    async def keep_calling(call: Call, end: float) -> None:
        while True:
            done[await call(token(next(number)))] += 1
            if time.perf_counter() >= end:
                break

    async with WAYS[way](url) as call:
        await asyncio.gather(*(call(token(next(number))) for _ in range(at_once)))  # opens the connections
        start, cpu = time.perf_counter(), time.process_time()
        await asyncio.gather(*(keep_calling(call, start + seconds) for _ in range(at_once)))
        took, cpu = time.perf_counter() - start, time.process_time() - cpu
    answered = max(1, done[True])
    return Turn(done[True] / took, 1e6 * cpu / answered, done[False] / sum(done.values()))


async def turns(way: str, url: str, seconds: float) -> list[Turn]:
    """A turn with each number of calls at once, in this process."""
    numbers = AT_ONCE if way != EACH else [number for number in AT_ONCE if number < HOPELESS]
    return [await turn(way, url, scaled(number), seconds) for number in numbers]


Measured = Mapping[str, list[list[Turn]]]
"""By row: the turns of each round, in the order of AT_ONCE."""


def measure(url: str, beside: Path | None, trusted: Path | None) -> Measured:
    """Each way in turn, and each checkout."""

    def one(way: str, env: dict[str, str]) -> list[Turn]:
        return [Turn(**each) for each in run("call", way, url, TURN * SECONDS, env=env)]

    rivals = {}
    for row, (way, checkout) in rows(WAYS, beside).items():
        rivals[row] = functools.partial(one, way, environment(checkout, trusted=trusted))
    took = take_turns(rivals, ROUNDS)
    return {row: took[row] for row in rivals}


def _median(rounds: list[list[Turn]], at_once: int, figure: str) -> float:
    figures: list[float] = [getattr(turns[AT_ONCE.index(at_once)], figure) for turns in rounds]
    return statistics.median(figures)


def _cell(rounds: list[list[Turn]], at_once: int) -> str:
    if AT_ONCE.index(at_once) >= len(rounds[0]):
        return ""
    rate, cpu, refused = (_median(rounds, at_once, figure) for figure in ("rate", "cpu", "refused"))
    return f"{rate:,.0f}/s · {cpu:,.0f} µs" + (f" ({refused:.0%} refused)" if refused else "")


def _goals(measured: Measured) -> str:
    def cpu(row: str, at_once: int) -> float:
        return _median(measured[row], at_once, "cpu")

    return goals(
        goal("10 at once: a call beside the raw socket's", lambda row: (cpu(row, 10), cpu(RAW, 10)), 4, "µs", measured),
        goal("500 at once: a call beside one of 10", lambda row: (cpu(row, 500), cpu(row, 10)), 1.1, "µs", measured),
    )


def main(beside: Path | None = None) -> str:
    """The tables and the goals."""
    parts = []
    with authority() as (certificate, trusted):
        for delay, tls in ((0.0, False), (0.05, False), (0.05, True)):
            with fast_geetest(certificate if tls else None) as geetest:
                geetest.answer_after(delay)
                measured = measure(geetest.url, beside, trusted if tls else None)
            title = f"GeeTest answers after {delay * 1000:g} ms" + (" over TLS" if tls else "")
            cells = [[row, *(_cell(rounds, number) for number in AT_ONCE)] for row, rounds in measured.items()]
            parts.append(table([title, *(f"{number} at once" for number in AT_ONCE)], cells))
            if not delay:
                parts.append(_goals(measured))
    return "\n\n".join(parts)


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=new_event_loop()) as runner:
        print(json.dumps([asdict(each) for each in runner.run(turns(sys.argv[1], sys.argv[2], float(sys.argv[3])))]))
