"""RedisStore behind Sentinel, which makes the replica the master when the master is killed."""

from collections.abc import Iterator
from contextlib import suppress

import anyio
import pytest

from benchmarks.redis_server import RedisPair, redis_pair
from geetest_asgi.stores import FailSafe, RedisStore

from .support import SECONDS, needs_redis

pytestmark = [pytest.mark.slow, pytest.mark.anyio, pytest.mark.parametrize("anyio_backend", ["asyncio"])]


@pytest.fixture
def pair() -> Iterator[RedisPair]:
    needs_redis()
    with redis_pair() as running:
        assert running is not None
        yield running


class Shared:
    """What one process has of the store."""

    def __init__(self, pair: RedisPair) -> None:
        self._sentinel = pytest.importorskip("redis.asyncio").Sentinel([("127.0.0.1", pair.sentinel.port)])
        self.store = RedisStore(lambda: self._sentinel.master_for(pair.NAME))

    async def aclose(self) -> None:
        await self.store.aclose()
        for each in self._sentinel.sentinels:
            await each.aclose()


async def answers(store: RedisStore) -> bool:
    with suppress(pytest.importorskip("redis").RedisError):
        return await store.pop("nothing") is None
    return False


async def test_when_the_master_dies_the_site_goes_on_and_its_replica_knows_what_was_spent(pair: RedisPair) -> None:
    one, another = Shared(pair), Shared(pair)
    safe, other = FailSafe(one.store), another.store
    assert await one.store.add("before", "", 60)
    pair.wait_for_replica()
    pair.kill_master()
    assert await safe.add("amid", "", 60)
    pair.wait_for_master()
    with anyio.fail_after(SECONDS):
        while not await answers(other):  # redis-py takes Sentinel's word a moment later
            await anyio.sleep(0.05)
    assert not await other.add("before", "", 60), "this process has not seen it itself"
    assert await other.add("after", "", 60)
    assert not await safe.add("before", "", 60)
    await one.aclose()
    await another.aclose()
