"""What every store promises: memory, SQLite, Redis through two clients, and each of them made fail-safe."""

import multiprocessing
import secrets
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import anyio
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from geetest_asgi import ConfigError, stores
from geetest_asgi.stores import FailSafe, MemoryStore, RedisStore, SQLiteStore, Store

from .machine import KEYS, TEXTS
from .support import SECONDS, RedisServer, in_a_child

pytestmark = pytest.mark.anyio
prefix = f"{secrets.token_hex(4)}:"
Make = Callable[[], Store]


def _given_client(module: str, name: str, url: str, **options: Any) -> Make:
    library = pytest.importorskip(module)
    return lambda: RedisStore(lambda: getattr(library, name).from_url(url, **options), prefix=prefix, timeout=TIMEOUT)


def _valkey(url: str) -> Make:
    pytest.importorskip("valkey")
    return lambda: RedisStore(url.replace("redis:", "valkey:"), prefix=prefix, timeout=TIMEOUT)


TIMEOUT = 2.0
"""The longest that a store may have: a busy machine is no failing store."""

ASYNCIO: dict[str, Callable[[str], Make]] = {
    "redis": lambda url: lambda: RedisStore(url, prefix=prefix, timeout=TIMEOUT),
    "redis, as text": lambda url: _given_client("redis.asyncio", "Redis", url, decode_responses=True),
    "redis, protocol 3": lambda url: _given_client("redis.asyncio", "Redis", url, protocol=3),
    "valkey-py, on Redis": lambda url: _valkey(url),
    "valkey, on Redis": lambda url: _given_client("valkey.asyncio", "Valkey", url.replace("redis:", "valkey:")),
    "valkey": lambda url: _valkey(url),
}


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Every kind of store on the event loops that it runs on; those that share nothing where nothing is shared."""
    if "case" in metafunc.fixturenames:
        alone = [] if "two" in metafunc.fixturenames else ["memory"]
        anywhere = [(backend, kind) for backend in ("asyncio", "trio") for kind in (*alone, "sqlite")]
        metafunc.parametrize("case", [*anywhere, *(("asyncio", kind) for kind in ASYNCIO)], ids=" ".join)


@pytest.fixture
def anyio_backend(case: tuple[str, str]) -> str:
    return case[0]


@pytest.fixture
def make(request: pytest.FixtureRequest, tmp_path: Path, case: tuple[str, str]) -> Make:
    """A function that makes stores which share their keys, but for those in memory."""
    _, kind = case
    if kind == "memory":
        return MemoryStore
    if kind == "sqlite":
        return lambda: SQLiteStore(tmp_path / "spent.db", timeout=TIMEOUT)
    server: RedisServer = request.getfixturevalue("valkey" if kind == "valkey" else "redis")
    server.ask("FLUSHALL")
    return ASYNCIO[kind](server.url)


@pytest.fixture(params=["plain", "fail-safe"])
def store(request: pytest.FixtureRequest, make: Make) -> Store:
    store = make()
    return store if request.param == "plain" else FailSafe(store)


@pytest.fixture
def two(make: Make) -> tuple[Store, Store]:
    """Two stores that share their keys."""
    return make(), make()


async def test_a_key_ends(store: Store) -> None:
    await store.add("soon", "first", 0.05)
    await store.add("late", "", 600)
    await anyio.sleep(0.2)
    assert await store.pop("soon") is None
    assert await store.add("soon", "second", 600)
    assert [await store.add(each, "", 60) for each in ("soon", "late")] == [False, False]
    assert await store.pop("soon") == "second"


async def test_an_add_in_vain_changes_nothing(store: Store) -> None:
    assert [await store.add("a", value, 600) for value in ("first", "second")] == [True, False]
    assert await store.pop("a") == "first"


async def test_a_counter_counts_until_it_ends(store: Store) -> None:
    assert await store.count("n soon", 0.4) == 1
    assert await store.count("n soon", 600) >= 1, "2, but on a machine that stood still"
    await anyio.sleep(0.6)
    assert await store.count("n soon", 600) == 1, "it ends after its first count, however often it was counted"


async def at_once(stores: Sequence[Store], verb: str, *arguments: Any) -> list[Any]:
    """The answers to thirty calls, made to these stores in turn."""
    answers: list[Any] = []

    async def one(store: Store) -> None:
        answers.append(await getattr(store, verb)(*arguments))

    async with anyio.create_task_group() as group:
        for _ in range(30 // len(stores)):
            for each in stores:
                group.start_soon(one, each)
    return sorted(answers, key=str)


async def race(*stores: Store) -> None:
    """Of many tasks one adds, one pops, and each counts."""
    assert await at_once(stores, "add", "a", "value", 60) == [False] * 29 + [True]
    assert await at_once(stores, "pop", "a") == [None] * 29 + ["value"]
    assert {*await at_once(stores, "count", "n", 60)} == {*range(1, 31)}


async def test_of_many_tasks_one_adds_one_pops_and_each_counts(store: Store) -> None:
    await race(store)


async def test_of_two_processes_one_adds_one_pops_and_each_counts(two: tuple[Store, Store]) -> None:
    await race(*map(FailSafe, two))


@pytest.mark.filterwarnings("ignore:.*multi-threaded, use of fork:DeprecationWarning")
@pytest.mark.parametrize("used", [False, True])
def test_a_store_made_before_a_fork_works_on_both_sides_of_it(two: tuple[Store, Store], used: bool) -> None:
    """As gunicorn's --preload has it; and a connection that is open by then is not the child's to touch."""
    store, forks = two[0], multiprocessing.get_context("fork")
    told = forks.SimpleQueue()
    if used:
        anyio.run(store.add, "parent's", "", 60.0)
    children = [forks.Process(target=in_a_child, args=(store, told)) for _ in range(3)]
    for child in children:
        child.start()
    for child in children:
        child.join(SECONDS)
        assert child.exitcode == 0
    answers = [told.get() for _ in children]
    assert any(child for _, child in answers)
    assert [parent for parent, _ in answers].count(True) == (0 if used else 1)
    assert not anyio.run(store.add, "parent's", "", 60.0), "what one side has added the other knows"


COUNTERS = KEYS.map("n {}".format)
CALLS = st.lists(
    st.tuples(st.just("add"), KEYS, TEXTS, st.just(600.0))
    | st.tuples(st.sampled_from(["pop", "delete"]), KEYS)
    | st.tuples(st.just("count"), COUNTERS, st.just(600.0)),
    max_size=30,
)


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(calls=CALLS)
async def test_any_sequence_of_calls_does_what_it_does_in_memory(store: Store, calls: list[tuple[Any, ...]]) -> None:
    """Each run has keys of its own: one store serves all examples."""
    memory, run = MemoryStore(), secrets.token_hex(8)
    for verb, key, *more in calls:
        answers = [await getattr(each, verb)(f"{run} {key}", *more) for each in (memory, store)]
        assert answers[0] == answers[1], (verb, key)


@pytest.mark.parametrize("size", [0, -1, True, 2.0])
def test_a_store_that_keeps_nothing_is_refused(size: Any, tmp_path: Path) -> None:
    """Else every token could be spent again and again, or the first add would fail."""
    kinds: dict[str, Callable[..., Store]] = {
        "MemoryStore": MemoryStore,
        "SQLiteStore": partial(SQLiteStore, tmp_path / "x.db"),
    }
    for kind, make in kinds.items():
        with pytest.raises(ConfigError, match=rf"^{kind}\(size={size}\)"):
            make(size=size)
        make(size=1)


@pytest.mark.parametrize("timeout", [0, -1, 2.5, 60, True])
def test_a_timeout_that_visitors_would_feel_is_refused(timeout: float, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=rf"^SQLiteStore\(timeout={timeout}\)"):
        SQLiteStore(tmp_path / "x.db", timeout=timeout)
    with pytest.raises(ConfigError, match=rf"^RedisStore\(timeout={timeout}\)"):
        RedisStore(lambda: None, timeout=timeout)


def test_a_store_is_an_attribute_and_what_there_is_not_is_none() -> None:
    assert [getattr(stores, name).__name__ for name in stores.__all__] == stores.__all__
    with pytest.raises(AttributeError, match="no attribute 'EtcdStore'"):
        _ = stores.EtcdStore
