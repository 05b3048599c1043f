"""POST /login from end to end: logins a second, and how long one takes, beside other ways to ask GeeTest.

uvicorn with one worker, GeeTest and the visitors are processes of their own on this machine. Each way has turns in
which so many visitors log in again and again; a way that is so slow that a turn takes many seconds gets fewer of them.
"""

import statistics
from collections.abc import Callable
from contextlib import ExitStack
from typing import Final

from .fast_geetest import fast_geetest
from .load import Turn, turn
from .measure import SECONDS, Goal, goals, scaled, table
from .ways import EACH, FAST, LIMIT, OURS, SHARED, WAYS, Site, server_version, site

CASES: Final = {0.0: (32,), 0.05: (32, 256, 500)}
"""Seconds until GeeTest answers → how many visitors."""
TURN: Final = 1.5 * SECONDS
"""Seconds of a turn; it goes on until each visitor has been answered once."""
ROUNDS, ENOUGH = 3, 4 * TURN
"""Turns, and the seconds after which a way in a case has had enough of them."""
HOPELESS: Final = 300
"""Visitors. As many bring a server to a halt that reads the CA bundle for each of them."""


class Result:
    """What came of one way in one case."""

    def __init__(self) -> None:
        self.turns: list[Turn] = []
        self.cpu: list[float] = []

    @property
    def enough(self) -> bool:
        """Whether more turns would take too long."""
        return sum(each.seconds for each in self.turns) > ENOUGH

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


def _take_turn(result: Result, served: Site, visitors: int) -> None:
    before = served.cpu()
    one = turn(served.port, visitors, TURN)
    result.turns.append(one)
    result.cpu.append((served.cpu() - before) / len(one.times))


def _case(sites: dict[str, Site], visitors: int) -> dict[str, Result]:
    results = {name: Result() for name in sites if name != EACH or visitors < HOPELESS}
    for _ in range(scaled(ROUNDS)):
        for name, result in results.items():
            if not result.enough:
                _take_turn(result, sites[name], visitors)
    return results


def measure() -> dict[str, dict[str, Result]]:
    """By case and way."""
    results = {}
    for delay, crowds in CASES.items():
        with fast_geetest(delay) as geetest, ExitStack() as stack:
            sites = {name: stack.enter_context(site(name, geetest)) for name in WAYS}
            for served in sites.values():
                turn(served.port, scaled(32), 0)  # the first request of anything is slow
            for visitors in crowds:
                results[f"{visitors} visitors, {delay * 1000:g} ms"] = _case(sites, scaled(visitors))
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
