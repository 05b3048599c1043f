"""Real servers, each started by its own command line as a process of its own, on a loopback port that is free."""

import importlib.util
import os
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import pytest
from commands import free_port, until

from .apps import FRAMEWORKS

TESTS: Final = Path(__file__).parent.parent
APP: Final = f"{__package__}.served:app"

Command = Callable[[int, str], list[str]]


def _uvicorn(http: str) -> Command:
    return lambda port, root: [
        *("uvicorn", APP, f"--port={port}", f"--http={http}", "--ws=websockets-sansio", "--loop=asyncio"),
        *("--no-access-log", "--log-level=warning", f"--root-path={root}"),
    ]


COMMANDS: Final[Mapping[str, Command]] = {
    "uvicorn-h11": _uvicorn("h11"),
    "uvicorn-httptools": _uvicorn("httptools"),
    "hypercorn": lambda port, root: ["hypercorn", APP, f"--bind=127.0.0.1:{port}", f"--root-path={root}"],
    "granian": lambda port, root: [
        *("granian", APP, f"--port={port}", "--interface=asgi", "--loop=asyncio", "--no-access-log"),
        *("--log-level=warning", *([f"--url-path-prefix={root}"] if root else [])),
    ],
    "daphne": lambda port, root: ["daphne", APP, f"--port={port}", f"--root-path={root}", "--verbosity=0"],
    "gunicorn": lambda port, root: [
        *("gunicorn", APP, f"--bind=127.0.0.1:{port}", "--worker-class=asgi", f"--root-path={root}"),
    ],
}

NEEDS: Final[Mapping[str, tuple[str, ...]]] = {
    "uvicorn-h11": ("uvicorn", "h11", "websockets"),
    "uvicorn-httptools": ("uvicorn", "httptools", "websockets"),
    "hypercorn": ("hypercorn", "h2"),
    "granian": ("granian",),
    "daphne": ("daphne",),
    "gunicorn": ("gunicorn",),
}

SERVERS: Final = list(COMMANDS)
LITERAL: Final = "uvicorn-h11"
"""Hands on every target as it came."""
NORMALISING: Final = "granian"
"""Cuts off authorities and fragments, and takes raw bytes in a path."""

PAIRS: Final = [
    *((framework, LITERAL) for framework in FRAMEWORKS),
    *(("starlette", server) for server in SERVERS if server != LITERAL),
]
"""Each framework on one server, and each server under one framework: for what a server does before the guard, and a
framework behind it."""
each_server: Final = pytest.mark.parametrize("pair", [("starlette", server) for server in SERVERS], indirect=True)


def skip_without(*modules: str) -> None:
    """Skip a test, with a clear word, where something is not installed. Imports nothing into this process."""
    for module in modules:
        if importlib.util.find_spec(module) is None:
            pytest.skip(f"{module} is not installed: pip install 'geetest-asgi[conformance]'")


@contextmanager
def running(server: str, root_path: str, environment: Mapping[str, str], log: Path) -> Iterator[tuple[int, int]]:
    """A server for as long as the block lasts; the value is its port and its process."""
    port = int(free_port())
    command = [sys.executable, "-m", *COMMANDS[server](port, root_path)]
    paths = os.pathsep.join(filter(None, [str(TESTS), os.environ.get("PYTHONPATH")]))
    with log.open("wb") as output:
        process = subprocess.Popen(
            command, env={**os.environ, **environment, "PYTHONPATH": paths}, stdout=output, stderr=output
        )
        try:
            until(lambda: listens(port) or process.poll() is not None)
            assert process.poll() is None, log.read_text(errors="replace")
            yield port, process.pid
        finally:
            stop(process)


def stop(process: "subprocess.Popen[bytes]") -> None:
    """By SIGTERM first: a master that is killed leaves its workers behind."""
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
