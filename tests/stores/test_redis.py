"""RedisStore: what is refused, what is stored, whose client is closed, and a Redis that hangs or forgets."""

import multiprocessing
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import anyio
import pytest

from geetest_asgi import ConfigError
from geetest_asgi.stores import FailSafe, RedisStore

from .support import SECONDS, RedisServer, free_port, redis_server

on_asyncio = pytest.mark.parametrize("anyio_backend", ["asyncio"])
each = pytest.mark.anyio


def client(url: str, **options: Any) -> Any:
    library = pytest.importorskip("redis.asyncio")
    return library.Redis.from_url(url, **options)


# What is refused while the app is built


def test_a_client_that_would_block_the_loop_is_refused() -> None:
    for name, kind in (("redis", "Redis"), ("valkey", "Valkey")):
        library = pytest.importorskip(name)
        with pytest.raises(ConfigError, match=r"redis\.asyncio"), getattr(library, kind)() as blocking:
            RedisStore(blocking)


@pytest.mark.parametrize("given", [5, None, {}, object()])
def test_what_can_be_no_client_is_refused(given: object) -> None:
    with pytest.raises(ConfigError, match=type(given).__name__):
        RedisStore(given)


@pytest.mark.parametrize(
    "url", ["redis://:hunter2@h:port/0", "redis+cluster://:hunter2@h/0", "redis://:hunter2@h/?db=x"]
)
def test_a_url_that_cannot_be_read_is_refused_and_not_repeated(url: str) -> None:
    pytest.importorskip("redis")
    with pytest.raises(ConfigError) as refused:
        RedisStore(url)
    assert "hunter2" not in str(refused.value)
    assert refused.value.__suppress_context__


def test_a_store_does_not_show_its_password() -> None:
    pytest.importorskip("redis")
    store = RedisStore("redis://:hunter2@127.0.0.1:1/0")
    assert "hunter2" not in repr(store) + str(store)


