"""A real Redis that a test may stop, kill and start again; and the work of a forked process."""

import shutil
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import anyio
import pytest

from benchmarks import redis_server
from geetest_asgi.stores import Store

SECONDS = 30
"""A bound for what takes a moment on a quiet machine."""


class RedisServer(redis_server.RedisServer):
    """A server that a test may look at, and make hang."""

    def clients(self) -> int:
        """How many are connected, this question's own connection left out."""
        info = dict(line.split(":", 1) for line in self.ask("INFO", "clients") if ":" in line)
        return int(info["connected_clients"]) - 1

    def hang(self) -> None:
        """It keeps its connections, and answers nothing."""
        self.signal(signal.SIGSTOP)

    def go_on(self) -> None:
        self.signal(signal.SIGCONT)


def needs_redis(program: str = "redis-server") -> None:
    """Skip what cannot be run here."""
    if shutil.which(program) is None:
        pytest.skip(f"{program} is not installed")
    pytest.importorskip("redis", reason="redis-py is not installed: pip install '.[redis]'")


@contextmanager
def running(*options: str, program: str = "redis-server") -> Iterator[RedisServer]:
    """One that runs, and is gone afterwards."""
    needs_redis(program)
    server = RedisServer(shutil.which(program))
    server.start(*options)
    try:
        yield server
    finally:
        server.kill()


def in_a_child(store: Store, told: Any) -> None:
    """Work of a forked process: it tells whether it could add what its parent has, and a key of its own."""
    told.put([anyio.run(store.add, key, "", 60.0) for key in ("parent's", "child's")])
    anyio.run(store.pop, "child's")
