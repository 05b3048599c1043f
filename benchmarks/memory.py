"""What the guard holds at most when visitors, or GeeTest, send a lot.

Each row is measured in processes of its own, as growth over a guard at rest that has served one request: by the
system's account (`ru_maxrss`) and by Python's (`tracemalloc`; not for the floods, which it slows down threefold).
Requests are made in process, so that no server's buffers count; GeeTest is a function, or a thread on loopback.
"""

import asyncio
import resource
import socketserver
import subprocess
import sys
import threading
import tracemalloc
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, suppress
from itertools import chain, repeat
from types import SimpleNamespace
from typing import Any, Final

from starlette.types import Message, Receive, Scope, Send

from geetest_asgi import GeeTestMiddleware, Limits
from geetest_asgi.testing import Simulator

from .measure import scaled, table

MIB: Final = 1024 * 1024
FLOOD: Final = scaled(100_000)
PIECE: Final = b" " * 65536
MINT: Final = Simulator()
FORM: Final = ("/login", "application/x-www-form-urlencoded")
Bodies = Iterable[Iterable[bytes]]


@asynccontextmanager
async def no(*_: Any, **__: Any) -> AsyncIterator[Any]:
    """GeeTest's answer, at once."""

    async def said() -> AsyncIterator[bytes]:
        yield b'{"status":"success","result":"fail","reason":"no"}'

    yield SimpleNamespace(status_code=200, headers={}, aiter_raw=said)


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    """Reads the body and keeps none of it."""
    while (await receive()).get("more_body"):
        pass


async def post(guard: GeeTestMiddleware, body: Iterable[bytes], path: str, kind: str) -> None:
    """One request whose body comes in these pieces. An empty one is its end; without one it never ends."""
    left = iter(body)

    async def receive() -> Message:
        await asyncio.sleep(0)
        for piece in left:
            return {"type": "http.request", "body": piece, "more_body": piece != b""}
        await asyncio.Event().wait()
        raise AssertionError

    async def send(message: Message) -> None:
        await asyncio.sleep(0)

    scope = {"type": "http", "method": "POST", "path": path, "raw_path": path.encode(), "query_string": b""}
    await guard({**scope, "headers": [(b"content-type", kind.encode())], "http_version": "1.1"}, receive, send)


async def post_all(bodies: Bodies, to: tuple[str, str] = FORM, *, together: bool = False, **settings: Any) -> None:
    """Each after the other, or all at once; all are let in, so that what the guard keeps is read again."""
    ids = {"captcha_id": MINT.captcha_id, "captcha_key": MINT.captcha_key, "client": SimpleNamespace(stream=no)}
    guard = GeeTestMiddleware(app, protect=["/**"], **{"mode": "monitor", **ids, **settings})
    for body in () if together else bodies:
        await post(guard, body, *to)
    await asyncio.gather(*(post(guard, body, *to) for body in bodies if together))
    await guard.aclose()


def fields(**changes: str) -> list[bytes]:
    """A body with four fields that no other has, but for these changes."""
    return ["&".join(f"{name}={value}" for name, value in (MINT.token() | changes).items()).encode(), b""]


class Talk(socketserver.BaseRequestHandler):
    """GeeTest that does not stop talking."""

    def handle(self) -> None:
        """Until the other side hangs up."""
        with suppress(OSError):
            self.request.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
            while True:
                self.request.sendall(PIECE)


async def endless_answers() -> None:
    """To a hundred calls at once."""
    socketserver.ThreadingTCPServer.request_queue_size = 200
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Talk) as server:
        threading.Thread(target=server.serve_forever).start()
        url = f"http://127.0.0.1:{server.server_address[1]}"
        await post_all((fields() for _ in range(100)), together=True, client=None, api_server=url)
        server.shutdown()


SLOW: Final = [(b"x" * 6000 for _ in range(10)) for _ in range(1000)]
WAIT: Final[dict[str, Any]] = {"together": True, "limits": Limits(body_timeout=3.0), "mode": "enforce"}
PART: Final = b'--b\r\nContent-Disposition: form-data; name="lot_number"\r\n\r\nnull' + b"\r\n" * 20
MULTIPART: Final = ("/login", "multipart/form-data; boundary=b")
DEEP: Final = b'{"x":' + b"[" * (MIB // 2 - 5) + b"]" * (MIB // 2 - 5) + b"}"
UPLOADS: Final = [chain((b"y" * 62_000 for _ in range(800)), [b"&"], fields()) for _ in range(4)]
LARGE: Final = Limits(max_body=50_000_000)
TOKENS: Final = ([b"lot_number=%032x&" % number, *fields(lot_number="null")] for number in range(FLOOD))
FLOODS: Final = ("100,000 junk tokens", "100,000 well-formed tokens")
ROWS: Final[dict[str, tuple[int, str, Callable[[], Awaitable[None]]]]] = {  # bytes promised, by what; what is done
    "1,000 slow bodies of 60 KB": (64 * MIB, "max_buffered", lambda: post_all(SLOW, **WAIT)),
    "ten thousand parts": (MIB, "max_body", lambda: post_all([[PART * 10_000, b""]], MULTIPART)),
    "deep JSON, 1 MiB": (MIB, "max_body", lambda: post_all([[DEEP, b""]], ("/login", "application/json"))),
    "4 uploads of 50 MB, fields last": (4 * MIB, "1 MiB each", lambda: post_all(UPLOADS, together=True, limits=LARGE)),
    FLOODS[0]: (0, "none is kept", lambda: post_all(repeat(fields(gen_time="abc"), FLOOD))),
    FLOODS[1]: (33_500_000, "MemoryStore: about 32 MB", lambda: post_all(TOKENS)),
    "100 endless answers": (100 * 65536, "64 KiB of each", endless_answers),
    "1,000 paths of 64 KB": (0, "none is kept", lambda: post_all(repeat([b""], 1000), ("/a" * 32_000, FORM[1]))),
}


async def measure(name: str, *, traced: bool) -> int:
    """The bytes by which the peak grew."""
    await post_all([fields()])
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    if traced:
        tracemalloc.start()
    await ROWS[name][2]()
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    return tracemalloc.get_traced_memory()[1] if traced else grown * 1024


def row(name: str) -> list[str]:
    """One row of the table, each figure from a process of its own."""
    most, promise, _ = ROWS[name]
    figures = []
    for how in ("plain", "") if name in FLOODS else ("plain", "traced"):
        command = [sys.executable, "-W", "ignore", "-m", "benchmarks.memory", name, how]
        done = how and subprocess.run(command, capture_output=True, timeout=300, check=True).stdout
        figures.append(f"{int(done) / MIB:.1f}" if done else "")
    return [name, *figures, f"{most / MIB:.1f}", promise]


def main() -> str:
    """The table."""
    with ThreadPoolExecutor(2) as threads:
        rows = list(threads.map(row, ROWS))
    return table(["the peak's growth, MiB", "ru_maxrss", "tracemalloc", "bound", "by"], rows)


if __name__ == "__main__":
    print(asyncio.run(measure(sys.argv[1], traced=sys.argv[2] == "traced")) if len(sys.argv) == 3 else main())
