"""The SQLite file: what is refused while the app is built; bounds, clock, forks, threads; and its misfortunes."""

import multiprocessing
import os
import sqlite3
import stat
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import anyio
import pytest
from anyio import to_thread
from clocks import Clock
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import initialize, invariant
from threads import in_threads

from geetest_asgi import ConfigError
from geetest_asgi.stores import FailSafe, MemoryStore, SQLiteStore
from geetest_asgi.stores.sqlite_file import StoreFile

from .machine import StoreMachine
from .support import SECONDS, in_a_child

pytestmark = pytest.mark.anyio


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "spent.db"


def rows(path: Path, table: str = "entries") -> int:
    with sqlite3.connect(path) as file:
        count = "SELECT count(*) FROM {}"
        numbers: dict[str, int] = {
            name: file.execute(count.format(name)).fetchone()[0] for name in ("entries", "counters")
        }
        assert dict(file.execute("SELECT name, rows FROM sizes")) == numbers
        assert file.execute("PRAGMA integrity_check").fetchone()[0] == "ok"
    file.close()
    return numbers[table]


# While the app is built


def test_the_file_is_its_owners_alone(path: Path) -> None:
    before = os.umask(0)
    try:
        store = SQLiteStore(path)
        anyio.run(store.add, "a", "", 60.0)
        files = sorted(path.parent.iterdir())
        assert [each.name for each in files] == ["spent.db", "spent.db-shm", "spent.db-wal"]
        assert [stat.S_IMODE(each.stat().st_mode) for each in files] == [0o600] * 3
    finally:
        os.umask(before)


def _another_programs(path: Path) -> Path:
    with sqlite3.connect(path) as file:
        file.execute("CREATE TABLE users (name TEXT)")
    file.close()
    return path


def _no_database(path: Path) -> Path:
    path.write_bytes(b"GEETEST_CAPTCHA_KEY=\n" * 400)
    return path


