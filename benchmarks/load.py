"""A crowd of visitors who log in again and again, each on a kept connection.

Our own and not wrk or oha: each login needs a token that was never sent before, which wrk takes a Lua script for, and
this runs wherever Python does. With uvloop it sends several times what the fastest way here can take.
"""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import count
from typing import Final

_FORM: Final = "username=ada&password=correct+horse&lot_number={:032x}&captcha_output={}&pass_token={:064x}&gen_time={}"
_HEAD: Final = (
    "POST /login HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/x-www-form-urlencoded\r\n"
    "Content-Length: {}\r\n\r\n"
)


@dataclass
class Logins:
    """Those that were answered: seconds of each that was let in, and how many were refused."""

    times: list[float] = field(default_factory=list)
    refused: int = 0

    def __len__(self) -> int:
        return len(self.times) + self.refused

    def add(self, seconds: float, *, let_in: bool) -> None:
        """One more. Let in is what was answered with 200."""
        if let_in:
            self.times.append(seconds)
        else:
            self.refused += 1


@dataclass
class Turn:
    """What came of one turn of the crowd."""

    first: Logins = field(default_factory=Logins)
    """Of each visitor the first, all of them at once, for which a connection was opened."""
    again: Logins = field(default_factory=Logins)
    """All others, also those that were under way at the end."""
    seconds: float = 0.0
    """How long it lasted, from when each visitor had been answered once."""
    let_in: int = 0
    """Logins that were let in in these seconds."""

    @property
    def rate(self) -> float:
        """Logins a second."""
        return self.let_in / self.seconds


class _Crowd:
    def __init__(self, visitors: int, seconds: float) -> None:
        self.turn = Turn()
        self._visitors, self._seconds = visitors, seconds
        self._start = 0.0
        self._here: list[Callable[[], None]] = []
        self._numbers = count(time.time_ns())

    def came(self, after: float, send: Callable[[], None], *, let_in: bool) -> None:
        """A visitor was answered for the first time; who `send` again when all are here."""
        self.turn.first.add(after, let_in=let_in)
        self._here.append(send)
        if len(self._here) == self._visitors:
            self._start = time.perf_counter()
            for each in self._here:
                each()

    def answered(self, after: float, *, let_in: bool) -> bool:
        """Take note; whether the turn is over."""
        turn = self.turn
        turn.again.add(after, let_in=let_in)
        passed = time.perf_counter() - self._start
        # Where all are answered in one wave after seconds of nothing, the wave must be in it.
        if not turn.seconds and passed >= self._seconds and len(turn.again) >= self._visitors:
            turn.seconds, turn.let_in = passed, len(turn.again.times)
        return turn.seconds > 0

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
        after, let_in = time.perf_counter() - self._start, head.startswith(b"HTTP/1.1 200")
        if self._first:
            self._first = False
            self._crowd.came(after, self._send, let_in=let_in)
        elif not self._crowd.answered(after, let_in=let_in):
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
    return crowd.turn


def turn(port: int, visitors: int, seconds: float) -> Turn:
    """Let the crowd have a turn. This process does nothing else meanwhile."""
    with asyncio.Runner(loop_factory=new_event_loop()) as runner:
        return runner.run(_turn(port, visitors, seconds))


def new_event_loop() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """uvloop's where it is installed."""
    try:
        import uvloop
    except ImportError:
        return None
    made: Callable[[], asyncio.AbstractEventLoop] = uvloop.new_event_loop
    return made