@pytest.mark.parametrize(("url", "wanted"), [("redis://h", r"geetest-asgi[redis]"), ("valkey://h", "valkey")])
def test_a_library_that_is_missing_is_named(url: str, wanted: str) -> None:
    code = (
        "import sys; sys.modules['redis'] = sys.modules['valkey'] = None\n"
        "from geetest_asgi import ConfigError, GeeTestMiddleware as G\n"
        f"try: G(print, captcha_id='a', captcha_key='b', store={url!r})\n"
        "except ConfigError as error: print(error)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert f"pip install '{wanted}'" in done.stdout


@pytest.mark.anyio
@pytest.mark.parametrize("anyio_backend", ["trio"])
async def test_on_trio_it_says_what_would_work() -> None:
    pytest.importorskip("redis")
    with pytest.raises(RuntimeError, match="use SQLiteStore on trio"):
        await RedisStore("redis://127.0.0.1:1/0").claim("a", 60)


# What is stored


@on_asyncio
@each
async def test_one_key_for_each_token_which_redis_forgets_by_itself(redis: RedisServer) -> None:
    redis.ask("FLUSHALL")
    store = RedisStore(redis.url, prefix="site:")
    await store.claim("digest", 1200)
    await store.claim("digest", 5000)
    await store.release("digest", "note")
    await store.claim("digest", 5000)
    assert redis.ask("KEYS", "*") == b"*1\r\n$11\r\nsite:digest\r\n"
    left = int(redis.ask("PTTL", "site:digest")[1:])
    assert 1_100_000 < left <= 1_200_000
    await store.release("digest")
    assert redis.ask("DBSIZE") == b":0\r\n"


@on_asyncio
@each
async def test_a_claim_that_the_client_sends_twice_is_one_claim(redis: RedisServer) -> None:
    """redis-py repeats a command whose answer was lost: the second finds what the first has left."""

    class Twice:
        def __init__(self) -> None:
            self.client = client(redis.url)

        async def eval(self, *arguments: Any) -> Any:
            await self.client.eval(*arguments)
            return await self.client.eval(*arguments)

        async def aclose(self) -> None:
            await self.client.aclose()

    redis.ask("FLUSHALL")
    store = RedisStore(Twice)
    assert [await store.claim("a", 60) for _ in range(2)] == [None, ""]
    await store.release("a")
    assert await store.claim("a", 60) is None


@on_asyncio
@each
async def test_a_note_whose_answer_was_lost_is_not_a_free_key(redis: RedisServer) -> None:
    redis.ask("FLUSHALL")
    library = client(redis.url)

    class Repeats:
        async def eval(self, *arguments: Any) -> Any:
            await library.eval(*arguments)
            return await library.eval(*arguments)

    store = RedisStore(library)
    await store.claim("a", 60)
    await store.release("a", "note")
    assert await RedisStore(Repeats()).claim("a", 60) == ""
    await library.aclose()


@on_asyncio
@each
async def test_different_prefixes_share_nothing(redis: RedisServer) -> None:
    redis.ask("FLUSHALL")
    stores = [RedisStore(redis.url, prefix=prefix) for prefix in ("one:", "two:")]
    assert [await store.claim("a", 60) for store in stores * 2] == [None, None, "", ""]


@pytest.mark.filterwarnings("ignore:.*multi-threaded, use of fork:DeprecationWarning")
def test_a_store_made_before_a_fork_holds_keys_for_each_process_by_itself(redis: RedisServer) -> None:
    redis.ask("FLUSHALL")
    store, forks = RedisStore(redis.url), multiprocessing.get_context("fork")
    anyio.run(store.claim, "parent's", 60.0)
    child = forks.Process(target=anyio.run, args=(store.release, "parent's"))
    child.start()
    child.join(SECONDS)
    assert child.exitcode == 0
    assert anyio.run(store.claim, "parent's", 60.0) == ""


# Clients


@on_asyncio
@each
async def test_a_given_client_stays_open_and_is_used(redis: RedisServer) -> None:
    redis.ask("FLUSHALL")
    given = client(redis.url)
    store = RedisStore(given)
    await store.claim("a", 60)
    connection = await given.client_id()
    await store._clients.aclose()
    assert await given.client_id() == connection, "it would have connected again"
    assert await given.exists("geetest_asgi:a") == 1
    await given.aclose()


def test_each_event_loop_has_a_client_of_its_own_which_is_closed_with_it(redis: RedisServer) -> None:
    redis.ask("FLUSHALL")
    before = redis.clients()
    store = RedisStore(redis.url)
    answers = [anyio.run(store.claim, "a", 60.0) for _ in range(3)]
    assert answers == [None, "", ""]
    redis.wait_for_clients(before)


@on_asyncio
@each
async def test_a_flood_of_claims_opens_a_bounded_number_of_connections(redis: RedisServer) -> None:
    before = redis.clients()
    store = FailSafe(RedisStore(redis.url, prefix="flood:", timeout=2))
    async with anyio.create_task_group() as group:
        for number in range(1000):
            group.start_soon(store.claim, str(number), 60)
    assert redis.clients() - before <= 32


# Misfortunes


@on_asyncio
@each
async def test_a_redis_that_hangs_ends_a_claim_in_time(own_redis: RedisServer) -> None:
    store = RedisStore(own_redis.url, timeout=0.2)
    await store.claim("a", 60)
    own_redis.hang()
    try:
        start = time.monotonic()
        with pytest.raises(TimeoutError):
            await store.claim("b", 60)
        assert time.monotonic() - start < SECONDS
    finally:
        own_redis.go_on()


@on_asyncio
@each
async def test_answers_of_calls_that_were_given_up_go_to_nobody_else(own_redis: RedisServer) -> None:
    """A connection that is out of step would hand one visitor's answer to the next."""
    store = RedisStore(own_redis.url, timeout=2)
    for number in range(20):
        await store.claim(f"noted {number}", 60)
        await store.release(f"noted {number}", f"note {number}")
    answers: dict[int, str | None] = {}

    async def take(number: int) -> None:
        with anyio.move_on_after(0.001 * number):
            await store.claim(f"noted {number}", 60)
        for _ in range(20):
            try:
                answers[number] = await store.claim(f"noted {number}", 60)
                return
            except TimeoutError:  # a busy machine
                continue

    async with anyio.create_task_group() as group:
        for number in range(20):
            group.start_soon(take, number)
    assert {number: answer for number, answer in answers.items() if answer not in ("", f"note {number}")} == {}
    assert len(answers) == 20


@on_asyncio
@each
async def test_a_redis_that_was_restarted_is_found_again(own_redis: RedisServer) -> None:
    store = FailSafe(RedisStore(own_redis.url))
    assert await store.claim("before", 60) is None
    own_redis.kill()
    assert [await store.claim("amid", 60) for _ in range(2)] == [None, ""]
    assert store.failing
    own_redis.start()
    for number in range(SECONDS * 20):
        await store.claim(f"after {number}", 60)
        if not store.failing:
            break
        await anyio.sleep(0.05)
    assert not store.failing
    assert [await store.claim(each, 60) for each in ("before", "amid")] == ["", ""], "Redis has forgotten, and we not"


@on_asyncio
@each
async def test_a_redis_that_refuses_is_a_failure(own_redis: RedisServer) -> None:
    """Out of memory, read-only, a wrong password: whatever it says."""
    store = FailSafe(RedisStore(own_redis.url))
    own_redis.ask("CONFIG", "SET", "maxmemory", "1")
    assert [await store.claim("a", 60) for _ in range(2)] == [None, ""]
    assert store.failing


def test_a_redis_that_is_not_there_does_not_stop_the_app_from_being_built() -> None:
    pytest.importorskip("redis")
    assert RedisStore("redis://127.0.0.1:1/0")


@on_asyncio
@each
async def test_a_cluster_is_a_redis(tmp_path: Path) -> None:
    """One node that has all slots: it refuses a script that touches a key it was not told of."""
    cluster = pytest.importorskip("redis.asyncio.cluster")
    options = ["--cluster-enabled", "yes", "--cluster-port", str(free_port()), "--dir", str(tmp_path)]
    with redis_server(*options) as node:
        assert node.ask("CLUSTER", "ADDSLOTSRANGE", "0", "16383") == b"+OK\r\n"
        while b"cluster_state:ok" not in node.ask("CLUSTER", "INFO"):
            await anyio.sleep(0.05)
        store = RedisStore(lambda: cluster.RedisCluster.from_url(node.url))
        for key in ("a", "b", "c"):
            assert [await store.claim(key, 60) for _ in range(2)] == [None, ""]
        await store.release("a", "note")
        await store.release("b")
        assert [await store.claim(key, 60) for key in ("a", "b", "a")] == ["note", None, ""]
