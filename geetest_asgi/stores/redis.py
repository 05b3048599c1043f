"""Spent tokens in Redis or Valkey, for many hosts. The only file that imports redis-py or valkey-py.

One key for each token: "HOLDER CLAIM NOTE", two names of 16 characters and the rest. Both scripts touch that key only,
as a cluster wants it, and use nothing newer than Redis 6.0 (2020, KEEPTTL); tried on 7.0, and with Redis' own clock.
"""

import asyncio
import inspect
import math
import os
import secrets
from collections.abc import Awaitable, Callable
from typing import Any, Final

import anyio

from .._bounds.per_loop import PerLoop
from .._core.errors import ConfigError
from .failsafe import PATIENCE

CLAIM: Final = """
local found = redis.call('GET', KEYS[1])
if not found then
  redis.call('SET', KEYS[1], ARGV[1] .. ARGV[2], 'PX', ARGV[3])
  return false
end
local note = string.sub(found, 33)
if note ~= '' then
  redis.call('SET', KEYS[1], ARGV[1] .. string.rep('-', 16), 'KEEPTTL')
elseif found == ARGV[1] .. ARGV[2] then
  return false
end
return note
"""
"""Who finds its own claim has sent it twice: redis-py repeats a command whose answer was lost (6.0 and later)."""

RELEASE: Final = """
local found = redis.call('GET', KEYS[1])
if not found or string.sub(found, 1, 16) ~= ARGV[1] then
  return false
end
if ARGV[2] == '' then
  redis.call('DEL', KEYS[1])
else
  redis.call('SET', KEYS[1], string.sub(found, 1, 32) .. ARGV[2], 'KEEPTTL')
end
return false
"""

_CONNECTIONS: Final = 32
"""Of one process and event loop, where we make them. At a millisecond each this is 32,000 claims a second."""


class RedisStore:
    """Spent tokens in Redis 6 or Valkey, which forgets them by itself when their time is over.

    client    a URL ("redis://", "rediss://", "unix://" with redis-py; "valkey://", "valkeys://" with valkey-py): we
              connect, once for each event loop. Or redis-py's or valkey-py's asynchronous client, a cluster's too,
              yours to close, for one event loop. Or a function that makes one, called once for each event loop, ours
              to close.
    prefix    of all keys. Guards with the same captcha_id share tokens where they share this.
    timeout   seconds for a call, after which it has failed; 2 at most.

    asyncio only, as both libraries are. Whoever can write to this Redis can forge a token's finding: give it a
    password. It takes about 250 bytes a token, for 20 minutes; a Redis that evicts keys (`maxmemory-policy`) forgets
    tokens sooner.

    Raises ConfigError for what can be no client; `claim` and `release` raise what the client does, or TimeoutError.
    """

    def __init__(self, client: Any, *, prefix: str = "geetest_asgi:", timeout: float = 1.0) -> None:
        if not 0 < timeout <= PATIENCE:
            raise ConfigError(f"RedisStore(timeout={timeout!r}): give seconds, {PATIENCE:g} at most: a visitor waits")
        make, close = _maker(client, timeout)
        self._clients = PerLoop(make, close)
        self._prefix = prefix
        self._timeout = timeout
        self._name = secrets.token_hex(4)

    async def claim(self, key: str, seconds: float) -> str | None:
        """See `Store.claim`."""
        milliseconds = max(1, math.ceil(seconds * 1000))
        note = await self._run(CLAIM, key, self._holder(), secrets.token_hex(8), milliseconds)
        return note.decode() if isinstance(note, bytes) else note

    async def release(self, key: str, note: str | None = None) -> None:
        """See `Store.release`. What another process holds is left as it is."""
        await self._run(RELEASE, key, self._holder(), note or "")

    def _holder(self) -> str:
        """The name under which this process holds keys: the processes of one fork have one store."""
        return f"{self._name}{os.getpid():08x}"

    async def _run(self, script: str, key: str, *arguments: object) -> Any:
        try:
            asyncio.get_running_loop()
        except RuntimeError:
            raise RuntimeError("redis-py and valkey-py run on asyncio only: use SQLiteStore on trio") from None
        with anyio.fail_after(self._timeout):
            client = await self._clients.get()
            return await client.eval(script, 1, self._prefix + key, *arguments)


def _maker(given: Any, timeout: float) -> tuple[Callable[[], Any], Callable[[Any], Awaitable[None]]]:
    """How a client is made for an event loop, and how it is closed."""
    if isinstance(given, str):
        return _from_url(given, timeout), _close
    if hasattr(given, "eval") and not isinstance(given, type):
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
    """Given, and so its giver's to close."""
