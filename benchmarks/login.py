"""POST /login from end to end: logins a second, and how long one takes, beside other ways to ask GeeTest.

uvicorn with one worker, GeeTest and the visitors are processes of their own on this machine. Each way has turns in
which so many visitors log in again and again; a way that is so slow that a turn takes many seconds gets fewer of them.
Only those that were let in count as logins. A cold crowd comes to a server that has just started, all at once.
"""

import functools
import statistics
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from .checkouts import OURS, environment, rows
from .fast_geetest import authority, fast_geetest
from .load import Logins, Turn, turn
from .measure import SECONDS, Goal, divided, goal, goals, scaled, table, take_turns
from .ways import AIOHTTP, EACH, RAW, SHARED, WAYS, Site, server_version, site

MAIN: Final = tuple(name for name in (RAW, AIOHTTP, OURS, SHARED) if name in WAYS)
ENOUGH: Final = 12.0
"""Seconds after which a way in a case has had enough turns."""
CROWD: Final = 500


@dataclass(frozen=True)
class Case:
    """So many visitors, and `seconds` of a turn after one login of each. httpx's pool takes some to fill its queue."""

    visitors: int
    delay: float
    """Seconds until GeeTest answers."""
    seconds: float
    turns: int
    ways: tuple[str, ...] = tuple(WAYS)
    tls: bool = False

    def __str__(self) -> str:
        return f"{self.visitors} visitors, {1000 * self.delay:g} ms" + (", TLS" if self.tls else "")


FEW, MANY = Case(32, 0.05, 1, 3), Case(256, 0.05, 4, 3)
SLOW: Final = Case(7 * 32, 0.35, 3, 2, MAIN)  # as many a second as FEW, where the server can keep up
CASES: Final = (
    Case(32, 0, 1, 3),
    FEW,
    MANY,
    # Each client reads the authorities' certificates: as many at once bring the server to a halt.
    Case(500, 0.05, 4, 1, tuple(name for name in WAYS if name != EACH)),
    SLOW,
    Case(256, 0.05, 4, 2, MAIN, tls=True),
)


class Result:
    """What came of one way in one case."""

    def __init__(self) -> None:
        self.turns: list[Turn] = []
        self._cpu: list[float] = []
        self._took = 0.0  # seconds, with all that goes with the turns

    def add(self, served: Site, case: Case) -> None:
        """One more turn, unless there were enough."""
        if self._took >= ENOUGH:
            return
        before, start = served.cpu(), time.monotonic()
        one = turn(served.port, scaled(case.visitors), case.seconds * SECONDS)
        self.turns.append(one)
        self._cpu.append(divided(1e6 * (served.cpu() - before), len(one.first.times) + len(one.again.times)))
        self._took += time.monotonic() - start

    @property
    def rate(self) -> float:
        """Logins a second."""
        return statistics.median(each.rate for each in self.turns)

    @property
    def cpu(self) -> float:
        """Microseconds of the server's processor for each login, first ones too."""
        return statistics.median(self._cpu)

    @property
    def again(self) -> Logins:
        """All turns' together."""
        return together(each.again for each in self.turns)


def together(several: Iterable[Logins]) -> Logins:
    """As if they had been one turn's."""
    whole = Logins()
    for each in several:
        whole.times += each.times
        whole.refused += each.refused
    return whole


def within(logins: Logins, part: float) -> float:
    """Milliseconds in which this part of those who were let in was answered."""
    return 1000 * sorted(logins.times)[int(part * len(logins.times))] if logins.times else float("nan")


def refused(logins: Logins) -> float:
    """The part that was not let in."""
    return logins.refused / len(logins)


def measure(beside: Path | None) -> dict[Case, dict[str, Result]]:
    """By case and row."""
    results = {}
    with authority() as (certificate, trusted):
        for tls in (False, True):
            cases = [case for case in CASES if case.tls is tls]
            wanted = rows({way: None for case in cases for way in case.ways}, beside)
            with (
                fast_geetest(certificate if tls else None) as geetest,
                _sites(wanted, geetest.url, trusted if tls else None) as sites,
            ):
                for case in cases:
                    geetest.answer_after(case.delay)
                    results[case] = _measure({row: sites[row] for row in rows(case.ways, beside)}, case)
    return results


