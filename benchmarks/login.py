"""POST /login from end to end: logins a second, and how long one takes, beside other ways to ask GeeTest.

uvicorn with one worker, GeeTest and the visitors are processes of their own on this machine. Each way has turns in
which so many visitors log in again and again; a way that is so slow that a turn takes many seconds gets fewer of them.
Only those that were let in count as logins. A cold crowd comes to a server that has just started, all at once.
"""

import statistics
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from .checkouts import BESIDE, OURS, ROOT, checkouts, environment
from .fast_geetest import authority, fast_geetest
from .load import Logins, Turn, turn
from .measure import SECONDS, Goal, divided, goals, ratio, scaled, table, take_turns
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


FEW, MANY, SLOW = Case(32, 0.05, 1, 3), Case(256, 0.05, 4, 3), Case(32, 0.35, 2, 2, MAIN)
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
        self.cpu: list[float] = []
        """Microseconds of the server's processor for each login."""
        self.took = 0.0
        """Seconds that the turns took with all that goes with them."""

    def add(self, served: Site, case: Case) -> None:
        """One more turn, unless there were enough."""
        if self.took >= ENOUGH:
            return
        before, start = served.cpu(), time.monotonic()
        one = turn(served.port, scaled(case.visitors), case.seconds * SECONDS)
        self.turns.append(one)
        logins = len(one.first.times) + len(one.again.times)
        self.cpu.append(divided((1e6 * (served.cpu() - before), logins)))
        self.took += time.monotonic() - start

    @property
    def rate(self) -> float:
        """Logins a second."""
        return statistics.median(each.rate for each in self.turns)

    @property
    def median_cpu(self) -> float:
        """The median turn's."""
        return statistics.median(self.cpu)

    @property
    def again(self) -> Logins:
        """All turns' together."""
        return together(each.again for each in self.turns)


def together(several: Iterator[Logins]) -> Logins:
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


Rows = Mapping[str, tuple[str, dict[str, str]]]
"""By row: the way, and its process's environment."""


def _rows(beside: Path | None, trusted: Path | None = None) -> Rows:
    rows = {}
    for name in WAYS:
        for row, checkout in checkouts(beside).items() if name == OURS else [(name, ROOT)]:
            rows[row] = (name, environment(checkout, trusted=trusted))
    return rows


def measure(beside: Path | None) -> dict[Case, dict[str, Result]]:
    """By case and row."""
    results = {}
    with authority() as (certificate, trusted):
        for tls in (False, True):
            cases = [case for case in CASES if case.tls is tls]
            wanted = {name for case in cases for name in case.ways}
            rows = {row: each for row, each in _rows(beside, trusted if tls else None).items() if each[0] in wanted}
            with fast_geetest(certificate if tls else None) as geetest, _sites(rows, geetest.url) as sites:
                for case in cases:
                    geetest.answer_after(case.delay)
                    results[case] = _measure({row: sites[row] for row in rows if rows[row][0] in case.ways}, case)
    return results


@contextmanager
def _sites(rows: Rows, url: str) -> Iterator[dict[str, Site]]:
    with ExitStack() as stack:
        sites = {row: stack.enter_context(site(way, url, env)) for row, (way, env) in rows.items()}
        for served in sites.values():
            turn(served.port, 1, 0)  # the first request of anything is slow
        yield sites


def _measure(sites: dict[str, Site], case: Case) -> dict[str, Result]:
    results = {row: Result() for row in sites}

    def one(row: str) -> Callable[[], None]:
        return lambda: results[row].add(sites[row], case)

    take_turns({row: one(row) for row in sites}, case.turns)
    return results


def measure_cold(beside: Path | None) -> dict[str, Logins]:
    """The first logins of a crowd, by row: all at once, to a server that nobody has asked before."""

    def one(row: str) -> Callable[[], Logins]:
        def crowd() -> Logins:
            way, env = rows[row]
            with site(way, geetest.url, env) as served:
                return turn(served.port, scaled(CROWD), 0).first

        return crowd

    rows = {row: each for row, each in _rows(beside).items() if each[0] in MAIN}
    with fast_geetest() as geetest:
        geetest.answer_after(0.05)
        took = take_turns({row: one(row) for row in rows}, 3)
    return {row: together(iter(took[row])) for row in rows}


Results = dict[Case, dict[str, Result]]


def _goals(results: Results, cold: dict[str, Logins]) -> str:
    def goal(
        what: str, figure: Callable[[Result], float], rival: str, unit: str, bound: float, *, at_least: bool = True
    ) -> Goal:
        many = results[MANY]
        pairs = {row: (figure(many[row]), figure(many[rival])) for row in (OURS, BESIDE) if row in many}
        return ratio(f"{MANY}: {what}", pairs[OURS], unit, bound, at_least=at_least, beside=pairs.get(BESIDE))

    def more(row: str) -> float:
        return results[SLOW][row].median_cpu - results[FEW][row].median_cpu

    def other(figure: Callable[[str], float]) -> float | None:
        return figure(BESIDE) if BESIDE in cold else None

    return goals(
        goal("processor time beside the raw socket", lambda it: it.median_cpu, RAW, "µs", 2.6, at_least=False),
        goal("logins beside the raw socket", lambda it: it.rate, RAW, "a second", 0.5),
        goal("logins beside httpx by hand", lambda it: it.rate, SHARED, "a second", 9),
        *(
            [goal("logins beside aiohttp by hand", lambda it: it.rate, AIOHTTP, "a second", 1.2)]
            if AIOHTTP in WAYS
            else []
        ),
        Goal("processor time, GeeTest after 350 ms, over that after 50 ms", more(OURS), 100, "µs", beside=other(more)),
        Goal(
            "a cold crowd: refused",
            100 * refused(cold[OURS]),
            0,
            "%",
            beside=other(lambda row: 100 * refused(cold[row])),
        ),
        Goal(
            "a cold crowd: 99 of 100 are let in within",
            within(cold[OURS], 0.99),
            800,
            "ms",
            beside=other(lambda row: within(cold[row], 0.99)),
        ),
    )


def _share(logins: Logins) -> str:
    return f" ({refused(logins):.0%} refused)" if logins.refused else ""


def _times(logins: Logins) -> str:
    return f"{within(logins, 0.5):,.0f} / {within(logins, 0.99):,.0f}"


def _tables(results: Results) -> list[str]:
    shows: dict[str, Callable[[Result], str]] = {
        "logins a second": lambda it: f"{it.rate:,.0f}{_share(it.again)}",
        "ms until half / 99 of 100 are let in": lambda it: _times(it.again),
        "the server's processor time for a login, µs": lambda it: f"{it.median_cpu:,.0f}",
    }
    rows = list(results[MANY])
    tables = []
    for head, show in shows.items():
        cells = [[show(case[row]) if row in case else "" for case in results.values()] for row in rows]
        tables.append(table([head, *map(str, results)], [[row, *each] for row, each in zip(rows, cells, strict=True)]))
    return tables


def _cold_table(cold: dict[str, Logins]) -> str:
    rows = [[row, f"{refused(each):.0%}", _times(each)] for row, each in cold.items()]
    return table([f"a cold crowd of {CROWD}, 50 ms", "refused", "ms until half / 99 of 100 are let in"], rows)


def main(beside: Path | None = None) -> str:
    """The tables and the goals."""
    results, cold = measure(beside), measure_cold(beside)
    return "\n\n".join([f"On {server_version()}.", *_tables(results), _cold_table(cold), _goals(results, cold)])
