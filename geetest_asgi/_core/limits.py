"""Limits: every limit in one value, each with its reason beside it."""

import math
from dataclasses import dataclass, fields

from .errors import ConfigError

MIB = 1024 * 1024

_SECONDS = ("body_timeout", "drain_seconds", "breaker_pause", "breaker_longest_pause")
_MAY_BE_0 = ("unverified_per_second", "unverified_per_client", "breaker_failures")


@dataclass(frozen=True, slots=True)
class Limits:
    """Limits on what clients can make this process hold, wait for or do.

    Raises ConfigError for a value that is not a positive number; `unverified_per_second`, `unverified_per_client` and
    `breaker_failures` may be 0.
    """

    max_body: int = 1 * MIB
    """Bytes read at most in search of the fields; beyond, 413. A login form is under 1 KiB; a multipart upload whose
    captcha fields come before its files is read no further than them, however long it is. JSON is read to its end and
    decoded at once."""
    body_timeout: float = 30.0
    """Seconds for the fields to arrive; then 408. No server bounds this time by itself."""
    max_field: int = 8192
    """Bytes of one captcha field, or of one field or header that holds all four; longer is malformed. A lot number may
    have 128 at most, a pass token 512.
    GeeTest's longest value was seen at 512."""
    max_buffered: int = 64 * MIB
    """Bytes of request bodies held in memory at one time by all requests together; beyond, 503. What goes with each
    request comes on top: with a thousand slow bodies of 60 KB at once 100 MiB were measured."""
    drain_bytes: int = 32 * MIB
    """Bytes of a refused request that are read and thrown away before its answer ends, so that the client and any proxy
    get that answer. They take no memory. Beyond, the server closes the connection."""
    drain_seconds: float = 10.0
    """Seconds for the same."""
    max_in_flight: int = 256
    """Calls to GeeTest under way at one time, in one event loop; half of them for one client address. Those beyond wait
    their turn within the rule's `timeout`; then 503. At 50 ms a call this is 5,000 logins a second."""
    unverified_per_second: int = 20
    """Requests let in unverified in each second of an outage; beyond, 503. For one captcha id: the processes that share
    the store share the number; while the store fails, and without one, each has its own. 0: none."""
    unverified_per_client: int = 60
    """The same for one client address (of IPv6: one /64), in each minute, attempts included; beyond, 503. An office
    behind one address can log in; a single bot gets a twentieth of `unverified_per_second`, so others get the rest.
    Behind a proxy whose headers the server does not read, all clients have one address. 0: none."""
    breaker_failures: int = 5
    """Consecutive failures after which a server is skipped. One or two happen in a working network; five, each of which
    may cost a client the whole `timeout`, are an outage. 0: never skipped."""
    breaker_pause: float = 1.0
    """Seconds for which a failing server is skipped, doubled after each failed trial. Most outages are a restart, and
    one second is enough for those."""
    breaker_longest_pause: float = 10.0
    """Seconds of the longest pause: GeeTest's return may be noticed that late, and refused clients wait that long
    (`Retry-After`). In a long outage one request in 10 s is slow instead of all."""

    def __post_init__(self) -> None:
        for each in fields(self):
            value = getattr(self, each.name)
            number = isinstance(value, int | float) and not isinstance(value, bool)
            whole = isinstance(value, int) or each.name in _SECONDS
            if not (number and whole and 0 <= value < math.inf) or (value == 0 and each.name not in _MAY_BE_0):
                raise ConfigError(f"Limits({each.name}={value!r}): a positive number is needed")
        if self.breaker_longest_pause < self.breaker_pause:
            raise ConfigError(
                f"Limits(breaker_longest_pause={self.breaker_longest_pause!r}): "
                f"at least breaker_pause, {self.breaker_pause!r}, is needed"
            )
