"""What so many logins a second need: `python -m benchmarks.scale`. A model, computed at once from measured figures.

Give your own with --cpu (µs of a process for a login), --latency (ms until GeeTest answers) and --redis (calls a second
of one Redis). The figures come from docs/performance.md and docs/stores.md.
"""

import argparse
import math
from dataclasses import dataclass
from typing import Final

from geetest_asgi import Limits

from .measure import table

RATES: Final = (10, 1_000, 100_000)
BUSY: Final = 0.6
"""Share of a core, or of a Redis, that may be used on the average: beyond, queues grow."""
TOKEN: Final = 240
"""Bytes of a spent token in Redis."""
KEPT: Final = 1200
"""Seconds for which it is kept."""
SENT: Final = 900
RECEIVED: Final = 700
"""Bytes of an answer of GeeTest, as SENT of a call: headers included, TLS left out."""
PORTS: Final = 28_232
"""Connections of one address to another (Linux, net.ipv4.ip_local_port_range)."""


@dataclass(frozen=True, slots=True)
class Figures:
    """What the model is computed from."""

    cpu: float = 512
    """µs of processor time for a login: 262 with 256 visitors, and 250 for the call of Redis."""
    latency: float = 50
    """ms until GeeTest answers. Where you are far from it, 350 were seen."""
    redis: float = 18_000
    """Calls a second that one Redis answers: redis-benchmark, SET NX PX, 50 clients, on two cores with other work."""

    @property
    def per_process(self) -> float:
        """Logins a second."""
        return BUSY * 1e6 / self.cpu


def needs(rate: float, figures: Figures) -> dict[str, str]:
    """What this rate needs, by what it is."""
    processes = math.ceil(rate / figures.per_process)
    in_flight = rate * figures.latency / 1000
    memory = rate * KEPT * TOKEN
    return {
        "processes, a core each": f"{processes:,}",
        "connections to GeeTest, in all": f"{math.ceil(in_flight):,}",
        "of one process": f"{math.ceil(in_flight / processes):,} of {Limits().max_in_flight}",
        "to and from GeeTest": f"{_size(rate * SENT)}/s, {_size(rate * RECEIVED)}/s",
        "calls of Redis a second": f"{rate:,.0f}",
        "Redis servers": f"{math.ceil(rate / (BUSY * figures.redis)):,}",
        "memory of Redis": _size(memory),
        "GeeTest down: let in unverified": f"{min(rate, Limits().unverified_per_second):g} a second",
    }


def walls(figures: Figures) -> list[list[str]]:
    """The bounds, the nearest first: at how many logins a second, and what helps."""
    in_flight = Limits().max_in_flight / figures.latency * 1000
    found = [
        (figures.per_process, "a process uses its core", "more processes"),
        (in_flight, "`max_in_flight` of a process is used up", "more processes, or a higher bound"),
        (BUSY * figures.redis, "one Redis is busy", "a cluster: each call touches one key"),
        (PORTS / figures.latency * 1000, "a host has no port left to GeeTest's address", "more hosts"),
    ]
    return [[f"{rate:,.0f}", what, helps] for rate, what, helps in sorted(found)]


def _size(number: float) -> str:
    for unit in ("B", "kB", "MB", "GB"):
        if number < 1000:
            return f"{number:.3g} {unit}"
        number /= 1000
    return f"{number:.3g} TB"


def main(figures: Figures) -> str:
    """Both tables."""
    columns = [needs(rate, figures) for rate in RATES]
    rows = [[name, *(column[name] for column in columns)] for name in columns[0]]
    head = ["logins a second", *(f"{rate:,}" for rate in RATES)]
    return f"{table(head, rows)}\n\n{table(['logins a second', 'the wall', 'what helps'], walls(figures))}"


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m benchmarks.scale")
    for name in ("cpu", "latency", "redis"):
        parser.add_argument(f"--{name}", type=float, default=getattr(Figures(), name))
    print(main(Figures(**vars(parser.parse_args()))))
