"""Make a store from a URL."""

from collections.abc import Callable, Mapping
from typing import Final

from .._core.errors import ConfigError
from .protocol import Store

_FORMS: Final = "'sqlite:///file.db' (four slashes for an absolute path), 'redis://host:6379/0' or 'valkey://…'"


def from_url(url: str) -> Store:
    """Return the store that a URL names. Raises ConfigError, without a password of the URL in the message."""
    scheme, colon, rest = url.strip().partition("://")
    if not colon or scheme.lower() not in _MAKERS:
        raise ConfigError(f"store={scheme if colon else '…'!r}: give a store, or a URL such as {_FORMS}")
    return _MAKERS[scheme.lower()](f"{scheme.lower()}://{rest}")


def _sqlite(url: str) -> Store:
    from .sqlite import SQLiteStore

    path = url.removeprefix("sqlite://")
    if not path.startswith("/") or path == "/" or "?" in path:
        raise ConfigError(f"store={url!r}: give the file after three slashes, or four for an absolute path: {_FORMS}")
    return SQLiteStore(path[1:])


def _redis(url: str) -> Store:
    from .redis import RedisStore

    return RedisStore(url)


_MAKERS: Final[Mapping[str, Callable[[str], Store]]] = {
    "sqlite": _sqlite,
    **dict.fromkeys(("redis", "rediss", "unix", "valkey", "valkeys"), _redis),
}
