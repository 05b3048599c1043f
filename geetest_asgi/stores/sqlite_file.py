"""The SQLite file of a SQLiteStore in one process: create, check, lock, close and reopen it."""

import os
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Final

from .._core.errors import ConfigError

Connection = sqlite3.Connection
Cursor = sqlite3.Cursor

_OURS: Final = 0x67743476
"""The file's application id (https://www.sqlite.org/pragma.html#pragma_application_id): "gt4v"."""

_LAYOUT: Final = 2
"""The file's `user_version`. A file of an earlier release has a smaller one; it is emptied, as tokens last minutes."""

_START: Final = 10.0
"""Seconds to wait, while the app is built, for other workers that open the file at the same time."""

_LOG: Final = 4 * 1024 * 1024
"""Bytes of the write-ahead log above which a call makes a checkpoint. SQLite's own checkpoints do not reach the end of
the log while there are always writers: 60,000 calls of three processes left 160 MB."""

_CHECKPOINT: Final = 100
"""Milliseconds that a checkpoint waits for other connections."""

TABLES: Final = ("entries", "counters")

_SCHEMA: Final = (
    # How many rows each table has: count(*) reads them all.
    "CREATE TABLE IF NOT EXISTS sizes (name TEXT PRIMARY KEY, rows INTEGER NOT NULL)",
    *(
        statement.format(name=name)
        for name in TABLES
        for statement in (
            "CREATE TABLE IF NOT EXISTS {name} (id INTEGER PRIMARY KEY, key TEXT NOT NULL UNIQUE, ends REAL NOT NULL,"
            " value NOT NULL)",
            "CREATE INDEX IF NOT EXISTS {name}_ends ON {name} (ends)",
            "INSERT OR IGNORE INTO sizes SELECT '{name}', count(*) FROM {name}",
            "CREATE TRIGGER IF NOT EXISTS {name}_more AFTER INSERT ON {name}"
            " BEGIN UPDATE sizes SET rows = rows + 1 WHERE name = '{name}'; END",
            "CREATE TRIGGER IF NOT EXISTS {name}_less AFTER DELETE ON {name}"
            " BEGIN UPDATE sizes SET rows = rows - 1 WHERE name = '{name}'; END",
        )
    ),
    f"PRAGMA application_id = {_OURS}",
    f"PRAGMA user_version = {_LAYOUT}",
)

_creating: Final = threading.Lock()
_left_open: Final[list[sqlite3.Connection | None]] = []
"""Connections of a parent process. A child must not close them (https://www.sqlite.org/howtocorrupt.html#fork)."""


class StoreFile:
    """The file in this process. One thread uses it at a time; others wait."""

    def __init__(self, path: str, timeout: float) -> None:
        self._path = path
        self._timeout = timeout
        self._begin()

    def _begin(self) -> None:
        self._pid = os.getpid()
        self._lock = threading.Lock()
        self._connection: sqlite3.Connection | None = None
        self._log_limit = _LOG

    def try_out(self) -> None:
        """Open the file while the app is built, so that errors appear then. Raises ConfigError.

        The file is closed again: a fork must not inherit a connection.
        """
        try:
            self._open(_START).close()
        except (OSError, sqlite3.Error) as error:
            raise ConfigError(
                f"SQLiteStore({self._path!r}): {error}; give a file that this process can write"
            ) from None

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """Lock the file against all other connections, and commit at the end."""
        with self._locked():
            try:
                connection = self._connection = self._connection or self._open(self._timeout)
                if self._identity != _identity(self._path):  # SQLite would go on with it, other workers with a new one
                    raise FileNotFoundError(f"{self._path!r} was replaced while in use")
                connection.execute("BEGIN IMMEDIATE")
                yield connection
                connection.execute("COMMIT")
                self._shorten_log(connection)
            except BaseException:
                self._close()  # rolls back; to reopen the file may mend the error
                raise

    def _locked(self) -> threading.Lock:
        if self._pid != os.getpid():  # after a fork the lock and the connection are the parent's
            _left_open.append(self._connection)
            self._begin()
        return self._lock

    def _shorten_log(self, connection: sqlite3.Connection) -> None:
        """Make a checkpoint if the log is long. If it cannot be made now, the next one comes when the log is longer."""
        log = self._path + "-wal"
        if os.path.getsize(log) <= self._log_limit:
            return
        connection.execute(f"PRAGMA busy_timeout = {_CHECKPOINT}")
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        connection.execute(f"PRAGMA busy_timeout = {round(self._timeout * 1000)}")
        self._log_limit = os.path.getsize(log) + _LOG

    def _open(self, timeout: float) -> sqlite3.Connection:
        with _creating:  # closing a file ends all locks of this process on it, those of other connections too
            with suppress(FileExistsError):
                os.close(os.open(self._path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
            connection = sqlite3.connect(self._path, timeout=timeout, isolation_level=None, check_same_thread=False)
        try:
            self._identity = _identity(self._path)
            _prepare(connection, time.monotonic() + timeout)
        except BaseException:
            connection.close()
            raise
        return connection

    def close(self) -> None:
        """Close the connection of this process."""
        with self._locked():
            self._close()

    def _close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None


def _prepare(connection: sqlite3.Connection, deadline: float) -> None:
    """Check that the file is a store's, use a write-ahead log, and create the tables."""
    _check_owner(connection)
    _use_log(connection, deadline)
    connection.execute("PRAGMA synchronous = NORMAL")
    connection.execute("PRAGMA wal_autocheckpoint = 0")  # see _LOG
    connection.execute("BEGIN IMMEDIATE")
    if connection.execute("PRAGMA user_version").fetchone()[0] < _LAYOUT:
        _drop_tables(connection)
    for statement in _SCHEMA:
        connection.execute(statement)
    connection.execute("COMMIT")


def _check_owner(connection: sqlite3.Connection) -> None:
    one_moment = "SELECT * FROM pragma_application_id, pragma_user_version, (SELECT count(*) FROM sqlite_master)"
    owner, layout, tables = connection.execute(one_moment).fetchone()
    if owner != _OURS and (owner or tables):
        raise sqlite3.DatabaseError("this is another program's database")
    if layout > _LAYOUT:
        raise sqlite3.DatabaseError("a newer release of geetest_asgi made this file: delete it, or use another one")


def _drop_tables(connection: sqlite3.Connection) -> None:
    """Drop the tables of an earlier release; their indices and triggers go with them."""
    found = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
    for (name,) in found:
        connection.execute(f'DROP TABLE "{name}"')


def _use_log(connection: sqlite3.Connection, deadline: float) -> None:
    """Change to the write-ahead log. SQLite (3.40) does not wait for a lock here."""
    while True:
        try:
            mode = connection.execute("PRAGMA journal_mode = WAL").fetchone()[0]
            break
        except sqlite3.OperationalError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.01)
    if mode != "wal":
        raise sqlite3.NotSupportedError("its file system cannot share memory between processes")


def _identity(path: str) -> tuple[int, int]:
    found = os.stat(path)
    return found.st_dev, found.st_ino
