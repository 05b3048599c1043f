"""A clock of the tests' own: time passes when a test says so."""

from collections.abc import Callable, Coroutine
from contextvars import Context
from typing import Any, Final

from geetest_asgi._line.clock import Clock, Running

START: Final = 1000.0


class Stopped:
    """A task that has nothing to stop."""

    async def stop(self) -> None: ...


class OwnTime(Clock):
    """It is as late as the test says; what it is to run, it keeps."""

    def __init__(self) -> None:
        super().__init__()
        self.now = START
        self.time = lambda: self.now
        self.ticks = 0
        self.tasks: list[tuple[Callable[[], Coroutine[Any, Any, None]], Context]] = []

    def _arm(self, when: float) -> None: ...

    def run(self, function: Callable[[], Coroutine[Any, Any, None]], context: Context) -> Running:
        self.tasks.append((function, context))
        return Stopped()

    def go_to(self, seconds: float) -> None:
        """Let the time pass, with a tick wherever one is due."""
        while (due := self.tick(self.now)) <= START + seconds:
            self.ticks += 1
            self.now = max(self.now, due)
        self.now = START + seconds

    def jump_to(self, seconds: float) -> None:
        """The same while something holds the loop: the clock ticks at the end only."""
        self.now = START + seconds
        self.tick(self.now)
