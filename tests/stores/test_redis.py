"""RedisStore: what is refused, what is stored, whose client is closed, and a Redis that hangs or forgets."""

import asyncio
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import pytest
from commands import until

from geetest_asgi import ConfigError
from geetest_asgi.stores import FailSafe, RedisStore

from .support import SECONDS, RedisServer, running

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


def client(url: str, **options: Any) -> Any:
    library = pytest.importorskip("redis.asyncio")
    return library.Redis.from_url(url, **options)


# What is refused while the app is built


def test_a_client_that_would_block_the_loop_is_refused() -> None:
    for name, kind in (("redis", "Redis"), ("valkey", "Valkey")):
        library = pytest.importorskip(name)
        with pytest.raises(ConfigError, match=r"redis\.asyncio"), getattr(library, kind)() as blocking:
            RedisStore(blocking)


def test_what_is_no_client_or_no_prefix_is_refused() -> None:
    with pytest.raises(ConfigError, match="int"):
        RedisStore(5)
    with pytest.raises(ConfigError, match=r"RedisStore\(prefix=.*give a text"):
        RedisStore(lambda: None, prefix=b"shop:")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "url",
    [
        "redis://:hunter2@h:port/0",
        "redis+cluster://:hunter2@h/0",
        "redis://:hunter2@h/0?shop=1",
        "redis://:hunter2@h/shop",  # redis-py takes database 0 for it, which may be another site's
    ],
)
def test_a_url_that_cannot_be_read_is_refused_and_not_repeated(url: str) -> None:
    pytest.importorskip("redis")
    with pytest.raises(ConfigError, match="redis://:password@host:6379/0") as refused:
        RedisStore(url)
    assert "hunter2" not in str(refused.value) + repr(RedisStore("redis://:hunter2@h/0"))
    assert refused.value.__suppress_context__


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("redis://:hunter2@h", r"store='redis://…' needs another package: pip install 'geetest-asgi\[redis\]'$"),
        ("valkeys://:hunter2@h", "store='valkeys://…' needs another package: pip install 'valkey'$"),
    ],
)
def test_a_library_that_is_missing_is_named(url: str, said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("redis", "redis.asyncio", "valkey", "valkey.asyncio"):
        monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(ConfigError, match=said):
        RedisStore(url)


@pytest.mark.parametrize("anyio_backend", ["trio"])
async def test_on_trio_it_says_what_would_work() -> None:
    pytest.importorskip("redis")
    with pytest.raises(RuntimeError, match="use SQLiteStore on trio"):
        await RedisStore("redis://127.0.0.1:1/0").add("a", "", 60)


# What is stored


async def test_each_key_is_one_key_which_redis_forgets_by_itself(redis: RedisServer) -> None:
    redis.ask("FLUSHALL")
    store = RedisStore(redis.url, timeout=2, prefix="site:")
    await store.add("digest", "value", 1200)
    await store.add("digest", "another", 5000)
    assert redis.ask("KEYS", "*") == ["site:digest"]
    assert 1_100_000 < int(redis.ask("PTTL", "site:digest")[0]) <= 1_200_000
    await store.delete("digest")
    assert redis.ask("DBSIZE") == ["0"]
    for number in range(1, 4):
        assert await store.count("counter", 600 * number) == number
    assert redis.ask("KEYS", "*") == ["site:counter"]
    assert 500_000 < int(redis.ask("PTTL", "site:counter")[0]) <= 600_000


@asynccontextmanager
async def losing(command: bytes, server: int) -> AsyncIterator[tuple[int, list[bytes]]]:
    """A port that leads to the server's; the first answer to this command is lost: it hangs up instead."""
    lost: list[bytes] = []

    async def pass_on(questions: asyncio.StreamReader, back: asyncio.StreamWriter) -> None:
        answers, out = await asyncio.open_connection("127.0.0.1", server)
        while question := await questions.read(1 << 20):
            out.write(question)
            answer = await answers.read(1 << 20)
            if not lost and b"\r\n%b\r\n" % command in question:
                lost.append(command)
                break
            back.write(answer)
        out.close()
        back.close()

    async with await asyncio.start_server(pass_on, "127.0.0.1", 0) as listener:
        yield listener.sockets[0].getsockname()[1], lost


VERBS: dict[str, tuple[str, tuple[Any, ...], Any]] = {
    # the command; what is asked when the value "kept" is there, but for "add"; what comes of it, its answer lost or not
    "add": ("SET", ("a", "value", 60), (True, False)),
    "pop": ("GETDEL", ("a",), ("kept", None)),
    "delete": ("DEL", ("a",), (None,)),
    "count": ("EVAL", ("n", 60), (1, 2)),
}


@pytest.mark.parametrize("verb", VERBS)
async def test_a_command_whose_answer_was_lost_and_that_is_sent_again(verb: str, redis: RedisServer) -> None:
    """It errs on the strict side: a fresh token may look spent, and no value is popped twice."""
    command, arguments, expected = VERBS[verb]
    redis.ask("FLUSHALL")
    async with losing(command.encode(), redis.port) as (port, lost):
        direct = RedisStore(redis.url, timeout=2)
        store = RedisStore(f"redis://127.0.0.1:{port}", timeout=2)
        if verb != "add":
            await direct.add("a", "kept", 60)
        answer = await getattr(store, verb)(*arguments)
        assert lost == [command.encode()], "the answer was lost, and the command sent again"
        assert answer == expected[-1]
        if verb != "count":
            assert await direct.pop("a") == ("value" if verb == "add" else None)
        await store.aclose()
        await direct.aclose()


# Clients


async def test_a_given_client_stays_open_and_is_used(redis: RedisServer) -> None:
    redis.ask("FLUSHALL")
    given = client(redis.url)
    store = RedisStore(given)
    await store.add("a", "", 60)
    connection = await given.client_id()
    await store.aclose()
    assert await given.client_id() == connection, "it would have connected again"
    assert await given.exists("geetest_asgi:a") == 1
    await given.aclose()


def test_each_event_loop_has_a_client_of_its_own_which_is_closed_with_it(redis: RedisServer) -> None:
    redis.ask("FLUSHALL")
    before = redis.clients()
    store = RedisStore(redis.url, timeout=2)
    answers = [anyio.run(store.add, "a", "", 60.0) for _ in range(3)]
    assert answers == [True, False, False]
    until(lambda: redis.clients() == before)


async def test_a_closed_store_has_no_connection_until_its_next_call(redis: RedisServer) -> None:
    before = redis.clients()
    store = RedisStore(redis.url, timeout=2, prefix="closed:")
    await store.add("a", "", 60)
    await store.aclose()
    until(lambda: redis.clients() == before)
    assert await store.add("a", "", 60) is False


async def test_a_flood_of_calls_opens_a_bounded_number_of_connections(redis: RedisServer) -> None:
    before = redis.clients()
    store = FailSafe(RedisStore(redis.url, timeout=2, prefix="flood:"))
    async with anyio.create_task_group() as group:
        for number in range(200):
            group.start_soon(store.add, str(number), "", 60)
    assert redis.clients() - before <= 32


# Misfortunes


async def test_a_redis_that_hangs_ends_a_call_in_time(own_redis: RedisServer) -> None:
    store = RedisStore(own_redis.url, timeout=0.2)
    await store.add("a", "", 60)
    own_redis.hang()
    try:
        start = time.monotonic()
        with pytest.raises(TimeoutError):
            await store.add("b", "", 60)
        assert time.monotonic() - start < SECONDS
    finally:
        own_redis.go_on()


async def test_answers_of_calls_that_were_given_up_go_to_nobody_else(own_redis: RedisServer) -> None:
    """A connection that is out of step would hand one client's verdict to the next."""
    store = RedisStore(own_redis.url, timeout=2)
    for number in range(20):
        await store.add(f"kept {number}", f"verdict {number}", 60)
    answers: dict[int, str | None] = {}

    async def take(number: int) -> None:
        with anyio.move_on_after(0.001 * number):
            await store.pop(f"kept {number}")
        for _ in range(20):
            try:
                answers[number] = await store.pop(f"kept {number}")
                return
            except TimeoutError:  # a busy machine
                continue

    async with anyio.create_task_group() as group:
        for number in range(20):
            group.start_soon(take, number)
    assert {number: answer for number, answer in answers.items() if answer not in (None, f"verdict {number}")} == {}
    assert len(answers) == 20


async def test_a_redis_that_was_restarted_is_found_again(own_redis: RedisServer) -> None:
    store = FailSafe(RedisStore(own_redis.url))
    assert await store.add("before", "", 60)
    own_redis.kill()
    assert [await store.add("amid", "", 60) for _ in range(2)] == [True, False]
    assert store.failing
    own_redis.start()
    for number in range(SECONDS * 20):
        await store.add(f"after {number}", "", 60)
        if not store.failing:
            break
        await anyio.sleep(0.05)
    assert not store.failing
    assert [await store.add(each, "", 60) for each in ("before", "amid")] == [False, False], (
        "Redis has forgotten, and we not"
    )


async def test_a_master_that_becomes_a_replica_is_left_for_the_one_that_its_name_leads_to_now(tmp_path: Path) -> None:
    """After a planned failover the old connections stay open, and each command on them is refused."""
    name = tmp_path / "name"
    with running("--unixsocket", f"{tmp_path}/old") as old, running("--unixsocket", f"{tmp_path}/new") as new:
        name.symlink_to("old")
        store = RedisStore(f"unix://{name}", timeout=2)
        assert await store.add("before", "", 60)
        old.ask("REPLICAOF", "127.0.0.1", str(new.port))
        name.unlink()
        name.symlink_to("new")
        assert await store.add("after", "", 60)
        assert new.ask("KEYS", "*") == ["geetest_asgi:after"]
        await store.aclose()


async def test_a_redis_that_refuses_is_a_failure(own_redis: RedisServer) -> None:
    """Out of memory, read-only, a wrong password: whatever it says."""
    store = FailSafe(RedisStore(own_redis.url))
    own_redis.ask("CONFIG", "SET", "maxmemory", "1")
    assert [await store.add("a", "", 60) for _ in range(2)] == [True, False]
    assert store.failing


async def test_different_prefixes_share_nothing(redis: RedisServer) -> None:
    redis.ask("FLUSHALL")
    stores = [RedisStore(redis.url, timeout=2, prefix=prefix) for prefix in ("one:", "two:")]
    assert [await store.add("a", "", 60) for store in stores * 2] == [True, True, False, False]
