"""What is let in unverified while GeeTest is down, by several processes that share a Redis."""

from benchmarks import admissions
from benchmarks.redis_server import RedisServer
from geetest_asgi import Limits

from .support import needs_redis


def test_processes_that_share_a_redis_share_the_caps_and_go_on_while_it_is_down() -> None:
    needs_redis()
    redis = RedisServer()
    redis.start()
    try:
        phases = admissions.run(4, redis, phase=5.0)
    finally:
        redis.kill()
    let_in = [[visit for visit in phase.visits if visit.status == 200] for phase in phases]
    assert all(let_in)
    assert {visit.status for phase in phases for visit in phase.visits} == {200, 503}
    windows = int(phases[0].seconds) + 1
    assert len(let_in[0]) <= Limits().unverified_per_second * windows
    assert sum(visit.client == admissions.BOT for visit in let_in[0]) <= Limits().unverified_per_client
