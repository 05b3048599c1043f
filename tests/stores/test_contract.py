"""What every store promises: memory, SQLite, Redis through two clients, and each of them made fail-safe."""

import secrets
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any

import anyio
import pytest

from geetest_asgi import ConfigError
from geetest_asgi.stores import FailSafe, MemoryStore, RedisStore, SQLiteStore, Store

from .support import RedisServer, needs_redis

each_backend = pytest.mark.anyio
prefix = f"{secrets.token_hex(4)}:"
Make = Callable[[], Store]


def _given_client(module: str, name: str, url: str, **options: Any) -> Make:
    library = pytest.importorskip(module)
    return lambda: RedisStore(lambda: getattr(library, name).from_url(url, **options), prefix=prefix)


ASYNCIO: dict[str, Callable[[str], Make]] = {
    "redis": lambda url: lambda: RedisStore(url, prefix=prefix),
    "redis, as text": lambda url: _given_client("redis.asyncio", "Redis", url, decode_responses=True),
    "redis, protocol 3": lambda url: _given_client("redis.asyncio", "Redis", url, protocol=3),
    "valkey": lambda url: _given_client("valkey.asyncio", "Valkey", url.replace("redis:", "valkey:")),
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
        return lambda: SQLiteStore(tmp_path / "spent.db")
    needs_redis()
    server: RedisServer = request.getfixturevalue("redis")
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


@pytest.fixture
def processes(two: tuple[Store, Store]) -> tuple[Store, Store]:
    """The same, as two processes have them."""
    return FailSafe(two[0]), FailSafe(two[1])


@each_backend
async def test_a_key_is_claimed_once(store: Store) -> None:
    assert [await store.claim(key, 60) for key in ("a", "a", "b", "a")] == [None, "", None, ""]


@each_backend
async def test_a_key_that_is_given_back_is_free(store: Store) -> None:
    await store.claim("a", 60)
    await store.release("a")
    assert [await store.claim("a", 60), await store.claim("a", 60)] == [None, ""]
    await store.release("never claimed")


@each_backend
@pytest.mark.parametrize("note", ["a note", '["passed", "", "", {"scene": "\\ud800"}]', "x" * 8000, "'; \"\\|"])
async def test_a_note_is_handed_out_once(store: Store, note: str) -> None:
    await store.claim("a", 60)
    await store.release("a", note)
    assert [await store.claim("a", 60) for _ in range(3)] == [note, "", ""]


@each_backend
async def test_a_note_may_be_left_again_and_replaced(store: Store) -> None:
    await store.claim("a", 60)
    await store.release("a", "one")
    await store.release("a", "two")
    assert await store.claim("a", 60) == "two"
    await store.release("a", "three")
    await store.release("a")
    assert await store.claim("a", 60) is None


@each_backend
async def test_no_note_is_left_for_a_key_that_nobody_holds(store: Store) -> None:
    await store.release("a", "forged")
    assert await store.claim("a", 60) is None


@each_backend
async def test_a_key_ends(store: Store) -> None:
    await store.claim("soon", 0.05)
    await store.claim("late", 600)
    await anyio.sleep(0.2)
    assert await store.claim("soon", 600) is None
    assert [await store.claim(each, 60) for each in ("soon", "late")] == ["", ""]


@each_backend
async def test_a_note_and_a_claim_in_vain_do_not_make_a_key_last_longer(store: Store) -> None:
    await store.claim("a", 0.3)
    await store.release("a", "note")
    assert await store.claim("a", 600) == "note"
    assert await store.claim("a", 600) == ""
    await anyio.sleep(0.5)
    assert await store.claim("a", 60) is None


async def at_once(claims: Sequence[Callable[[], Awaitable[str | None]]]) -> list[str | None]:
    answers: list[str | None] = []

    async def one(claim: Callable[[], Awaitable[str | None]]) -> None:
        answers.append(await claim())

    async with anyio.create_task_group() as group:
        for each in claims:
            group.start_soon(one, each)
    return answers


@each_backend
async def test_of_many_tasks_one_gets_the_key_and_one_the_note(store: Store) -> None:
    first = await at_once([lambda: store.claim("a", 60)] * 30)
    assert sorted(map(str, first)) == [""] * 29 + ["None"]
    await store.release("a", "note")
    assert sorted(map(str, await at_once([lambda: store.claim("a", 60)] * 30))) == [""] * 29 + ["note"]


# Between two processes: each has a FailSafe and its own connection


@each_backend
async def test_what_one_has_claimed_the_other_knows(processes: tuple[Store, Store]) -> None:
    ours, theirs = processes
    assert await ours.claim("a", 60) is None
    assert [await theirs.claim("a", 60) for _ in range(2)] == ["", ""]
    await ours.release("a")
    assert await theirs.claim("a", 60) is None, "a replay that was refused here did not make it spent here for good"
    assert await ours.claim("a", 60) == ""


@each_backend
async def test_of_two_one_gets_the_key_and_one_the_note(processes: tuple[Store, Store]) -> None:
    claims = [lambda: processes[0].claim("a", 60), lambda: processes[1].claim("a", 60)] * 15
    answers = await at_once(claims)
    assert sorted(map(str, answers)) == [""] * 29 + ["None"]
    for each in processes:  # whoever it was
        await each.release("a", "note")
    assert sorted(map(str, await at_once(claims))) == [""] * 29 + ["note"]


@each_backend
async def test_a_note_is_found_where_the_redirect_lands(processes: tuple[Store, Store]) -> None:
    ours, theirs = processes
    await ours.claim("a", 60)
    assert await theirs.claim("a", 60) == ""
    await ours.release("a", "note")
    assert await theirs.claim("a", 60) == "note"
    assert [await each.claim("a", 60) for each in (ours, theirs, ours)] == ["", "", ""]


@each_backend
async def test_nobody_gives_back_what_another_holds(two: tuple[Store, Store]) -> None:
    """The claim of a process that was thought dead may have passed to another: its late release must not free it."""
    ours, theirs = two
    await ours.claim("a", 60)
    await theirs.release("a")
    await theirs.release("a", "forged")
    assert await theirs.claim("a", 60) == ""
    await ours.release("a", "note")
    assert await theirs.claim("a", 60) == "note"
    await ours.release("a")
    assert await ours.claim("a", 60) == ""


@pytest.mark.parametrize("timeout", [0, -1, 2.5, 60])
def test_a_timeout_that_visitors_would_feel_is_refused(timeout: float, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=f"timeout={timeout}"):
        SQLiteStore(tmp_path / "x.db", timeout=timeout)
    with pytest.raises(ConfigError, match=f"timeout={timeout}"):
        RedisStore(lambda: None, timeout=timeout)
