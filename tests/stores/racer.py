"""One process that takes keys as fast as it can: `racer race URL FIRST LAST` or `racer chain URL FIRST LAST`.

It says "ready", is told when to begin, and prints the number of each key that it has won.

race     every number from FIRST to LAST from the store itself, ten each 20 ms, at the same moment as other racers.
         "?" and the number: the store failed.
chain    the same with tokens: it prints the number of each request that was let in, with the verdict that it went by
         ("asked" or "kept"), and keeps each verdict as often as it may. Each token comes eight times.
"""

import sys
import time
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

import anyio

from geetest_asgi import CaptchaFields, Outcome
from geetest_asgi._core.model import Evidence
from geetest_asgi._corridor.spent import claim
from geetest_asgi.stores import Store
from geetest_asgi.stores.urls import from_url


async def try_one(store: Store, number: int) -> None:
    try:
        if await store.add(f"{number:064}", "", 600):
            print(number, flush=True)
    except Exception:
        print(f"?{number}", flush=True)


async def send_one(store: Store, number: int) -> None:
    """One request with this token, as the guard does it: claimed, let in, and the form shown again."""
    fields = CaptchaFields(f"{number:032}", "output", "token", "1700000000")
    try:
        held = await claim(store, "id", "POST /login", fields)
        verdict = held.evidence or Evidence(Outcome.PASSED)
        if verdict.outcome is Outcome.PASSED:
            print(f"{number} {'kept' if held.evidence else 'asked'}", flush=True)
            await held.keep(verdict)
    except Exception:
        print(f"?{number}", flush=True)


async def try_all(
    store: Store, numbers: list[int], one: Callable[[Store, int], Coroutine[Any, Any, None]] = try_one
) -> None:
    async with anyio.create_task_group() as group:
        for number in numbers:
            group.start_soon(one, store, number)


async def ready(store: Store) -> float:
    await try_one(store, -1)  # connected before it starts
    print("ready", flush=True)
    return float(sys.stdin.readline())


async def race(url: str, first: str, last: str) -> None:
    store = from_url(url)
    at = await ready(store)
    for start in range(int(first), int(last), 10):
        time.sleep(max(0, at - time.time()))
        at += 0.02
        await try_all(store, list(range(start, min(start + 10, int(last)))))


async def chain(url: str, first: str, last: str) -> None:
    store = from_url(url)
    at = await ready(store)
    for number in range(int(first), int(last)):
        time.sleep(max(0, at - time.time()))
        at += 0.05
        for _ in range(4):
            await try_all(store, [number] * 2, send_one)


if __name__ == "__main__":
    MODES: dict[str, Callable[..., Awaitable[None]]] = {"race": race, "chain": chain}
    anyio.run(MODES[sys.argv[1]], *sys.argv[2:])
    print("done", flush=True)
