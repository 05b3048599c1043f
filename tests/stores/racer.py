"""One process that uses tokens as fast as it can: `racer URL FIRST LAST`.

It says "ready", is told when to begin, and prints the number of each request that it has let in, with the verdict that
it went by ("asked" or "kept"). Each token comes eight times, and each verdict is kept as often as it may be. "?" and
the number: the store failed.
"""

import sys
import time
from contextlib import suppress

import anyio

from geetest_asgi import CaptchaFields, Outcome
from geetest_asgi._core.model import Evidence
from geetest_asgi._corridor.spent import claim
from geetest_asgi.stores import Store
from geetest_asgi.stores.urls import from_url


async def send(store: Store, number: int) -> None:
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


async def race(url: str, first: str, last: str) -> None:
    store = from_url(url)
    with suppress(Exception):
        await store.pop("nothing")  # connected before it starts
    print("ready", flush=True)
    at = float(sys.stdin.readline())
    for number in range(int(first), int(last)):
        time.sleep(max(0, at - time.time()))
        at += 0.05
        for _ in range(4):
            async with anyio.create_task_group() as group:
                for _ in range(2):
                    group.start_soon(send, store, number)


if __name__ == "__main__":
    _, url, first, last = sys.argv
    anyio.run(race, url, first, last)
