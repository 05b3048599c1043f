"""A Redis on loopback, with nothing on disk, that is started, killed and started again; and one with a replica."""

import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

PROGRAM: Final = shutil.which("redis-server")


class RedisServer:
    """`redis-server`, or another program that takes its options, on a port of its own."""

    def __init__(self, program: str | None = PROGRAM) -> None:
        with socket.socket() as found:
            found.bind(("127.0.0.1", 0))
            self.port: int = found.getsockname()[1]
        self.url: str = f"redis://127.0.0.1:{self.port}/0"
        self._program = program
        self._process: subprocess.Popen[bytes] | None = None

    def start(self, *options: str) -> None:
        """Return when it accepts connections. Its memory is empty."""
        self.run("--save", "", "--appendonly", "no", *options)

    def run(self, *arguments: str) -> None:
        """Start the program on this port, with these arguments first."""
        assert self._program is not None
        command = [self._program, *arguments, "--port", str(self.port), "--bind", "127.0.0.1"]
        self._process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        ends = time.monotonic() + 10
        while True:
            try:
                return socket.create_connection(("127.0.0.1", self.port)).close()
            except OSError:
                if time.monotonic() > ends:
                    raise
                time.sleep(0.02)

    @property
    def running(self) -> bool:
        """It was started, and not killed since."""
        return self._process is not None

    def signal(self, number: int) -> None:
        """Send it a signal."""
        assert self._process is not None
        self._process.send_signal(number)

    def kill(self) -> None:
        """With SIGKILL."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def ask(self, *words: str) -> list[str]:
        """The lines that answer one command."""
        done = subprocess.run(
            ["redis-cli", "-p", str(self.port), *words], capture_output=True, text=True, timeout=10, check=True
        )
        return done.stdout.split()


class RedisPair:
    """A master, a replica, and a Sentinel that makes the replica the master when the master is gone."""

    NAME: Final = "site"
    """What Sentinel calls the master."""

    def __init__(self, directory: Path) -> None:
        self._servers = (RedisServer(), RedisServer())
        self.sentinel = RedisServer()
        self._file = directory / "sentinel.conf"
        # A replica otherwise writes what it gets from its master to a file, and starts with it the next time.
        self._options = ("--dir", str(directory), "--repl-diskless-sync", "yes", "--repl-diskless-load", "swapdb")

    def start(self) -> None:
        """Start those that do not run: beside a master as its replica."""
        master = self.master() if self.sentinel.running else self._servers[0]
        for each in (master, *self._servers):
            if not each.running:
                following = () if each is master else ("--replicaof", "127.0.0.1", str(master.port))
                each.start(*self._options, *following)
        if not self.sentinel.running:
            self._start_sentinel(master)

    def _start_sentinel(self, master: RedisServer) -> None:
        """Once the replica has come: Sentinel asks the master for its replicas now, and then after ten seconds."""
        _wait_until(lambda: "connected_slaves:1" in master.ask("INFO", "replication"), "the replica does not come", 10)
        self._write_configuration()
        self.sentinel.run(str(self._file), "--sentinel")

    def _write_configuration(self) -> None:
        about = f"127.0.0.1 {self._servers[0].port} 1", "500", "2000"
        keys = "monitor", "down-after-milliseconds", "failover-timeout"
        self._file.write_text(
            "".join(f"sentinel {key} {self.NAME} {value}\n" for key, value in zip(keys, about, strict=True))
        )

    def master(self) -> RedisServer:
        """The one that Sentinel names."""
        _, port = self.sentinel.ask("SENTINEL", "get-master-addr-by-name", self.NAME)
        return next(each for each in self._servers if each.port == int(port))

    def kill(self) -> None:
        """Both: nothing that was stored is left."""
        for each in self._servers:
            each.kill()

    def kill_master(self) -> None:
        """Its replica follows, once Sentinel has noticed."""
        self.master().kill()

    def wait_for_master(self) -> None:
        """Return when the master that Sentinel names is one that runs."""
        _wait_until(lambda: self.master().running, "Sentinel has not made the replica the master")

    def wait_for_replica(self) -> None:
        """Return when both have as many keys: WAIT speaks of what its own connection has written."""
        first, second = self._servers
        _wait_until(lambda: first.ask("DBSIZE") == second.ask("DBSIZE"), "the replica does not follow")


def _wait_until(met: Callable[[], bool], problem: str, seconds: float = 30) -> None:
    ends = time.monotonic() + seconds
    while not met():
        if time.monotonic() > ends:
            raise TimeoutError(problem)
        time.sleep(0.05)


@contextmanager
def redis_pair() -> Iterator[RedisPair | None]:
    """A running one; None where Redis is not installed."""
    if PROGRAM is None:
        print("redis-server is not installed: left out", file=sys.stderr)
        yield None
        return
    with TemporaryDirectory() as directory:
        pair = RedisPair(Path(directory))
        try:
            pair.start()
            yield pair
        finally:
            pair.kill()
            pair.sentinel.kill()


@contextmanager
def redis_server() -> Iterator[RedisServer | None]:
    """A running one; None where it is not installed."""
    if PROGRAM is None:
        print("redis-server is not installed: left out", file=sys.stderr)
        yield None
        return
    server = RedisServer()
    server.start()
    try:
        yield server
    finally:
        server.kill()
