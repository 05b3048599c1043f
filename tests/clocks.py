"""A clock for whatever takes one."""


class Clock:
    """A clock that moves when it is told to. It starts with a minute."""

    def __init__(self, now: float = 6000.0) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now
