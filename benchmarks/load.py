"""A crowd of visitors who log in again and again, each on a kept connection, in a process of its own.

Our own and not wrk or oha: each login needs a token that was never sent before, which wrk takes a Lua script for, and
this runs wherever Python does. With uvloop it sends several times what the fastest way here can take.

    python -m benchmarks.load PORT VISITORS SECONDS
"""

import asyncio
import json
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from itertools import count
from typing import Final

_FORM: Final = "username=ada&password=correct+horse&lot_number={:032x}&captcha_output={}&pass_token={:064x}&gen_time={}"
_HEAD: Final = (
    "POST /login HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/x-www-form-urlencoded\r\n"
    "Content-Length: {}\r\n\r\n"
)


@dataclass(frozen=True)
class Turn:
    """What came of one turn of the crowd."""

    seconds: float
    """How long it lasted. It began when each visitor had been answered once, and what was under way at its end is not
    in it.
    """
    counted: int
    """Logins that were answered in these seconds."""
    times: list[float]
    """Seconds of each login, also of those that were under way; but not of each visitor's first, for which a connection
    was opened.
    """
    refused: int
    """Those that were answered otherwise than with 200."""

    @property
    def rate(self) -> float:
        """Logins a second."""
        return self.counted / self.seconds


class _Crowd:
    def __init__(self, visitors: int, seconds: float) -> None:
        self.turn: Turn | None = None
        self._visitors, self._seconds = visitors, seconds
        self._start = 0.0
        self._here: list[Callable[[], None]] = []
        self._numbers = count(time.time_ns())
        self._times: list[float] = []
        self._refused = 0

    def came(self, send: Callable[[], None]) -> None:
        """A visitor was answered for the first time; who `send` again when all are here."""
        self._here.append(send)
        if len(self._here) == self._visitors:
            self._start = time.perf_counter()
            for each in self._here:
                each()

    def answered(self, after: float, *, let_in: bool) -> bool:
        """Take note; whether the turn is over."""
        self._times.append(after)
        self._refused += not let_in
        passed = time.perf_counter() - self._start
        # Where all are answered in one wave after seconds of nothing, a part of the wave must be in it.
        if self.turn is None and passed >= self._seconds and len(self._times) > self._visitors / 4:
            self.turn = Turn(passed, len(self._times), self._times, 0)
        return self.turn is not None

    def result(self) -> Turn:
        """When all have left."""
        assert self.turn is not None
        return replace(self.turn, refused=self._refused)

    def request(self) -> bytes:
        number = next(self._numbers)
        form = _FORM.format(number, "c" * 400, number, 1790000000)
        return (_HEAD.format(len(form)) + form).encode()


class _Visitor(asyncio.Protocol):
    """One connection, and one login at a time on it."""

    def __init__(self, crowd: _Crowd) -> None:
        self._crowd = crowd
        self._read = b""
        self._start = 0.0
        self._first = True
        self._transport: asyncio.Transport | None = None
        self.left = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See asyncio.Protocol."""
        self._transport = transport  # type: ignore[assignment]  # uvloop's is no subclass
        self._send()

    def _send(self) -> None:
        assert self._transport is not None
        self._read, self._start = b"", time.perf_counter()
        self._transport.write(self._crowd.request())

    def data_received(self, data: bytes) -> None:
        """See asyncio.Protocol."""
        self._read += data
        head, found, body = self._read.partition(b"\r\n\r\n")
        if not found or len(body) < int(head.lower().partition(b"content-length:")[2].split(b"\r\n", 1)[0]):
            return
        if self._first:
            self._first = False
            self._crowd.came(self._send)
        elif not self._crowd.answered(time.perf_counter() - self._start, let_in=head.startswith(b"HTTP/1.1 200")):
            self._send()
        elif self._transport is not None:
            self._transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        """See asyncio.Protocol."""
        self.left.set_result(None)


async def _turn(port: int, visitors: int, seconds: float) -> Turn:
    loop, crowd = asyncio.get_running_loop(), _Crowd(visitors, seconds)
    came = await asyncio.gather(
        *(loop.create_connection(lambda: _Visitor(crowd), "127.0.0.1", port) for _ in range(visitors))
    )
    await asyncio.gather(*(visitor.left for _, visitor in came))
    return crowd.result()


def turn(port: int, visitors: int, seconds: float) -> Turn:
    """Let the crowd have a turn, from another process."""
    command = [sys.executable, "-m", "benchmarks.load", str(port), str(visitors), str(seconds)]
    return Turn(**json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE, timeout=300).stdout))


def _main(port: str, visitors: str, seconds: str) -> None:
    try:
        import uvloop
    except ImportError:
        new_loop = None
    else:
        new_loop = uvloop.new_event_loop
    with asyncio.Runner(loop_factory=new_loop) as runner:
        print(json.dumps(asdict(runner.run(_turn(int(port), int(visitors), float(seconds))))))


if __name__ == "__main__":
    _main(*sys.argv[1:])
