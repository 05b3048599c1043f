"""The numbers that a store is made with."""

from typing import Final

from .._core.errors import ConfigError

TIMEOUT: Final = 2.0
"""Seconds that a request waits for a store. The store's own timeout should be shorter."""


def check_size(store: str, size: object) -> None:
    """Raise ConfigError unless it is a number of entries."""
    if isinstance(size, bool) or not isinstance(size, int) or size < 1:
        raise ConfigError(
            f"{store}(size={size!r}): give a number of entries; a store that keeps nothing lets every token in twice"
        )


def check_timeout(store: str, timeout: object) -> None:
    """Raise ConfigError unless it is a number of seconds that a visitor can wait for."""
    if isinstance(timeout, bool) or not isinstance(timeout, int | float) or not 0 < timeout <= TIMEOUT:
        raise ConfigError(f"{store}(timeout={timeout!r}): give seconds, {TIMEOUT:g} at most: a visitor waits")
