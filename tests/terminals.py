"""A program on a terminal of its own."""

import os
import select
import signal
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import pytest
from commands import PROGRAM, ROOT, SECONDS, environment


@dataclass
class Terminal:
    process: "subprocess.Popen[bytes]"
    screen: int
    shown: str = ""

    def read_until(self, awaited: str) -> str:
        """What the screen has shown, once this is part of it."""
        ends = time.monotonic() + SECONDS
        while awaited not in self.shown:
            ready, _, _ = select.select([self.screen], [], [], max(0.0, ends - time.monotonic()))
            assert ready, f"no {awaited!r} on the screen:\n{self.shown}"
            try:
                self.shown += os.read(self.screen, 65536).decode().replace("\r\n", "\n")
            except OSError:  # how Linux says that the program has ended
                raise AssertionError(f"ended without {awaited!r}:\n{self.shown}") from None
        return self.shown

    def press_ctrl_c(self) -> int:
        """The exit status."""
        self.process.send_signal(signal.SIGINT)
        return self.process.wait(SECONDS)


@contextmanager
def on_a_terminal(arguments: Sequence[str], env: dict[str, str] | None = None) -> Iterator[Terminal]:
    """`geetest-asgi` with these arguments, as somebody starts it by hand."""
    pty = pytest.importorskip("pty", reason="no terminals to be had on this system")
    screen, inside = pty.openpty()
    env = environment() | {"TERM": "xterm"} | (env or {})
    process = subprocess.Popen([*PROGRAM, *arguments], cwd=ROOT, env=env, stdin=inside, stdout=inside, stderr=inside)
    os.close(inside)
    try:
        yield Terminal(process, screen)
    finally:
        process.kill()
        process.wait(SECONDS)
        os.close(screen)
