"""An upload of 1 GB, multipart: its time beside that of an app alone, its memory, and when GeeTest can be asked.

In process, in pieces of 64 KiB, as a server hands them over. Each row is a process of its own for each round, the rows
in turn; the ratios are of processor time. Memory is the growth of the process's peak (`ru_maxrss`) over what it was
after a small request.
"""

import asyncio
import json
import random
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from typing import Final

from starlette.middleware.base import BaseHTTPMiddleware, RequestResponseEndpoint
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from geetest_asgi import Limits

from .measure import Goal, goals, scaled, table
from .visitors import BOUNDARY, KINDS, Fields, InstantGeeTest, guard_with, pieces, post, reader, token

MIB: Final = 1024 * 1024
SIZE: Final = scaled(1024 * MIB)
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

    def __init__(self, size: int, fields: Fields, *, last: bool) -> None:
        self.taken = 0
        self.asked = 0.0
        self._size, self._fields, self._last = size, fields, last

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
        yield head if self._last else fields + head
        for _ in range(self._size // len(_FILE)):
            yield bytes(_FILE)  # each time new memory, as from a socket
        yield b"\r\n" + (fields if self._last else b"") + f"--{BOUNDARY}--\r\n".encode()


Way = Callable[[Upload], ASGIApp]


def bare(upload: Upload) -> ASGIApp:
    """An app that reads it."""
    return reader


def ours(upload: Upload) -> ASGIApp:
    """The guard before that app."""
    return guard_with(InstantGeeTest(upload.ask), limits=Limits(max_body=2048 * MIB))


def temporary_file(upload: Upload) -> ASGIApp:
    """By hand, the least: all of it to memory, from 1 MiB on to a file, then to the app. No field is looked for."""

    async def middleware(scope: Scope, receive: Receive, send: Send) -> None:
        with tempfile.SpooledTemporaryFile(MIB) as file:
            while (message := await receive()).get("more_body"):
                file.write(message["body"])
            upload.ask()
            file.seek(0)

            async def replay() -> Message:
                piece = file.read(64 * 1024)
                return {"type": "http.request", "body": piece, "more_body": piece != b""}

            await reader(scope, replay, send)

    return middleware


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


BARE, FIRST, LAST = "the app alone", "**geetest_asgi**, fields first", "**geetest_asgi**, fields last"
FILE, FORM, BY_HAND = "kept in a temporary file, by hand", "`request.form()` alone", "`BaseHTTPMiddleware`, `form()`"
ROWS: Final[dict[str, tuple[Way, bool, int]]] = {  # the way, whether the fields come last, rounds
    BARE: (bare, False, 7),
    FIRST: (ours, False, 7),
    FILE: (temporary_file, True, 3),
    LAST: (ours, True, 3),
    FORM: (form, True, 2),
    BY_HAND: (by_hand, True, 1),
}


async def upload(name: str) -> Row:
    """One row, in this process."""
    way, last, _ = ROWS[name]
    small = Upload(0, token(1), last=last)
    await post(way(small), MEDIA_TYPE, small.messages())
    before, one = _peak(), Upload(SIZE, token(2), last=last)
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
    bad = Upload(SIZE, token(1) | {"gen_time": "abc"}, last=False)
    if await post(ours(bad), MEDIA_TYPE, bad.messages()) != 403:
        raise AssertionError("let in")
    return bad.taken


def _in_a_process(name: str) -> Row:
    command = [sys.executable, "-m", "benchmarks.uploads", name]
    return Row(**json.loads(subprocess.run(command, check=True, capture_output=True, timeout=600).stdout))


def measure() -> dict[str, list[Row]]:
    """Every row's rounds."""
    rows: dict[str, list[Row]] = {name: [] for name in ROWS}
    for turn in range(scaled(7)):
        for name, (_, _, rounds) in ROWS.items():
            if turn < rounds:
                rows[name].append(_in_a_process(name))
    return rows


def _ratio(rows: dict[str, list[Row]], ours: str, theirs: str) -> float:
    """Of processor time: the median of the rounds' ratios."""
    return statistics.median(a.cpu / b.cpu for a, b in zip(rows[ours], rows[theirs], strict=True))


def main() -> str:
    """The table and the goals."""
    rows = measure()
    peaks = {name: statistics.median(row.peak for row in each) / MIB for name, each in rows.items()}
    cells = [
        [
            name,
            f"{statistics.median(row.cpu for row in each) * 1000:,.0f}",
            f"{statistics.median(row.seconds for row in each) * 1000:,.0f}",
            f"+{peaks[name]:,.1f}",
            f"{statistics.median(row.asked_after for row in each) * 1000:,.1f}" if name != BARE else "",
        ]
        for name, each in rows.items()
    ]
    met = goals(
        Goal("fields first: time over the app alone", _ratio(rows, FIRST, BARE), 1.15, "×"),
        Goal("fields first: peak memory", peaks[FIRST], 2, "MiB"),
        Goal("fields first: a bad token is refused after", asyncio.run(refused_after()) / 1024, 256, "KiB"),
        Goal("fields last: time over a temporary file by hand", _ratio(rows, LAST, FILE), 1.5, "×"),
        Goal("fields last: peak memory", peaks[LAST], 4, "MiB"),
    )
    size = f"{SIZE / MIB:,.0f} MiB of multipart"
    return f"{table([size, 'processor, ms', 'clock, ms', 'peak, MiB', 'fields known after, ms'], cells)}\n\n{met}"


if __name__ == "__main__":
    print(json.dumps(asdict(asyncio.run(upload(sys.argv[1])))) if len(sys.argv) > 1 else main())
