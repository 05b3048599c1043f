"""Limits: every bound in one value, each with its reason beside it."""

import math
from dataclasses import dataclass, fields

from .errors import ConfigError

MIB = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Limits:
    """What one visitor, or all of them together, can make this process hold, wait for or do.

    Raises ConfigError for a value that is no positive number (`unverified_per_second` may be 0).
    """

    max_body: int = 1 * MIB
    """Bytes read at most in search of the fields; beyond, 413. A login form is under 1 KiB; a multipart upload whose
    captcha fields come before its files is read no further than them, however long it is. What a larger value lets
    past 1 MiB is kept on disk, not in memory."""
    body_timeout: float = 30.0
    """Seconds for the fields to arrive; then 408. No server bounds this time by itself."""
    max_field: int = 8192
    """Bytes of one captcha field, or of one field or header that holds all four, as sent; longer is malformed.
    GeeTest's longest value was seen at 512."""
    max_buffered: int = 64 * MIB
    """Bytes of request bodies held in memory at one time by all requests together; beyond, 503. What goes with each
    request comes on top: with a thousand slow bodies of 60 KB at once 100 MiB were measured."""
    max_in_flight: int = 256
    """Calls to GeeTest under way at one time; beyond, 503. At 50 ms a call this is 5,000 logins a second."""
    unverified_per_second: int = 20
    """Requests let in without a verdict while GeeTest is down, each second; beyond, 503. 0: none."""

    def __post_init__(self) -> None:
        for each in fields(self):
            value = getattr(self, each.name)
            number = isinstance(value, int | float) and not isinstance(value, bool)
            whole = isinstance(value, int) or each.name == "body_timeout"
            if not (number and whole and 0 <= value < math.inf) or (
                value == 0 and each.name != "unverified_per_second"
            ):
                raise ConfigError(f"Limits({each.name}={value!r}): a positive number is needed")
