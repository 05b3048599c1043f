"""A store in Redis or Valkey, for many hosts. The only file that imports redis-py or valkey-py.

Each call touches one key, as a cluster wants it, by SET NX PX, GET, GETDEL (Redis 6.2, 2021), DEL or a small script.
redis-py may repeat a command whose answer was lost. A repeated SET finds its own value, which begins with a nonce, and
so counts as the first. A repeated GETDEL finds nothing, and a repeated count counts twice: both are the stricter one.
"""

import asyncio
import inspect
import math
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, Final

import anyio

from .._bounds.per_loop import PerLoop
from .._core.errors import ConfigError
from .failsafe import TIMEOUT

COUNT: Final = """
local number = redis.call('INCR', KEYS[1])
if number == 1 then
  redis.call('PEXPIRE', KEYS[1], ARGV[1])
end
return number
"""
"""A script, so that no counter is ever left without its end."""

_NONCE: Final = 16
"""Characters before each value that name the call of `add` which set it."""

_CONNECTIONS: Final = 32
"""Connections of one process and event loop at most. At a millisecond a call this is 32,000 calls a second."""


class RedisStore:
    """A store in Redis 6.2 or Valkey, shared by all processes that reach it.

    client    A URL ("redis://", "rediss://", "unix://" with redis-py; "valkey://", "valkeys://" with valkey-py): one
              client for each event loop is made and closed. Or an asynchronous client of redis-py or valkey-py, a
              cluster's too, for one event loop; you close it. Or a function that makes one, called once for each event
              loop; it is closed when that loop ends.
    prefix    Of all keys. Guards with the same captcha_id share tokens where they share the prefix.
    timeout   Seconds for a call, after which it has failed; 2 at most.

    asyncio only, as both libraries are. Who can write to this Redis can forge a kept verdict: give it a password. A
    spent token takes about 240 bytes for 20 minutes; a Redis that evicts keys (`maxmemory-policy`) forgets sooner.

    Raises ConfigError for what can be no client; the verbs raise what the client does, or TimeoutError.
    """

    def __init__(self, client: Any, *, prefix: str = "geetest_asgi:", timeout: float = 1.0) -> None:
        if not 0 < timeout <= TIMEOUT:
            raise ConfigError(f"RedisStore(timeout={timeout!r}): give seconds, {TIMEOUT:g} at most: a visitor waits")
        make, close = _maker(client, timeout)
        self._clients = PerLoop(make, close)
        self._prefix = prefix
        self._timeout = timeout

    async def add(self, key: str, value: str, seconds: float) -> bool:
        """See `Store.add`."""
        name, ours = self._prefix + key, secrets.token_hex(_NONCE // 2) + value
        async with self._client() as client:
            if await client.set(name, ours, nx=True, px=_milliseconds(seconds)):
                return True
            return _text(await client.get(name)) == ours

    async def pop(self, key: str) -> str | None:
        """See `Store.pop`."""
        async with self._client() as client:
            found = _text(await client.getdel(self._prefix + key))
        return None if found is None else found[_NONCE:]

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
        try:
            asyncio.get_running_loop()
        except RuntimeError:
            raise RuntimeError("redis-py and valkey-py run on asyncio only: use SQLiteStore on trio") from None
        with anyio.fail_after(self._timeout):
            yield self._clients.get()


def _milliseconds(seconds: float) -> int:
    return max(1, math.ceil(seconds * 1000))


def _text(found: bytes | str | None) -> str | None:
    """`decode_responses` decides which of them a client gives."""
    return found.decode("ascii", "replace") if isinstance(found, bytes) else found


def _maker(given: Any, timeout: float) -> tuple[Callable[[], Any], Callable[[Any], Awaitable[None]]]:
    """How to make a client for an event loop, and how to close it."""
    if isinstance(given, str):
        return _from_url(given, timeout), _close
    if hasattr(given, "getdel") and not isinstance(given, type):
        run = getattr(given, "execute_command", None)
        if inspect.ismethod(run) and not inspect.iscoroutinefunction(run):
            raise ConfigError("RedisStore: this client would block the event loop; give one of redis.asyncio")
        return lambda: given, _leave_open
    if callable(given):
        return given, _close
    raise ConfigError(f"RedisStore({type(given).__name__}): give a URL, a redis.asyncio.Redis, or a function for one")


def _from_url(url: str, timeout: float) -> Callable[[], Any]:
    library = _library(url.partition(":")[0])

    def make() -> Any:
        pool = library.BlockingConnectionPool.from_url(url, max_connections=_CONNECTIONS, timeout=timeout)
        client = library.Valkey if hasattr(library, "Valkey") else library.Redis
        return client.from_pool(pool)

    try:
        make()  # nothing is connected before the first command
    except ValueError:
        raise ConfigError("RedisStore: the URL cannot be read; write it as 'redis://:password@host:6379/0'") from None
    return make


def _library(scheme: str) -> Any:
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
    """Do nothing: whoever gave the client closes it."""
