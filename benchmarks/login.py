"""POST /login from end to end: logins a second, and how long one takes, beside other ways to ask GeeTest.

uvicorn with one worker, GeeTest and the visitors are processes of their own on this machine. Each way has turns in
which so many visitors log in again and again; a way that is so slow that a turn takes many seconds gets fewer of them.
"""

import statistics
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Final

from .fast_geetest import fast_geetest
from .load import Turn, turn
from .measure import SECONDS, Goal, goals, scaled, table
from .ways import EACH, FAST, LIMIT, OURS, SHARED, WAYS, Site, server_version, site


@dataclass(frozen=True)
class Case:
    """So many visitors, and `seconds` of a turn after one login of each. httpx's pool takes some to fill its queue."""

    visitors: int
    seconds: float
    turns: int


CASES: Final = {0.0: [Case(32, 1, 3)], 0.05: [Case(32, 1, 3), Case(256, 4, 3), Case(500, 4, 1)]}
"""Seconds until GeeTest answers → what is measured."""
ENOUGH: Final = 12.0
"""Seconds after which a way in a case has had enough turns."""
HOPELESS: Final = 300
"""Visitors. As many bring a server to a halt that reads the CA bundle for each of them."""


class Result:
    """What came of one way in one case."""

    def __init__(self) -> None:
        self.turns: list[Turn] = []
        self.cpu: list[float] = []
        """Seconds of the server's processor for each login."""
        self.took = 0.0
        """Seconds that the turns took with all that goes with them."""

    @property
    def rate(self) -> float:
        """Logins a second."""
        return statistics.median(each.rate for each in self.turns)

    def time(self, part: float) -> float:
        """Milliseconds in which this part of the logins was answered; the median turn's."""
        return 1000 * statistics.median(sorted(each.times)[int(part * len(each.times))] for each in self.turns)

    @property
    def refused(self) -> float:
        """The part of the logins that was not let in."""
        return sum(each.refused for each in self.turns) / sum(len(each.times) for each in self.turns)


def _take_turn(result: Result, served: Site, case: Case) -> None:
    before, start, visitors = served.cpu(), time.monotonic(), scaled(case.visitors)
    one = turn(served.port, visitors, case.seconds * SECONDS)
    result.turns.append(one)
    result.cpu.append((served.cpu() - before) / (visitors + len(one.times)))
    result.took += time.monotonic() - start


def _measure(sites: dict[str, Site], case: Case) -> dict[str, Result]:
    results = {name: Result() for name in sites if name != EACH or case.visitors < HOPELESS}
    for _ in range(scaled(case.turns)):
        for name, result in results.items():
            if result.took < ENOUGH:
                _take_turn(result, sites[name], case)
    return results


def measure() -> dict[str, dict[str, Result]]:
    """By case and way."""
    results = {}
    for delay, cases in CASES.items():
        with fast_geetest(delay) as geetest, ExitStack() as stack:
            sites = {name: stack.enter_context(site(name, geetest)) for name in WAYS}
            for served in sites.values():
                turn(served.port, scaled(32), 0)  # the first request of anything is slow
            for case in cases:
                results[f"{case.visitors} visitors, {delay * 1000:g} ms"] = _measure(sites, case)
    return results


def _rate(result: Result) -> str:
    return f"{result.rate:,.0f}" + (f" ({result.refused:.0%} refused)" if result.refused else "")


def _goals(results: dict[str, dict[str, Result]]) -> str:
    many = results["256 visitors, 50 ms"]
    each = [
        Goal("256 visitors, 50 ms: logins beside httpx by hand", many[OURS].rate / many[SHARED].rate, 11, "×", True),
        Goal("256 visitors, 50 ms: 99 of 100 are let in within", many[OURS].time(0.99), 1000, "ms"),
    ]
    if FAST in many:
        fast = many[FAST].rate / many[LIMIT].rate
        each.append(Goal("the same over aiohttp: logins beside the raw socket", fast, 0.5, "×", True))
    return goals(*each)


def _cell(case: dict[str, Result], name: str, show: Callable[[Result], str]) -> str:
    return show(case[name]) if name in case else ""


def main() -> str:
    """The tables and the goals."""
    results = measure()

    def one(head: str, show: Callable[[Result], str]) -> str:
        return table(
            [head, *results], [[name, *(_cell(case, name, show) for case in results.values())] for name in WAYS]
        )

    tables = [
        one("logins a second", _rate),
        one("ms until half / 99 of 100 are let in", lambda it: f"{it.time(0.5):,.0f} / {it.time(0.99):,.0f}"),
        one("the server's processor time for a login, µs", lambda it: f"{1e6 * statistics.median(it.cpu):,.0f}"),
    ]
    return "\n\n".join([f"On {server_version()}.", *tables, _goals(results)])


if __name__ == "__main__":
    print(main())