@contextmanager
def _sites(wanted: Mapping[str, tuple[str, Path]], url: str, trusted: Path | None) -> Iterator[dict[str, Site]]:
    with ExitStack() as stack:
        sites = {
            row: stack.enter_context(site(way, url, environment(checkout, trusted=trusted)))
            for row, (way, checkout) in wanted.items()
        }
        for served in sites.values():
            turn(served.port, 1, 0)  # the first request of anything is slow
        yield sites


def _measure(sites: dict[str, Site], case: Case) -> dict[str, Result]:
    results = {row: Result() for row in sites}
    take_turns({row: functools.partial(results[row].add, sites[row], case) for row in sites}, case.turns)
    return results


def measure_cold(beside: Path | None) -> dict[str, Logins]:
    """The first logins of a crowd, by row: all at once, to a server that nobody has asked before."""

    def crowd(way: str, checkout: Path) -> Logins:
        with site(way, geetest.url, environment(checkout)) as served:
            return turn(served.port, scaled(CROWD), 0).first

    rivals = rows(MAIN, beside)
    with fast_geetest() as geetest:
        geetest.answer_after(0.05)
        took = take_turns({row: functools.partial(crowd, *each) for row, each in rivals.items()}, 3)
    return {row: together(took[row]) for row in rivals}


Results = dict[Case, dict[str, Result]]


def _goals(results: Results, cold: dict[str, Logins]) -> str:
    many = results[MANY]

    def beside(rival: str, bound: float) -> Goal:
        what = f"{MANY}: logins beside {rival}"
        return goal(what, lambda row: (many[row].rate, many[rival].rate), bound, "a second", many, at_least=True)

    return goals(
        goal(f"{MANY}: processor time beside {RAW}", lambda row: (many[row].cpu, many[RAW].cpu), 2.6, "µs", many),
        *(beside(rival, bound) for rival, bound in ((RAW, 0.5), (SHARED, 9), (AIOHTTP, 1.2)) if rival in many),
        goal(
            f"{SLOW}: processor time over that of {FEW}",
            lambda row: results[SLOW][row].cpu - results[FEW][row].cpu,
            100,
            "µs",
            many,
        ),
        goal("a cold crowd: refused", lambda row: 100 * refused(cold[row]), 0, "%", cold),
        goal("a cold crowd: 99 of 100 are let in within", lambda row: within(cold[row], 0.99), 800, "ms", cold),
    )


def _share(logins: Logins) -> str:
    return f" ({refused(logins):.0%} refused)" if logins.refused else ""


def _times(logins: Logins) -> str:
    return f"{within(logins, 0.5):,.0f} / {within(logins, 0.99):,.0f}"


def _tables(results: Results) -> list[str]:
    shows: dict[str, Callable[[Result], str]] = {
        "logins a second": lambda it: f"{it.rate:,.0f}{_share(it.again)}",
        "ms until half / 99 of 100 are let in": lambda it: _times(it.again),
        "the server's processor time for a login, µs": lambda it: f"{it.cpu:,.0f}",
    }
    ways = list(results[MANY])
    tables = []
    for head, show in shows.items():
        cells = [[show(case[row]) if row in case else "" for case in results.values()] for row in ways]
        tables.append(table([head, *map(str, results)], [[row, *each] for row, each in zip(ways, cells, strict=True)]))
    return tables


def _cold_table(cold: dict[str, Logins]) -> str:
    cells = [[row, f"{refused(each):.0%}", _times(each)] for row, each in cold.items()]
    return table([f"a cold crowd of {CROWD}, 50 ms", "refused", "ms until half / 99 of 100 are let in"], cells)


def main(beside: Path | None = None) -> str:
    """The tables and the goals."""
    results, cold = measure(beside), measure_cold(beside)
    return "\n\n".join([f"On {server_version()}.", *_tables(results), _cold_table(cold), _goals(results, cold)])
