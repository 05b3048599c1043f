"""What is let in unverified while GeeTest is down, by several processes that share a Redis."""

import pytest

from benchmarks import admissions
from benchmarks.redis_server import RedisServer
from geetest_asgi import Limits

from .support import needs_redis

pytestmark = pytest.mark.slow


def test_processes_that_share_a_redis_share_the_caps_and_go_on_while_it_is_down() -> None:
    """A process whose calls to Redis took too long, on a slow machine, has caps of its own for a time."""
    needs_redis()
    redis = RedisServer()
    redis.start()
    try:
        phases = admissions.run(4, redis, phase=3.0, settled=1.0)
    finally:
        redis.kill()
    let_in = [[visit for visit in phase.visits if visit.status == 200] for phase in phases]
    assert [bool(each) for each in let_in] == [bool(phase.visits) for phase in phases], "the site goes on"
    assert {visit.status for phase in phases for visit in phase.visits} == {200, 503}
    shares, windows = 1 + phases[0].alone(), int(phases[0].seconds) + 2
    assert len(let_in[0]) <= Limits().unverified_per_second * windows * shares
    assert sum(visit.client == admissions.BOT for visit in let_in[0]) <= Limits().unverified_per_client * shares
    assert all(visit.failures for visit in phases[1].visits), "Redis was killed"