WRONG: dict[str, tuple[Callable[[Path], Any], str]] = {
    "no such directory": (lambda path: path / "nowhere" / "spent.db", "nowhere"),
    "another program's": (_another_programs, "another program's database"),
    "no database": (_no_database, "not a database"),
    "memory": (lambda path: ":memory:", "MemoryStore"),
    "a URI": (lambda path: f"file:{path}", "give the path of a file"),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_cannot_be_such_a_file_is_refused_while_the_app_is_built(name: str, path: Path) -> None:
    make, said = WRONG[name]
    with pytest.raises(ConfigError, match=said):
        SQLiteStore(make(path))


def test_a_file_of_an_earlier_release_is_emptied_and_used(path: Path) -> None:
    anyio.run(SQLiteStore(path).add, "a", "", 60.0)
    with sqlite3.connect(path) as old:
        old.execute("PRAGMA user_version = 0")
        old.execute("CREATE INDEX more ON entries (value)")
    old.close()
    assert anyio.run(SQLiteStore(path).add, "a", "", 60.0), "forgotten: GeeTest knows"
    assert rows(path) == 1
    assert not anyio.run(SQLiteStore(path).add, "a", "", 60.0), "emptied once, not at each start"


def test_a_file_of_a_newer_release_is_refused_and_left_as_it_is(path: Path) -> None:
    SQLiteStore(path).close()
    with sqlite3.connect(path) as file:
        file.execute("PRAGMA user_version = 99")
    file.close()
    before = path.read_bytes()
    with pytest.raises(ConfigError, match=r"newer release .* delete it") as refused:
        SQLiteStore(path)
    assert path.read_bytes() == before
    assert list(path.parent.iterdir()) == [path], f"the connection is closed, though {refused.value} is still here"


def test_a_file_whose_log_processes_cannot_share_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As on NFS. SQLite calls a database in memory by the name of a file, and gives it no such log either."""
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError, match="cannot share memory between processes"):
        StoreFile(":memory:", 1.0).try_out()


@pytest.mark.parametrize("begin", ["BEGIN IMMEDIATE", "BEGIN EXCLUSIVE"])
def test_a_start_waits_for_others_that_start(path: Path, begin: str) -> None:
    """A worker that makes the file locks it; what SQLite says to the others at once is no reason not to start."""
    path.touch()
    other = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    other.execute(begin)
    later = threading.Timer(0.3, lambda: other.execute("ROLLBACK"))
    later.start()
    assert anyio.run(SQLiteStore(path).add, "a", "", 60.0)
    later.join()
    other.close()


# Bounds


async def test_what_has_ended_is_free_at_once_and_removed_some_with_each_call(path: Path) -> None:
    clock = Clock()
    store = SQLiteStore(path, clock=clock)
    for number in range(200):
        await store.add(str(number), "", 60)
    clock.now += 60
    assert await store.pop("198") is None, "at the moment at which it ends"
    left = []
    for key in ("199", "new 1", "new 2", "new 3", "new 4"):
        assert [await store.add(key, "", 60) for _ in range(2)] == [True, False]
        left.append(rows(path))
    assert left == [71, 2, 3, 4, 5], "64 with each call"


async def test_a_file_that_is_too_long_shrinks_in_steps(path: Path) -> None:
    large = SQLiteStore(path)
    for number in range(200):
        await large.add(str(number), "", 60)
    small, left = SQLiteStore(path, size=10), []
    for number in range(4):
        await small.add(f"new {number}", "", 60)
        left.append(rows(path))
    assert left == [137, 74, 11, 10]


def test_the_log_is_bounded_and_a_reader_that_stays_stops_nobody(path: Path) -> None:
    """Another program may read the file for long: a backup, a shell. The log grows meanwhile, and shrinks after it."""
    store, log, mib = SQLiteStore(path), path.with_name("spent.db-wal"), 1024 * 1024

    async def add(first: int, number: int) -> int:
        longest = 0
        for each in range(first, first + number):
            assert await store.add(str(each), "x" * 100_000, 600)
            longest = max(longest, log.stat().st_size)
        return longest

    assert 2 * mib < anyio.run(add, 0, 60) < 5 * mib
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN")
    other.execute("SELECT * FROM entries").fetchone()
    assert anyio.run(add, 60, 60) > 5 * mib
    other.close()
    anyio.run(add, 120, 60)
    assert log.stat().st_size < 5 * mib
    assert anyio.run(add, 180, 60) < 5 * mib, "as before"
    assert rows(path) == 240


def test_a_checkpoint_waits_for_readers_briefly_and_is_not_tried_again_by_the_next_call(path: Path) -> None:
    file, said = StoreFile(str(path), 1.5), list[str]()
    wanted = {"synchronous": 1, "wal_autocheckpoint": 0, "busy_timeout": 1500}  # 1: no call waits for the disk
    with file.transaction() as connection:
        assert {name: connection.execute(f"PRAGMA {name}").fetchone()[0] for name in wanted} == wanted
        assert connection.isolation_level is None, "no transaction begins by itself"
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN")
    other.execute("SELECT * FROM entries").fetchall()
    for size in (5 * 1024 * 1024, 1):
        with file.transaction() as connection:
            connection.set_trace_callback(said.append)
            connection.execute("INSERT INTO entries (key, ends, value) VALUES (?, 9e9, zeroblob(?))", (size, size))
    other.close()
    file.close()
    pragmas = ["busy_timeout = 100", "wal_checkpoint(TRUNCATE)", "busy_timeout = 1500"]
    assert [each for each in said if "PRAGMA" in each] == [f"PRAGMA {each}" for each in pragmas]


class AsMemoryDoes(StoreMachine):
    """The file does what MemoryStore does."""

    @initialize(size=st.integers(1, 5))
    def make(self, size: int) -> None:
        self.directory = TemporaryDirectory()
        self.clock = Clock()
        self.path = Path(self.directory.name) / "spent.db"
        self.size = size
        self.model = MemoryStore(size, clock=self.clock)
        self.store = SQLiteStore(self.path, size=size, clock=self.clock)

    @invariant()
    def is_bounded(self) -> None:
        if hasattr(self, "path"):
            assert max(rows(self.path), rows(self.path, "counters")) <= self.size

    def teardown(self) -> None:
        if hasattr(self, "directory"):
            del self.store
            self.directory.cleanup()


TestAsMemoryDoes = AsMemoryDoes.TestCase
TestAsMemoryDoes.settings = settings(max_examples=15, stateful_step_count=20)


# Threads, loops, forks


def test_of_many_event_loops_on_threads_one_gets_the_key(path: Path) -> None:
    store, backends = SQLiteStore(path), iter(("asyncio", "trio") * 4)
    answers = in_threads(*[lambda: anyio.run(store.add, "a", "", 60.0, backend=next(backends))] * 8)
    assert sorted(answers) == [False] * 7 + [True]


async def test_neither_the_loop_nor_the_apps_threads_wait_for_the_file(path: Path) -> None:
    store = SQLiteStore(path)
    await store.add("a", "", 60)
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    threads = threading.active_count()
    answers: list[bool] = []

    async def add(key: str) -> None:
        answers.append(await store.add(key, "", 60))

    async with anyio.create_task_group() as group:
        for number in range(50):  # more than the app has threads
            group.start_soon(add, str(number))
        with anyio.fail_after(SECONDS):
            for _ in range(3):
                await anyio.sleep(0.02)
                assert await to_thread.run_sync(lambda: 7) == 7
        assert threading.active_count() <= threads + 2, "one for the store, one for the app"
        assert answers == []
        other.execute("ROLLBACK")
    other.close()
    assert answers == [True] * 50


async def test_a_cancelled_call_does_not_wait_for_its_thread(path: Path) -> None:
    begun, go_on, ended = threading.Event(), threading.Event(), threading.Event()

    def clock() -> float:
        begun.set()
        go_on.wait(SECONDS)
        ended.set()
        return 6000.0

    store = SQLiteStore(path, clock=clock)
    async with anyio.create_task_group() as group:
        group.start_soon(store.add, "a", "", 60)
        while not begun.is_set():
            await anyio.sleep(0.01)
        group.cancel_scope.cancel()
    assert not ended.is_set()
    go_on.set()
    assert await store.add("b", "", 60)
    assert rows(path) == 2, "it was added all the same"


@pytest.mark.filterwarnings("ignore:.*multi-threaded, use of fork:DeprecationWarning")
def test_a_fork_amid_a_call_does_not_lock_the_child(path: Path) -> None:
    """The child has a copy of the lock that its parent's thread holds, and nobody who gives it back."""
    forks, parent = multiprocessing.get_context("fork"), os.getpid()
    begun, go_on = threading.Event(), threading.Event()

    def clock() -> float:
        if os.getpid() == parent:
            begun.set()
            go_on.wait(SECONDS)
        return 6000.0

    store, told = SQLiteStore(path, clock=clock), forks.SimpleQueue()
    call = threading.Thread(target=lambda: anyio.run(store.add, "parent's", "", 60.0))
    call.start()
    begun.wait(SECONDS)
    child = forks.Process(target=in_a_child, args=(FailSafe(store), told), daemon=True)
    child.start()
    go_on.set()
    call.join()
    child.join(SECONDS)
    assert child.exitcode == 0
    assert rows(path) == 1, "the child has popped its own"


INTRUDER = """
import sqlite3, sys
file = sqlite3.connect(sys.argv[1], timeout=0, isolation_level=None)
print("ready", flush=True)
told = "told"
while sys.stdin.readline():
    while True:
        try:
            file.execute("BEGIN IMMEDIATE")
            break
        except sqlite3.OperationalError:
            if told:
                print(told, flush=True)
                told = ""
    print(file.execute("SELECT count(*) FROM entries").fetchone()[0], flush=True)
    file.execute("ROLLBACK")
"""
"""A process that is told to come in, and does so in the first moment in which the file is not locked."""


def test_no_other_process_comes_between_the_reading_of_a_value_and_its_removal(path: Path) -> None:
    intruders: list[subprocess.Popen[str]] = []

    def clock() -> float:  # is read within the transaction
        for each in intruders:
            assert each.stdin is not None
            assert each.stdout is not None
            print("come", file=each.stdin, flush=True)
            assert each.stdout.readline() == "told\n", "it tries"
        return 0.0

    store, pipe = SQLiteStore(path, clock=clock), subprocess.PIPE
    anyio.run(store.add, "a", "value", 60.0)
    with subprocess.Popen([sys.executable, "-c", INTRUDER, str(path)], stdin=pipe, stdout=pipe, text=True) as intruder:
        assert intruder.stdout is not None
        assert intruder.stdout.readline() == "ready\n"
        intruders.append(intruder)
        assert anyio.run(store.pop, "a") == "value"
        assert intruder.communicate(timeout=SECONDS)[0] == "0\n"


# Misfortunes: the store raises, what stands before it goes on, and it comes back by itself


async def _comes_back(store: FailSafe, clock: Clock) -> None:
    """One call may find that it fails; the next one after its pause finds it well."""
    for each in ("fails", "is back"):
        await store.add(each, "", 60)
        clock.now += 60
    assert not store.failing


async def test_a_file_that_is_locked_for_long_fails_and_comes_back(path: Path) -> None:
    plain, clock = SQLiteStore(path, timeout=0.1), Clock()
    store = FailSafe(plain, clock=clock)
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(sqlite3.OperationalError, match="locked"):
        await plain.add("plain", "", 60)
    assert [await store.add("a", "", 60) for _ in range(2)] == [True, False]
    assert store.failing
    other.close()
    clock.now += 60
    await _comes_back(store, clock)
    assert not await store.add("a", "", 60), "the store never knew, but we do"


@pytest.mark.parametrize("replaced", [False, True])
async def test_a_file_that_is_deleted_fails_once_and_is_made_anew(path: Path, replaced: bool) -> None:
    clock = Clock()
    store, other = (FailSafe(SQLiteStore(path), clock=clock) for _ in range(2))
    assert [await store.add("a", "", 60), await other.add("b", "", 60)] == [True, True]
    for each in path.parent.iterdir():
        each.unlink()
    new = SQLiteStore(path) if replaced else None
    if new is not None:
        assert await new.add("c", "", 60)
    assert not await store.add("a", "", 60)
    assert await store.add("b", "", 60), "forgotten"
    assert store.failing
    clock.now += 60
    await _comes_back(store, clock)
    await _comes_back(other, clock)
    assert await store.add("d", "", 60)
    assert not await other.add("d", "", 60), "both have the new file"
    log = path.with_name("spent.db-wal")
    assert log.exists(), "closing the old file must not delete the new one's log, which has its name"
    assert rows(path) > 0


FULL = """
import resource, sys, anyio
from geetest_asgi.stores import FailSafe, SQLiteStore

async def main():
    store, number = FailSafe(SQLiteStore(sys.argv[1])), 0
    resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, resource.RLIM_INFINITY))
    while not store.failing:
        assert await store.add(str(number), "", 60)
        number += 1
    assert [await store.add(each, "", 60) for each in ("0", "late", "late")] == [False, True, False]
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    while store.failing:
        await anyio.sleep(0.05)
        number += 1
        await store.add(str(number), "", 60)
    print("full and well again")

anyio.run(main)
"""


def test_a_file_that_cannot_grow_fails_and_comes_back(path: Path) -> None:
    command = [sys.executable, "-W", "error", "-c", FULL, str(path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS)
    assert done.stdout == "full and well again\n", done.stderr
    assert rows(path) > 0


async def test_a_closed_store_opens_at_its_next_call(path: Path) -> None:
    store = SQLiteStore(path)
    await store.add("a", "", 60)
    for _ in range(2):
        store.close()
        assert [each.name for each in path.parent.iterdir()] == ["spent.db"]
    assert await store.add("a", "", 60) is False


def test_another_programs_file_is_left_as_it_is(path: Path) -> None:
    before = _another_programs(path).read_bytes()
    with pytest.raises(ConfigError):
        SQLiteStore(path)
    assert path.read_bytes() == before


async def test_an_error_amid_a_call_does_not_spoil_the_next_one(path: Path) -> None:
    store = SQLiteStore(path)
    await store.add("a", "", 60)
    other = sqlite3.connect(path)
    other.execute("DROP TABLE entries")
    other.close()
    with pytest.raises(sqlite3.OperationalError, match="no such table"):
        await store.add("a", "", 60)
    assert [await store.add("a", "", 60) for _ in range(2)] == [True, False]


def test_a_relative_path_stays_where_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    store = SQLiteStore("spent.db")
    monkeypatch.chdir("/")
    anyio.run(store.add, "a", "", 60.0)
    assert rows(tmp_path / "spent.db") == 1


async def test_a_lock_that_stays_while_the_file_is_opened_is_a_failure(path: Path) -> None:
    store = SQLiteStore(path, timeout=0.1)
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("PRAGMA journal_mode = DELETE")
    other.execute("BEGIN")
    other.execute("SELECT * FROM entries").fetchall()
    with pytest.raises(sqlite3.OperationalError, match="locked"):
        await store.add("a", "", 60)
    other.close()
    assert await store.add("a", "", 60)
