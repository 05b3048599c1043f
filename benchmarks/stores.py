"""What a claim of a token costs in each store: `python -m benchmarks.stores`. Half a minute.

Tokens are new ones, as nearly all are. SQLite writes to the directory for temporary files; Redis is one that is started
here, on loopback, and is left out where there is none. The network between you and yours comes on top.
"""

import asyncio
import time
from collections.abc import Callable, Coroutine
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from geetest_asgi.stores import FailSafe, MemoryStore, RedisStore, SQLiteStore, Store

from .measure import Work, alternate, table
from .redis_server import redis_server

CLAIMS: Final = 1000
AT_ONCE: Final = 50
_numbers = count()


def key() -> str:
    """One that was never added, as long as a digest is."""
    return f"{next(_numbers):064x}"


async def one_by_one(store: Store, claims: int) -> None:
    """Each waits for the one before."""
    for _ in range(claims):
        await store.add(key(), "", 1200)


async def side_by_side(store: Store, claims: int) -> None:
    """As many visitors, each of whom comes again and again."""
    async with asyncio.TaskGroup() as group:
        for _ in range(AT_ONCE):
            group.create_task(one_by_one(store, claims // AT_ONCE))


WAYS: Final = {"one by one": one_by_one, f"{AT_ONCE} at once": side_by_side}


def works(stores: dict[str, Store]) -> dict[str, Work]:
    """Each store in each way; a new event loop each time, whose connections are opened at its first claims."""

    def work(store: Store, way: Callable[[Store, int], Coroutine[None, None, None]]) -> Work:
        return lambda claims: asyncio.run(way(store, claims))

    return {f"{name}|{way}": work(store, WAYS[way]) for name, store in stores.items() for way in WAYS}


def bytes_on_disk(path: Path) -> float:
    """Of one token among many; the log is folded into the file by the last that closes it."""
    store, kept = SQLiteStore(path), 20_000
    asyncio.run(one_by_one(store, kept))
    store.close()
    return path.stat().st_size / kept


def main() -> str:
    """The tables."""
    with TemporaryDirectory() as directory, redis_server() as redis:
        shared: dict[str, FailSafe] = {"SQLite": FailSafe(SQLiteStore(Path(directory) / "spent.db"))}
        if redis is not None:
            shared["Redis"] = FailSafe(RedisStore(redis.url))
        stores: dict[str, Store] = {"memory": MemoryStore(), **shared}
        took = alternate(works(stores), times=CLAIMS, rounds=9, clock=time.perf_counter_ns)
        rows = [[name, *(f"{took[f'{name}|{way}'] / 1000:,.0f} µs" for way in WAYS)] for name in stores]
        failures = {name: store.failures for name, store in shared.items() if store.failures}
        told = f"\n\nNot to be trusted, the machine was too busy: failures {failures}" if failures else ""
        size = bytes_on_disk(Path(directory) / "size.db")
    return f"{table(['a claim', *WAYS], rows)}\n\nSQLite: {size:.0f} bytes a token{told}"


if __name__ == "__main__":
    print(main())
