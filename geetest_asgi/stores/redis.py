"""RedisStore: a store in Redis or Valkey, for several hosts. The only file that imports redis-py or valkey-py.

Each call uses one key, as a cluster requires, by SET NX PX, GET, GETDEL (Redis 6.2, 2021), DEL or a small script.
A command whose answer was lost is sent again. What it did the first time then counts twice, on the strict side: the
visitor solves another captcha.
"""

import inspect
import math
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, Final
from urllib.parse import urlsplit

import anyio

from .._bounds.per_loop import PerLoop, on_asyncio
from .._core.errors import ConfigError
from .numbers import check_timeout

COUNT: Final = """
local number = redis.call('INCR', KEYS[1])
if number == 1 then
  redis.call('PEXPIRE', KEYS[1], ARGV[1])
end
return number
"""
"""A script, so that no counter is left without an expiry."""

_CONNECTIONS: Final = 32
"""Greatest number of connections of one event loop. At a millisecond a call this is 32,000 calls a second."""


class RedisStore:
    """A store in Redis 6.2 or Valkey, shared by all processes that reach it.

    client    A URL ("redis://", "rediss://", "unix://" with redis-py; "valkey://", "valkeys://" with valkey-py): the
              store makes and closes one client for each event loop. Or an asynchronous client of redis-py or valkey-py,
              also for a cluster, for one event loop; you close it. Or a function that makes a client: it is called once
              for each event loop, and that client is closed with the loop.
    prefix    Prefix of all keys. Guards with the same captcha_id and prefix share tokens.
    timeout   Seconds after which a call fails; 2 at most. Default: 1.

    For asyncio only, as both libraries are. Anyone who can write to this Redis can forge a kept verdict: set a
    password. A spent token takes about 240 bytes for 20 minutes; a Redis that evicts keys (`maxmemory-policy`) forgets
    it sooner.

    Raises ConfigError for a wrong client. The methods raise the client's exceptions, or TimeoutError.
    """

    def __init__(self, client: Any, *, prefix: str = "geetest_asgi:", timeout: float = 1.0) -> None:
        check_timeout("RedisStore", timeout)
        if not isinstance(prefix, str):
            raise ConfigError(f"RedisStore(prefix={prefix!r}): give a text, such as 'shop:'")
        self._clients = PerLoop(*_maker(client))
        self._prefix = prefix
        self._timeout = timeout

    async def add(self, key: str, value: str, seconds: float) -> bool:
        """See `Store.add`."""
        async with self._client() as client:
            return bool(await client.set(self._prefix + key, value, nx=True, px=_milliseconds(seconds)))

    async def pop(self, key: str) -> str | None:
        """See `Store.pop`."""
        async with self._client() as client:
            return _text(await client.getdel(self._prefix + key))

    async def delete(self, key: str) -> None:
        """See `Store.delete`."""
        async with self._client() as client:
            await client.delete(self._prefix + key)

    async def count(self, key: str, seconds: float) -> int:
        """See `Store.count`."""
        async with self._client() as client:
            return int(await client.eval(COUNT, 1, self._prefix + key, _milliseconds(seconds)))

    async def aclose(self) -> None:
        """Close the running event loop's client, unless it was given as a client. The next call makes another."""
        await self._clients.aclose()

    @asynccontextmanager
    async def _client(self) -> AsyncIterator[Any]:
        if not on_asyncio():
            raise RuntimeError("redis-py and valkey-py run on asyncio only: use SQLiteStore on trio")
        with anyio.fail_after(self._timeout):
            yield self._clients.get()


def _milliseconds(seconds: float) -> int:
    return math.ceil(seconds * 1000)


def _text(found: bytes | str | None) -> str | None:
    """Return a reply as text: with `decode_responses` a client returns str, else bytes."""
    return found.decode("latin-1") if isinstance(found, bytes) else found


def _maker(given: Any) -> tuple[Callable[[], Any], Callable[[Any], Awaitable[None]]]:
    """Return the functions that make and close the client of an event loop. Raises ConfigError."""
    if isinstance(given, str):
        return _from_url(given), _close
    if hasattr(given, "getdel") and not isinstance(given, type):
        run = getattr(given, "execute_command", None)
        if inspect.ismethod(run) and not inspect.iscoroutinefunction(run):
            raise ConfigError("RedisStore: this client would block the event loop; give one of redis.asyncio")
        return lambda: given, _leave_open
    if callable(given) and not inspect.iscoroutinefunction(given):
        return given, _close
    raise ConfigError(f"RedisStore({type(given).__name__}): give a URL, a redis.asyncio.Redis, or a function for one")


def _from_url(url: str) -> Callable[[], Any]:
    library = _library(url.partition(":")[0])

    def make() -> Any:
        # A command is repeated once, on a new connection: idle ones are closed, and a name may lead to a new master.
        options = {"max_connections": _CONNECTIONS, "retry_on_error": [library.ConnectionError, library.ReadOnlyError]}
        return library.Redis.from_pool(library.BlockingConnectionPool.from_url(url, **options))

    try:
        _check_database(url)
        make().connection_pool.make_connection()  # which reads the options; it connects with the first command
    except Exception:  # TypeError for an unknown option, the library's own for a wrong value
        raise ConfigError("RedisStore: the URL cannot be read; write 'redis://:password@host:6379/0'") from None
    return make


def _check_database(url: str) -> None:
    """Raise ValueError for a database that is no number: both libraries would take the first one."""
    parts = urlsplit(url)
    if parts.scheme != "unix" and not re.fullmatch("/?[0-9]*/?", parts.path):
        raise ValueError


def _library(scheme: str) -> Any:
    """Return redis.asyncio or valkey.asyncio. Both have the class Redis. Raises ConfigError."""
    try:
        if scheme.startswith("valkey"):
            import valkey.asyncio

            return valkey.asyncio
        import redis.asyncio

        return redis.asyncio
    except ModuleNotFoundError:
        wanted = "valkey" if scheme.startswith("valkey") else "geetest-asgi[redis]"
        raise ConfigError(f"store={scheme + '://…'!r} needs another package: pip install '{wanted}'") from None


async def _close(client: Any) -> None:
    await client.aclose()


async def _leave_open(client: Any) -> None:
    """Do nothing: the user closes this client."""
