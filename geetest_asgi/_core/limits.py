"""Limits: all limits in one value, each with the reason for its default."""

import math
from dataclasses import dataclass, fields

from .errors import ConfigError

MIB = 1024 * 1024

_SECONDS = ("body_timeout", "drain_seconds", "breaker_pause", "breaker_longest_pause")
_MAY_BE_0 = ("unverified_per_second", "unverified_per_client", "breaker_failures")


@dataclass(frozen=True, slots=True)
class Limits:
    """Limits on the memory, the time and the calls that clients can cost this process.

    Raises ConfigError for a value that is not a positive number; `unverified_per_second`, `unverified_per_client` and
    `breaker_failures` may be 0.
    """

    max_body: int = 1 * MIB
    """Bytes of a body that are searched for the fields; beyond, 413. A login form is under 1 KiB. A multipart upload is
    read as far as its captcha fields only, so files after them may be of any length. JSON is read to its end."""
    body_timeout: float = 30.0
    """Seconds for the fields to arrive; then 408. Servers have no such limit by default."""
    max_field: int = 8192
    """Bytes of one captcha field, or of one field or header that holds all four; a longer one is malformed. A lot
    number may have 128 bytes, a pass token 512. The longest value seen from GeeTest had 512."""
    max_buffered: int = 64 * MIB
    """Bytes of request bodies that all requests together hold in memory, half of them for one client address; beyond,
    503. Each request needs some memory besides: a thousand slow bodies of 60 KB at once took 100 MiB."""
    drain_bytes: int = 32 * MIB
    """Bytes of a refused request that are read and discarded before its answer ends, so that the client and any proxy
    get that answer. They take no memory. Beyond, the server closes the connection."""
    drain_seconds: float = 10.0
    """Seconds of such reading."""
    max_in_flight: int = 256
    """Simultaneous calls to GeeTest in one event loop; half of them for one client address. Further calls wait within
    the rule's `timeout`; then 503. At 50 ms a call this is 5,000 logins a second."""
    unverified_per_second: int = 20
    """Requests let in unverified in each second of an outage, for each captcha id; beyond, 503. The processes that
    share a store share the number; while the store fails, and without one, each process has its own. 0: none."""
    unverified_per_client: int = 60
    """Attempts of one client address (of IPv6: one /64) in each minute of an outage; beyond, 503. An office behind one
    address can log in; a single bot gets a twentieth of `unverified_per_second`. Behind a proxy whose headers the
    server does not read, all clients have one address. 0: none."""
    breaker_failures: int = 5
    """Consecutive failures after which a server is skipped. One or two happen in a working network; five are an outage,
    and each may cost a client the whole `timeout`. 0: never skipped."""
    breaker_pause: float = 1.0
    """Seconds for which a failing server is skipped, doubled after each failed probe. One second is enough for a
    restart, the most frequent outage."""
    breaker_longest_pause: float = 10.0
    """Seconds of the longest pause. A recovered server may stay skipped for that long, and `Retry-After` of refused
    clients says as much. In a long outage one request in 10 s waits for the timeout instead of all."""

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
