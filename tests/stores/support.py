"""A real Redis that a test may stop, kill and start again; and processes that race."""

import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Thread
from typing import Any

import anyio
import pytest
from commands import ROOT

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


class Lossy:
    """A wire to a server that loses the answer to one command when it is told to: it hangs up instead."""

    def __init__(self, port: int) -> None:
        self._server = port
        self._command: bytes | None = None
        self.lost: list[str] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]

    def lose(self, command: str) -> None:
        self._command = command.encode()

    def __enter__(self) -> "Lossy":
        Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        with client, socket.create_connection(("127.0.0.1", self._server)) as server:
            while question := client.recv(1 << 20):
                server.sendall(question)
                answer = server.recv(1 << 20)
                if self._command is not None and b"\r\n" + self._command + b"\r\n" in question:
                    self.lost.append(self._command.decode())
                    self._command = None
                    return
                client.sendall(answer)


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


class Racer:
    """A process of `racer.py`: it claims and tells, until it is told to end, ends, or is killed."""

    def __init__(self, *arguments: object) -> None:
        command = [sys.executable, "-W", "error", "-m", "tests.stores.racer", *map(str, arguments)]
        pipe = subprocess.PIPE
        self._process = subprocess.Popen(command, cwd=ROOT, stdin=pipe, stdout=pipe, stderr=pipe, text=True)
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        assert self._process.stderr is not None
        self._in, self._out, self._log = self._process.stdin, self._process.stdout, self._process.stderr
        self.kill = self._process.kill

    def say(self, line: object) -> None:
        print(line, file=self._in, flush=True)

    def hear(self) -> str:
        return self._out.readline().rstrip("\n")

    def end(self) -> tuple[list[str], str]:
        """What else it has told, and its log, which is short. `communicate` passes over what was read ahead."""
        with self._process:
            return self._out.read().splitlines(), self._log.read()


def in_a_child(store: Store, told: Any) -> None:
    """Work of a forked process: it tells whether it could add what its parent has, and a key of its own."""
    told.put([anyio.run(store.add, key, "", 60.0) for key in ("parent's", "child's")])
    anyio.run(store.pop, "child's")
