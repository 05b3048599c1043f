"""A word of warning where somebody other than GeeTest is asked: whom such a server lets in, nobody has verified.

Said once for each middleware or client, and not in a test run, where a stand-in is what is wanted.
"""

import ipaddress
import os
from collections.abc import Sequence
from typing import Final
from urllib.parse import urlsplit

from ..observers.logs import log_loopback, log_simulator

MARK: Final = "x-geetest-simulator"
"""The header of all that `geetest_asgi.testing.Simulator` answers."""

_TEST_RUN: Final = "PYTEST_VERSION"
"""Set in the environment by pytest (since 8.2), and inherited by the processes that tests start."""


class Pretence:
    """Watches the servers of one middleware or client."""

    def __init__(self, servers: Sequence[str]) -> None:
        self._said = _TEST_RUN in os.environ
        near = [server for server in servers if is_loopback(urlsplit(server).hostname or "")]
        if near and not self._said:
            log_loopback(near[0])

    def simulated(self) -> None:
        """An answer was marked as a simulator's."""
        if not self._said:
            self._said = True
            log_simulator()


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach `host`: 127.0.0.0/8, ::1 or localhost. No other name is looked up."""
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
