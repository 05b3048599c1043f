"""A request that is not protected: what the guard adds to it, beside a class that only passes through.

`added` is what a wrapper costs on top of the bare app, by the minima of many rounds; the ratio is that over what the
pass-through adds to a GET. Each checkout has turns in processes of its own.
"""

import asyncio
import functools
import itertools
import json
import statistics
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Final

from starlette.middleware.base import BaseHTTPMiddleware, RequestResponseEndpoint
from starlette.middleware.cors import CORSMiddleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from geetest_asgi import GeeTestMiddleware

from .checkouts import OURS, checkouts, environment, run
from .measure import Work, alternate, goal, goals, table, take_turns

TIMES, ROUNDS, PROCESSES = 2000, 9, 3
SIZES = (1, 10, 100, 1_000, 10_000)


class PassThrough:
    """The least that a middleware can be."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI 3."""
        await self.app(scope, receive, send)


async def bare(scope: Scope, receive: Receive, send: Send) -> None:
    """Two messages, as every answer has."""
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b""})


async def _send(message: Message) -> None: ...


async def _receive() -> Message:
    return {"type": "http.request", "body": b"", "more_body": False}


async def _by_hand(request: Request, call_next: RequestResponseEndpoint) -> Response:
    if request.method == "POST" and request.url.path == "/login":
        return Response("captcha", 403)
    return await call_next(request)


def _run(call: Awaitable[None]) -> None:
    for _ in call.__await__():
        raise AssertionError("it waits for something")


def _requests(app: ASGIApp, method: str, paths: list[str], run: Callable[[Awaitable[None]], None] = _run) -> Work:
    """Different paths in turn, as fresh strings: a string remembers its hash, and servers make a new one each time."""
    scope = {
        "type": "http",
        "method": method,
        "root_path": "",
        "query_string": b"",
        "headers": [(b"host", b"example.org"), (b"accept", b"*/*"), (b"user-agent", b"benchmark")],
    }
    raw = itertools.cycle([path.encode() for path in paths])

    def work(times: int) -> None:
        for path in itertools.islice(raw, times):
            run(app({**scope, "path": path.decode(), "raw_path": path}, _receive, _send))

    return work


def _patterns(number: int) -> list[str]:
    """A third each: exact, with a placeholder, with a tail."""
    kinds = ("POST /shop{n}/login", "/api{n}/users/{{id}}/reset", "/files{n}/upload/**")
    return [kinds[n % 3].format(n=n) for n in range(number)]


GET, POST, EVER_NEW = "GET, no rule speaks of it", "POST, four paths in turn", "POST, ever new paths"
CASES: Final = {
    GET: ("GET", ["/", "/about", "/assets/app.js", "/shop0/login"]),
    POST: ("POST", ["/", "/cart/add", "/search", "/shop0/logins"]),
    EVER_NEW: ("POST", [f"/items/{n}/like" for n in range(5_000)]),
}
THROUGH, OTHERS = "pass-through", "added to a GET, beside others"
Figures = dict[str, dict[str, float]]
"""Nanoseconds that are added, by case and wrapper."""


def _added(rivals: dict[str, ASGIApp], method: str, paths: list[str]) -> dict[str, float]:
    works = {name: _requests(app, method, paths) for name, app in ({"bare": bare} | rivals).items()}
    took = alternate(works, times=TIMES, rounds=ROUNDS, choose=min)
    return {name: took[name] - took["bare"] for name in rivals}


def _added_by_hand() -> float:
    """Of `BaseHTTPMiddleware`, which needs an event loop."""
    loop = asyncio.new_event_loop()
    apps: dict[str, ASGIApp] = {"bare": bare, "by hand": BaseHTTPMiddleware(bare, _by_hand)}
    works = {name: _requests(app, "GET", ["/"], loop.run_until_complete) for name, app in apps.items()}
    took = alternate(works, times=TIMES // 10, rounds=ROUNDS, choose=min)
    loop.close()
    return took["by hand"] - took["bare"]


def measure() -> Figures:
    """In this process."""
    through: dict[str, ASGIApp] = {THROUGH: PassThrough(bare)}
    guards: dict[str, ASGIApp] = {
        f"{size:,}": GeeTestMiddleware(bare, protect=_patterns(size), captcha_id="a" * 32, captcha_key="b" * 32)
        for size in SIZES
    }
    others: dict[str, ASGIApp] = {
        "**geetest_asgi**, 10,000 patterns": guards["10,000"],
        "Starlette's TrustedHostMiddleware": TrustedHostMiddleware(bare, ["example.org"]),
        "Starlette's CORSMiddleware": CORSMiddleware(bare, ["*"]),
    }
    added = {case: _added(through | guards, method, paths) for case, (method, paths) in CASES.items()}
    added[OTHERS] = _added(through | others, "GET", ["/", "/about"])
    added[OTHERS]["by hand, `BaseHTTPMiddleware`"] = _added_by_hand()
    return added


def _medians(processes: list[Figures]) -> Figures:
    return {
        case: {name: statistics.median(each[case][name] for each in processes) for name in rivals}
        for case, rivals in processes[0].items()
    }


def _patterns_table(took: dict[str, Figures]) -> str:
    rows = []
    for checkout, figures in took.items():
        base = figures[GET][THROUGH]  # it looks at no path
        for case in CASES:
            cells = [
                f"{figures[case][f'{size:,}']:,.0f} ns · {figures[case][f'{size:,}'] / base:.1f}" for size in SIZES
            ]
            name = case if checkout == OURS else f"{case}: {checkout}"
            rows.append([name, f"{figures[case][THROUGH]:,.0f} ns", *cells])
    return table(["added to a bare app, and ratio", THROUGH, *(f"{size:,} patterns" for size in SIZES)], rows)


def _goals(took: dict[str, Figures]) -> str:
    def worst(checkout: str, case: str) -> tuple[float, float]:
        """What the dearest guard adds, and the pass-through."""
        return max(took[checkout][case][f"{size:,}"] for size in SIZES), took[checkout][GET][THROUGH]

    def growth(checkout: str) -> float:
        return max(took[checkout][case]["10,000"] / took[checkout][case]["1"] for case in CASES)

    return goals(
        goal(f"{GET}: beside the pass-through", lambda row: worst(row, GET), 2, "ns", took),
        goal(f"{POST}: beside the pass-through", lambda row: worst(row, POST), 2.2, "ns", took),
        goal("10,000 patterns beside one, the worst of all", growth, 1.3, "×", took),
    )


def main(beside: Path | None = None) -> str:
    """The tables and the goals."""
    turns = {
        row: functools.partial(run, "unprotected", env=environment(checkout))
        for row, checkout in checkouts(beside).items()
    }
    rounds = take_turns(turns, PROCESSES)
    took = {row: _medians(rounds[row]) for row in turns}
    others = took[OURS][OTHERS]
    cells = [[name, f"{each:,.0f}", f"{each / others[THROUGH]:.1f}"] for name, each in others.items()]
    return "\n\n".join([_patterns_table(took), table([OTHERS, "ns", "ratio"], cells), _goals(took)])


if __name__ == "__main__":
    print(json.dumps(measure()))
