"""A few forked processes at a time."""

import contextlib
import os
import shutil
import signal
import tempfile
from collections.abc import Callable
from types import TracebackType
from typing import Final

JOBS: Final = 2
"""Processes at a time."""

Ended = Callable[[bool], None]
"""Called when a process has ended, with whether its work returned True."""


class Forks:
    """A context manager that leaves when its processes have ended. Each has a process group and a temporary folder."""

    def __init__(self) -> None:
        self._running: dict[int, tuple[Ended, str]] = {}

    def __enter__(self) -> "Forks":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is not None:
            for pid in self._running:
                _end(pid)
        while self._running:
            self._wait()

    def start(self, work: Callable[[], bool], ended: Ended) -> None:
        """Run `work` in a process, once there is a place for it."""
        while len(self._running) >= JOBS:
            self._wait()
        folder = tempfile.mkdtemp(prefix="mutant-")
        if pid := os.fork():
            self._running[pid] = ended, folder
        else:
            _be_the_child(work, folder)

    def _wait(self) -> None:
        pid, status = os.wait()
        ended, folder = self._running.pop(pid)
        _end(pid)
        shutil.rmtree(folder, ignore_errors=True)
        ended(status == 0)


def _be_the_child(work: Callable[[], bool], folder: str) -> None:
    good = False
    try:
        os.setpgid(0, 0)
        os.environ["PYTEST_DEBUG_TEMPROOT"] = folder
        nowhere = os.open(os.devnull, os.O_RDWR)
        os.dup2(nowhere, 1)
        os.dup2(nowhere, 2)
        good = work()
    finally:
        os._exit(0 if good else 1)


def _end(pid: int) -> None:
    """End the process and what it has started."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, signal.SIGKILL)
