"""What a reader of one protected login has to walk through: functions, coroutines, files, depth; and the guard's lines.

A guard with default settings lets one login in, after two for warming up. The simulator answers on loopback, so the
line to GeeTest is walked too. What is counted is what runs of the package on that thread until the login is answered.
"""

import ast
import asyncio
import functools
import inspect
import json
import statistics
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from types import CodeType, FrameType
from typing import Any, Final
from urllib.parse import urlencode

import geetest_asgi
from geetest_asgi import GeeTestMiddleware
from geetest_asgi.testing import Simulator, serve
from mutation.guard import is_guard

from .checkouts import checkouts, environment, run
from .measure import table
from .visitors import post, reader, whole

GOALS: Final = {
    "functions": 60,
    "calls": None,
    "coroutines": 22,
    "files": 12,
    "depth": 8,
    "lines": 4300,
    "median function": 8,
    "longest function": 40,
}
"""At most; by figure, in the order of the table."""
WHAT: Final = {
    "functions": "functions of ours that one login calls",
    "calls": "calls of them",
    "coroutines": "coroutines of ours that it starts",
    "files": "files of ours that it walks through",
    "depth": "coroutines of ours that wait for each other",
    "lines": "lines of the guard proper",
    "median function": "lines of its median function",
    "longest function": "lines of its longest",
}


class Walk:
    """A profiler (`sys.setprofile`) of what is called in a folder; comprehensions are not, as of Python 3.12."""

    def __init__(self, folder: Path) -> None:
        self._folder = str(folder)
        self._frames: dict[FrameType, None] = {}  # a coroutine that goes on is no new call: its frame is the same
        self.depth = 0

    def __call__(self, frame: FrameType, event: str, _: Any) -> None:
        """See `sys.setprofile`."""
        if event == "call" and self._is_ours(frame.f_code):
            self._frames[frame] = None
            self.depth = max(self.depth, self._waiting(frame))

    def _is_ours(self, code: CodeType) -> bool:
        return code.co_filename.startswith(self._folder) and not code.co_name.endswith("comp>")

    def _waiting(self, frame: FrameType | None) -> int:
        found = 0
        while frame is not None:
            found += self._is_ours(frame.f_code) and _is_coroutine(frame.f_code)
            frame = frame.f_back
        return found

    @property
    def calls(self) -> int:
        """How many there were."""
        return len(self._frames)

    def figures(self) -> dict[str, float]:
        """What came of it."""
        codes = [frame.f_code for frame in self._frames]
        return {
            "functions": len(set(codes)),
            "calls": len(codes),
            "coroutines": sum(map(_is_coroutine, codes)),
            "files": len({code.co_filename for code in codes}),
            "depth": self.depth,
        }

    def functions(self) -> list[str]:
        """Those that were called, as file:line name."""
        codes = {frame.f_code: None for frame in self._frames}
        return [
            f"{code.co_filename.removeprefix(self._folder)[1:]}:{code.co_firstlineno} {code.co_name}" for code in codes
        ]


def _is_coroutine(code: CodeType) -> bool:
    return bool(code.co_flags & inspect.CO_COROUTINE)


def one_login() -> dict[str, Any]:
    """All figures, in this process; `walked`: the functions that were called."""
    package, simulator = Path(geetest_asgi.__file__).parent, Simulator()
    with serve(simulator) as url:
        guard = GeeTestMiddleware(
            reader,
            protect=["POST /login"],
            captcha_id=simulator.captcha_id,
            captcha_key=simulator.captcha_key,
            api_server=url,
            on_unavailable="deny",
        )

        async def login(token: dict[str, str]) -> None:
            body = urlencode({"username": "ada", "password": "p" * 40, **token}).encode()
            if await post(guard, "application/x-www-form-urlencoded", whole(body)) != 200:
                raise AssertionError("refused")

        async def logins() -> Walk:
            for _ in range(2):
                await login(simulator.token())
            found = [await walked(package, functools.partial(login, simulator.token())) for _ in range(3)]
            await guard.aclose()
            return min(found, key=lambda walk: walk.calls)  # a call that takes long on a busy machine has more

        walk = asyncio.run(logins())
    return {**walk.figures(), **size(package), "walked": walk.functions()}


async def walked(folder: Path, what: Callable[[], Awaitable[None]]) -> Walk:
    """What is called of this folder, on this thread."""
    walk = Walk(folder)
    sys.setprofile(walk)
    try:
        await what()
    finally:
        sys.setprofile(None)
    return walk


def size(package: Path) -> dict[str, float]:
    """Lines of the guard proper, and of its functions, docstrings included."""
    texts = [path.read_text() for path in package.rglob("*.py") if is_guard(path.relative_to(package))]
    nodes = [node for text in texts for node in ast.walk(ast.parse(text))]
    lengths = [
        (node.end_lineno or 0) - node.lineno + 1
        for node in nodes
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    ]
    return {
        "lines": sum(len(text.splitlines()) for text in texts),
        "median function": statistics.median(lengths),
        "longest function": max(lengths),
    }


def measure(checkout: Path) -> dict[str, Any]:
    """The same of this checkout, in a process of its own."""
    figures: dict[str, Any] = run("budget", env=environment(checkout))
    return figures


def main(beside: Path | None = None) -> str:
    """The table."""
    took = {row: measure(checkout) for row, checkout in checkouts(beside).items()}
    rows = [
        [WHAT[name], *(f"{figures[name]:,g}" for figures in took.values()), f"≤ {goal:,}" if goal else ""]
        for name, goal in GOALS.items()
    ]
    return table(["one protected login", *took, "goal"], rows)


if __name__ == "__main__":
    print(json.dumps(one_login()))
