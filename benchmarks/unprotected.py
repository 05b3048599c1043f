"""A request that is not protected: what the guard adds to it, beside a class that only passes through.

`added` is what a wrapper costs on top of the bare app; `ratio` is that over the trivial pass-through's.
"""

from collections.abc import Awaitable

from starlette.middleware.cors import CORSMiddleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from geetest_asgi import GeeTestMiddleware

from .measure import Work, alternate, table

TIMES, ROUNDS = 2000, 25
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


def _run(call: Awaitable[None]) -> None:
    for _ in call.__await__():
        raise AssertionError("it waits for something")


def _requests(app: ASGIApp, method: str, paths: list[str]) -> Work:
    """Different paths in turn, as fresh strings: a string remembers its hash, and servers make a new one each time."""
    scopes = [
        {
            "type": "http",
            "method": method,
            "root_path": "",
            "query_string": b"",
            "headers": [(b"host", b"example.org"), (b"accept", b"*/*"), (b"user-agent", b"benchmark")],
        }
        for _ in paths
    ]
    raw = [path.encode() for path in paths]

    def work(times: int) -> None:
        for turn in range(times):
            which = turn % len(paths)
            scope = scopes[which].copy()
            scope["path"] = raw[which].decode()
            scope["raw_path"] = raw[which]
            _run(app(scope, _receive, _send))

    return work


def _patterns(number: int) -> list[str]:
    """A third each: exact, with a placeholder, with a tail."""
    kinds = ("POST /shop{n}/login", "/api{n}/users/{{id}}/reset", "/files{n}/upload/**")
    return [kinds[n % 3].format(n=n) for n in range(number)]


CASES = {
    "GET, no rule speaks of it": ("GET", ["/", "/about", "/assets/app.js", "/shop0/login"]),
    "POST, four paths in turn": ("POST", ["/", "/cart/add", "/search", "/shop0/logins"]),
    "POST, ever new paths": ("POST", [f"/items/{n}/like" for n in range(5_000)]),
}


def _guard(number: int) -> ASGIApp:
    return GeeTestMiddleware(bare, protect=_patterns(number), captcha_id="a" * 32, captcha_key="b" * 32)


def _added(rivals: dict[str, ASGIApp], method: str, paths: list[str]) -> dict[str, float]:
    works = {name: _requests(app, method, paths) for name, app in ({"bare": bare} | rivals).items()}
    took = alternate(works, times=TIMES, rounds=ROUNDS)
    return {name: each - took["bare"] for name, each in took.items() if name != "bare"}


def main() -> str:
    """The tables."""
    trivial: dict[str, ASGIApp] = {"pass-through": PassThrough(bare)}
    guards: dict[str, ASGIApp] = {f"{number:,}": _guard(number) for number in SIZES}
    rows = []
    for case, (method, paths) in CASES.items():
        added = _added(trivial | guards, method, paths)
        base = added.pop("pass-through")
        rows.append([case, f"{base:,.0f} ns", *(f"{each:,.0f} ns · {each / base:.1f}" for each in added.values())])
    patterns = table(["added to a bare app, and ratio", "pass-through", *(f"{n} patterns" for n in guards)], rows)
    others: dict[str, ASGIApp] = {
        "guard, 10,000 patterns": guards["10,000"],
        "Starlette's TrustedHostMiddleware": TrustedHostMiddleware(bare, ["example.org"]),
        "Starlette's CORSMiddleware": CORSMiddleware(bare, ["*"]),
    }
    added = _added(trivial | others, "GET", ["/", "/about"])
    base = added["pass-through"]
    peers = table(
        ["GET, beside others", "added", "ratio"],
        [[name, f"{each:,.0f} ns", f"{each / base:.1f}"] for name, each in added.items()],
    )
    return f"{patterns}\n\n{peers}"


if __name__ == "__main__":
    print(main())
