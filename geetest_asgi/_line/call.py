"""One call to GeeTest: its time limit, its progress, and the evidence of its end.

The socket shows whether GeeTest is silent. The silence counts from the moment at which the socket last sent something
or began to connect, and only while there is nothing to read. The clock must see it twice, with an iteration of the
event loop between. Before that moment our own end may have taken the time: a blocked event loop, or a queue. So a
silence that is shorter than a fair share of the time is `busy`, and no outage.
"""

from collections.abc import Awaitable, Callable
from contextlib import suppress
from contextvars import copy_context
from math import inf
from typing import Final, Protocol

from .._core.model import Evidence, Outcome
from .blame import blame, is_timeout, sockets_to_spare
from .clock import Clock, Running

Disconnected = Callable[[], Awaitable[bool]]

_LATE: Final = 0.1
"""Share of a call's time. If the event loop was late for longer, an exception of the user's client is no outage."""

_PAUSE: Final = 0.005
"""Seconds that a healthy event loop may be late: a thread may hold the interpreter for as long."""

_FAIR: Final = 0.75
"""Share of the time since this server was asked. A shorter silence is no outage."""

_MORE_TICKS: Final = 20
"""Ticks of the clock for which a call goes on after its time because its socket has something to read. While something
else blocks the event loop, each tick is one iteration of it, and a TLS handshake takes many."""

_AT_ONCE: Final = 12
"""Ticks, one iteration of the event loop each, for which a disconnect is ignored: test clients send one at once."""

_BLIND: Final = 3
"""Ticks for which a call of the user's client goes on after its time: its socket is not known."""

CLIENT_LEFT: Final = Evidence(Outcome.BUSY, "the client disconnected")

_OURS: Final = "too little of the time was GeeTest's"


class Ear(Protocol):
    """The part of a connection that a call uses."""

    @property
    def since(self) -> float:
        """When we last sent something, or began to connect."""

    def hears(self) -> bool:
        """Return whether the other end has done something that was not read yet."""


