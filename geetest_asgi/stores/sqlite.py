"""Spent tokens in a SQLite file, for the workers of one host: no server, nothing to install.

Write-ahead log, `synchronous=NORMAL`: a claim costs no fsync, a killed process harms nothing, and a power cut loses at
most the last claims, never the file. It needs shared memory, and so a file system of this host: no NFS.
"""

import os
import time
import weakref
from collections.abc import Callable
from typing import Final, TypeVar

from anyio import CapacityLimiter, to_thread
from anyio.lowlevel import RunVar

from .._core.errors import ConfigError
from .failsafe import PATIENCE
from .sqlite_file import SpentFile

T = TypeVar("T")

_AT_ONCE: Final = 64
"""Rows that one claim clears away at most."""

_FORGET_ENDED: Final = f"DELETE FROM spent WHERE id IN (SELECT id FROM spent WHERE ends <= ? LIMIT {_AT_ONCE})"  # noqa: S608
_FORGET_OLDEST: Final = (
    "DELETE FROM spent WHERE id IN (SELECT id FROM spent ORDER BY id LIMIT"  # noqa: S608
    f" (SELECT min({_AT_ONCE}, max(0, number - ?)) FROM kept))"
)

_limiter: Final[RunVar[CapacityLimiter | None]] = RunVar("geetest_asgi.stores.sqlite", None)


class SQLiteStore:
    """Spent tokens in a file that the processes of one host share.

    path      of a file that is ours alone; made if need be, readable by its owner only. Its directory must be there,
              on a file system of this host. Beside it stand `path-wal` and `path-shm`.
    size      keys kept at most; the oldest goes first. A million take about 240 MB.
    timeout   seconds to wait for other processes' claims, before one fails.

    Work is done on a thread of its own, one at a time for each event loop; asyncio and trio. Each process opens the
    file by itself when it first needs it, so it does not matter whether the store was made before or after a fork.
    Keys end by the system's clock, which all processes share: set forward, it ends them too soon (GeeTest still knows
    a used token), set back, too late. A file deleted while in use fails one call, then a new one is made.

    Raises ConfigError where the file cannot be used; `claim` and `release` raise sqlite3.Error or OSError.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        size: int = 1_000_000,
        timeout: float = 1.0,
        clock: Callable[[], float] = time.time,
    ) -> None:
        if size < 1:
            raise ConfigError(f"SQLiteStore(size={size!r}): a store that keeps nothing lets every token in twice")
        if not 0 < timeout <= PATIENCE:
            raise ConfigError(f"SQLiteStore(timeout={timeout!r}): give seconds, {PATIENCE:g} at most: a visitor waits")
        self._file = SpentFile(_checked(path), timeout)
        self._size = size
        self._clock = clock
        self._file.try_out()
        weakref.finalize(self, self._file.close)

    async def claim(self, key: str, seconds: float) -> str | None:
        """See `Store.claim`."""
        return await _in_thread(lambda: self._claim(key, seconds))

    async def release(self, key: str, note: str | None = None) -> None:
        """See `Store.release`. What another process holds is left as it is."""
        await _in_thread(lambda: self._release(key, note))

    def close(self) -> None:
        """Close the file, as far as this process has it open; done by itself in the end. The next claim opens it."""
        self._file.close()

    def _claim(self, key: str, seconds: float) -> str | None:
        with self._file.transaction() as (file, us):
            now = self._clock()  # with the lock held: what others wrote while we waited is older
            file.execute(_FORGET_ENDED, (now,))
            file.execute("DELETE FROM spent WHERE key = ? AND ends <= ?", (key, now))
            row = (key, now + seconds, us)
            if file.execute("INSERT OR IGNORE INTO spent (key, ends, holder, note) VALUES (?, ?, ?, '')", row).rowcount:
                file.execute(_FORGET_OLDEST, (self._size,))
                return None
            note: str = file.execute("SELECT note FROM spent WHERE key = ?", (key,)).fetchone()[0]
            if note:
                file.execute("UPDATE spent SET note = '', holder = ? WHERE key = ?", (us, key))
            return note

    def _release(self, key: str, note: str | None) -> None:
        with self._file.transaction() as (file, us):
            if note is None:
                file.execute("DELETE FROM spent WHERE key = ? AND holder = ?", (key, us))
            else:
                file.execute("UPDATE spent SET note = ? WHERE key = ? AND holder = ?", (note, key, us))


def _checked(path: str | os.PathLike[str]) -> str:
    plain = os.fspath(path)
    if not isinstance(plain, str) or not plain or plain.startswith((":memory:", "file:")) or "\0" in plain:
        raise ConfigError(f"SQLiteStore({path!r}): give the path of a file; MemoryStore() keeps tokens in memory")
    return os.path.abspath(plain)


async def _in_thread(work: Callable[[], T]) -> T:
    """On a thread that is not taken from the app's: SQLite lets one write at a time, so one is enough."""
    if (limiter := _limiter.get()) is None:
        _limiter.set(limiter := CapacityLimiter(1))
    return await to_thread.run_sync(work, abandon_on_cancel=True, limiter=limiter)
