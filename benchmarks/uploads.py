"""A large upload, multipart, fields first: its time beside an app's alone, its memory, and when GeeTest can be asked.

In process, in pieces of 64 KiB, as a server hands them over. Each row is a process of its own for each round, the rows
in turn; the ratios are of processor time. Memory is the growth of the process's peak (`ru_maxrss`) over what it was
after a small request. `BENCHMARK_MIB=1024` makes it a gigabyte instead of 256 MiB.
"""

import asyncio
import functools
import json
import os
import random
import resource
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from starlette.middleware.base import BaseHTTPMiddleware, RequestResponseEndpoint
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from .checkouts import OURS, environment, rows, run
from .measure import Goal, goal, goals, scaled, table, take_turns
from .visitors import BOUNDARY, KINDS, Fields, InstantGeeTest, guard_with, pieces, post, reader, token

MIB: Final = 1024 * 1024
SIZE: Final = scaled(int(os.environ.get("BENCHMARK_MIB", "256")) * MIB)
_FILE: Final = bytearray(random.Random(1).randbytes(64 * 1024))  # noise with line ends in it, as compressed files are
MEDIA_TYPE, _encode = KINDS["multipart"]


@dataclass(frozen=True)
class Row:
    """What came of one upload."""

    seconds: float
    cpu: float
    """Seconds of processor time, of all threads and of the kernel on their behalf: no neighbour's work is in it."""
    peak: int
    """Bytes."""
    asked_after: float
    """Seconds until GeeTest was asked, or the fields were known; 0.0 where nobody looks for them."""
    taken: int
    """Bytes that were taken from the server in all."""


class Upload:
    """The pieces of one upload, counted as they are taken."""

    def __init__(self, size: int, fields: Fields) -> None:
        self.taken = 0
        self.asked = 0.0
        self._size, self._fields = size, fields

    def ask(self) -> None:
        """GeeTest is asked."""
        self.asked = time.perf_counter()

    def messages(self) -> Iterator[Message]:
        """As a server's `receive` gives them."""
        return pieces(self._counted())

    def _counted(self) -> Iterator[bytes]:
        for piece in self._pieces():
            self.taken += len(piece)
            yield piece

    def _pieces(self) -> Iterator[bytes]:
        fields = _encode(self._fields).removesuffix(f"--{BOUNDARY}--\r\n".encode())
        head = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="file"; filename="a.bin"\r\n\r\n'.encode()
        yield fields + head
        for _ in range(self._size // len(_FILE)):
            yield bytes(_FILE)  # each time new memory, as from a socket
        yield f"\r\n--{BOUNDARY}--\r\n".encode()


Way = Callable[[Upload], ASGIApp]


def bare(upload: Upload) -> ASGIApp:
    """An app that reads it."""
    return reader


def ours(upload: Upload) -> ASGIApp:
    """The guard before that app."""
    return guard_with(InstantGeeTest(upload.ask))


def form(upload: Upload) -> ASGIApp:
    """Starlette's `request.form()`, after which nothing is left for the app."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        async with Request(scope, receive).form():
            upload.ask()
        await Response()(scope, receive, send)

    return app


def by_hand(upload: Upload) -> ASGIApp:
    """`BaseHTTPMiddleware`, where the body must be kept so that the app can read it after `form()`."""

    async def dispatch(request: Request, call_next: RequestResponseEndpoint) -> Response:
        await request.body()
        async with request.form():
            upload.ask()
        return await call_next(request)

    return BaseHTTPMiddleware(reader, dispatch)


BARE, FORM, BY_HAND = "the app alone", "`request.form()` alone", "`BaseHTTPMiddleware`, `form()`"
WAYS: Final[dict[str, Way]] = {BARE: bare, OURS: ours, FORM: form, BY_HAND: by_hand}
ROUNDS: Final = {9: (BARE, OURS), 2: (FORM, BY_HAND)}


async def upload(name: str) -> Row:
    """One row, in this process."""
    way, small = WAYS[name], Upload(0, token(1))
    await post(way(small), MEDIA_TYPE, small.messages())
    before, one = _peak(), Upload(SIZE, token(2))
    app = way(one)
    start, cpu = time.perf_counter(), time.process_time()
    if await post(app, MEDIA_TYPE, one.messages()) != 200:
        raise AssertionError("refused")
    seconds, cpu = time.perf_counter() - start, time.process_time() - cpu
    return Row(seconds, cpu, _peak() - before, max(0.0, one.asked - start), one.taken)


def _peak() -> int:
    kib = 1 if sys.platform == "darwin" else 1024  # macOS counts bytes
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * kib


async def refused_after() -> int:
    """Bytes of an upload that are taken before a bad token at its beginning is refused."""
    bad, taken = Upload(SIZE, token(1) | {"gen_time": "abc"}), 0
    guard = ours(bad)

    async def noting(scope: Scope, receive: Receive, send: Send) -> None:
        async def send_on(message: Message) -> None:
            nonlocal taken
            taken = taken or bad.taken  # the rest is thrown away before the answer ends, so that the client reads it
            await send(message)

        await guard(scope, receive, send_on)

    if await post(noting, MEDIA_TYPE, bad.messages()) != 403:
        raise AssertionError("let in")
    return taken


def measure(beside: Path | None) -> dict[str, list[Row]]:
    """Every row's rounds."""
    took: dict[str, list[Row]] = {}
    for rounds, ways in ROUNDS.items():
        rivals = rows(ways, beside)
        turns = take_turns({row: functools.partial(_in_a_process, *each) for row, each in rivals.items()}, rounds)
        took |= {row: turns[row] for row in rivals}
    return took


def _in_a_process(way: str, checkout: Path) -> Row:
    return Row(**run("uploads", way, env=environment(checkout)))


def main(beside: Path | None = None) -> str:
    """The table and the goals."""
    took = measure(beside)
    peaks = {name: statistics.median(row.peak for row in each) / MIB for name, each in took.items()}
    cpu = {name: statistics.median(row.cpu for row in each) * 1000 for name, each in took.items()}
    cells = [
        [
            name,
            f"{cpu[name]:,.1f}",
            f"{statistics.median(row.seconds for row in each) * 1000:,.1f}",
            f"+{peaks[name]:,.1f}",
            f"{statistics.median(row.asked_after for row in each) * 1000:,.1f}" if name != BARE else "",
        ]
        for name, each in took.items()
    ]
    met = goals(
        goal("processor time beside the app alone", lambda row: (cpu[row], cpu[BARE]), 1.1, "ms", took),
        goal("peak memory", peaks.__getitem__, 2, "MiB", took),
        Goal("a bad token is refused after", asyncio.run(refused_after()) / 1024, 256, "KiB"),
    )
    size = f"{SIZE / MIB:,.0f} MiB of multipart"
    return f"{table([size, 'processor, ms', 'clock, ms', 'peak, MiB', 'fields known after, ms'], cells)}\n\n{met}"


if __name__ == "__main__":
    print(json.dumps(asdict(asyncio.run(upload(sys.argv[1])))))