class Call:
    """One call to one server, or to several in order: its time limit, and its progress at the present server.

    The wire reports the progress. All times are those of the clock, which ends the call by `stop`.
    """

    __slots__ = (
        *("ended", "foreign", "kept", "ours", "over", "seconds", "sent", "since", "socket"),
        *("stop", "stopped", "watching"),
        *("_again", "_began", "_clock", "_deliberate", "_due", "_end", "_late", "_least", "_seen", "_tenth", "_until"),
        *("_context", "_disconnected", "_unsettled"),
    )
    stop: Callable[[], object]
    stopped: Evidence | None
    """Why the present server, or the wait for a place, was given up. Decided at that moment: the event loop may be
    blocked until the stopped task runs, and an answer may have arrived by then."""
    ours: str
    """Why the call waits at our own end; empty while it waits for the other end."""
    sent: bool
    """Part of the request may have been sent: no other server is called."""
    kept: bool
    """The request was sent on a connection that was open before."""
    socket: Ear | None
    since: float
    """When the other end was last asked for something, if `socket` is None."""
    foreign: bool
    """A client of the user's makes the call. Its exceptions prove nothing by themselves."""

    def __init__(
        self, clock: Clock, seconds: float, servers: int, disconnected: Disconnected | None, *, deliberate: bool = False
    ) -> None:
        """`deliberate`: every silence is deliberate, as in tests. Call `begin` before the call waits for anything."""
        start = clock.time()
        self.seconds: float = seconds
        self._clock, self._deliberate = clock, deliberate
        self._end, self._tenth, self._least = start + seconds, start + seconds / 10, seconds / (2 * servers)
        self.stopped = None
        self.ended: Evidence | None = None
        """Why the call was ended before an answer came."""
        self.over: bool = False
        self._unsettled = _AT_ONCE
        self._disconnected, self._context = disconnected, disconnected and copy_context()
        self.watching: Running | None = None
        """The task that waits for the client's disconnect. The line stops it when the call is over."""
        self._due = self._tenth
        clock.watch(self, self._due)

    def begin(self, servers: int, stop: Callable[[], object]) -> None:
        """Begin to ask one of so many `servers`, which share the time, or to wait for a place. `stop` ends either."""
        self.stopped, self._seen = None, inf
        self.stop, self.ours, self.sent, self.kept, self.foreign = stop, "", False, False, False
        self.socket, self.since, self._began, self._late, self._again = None, inf, self._clock.time(), 0.0, _MORE_TICKS
        self._until = self._began + (self._end - self._began) / servers
        if self._until < self._due:
            self._watch(self._until)

    def waits(self) -> None:
        """Note that the other end was asked for something now, on a socket that is not ours."""
        self.ours, self.since = "", self._clock.time()

    def uses(self, socket: Ear) -> None:
        """Note that the call waits for the other end of this socket."""
        self.ours, self.socket = "", socket

    def sends(self, socket: Ear | None, *, kept: bool) -> None:
        """Note that the request is sent now, on this socket; None: on one that is not ours."""
        self.ours, self.sent, self.kept, self.socket = "", True, kept, socket

    def hand_over(self) -> float:
        """Let a client of the user's make the call. Return the seconds for which the call may wait in its pool.

        From now on the clock measures how late the event loop is. Until the client tells, the request counts as sent.
        """
        self.foreign = self.sent = True
        self._again = _BLIND
        self.waits()
        if (next_look := self.since + self._step) < self._due:
            self._watch(next_look)
        return (self._until - self.since) / 8

    @property
    def _step(self) -> float:
        return max(0.01, self.seconds / 50)

    def _watch(self, when: float) -> None:
        self._due = when
        self._clock.watch(self, when)

    def wake(self, now: float) -> float:
        """See `Watched`."""
        if self.over or self.ended is not None or now < self._due:  # another time was set since
            return inf
        if self.foreign:
            self._look_how_late(now)
        if now >= self._end or (not self.sent and now >= self._until):
            return self._give_up(now)
        if now >= self._tenth and self._context is not None and self._unsettled:
            self.watching = self.watching or self._clock.run(self._watch_client, self._context)
            self._unsettled -= 1
            return now
        return self._next(now)

    def _give_up(self, now: float) -> float:
        if self._again and self._may_hear():
            self._again -= 1
            return now
        if now >= self._end:
            self.end(self._silence())
            return inf
        self._until, self.stopped = inf, self._silence()
        self.stop()
        return self._next(now)

    def _may_hear(self) -> bool:
        """Return whether there is something to read, or this silence is seen for the first time."""
        if self.socket is None:
            return self.foreign
        seen, self._seen = self._seen, self.socket.since
        return seen != self._seen or self.socket.hears()

    def _next(self, now: float) -> float:
        self._due = self._end if now >= self._tenth else self._tenth
        if not self.sent:
            self._due = min(self._due, self._until)
        if self.foreign:
            self._due = min(self._due, now + self._step)
        return self._due

    def _look_how_late(self, now: float) -> None:
        if (late := now - self._due) > _PAUSE:
            self._due, self.since, self._late = now, self.since + late, self._late + late

    def end(self, evidence: Evidence) -> None:
        """End the call."""
        self.ended = self.stopped = self.ended or evidence
        self.stop()

    def _silence(self) -> Evidence:
        """Return the evidence for a call without a whole answer."""
        if self.ours:
            return Evidence(Outcome.BUSY, self.ours)
        if not self._deliberate:
            if not self._was_fair():
                return Evidence(Outcome.BUSY, _OURS)
            if not self.kept and not sockets_to_spare():
                return Evidence(Outcome.BUSY, "no connection to spare")
        return Evidence(Outcome.UNAVAILABLE, "no answer in time" if self.sent else "no connection in time")

    def _was_fair(self) -> bool:
        """Return whether the other end had most of the time, and long enough for an answer."""
        now, since = self._clock.time(), self.since if self.socket is None else self.socket.since
        return now - since >= max(_FAIR * (now - self._began), self._least)

    def blame(self, error: Exception) -> Evidence:
        """Return the evidence for an exception of the wire."""
        evidence, now = blame(error), self._clock.time()
        if evidence.outcome is not Outcome.UNAVAILABLE:
            return evidence
        if self.foreign:
            self._look_how_late(now)
        if self._late > _LATE * self.seconds:
            return Evidence(Outcome.BUSY, "the event loop was held up")
        return self._silence() if now >= self._end or is_timeout(error) else evidence

    async def _watch_client(self) -> None:
        assert self._disconnected is not None  # noqa: S101 - else this task is not started
        with suppress(Exception):  # the app's own `receive` will raise it, too
            if await self._disconnected() and not self._unsettled and not self.over:
                self.end(CLIENT_LEFT)
