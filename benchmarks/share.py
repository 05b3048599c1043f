"""The guard's own share of a login, and of refusing a used token: a form of 500 B in process, GeeTest's answer at once.

Each checkout has turns in processes of its own. Rivals by hand have the same answer at once.
"""

import asyncio
import functools
import itertools
import json
import statistics
from pathlib import Path
from typing import Final

from starlette.middleware.base import BaseHTTPMiddleware, RequestResponseEndpoint
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Message, Receive, Scope, Send

from .checkouts import BESIDE, OURS, checkouts, environment, run
from .measure import Goal, alternate, divided, goal, goals, table, take_turns
from .visitors import KINDS, InstantGeeTest, guard_with, keep_posting, post, reader, token, whole

TIMES, ROUNDS, PROCESSES = 300, 9, 5
MEDIA_TYPE, _encode = KINDS["urlencoded"]
FORM: Final = {"username": "ada", "password": "p" * 40}
LOGIN, REPLAYED, BY_HAND, PARSING = "login", "replayed", "by hand", "form()"
Figures = dict[str, float]


async def form_alone(scope: Scope, receive: Receive, send: Send) -> None:
    """What refuses everything once it has the form, by Starlette."""
    async with Request(scope, receive).form():
        pass
    await Response("captcha", 403)(scope, receive, send)


async def _tutorial(request: Request, call_next: RequestResponseEndpoint) -> Response:
    await request.body()
    async with request.form():
        return await call_next(request)


def measure() -> Figures:
    """Microseconds, in this process; of a login those that the app alone does not take."""
    body = _encode(FORM | token(0) | {"lot_number": "%032x", "pass_token": "%064x"}).replace(b"%25", b"%")
    used, numbers = _encode(FORM | token(1)), itertools.count(1000)
    guard = guard_with(InstantGeeTest())
    asyncio.run(post(guard, MEDIA_TYPE, whole(used)))  # the first time it is let in

    def fresh() -> list[Message]:
        number = next(numbers)
        return whole(body % (number, number))

    def again() -> list[Message]:
        return whole(used)

    took = alternate(
        {
            "app": keep_posting(reader, MEDIA_TYPE, fresh),
            LOGIN: keep_posting(guard, MEDIA_TYPE, fresh),
            BY_HAND: keep_posting(BaseHTTPMiddleware(reader, _tutorial), MEDIA_TYPE, fresh),
            REPLAYED: keep_posting(guard, MEDIA_TYPE, again, status=403),
            PARSING: keep_posting(form_alone, MEDIA_TYPE, again, status=403),
        },
        times=TIMES,
        rounds=ROUNDS,
    )
    beside = {LOGIN: took["app"], BY_HAND: took["app"]}
    return {name: (each - beside.get(name, 0.0)) / 1000 for name, each in took.items() if name != "app"}


ROWS: Final = (  # what we do and what the rival does, µs that were meant before there was code, of the other checkout's
    ("our share of a login", LOGIN, "`BaseHTTPMiddleware`, `form()`", BY_HAND, 40, 0.4),
    ("refusing a used token", REPLAYED, "`form()`, and a denial", PARSING, 60, 0.55),
)


def _goals(took: dict[str, Figures]) -> str:
    each = []
    for what, name, _, _, most, part in ROWS:
        figures = {row: took[row][name] for row in took}
        each.append(goal(what, figures.__getitem__, most, "µs", took))
        if BESIDE in took:
            pair = figures[OURS], figures[BESIDE]
            each.append(Goal(f"{what}, beside the other checkout's", divided(*pair), part, "×"))
    return goals(*each)


def main(beside: Path | None = None) -> str:
    """The table and the goals."""
    turns = {
        row: functools.partial(run, "share", env=environment(checkout)) for row, checkout in checkouts(beside).items()
    }
    rounds = take_turns(turns, PROCESSES)
    took: dict[str, Figures] = {
        row: {name: statistics.median(one[name] for one in rounds[row]) for name in (LOGIN, REPLAYED, BY_HAND, PARSING)}
        for row in turns
    }
    cells = []
    for what, name, how, rival, _, _ in ROWS:
        ours = [took[row][name] for row in took]
        against = took[OURS][rival]
        cells.append([what, *(f"{each:.0f}" for each in ours), how, f"{against:.0f}", f"{ours[0] / against:.2f} ×"])
    head = ["a form of 500 B, µs", *took, "beside", "its µs", "ratio"]
    return f"{table(head, cells)}\n\n{_goals(took)}"


if __name__ == "__main__":
    print(json.dumps(measure()))
