"""The call to GeeTest: how many a second, and how long each takes, beside other ways to write it.

Each way has a turn in each round, with so many calls under way at once. GeeTest is a process of its own
that answers at once or after 50 ms.
"""

import asyncio
import hmac
import statistics
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from importlib.util import find_spec
from urllib.parse import urlencode, urlsplit

import httpx

from geetest_asgi import GeeTestClient, Limits

from .fast_geetest import fast_geetest
from .measure import SECONDS, Goal, goals, scaled, table
from .visitors import ID, KEY, token

ROUNDS, TURN = 3, 0.7 * SECONDS
Call = Callable[[dict[str, str]], Awaitable[bool]]


def form_for(fields: dict[str, str]) -> dict[str, str]:
    """What GeeTest is sent."""
    return fields | {"sign_token": hmac.digest(KEY.encode(), fields["lot_number"].encode(), "sha256").hex()}


@asynccontextmanager
async def ours(url: str) -> AsyncIterator[Call]:
    """GeeTestClient as it is."""
    async with GeeTestClient(ID, KEY, api_server=url, timeout=60, limits=Limits(max_in_flight=1000)) as client:

        async def call(fields: dict[str, str]) -> bool:
            return bool(await client.validate(fields))

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
    """One aiohttp.ClientSession for all, with no bound on its connections."""
    import aiohttp

    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:

        async def call(fields: dict[str, str]) -> bool:
            async with session.post(f"{url}/validate", params={"captcha_id": ID}, data=form_for(fields)) as reply:
                return bool((await reply.json())["result"] == "success")

        yield call


@asynccontextmanager
async def raw_socket(url: str) -> AsyncIterator[Call]:
    """Kept connections and a request put together by hand: the limit, and no client."""
    host, port = str(urlsplit(url).hostname), urlsplit(url).port
    free: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = []

    async def call(fields: dict[str, str]) -> bool:
        reader, writer = free.pop() if free else await asyncio.open_connection(host, port)
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


OURS, EACH = "**geetest_asgi**", "httpx, a client per call"
HOPELESS = 300
"""Calls at once; as many clients read the CA bundle for ten seconds and more."""
WAYS = {
    "raw socket (the limit)": raw_socket,
    **({"aiohttp, shared": aiohttp_shared} if find_spec("aiohttp") else {}),
    OURS: ours,
    "httpx, shared": httpx_shared,
    EACH: httpx_each,
}


async def _turn(call: Call, at_once: int) -> list[float]:
    """Seconds of each call of a turn."""
    took: list[float] = []
    end = time.perf_counter() + TURN
    number = iter(range(10**9))

    async def keep_calling() -> None:
        start = time.perf_counter()
        while start < end or not took:
            if not await call(token(next(number))):
                raise AssertionError("GeeTest said no")
            took.append(time.perf_counter() - start)
            start = time.perf_counter()

    await asyncio.gather(*(keep_calling() for _ in range(at_once)))
    return took


async def _measure(url: str, at_once: int) -> dict[str, tuple[float, float]]:
    """Calls a second, and the median call's milliseconds, of each way."""
    ways = {name: way for name, way in WAYS.items() if name != EACH or at_once < HOPELESS}
    rates: dict[str, list[float]] = {name: [] for name in ways}
    times: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(scaled(ROUNDS)):
        for name, way in ways.items():
            async with way(url) as call:
                await asyncio.gather(*(call(token(number)) for number in range(at_once)))  # open the connections
                start = time.perf_counter()
                took = await _turn(call, at_once)
                rates[name].append(len(took) / (time.perf_counter() - start))
                times[name].append(statistics.median(took) * 1000)
    return {name: (statistics.median(rates[name]), statistics.median(times[name])) for name in ways}


def _cell(measured: tuple[float, float] | None) -> str:
    return f"{measured[0]:,.0f}/s · {measured[1]:,.0f} ms" if measured else ""


def main() -> str:
    """The tables."""
    parts = []
    for delay in (0, 0.05):
        measured = {}
        with fast_geetest(delay) as url:
            for at_once in (1, 10, 100, 500):
                measured[at_once] = asyncio.run(_measure(url, scaled(at_once)))
        rows = [[name, *(_cell(each.get(name)) for each in measured.values())] for name in WAYS]
        head = [f"GeeTest answers after {delay * 1000:g} ms", *(f"{n} at once" for n in measured)]
        parts.append(table(head, rows))
        if not delay:
            ten, most = (1 / measured[n][OURS][0] for n in (10, 500))
            parts.append(goals(Goal("500 at once: each of our calls beside each of 10 at once", most / ten, 1.3, "×")))
    return "\n\n".join(parts)


if __name__ == "__main__":
    print(main())
