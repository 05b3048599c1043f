"""A body kept for replay: in memory up to 1 MiB, then in a temporary file, without blocking the event loop."""

import tempfile
from typing import IO, Final

from anyio import CancelScope, to_thread

from .._bounds.counters import Budget
from .._core.limits import MIB

IN_MEMORY: Final = MIB
"""Bytes. One hop to a thread costs more than writing 64 KiB, so the file is written in pieces of this size."""


class Spool:
    """First in, first out: `append` while reading the request, `take` while the app reads it again."""

    def __init__(self, budget: Budget) -> None:
        self._budget = budget
        self._tail = bytearray()
        self._file: IO[bytes] | None = None
        self._taken = 0
        self._on_disk = 0
        self._replayed = 0

    def __bool__(self) -> bool:
        """Is there anything left to take?"""
        return bool(self._tail) or self._replayed < self._on_disk

    async def append(self, data: bytes) -> bool:
        """Keep `data`. False: it is kept, but there was no room for it, in the budget or on the disk; stop."""
        self._tail += data
        if not self._budget.take(len(data)):
            return False
        self._taken += len(data)
        if len(self._tail) <= IN_MEMORY:
            return True
        try:
            await to_thread.run_sync(self._flush)
        except OSError:
            return False
        return True

    def _flush(self) -> None:
        file = self._file = self._file or tempfile.TemporaryFile(buffering=0)  # noqa: SIM115 - closed by aclose
        # All of it or, for us, nothing: what a full disk took before it failed lies behind `_on_disk`.
        file.seek(self._on_disk)
        left = memoryview(self._tail)
        while left:
            left = left[file.write(left) :]
        self._on_disk += len(self._tail)
        self._drop_tail()

    def _drop_tail(self) -> None:
        self._tail = bytearray()
        self._budget.give(self._taken)
        self._taken = 0

    async def take(self) -> bytes:
        """The next piece. A cancelled call loses nothing: the next one gives the same piece."""
        if self._file is not None and self._replayed < self._on_disk:
            piece = await to_thread.run_sync(self._read, self._file)
            self._replayed += len(piece)
            return piece
        piece = bytes(self._tail)
        self._drop_tail()
        return piece

    def _read(self, file: IO[bytes]) -> bytes:
        file.seek(self._replayed)
        return file.read(min(IN_MEMORY, self._on_disk - self._replayed))

    async def aclose(self) -> None:
        """Forget everything. Needed whether or not the app has read it."""
        self._drop_tail()
        if self._file is not None:
            try:
                with CancelScope(shield=True):  # freeing a large file takes its time
                    await to_thread.run_sync(self._file.close)
            finally:
                self._file.close()  # asyncio's own task.cancel() knows no shield
