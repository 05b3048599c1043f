"""Whose fault it is when the call to GeeTest fails: the question that an open door hangs on.

Only what a visitor cannot bring about counts as an outage. So outages are listed, and what is not listed is ours.
Exceptions are known by their class names, since httpx, httpx2 and transports for them each have classes of their own.
"""

import errno
import math
import socket
import ssl
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from typing import Final

import anyio
from anyio.lowlevel import checkpoint

from .._core.model import Evidence, Outcome
from .stand_in import stand_in

NO_CONNECTION: Final = frozenset({"ConnectError", "ConnectTimeout", "ProxyError", "ConnectionRefusedError", "gaierror"})
"""Nothing was sent: the next server may be asked."""

NO_ANSWER: Final = frozenset(
    {"ReadError", "ReadTimeout", "WriteError", "WriteTimeout", "CloseError", "RemoteProtocolError", "DecodingError"}
    | {"ConnectionError", "TimeoutError"}
)
"""The call may have arrived: it is never sent again."""

_EXHAUSTED: Final = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM, errno.EADDRNOTAVAIL})

_SPARE: Final = 16
"""Sockets that must be free for a failed connection to be GeeTest's fault: one may come free between the two."""

_STEPS: Final = 50
"""A call takes some ten turns of the loop. Turns long enough to make it late are longer than one step."""
_SHORTEST: Final = 0.01
_PAUSE: Final = 0.005
"""Seconds. How late a healthy loop may be: for so long a thread may keep the interpreter to itself."""

_HELD_UP: Final = 0.2
"""The part of a call's time that the loop may be late."""


def was_not_sent(error: Exception) -> bool:
    """No connection was made, and not for want of sockets of our own."""
    return _outage(error) == "no connection"


def blame(error: Exception) -> Evidence:
    """What a failed call is evidence of. Texts are fixed or class names: an exception's text may hold a URL."""
    name = type(error).__name__
    if (outage := _outage(error)) is not None:
        why = ": its certificate is not trusted" if _untrusted(error) else ""
        return Evidence(Outcome.UNAVAILABLE, f"{outage}{why} ({name})")
    if _is_any(error, {"KeptConnectionError"}):
        return Evidence(Outcome.BUSY, "a kept connection had ended")
    if _is_any(error, {"PoolTimeout"}) or _is_any(error, NO_CONNECTION):
        return Evidence(Outcome.BUSY, "no connection to spare")
    return Evidence(Outcome.MISCONFIGURED, f"the call could not be made ({name})")


def _outage(error: Exception) -> str | None:
    if _is_any(error, NO_CONNECTION):
        # Many visitors at once can use up this process's sockets, and then no host can be reached or even looked up.
        return None if _exhausted(error) or not _sockets_to_spare() else "no connection"
    if _is_any(error, {"PoolTimeout"}):  # of httpx; it is a TimeoutException, but the wait was for ourselves
        return None
    return "no answer" if _is_any(error, NO_ANSWER) else None


def _is_any(error: Exception, names: frozenset[str] | set[str]) -> bool:
    return any(base.__name__ in names for base in type(error).__mro__)


def _exhausted(error: BaseException) -> bool:
    return any(isinstance(each, OSError) and each.errno in _EXHAUSTED for each in _causes(error))


def _untrusted(error: BaseException) -> bool:
    """Worth a word of its own: it lasts, and may well be this machine's fault."""
    return any(isinstance(each, ssl.SSLCertVerificationError) for each in _causes(error))


def _causes(error: BaseException) -> Iterator[BaseException]:
    waiting: list[BaseException | None] = [error]
    seen: set[int] = set()
    while waiting:
        each = waiting.pop()
        if each is not None and id(each) not in seen:
            seen.add(id(each))
            yield each
            waiting += [each.__cause__, each.__context__]
            waiting += each.exceptions if isinstance(each, BaseExceptionGroup) else ()


def _sockets_to_spare() -> bool:
    with ExitStack() as opened:
        try:
            for _ in range(_SPARE):
                opened.enter_context(socket.socket())
        except OSError:
            return False
    return True


