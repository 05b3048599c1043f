"""SQLiteStore: a store in a SQLite file, for the workers of one host. It needs no server and no further package.

It uses a write-ahead log with `synchronous=NORMAL`: a call needs no fsync, a killed process does no damage, and a power
cut loses at most the last calls, never the file. The log needs shared memory, so the file must be on a local file
system, not on NFS.
"""

import os
import time
import weakref
from collections.abc import Callable
from typing import Final, TypeVar

from anyio import CapacityLimiter, to_thread
from anyio.lowlevel import RunVar

from .._core.errors import ConfigError
from .numbers import check_size, check_timeout
from .sqlite_file import Connection, Cursor, StoreFile

T = TypeVar("T")

_AT_ONCE: Final = 64
"""Further rows that one call removes at most."""

_REMOVE_ENDED: Final = "DELETE FROM {table} WHERE id IN (SELECT id FROM {table} WHERE ends <= ? LIMIT {most})"
_REMOVE_OLDEST: Final = (
    "DELETE FROM {table} WHERE id IN (SELECT id FROM {table} ORDER BY id LIMIT"
    " (SELECT min({most}, max(0, rows - ?)) FROM sizes WHERE name = '{table}'))"
)

_limiter: Final[RunVar[CapacityLimiter | None]] = RunVar("geetest_asgi.stores.sqlite", None)


class SQLiteStore:
    """A store in a file that the processes of one host share.

    path      Path of a file for this store only. The store creates it, readable by its owner only; the directory must
              exist, on a local file system. SQLite keeps `path-wal` and `path-shm` beside it.
    size      Greatest number of values, and of counters. For a new one the oldest is removed. A million spent tokens
              take about 190 MB.
    timeout   Seconds to wait for other processes before a call fails; 2 at most. Default: 1.

    Works on asyncio and trio; each event loop runs one call at a time, on a worker thread. Each process opens the file
    at its first call, so the store may be made before or after a fork. Entries end by the system's clock.

    Raises ConfigError if the file cannot be used. The methods raise sqlite3.Error or OSError.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        size: int = 1_000_000,
        timeout: float = 1.0,
        clock: Callable[[], float] = time.time,
    ) -> None:
        check_size("SQLiteStore", size)
        check_timeout("SQLiteStore", timeout)
        self._file = StoreFile(_checked(path), timeout)
        self._size = size
        self._clock = clock
        self._file.try_out()
        weakref.finalize(self, self._file.close)

    async def add(self, key: str, value: str, seconds: float) -> bool:
        """See `Store.add`."""
        return await _in_thread(lambda: self._add(key, value, seconds))

    async def pop(self, key: str) -> str | None:
        """See `Store.pop`."""
        return await _in_thread(lambda: self._pop(key))

    async def delete(self, key: str) -> None:
        """See `Store.delete`."""
        await _in_thread(lambda: self._pop(key))

    async def count(self, key: str, seconds: float) -> int:
        """See `Store.count`."""
        return await _in_thread(lambda: self._count(key, seconds))

    def close(self) -> None:
        """Close the file in this process. The next call opens it again. Garbage collection closes it, too."""
        self._file.close()

    def _add(self, key: str, value: str, seconds: float) -> bool:
        with self._file.transaction() as file:
            return self._insert(file, "entries", key, value, seconds)

    def _pop(self, key: str) -> str | None:
        with self._file.transaction() as file:
            found = file.execute("SELECT value FROM entries WHERE key = ? AND ends > ?", (key, self._clock()))
            row: tuple[str] | None = found.fetchone()
            file.execute("DELETE FROM entries WHERE key = ?", (key,))
            return None if row is None else row[0]

    def _count(self, key: str, seconds: float) -> int:
        with self._file.transaction() as file:
            if self._insert(file, "counters", key, 1, seconds):
                return 1
            file.execute("UPDATE counters SET value = value + 1 WHERE key = ?", (key,))
            number: int = file.execute("SELECT value FROM counters WHERE key = ?", (key,)).fetchone()[0]
            return number

    def _insert(self, file: Connection, table: str, key: str, value: str | int, seconds: float) -> bool:
        """Insert a row if there is none that has not ended; return whether it was inserted.

        Also removes some ended rows, and the rows above `size`.
        """

        def execute(statement: str, *values: object) -> Cursor:
            return file.execute(statement.format(table=table, most=_AT_ONCE), values)

        now = self._clock()  # after taking the lock, so that earlier rows are never newer
        execute(_REMOVE_ENDED, now)
        execute("DELETE FROM {table} WHERE key = ? AND ends <= ?", key, now)
        if execute("SELECT 1 FROM {table} WHERE key = ?", key).fetchone():
            return False
        execute(_REMOVE_OLDEST, self._size - 1)
        execute("INSERT INTO {table} (key, ends, value) VALUES (?, ?, ?)", key, now + seconds, value)
        return True


def _checked(path: str | os.PathLike[str]) -> str:
    plain = os.fspath(path) if isinstance(path, str | os.PathLike) else None
    if not isinstance(plain, str) or not plain or plain.startswith((":memory:", "file:")) or "\0" in plain:
        raise ConfigError(f"SQLiteStore({path!r}): give the path of a file; MemoryStore() keeps tokens in memory")
    return os.path.abspath(plain)


async def _in_thread(work: Callable[[], T]) -> T:
    """Run a call on a thread of its own, not one of the app's. One thread is enough: SQLite allows one writer."""
    if (limiter := _limiter.get()) is None:
        _limiter.set(limiter := CapacityLimiter(1))
    return await to_thread.run_sync(work, abandon_on_cancel=True, limiter=limiter)