class Lateness:
    """How late the event loop was in waking us, seconds in all so far."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self._counted = math.inf

    async def wait_until(self, deadline: float) -> None:
        """Sleep until then, in small steps. Whoever has counted before was to come here at once."""
        self.count(self._counted)
        step = max(_SHORTEST, (deadline - anyio.current_time()) / _STEPS)
        while (left := deadline - anyio.current_time()) > 0:
            wake = anyio.current_time() + min(step, left)
            await anyio.sleep_until(wake)
            self.count(wake)

    def count(self, wake: float) -> None:
        """We were to be woken then, and have been now."""
        self._counted = anyio.current_time()
        self.seconds += max(0.0, self._counted - wake - _PAUSE)


class Threads:
    """Event loops look up hosts on threads that they share with the app; a call may wait for one in vain.

    So where an answer takes its time, a look-up of our own stands in the same queue behind the call's: how long it
    waits is known, whenever the threads come free again.
    """

    def __init__(self) -> None:
        self._asked = self._answered = math.inf

    @property
    def waited(self) -> float:
        """Seconds that our look-up took; for ever where it has not ended."""
        return self._answered - self._asked if self._answered < math.inf else math.inf

    async def watch(self) -> None:
        """To be run beside a call that takes its time."""
        self._asked = anyio.current_time()
        with suppress(OSError):  # no such name is an answer too: it took a thread
            await anyio.getaddrinfo("localhost", None)
        self._answered = anyio.current_time()


def blame_silence(lag: float, threads: float) -> Evidence:
    """What it is evidence of that no whole answer came in time. Both are parts of that time: how late the loop was, and
    how long a look-up took.

    An event loop that visitors keep from running, and threads that they keep busy, are no silence of GeeTest's: its
    answer may lie there and wait for us.
    """
    if stand_in() is not None:  # nothing of its lies unread anywhere: the silence is ordered, on a slow machine too
        return Evidence(Outcome.UNAVAILABLE, "no answer in time")
    if lag > _HELD_UP:
        return Evidence(Outcome.BUSY, "the event loop was held up")
    if not _sockets_to_spare():  # without one the resolver asks where nobody answers, and takes its time
        return Evidence(Outcome.BUSY, "no connection to spare")
    if threads > _HELD_UP:
        return Evidence(Outcome.BUSY, "no thread to look up a host")
    return Evidence(Outcome.UNAVAILABLE, "no answer in time")


class Patience:
    """One call's time, which all servers share, and how much of it was lost at our own end."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._deadline = anyio.current_time() + seconds
        self._late, self._threads = Lateness(), Threads()

    @property
    def left(self) -> float:
        """Seconds."""
        return self._deadline - anyio.current_time()

    @property
    def late(self) -> float:
        """Seconds that the event loop was late so far."""
        return self._late.seconds

    async def soon(self, done: anyio.Event) -> bool:
        """Wait for `done` for the call's first tenth, in which most calls end: those pay for no watch beside them."""
        wake = self._deadline - 0.9 * self._seconds
        with anyio.CancelScope(deadline=wake):
            await done.wait()
        if not done.is_set():
            self._late.count(wake)
        return done.is_set()

    async def run_out(self) -> Evidence:
        """Wait until the time is over, and say what it is evidence of that no answer came."""
        async with anyio.create_task_group() as group:
            group.start_soon(self._threads.watch)
            await self._late.wait_until(self._deadline)
            group.cancel_scope.cancel()
        return blame_silence(self._late.seconds / self._seconds, self._threads.waited / self._seconds)

    async def blame(self, error: Exception, seconds: float, late: float) -> Evidence:
        """What a failed call is evidence of. It had `seconds` for connecting; `late`: how late the loop was before it.

        Running out of those is a silence too: one that this process may have brought about.
        """
        evidence = blame(error)
        if evidence.outcome is not Outcome.UNAVAILABLE or not _is_any(error, {"ConnectTimeout"}):
            return evidence
        await checkpoint()  # this moment's lateness may not have been counted yet
        silence = blame_silence((self.late - late) / seconds, self._threads.waited / seconds)
        return evidence if silence.outcome is Outcome.UNAVAILABLE else silence
