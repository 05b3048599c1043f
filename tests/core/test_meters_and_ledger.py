"""What requests share: budgets and the cap on unverified admissions; and whose fault a failed call is, on which the
open door hangs. Threads, sockets and exceptions are real ones.
"""

import errno
import json
import math
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import anyio
import httpx
import httpx2
import pytest

from geetest_asgi import Outcome
from geetest_asgi._bounds.counters import Budget, RateCap
from geetest_asgi._core.model import Evidence
from geetest_asgi._line.blame import Lateness, Threads, blame, blame_silence, was_not_sent
from geetest_asgi._line.handshake import KeptConnectionError


class Clock:
    """A clock that moves when it is told to."""

    def __init__(self, now: float = 1000.0) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


def in_threads(count: int, work: Callable[[], Any]) -> list[Any]:
    """What `count` threads get that all start at the same moment."""
    barrier, results = threading.Barrier(count), list[Any]()

    def run() -> None:
        barrier.wait()
        results.append(work())

    threads = [threading.Thread(target=run) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results


class SlowNumber(int):
    """A number whose comparison gives every other thread its turn, as bad luck would do once in a million."""

    def __gt__(self, other: int) -> bool:
        found = int(self) > other
        time.sleep(0.002)
        return found


# Budget


def test_a_budget_gives_what_it_has_and_no_more() -> None:
    budget = Budget(10)
    assert budget.take(7)
    assert not budget.take(4), "all or nothing"
    assert budget.take(3)
    assert not budget.take()
    budget.give(2)
    assert budget.take()
    assert budget.take()
    assert not budget.take()
    assert budget.take(0)


def test_a_budget_of_nothing_gives_nothing() -> None:
    assert not Budget(0).take()


def test_a_budget_holds_across_threads() -> None:
    budget = Budget(3)
    assert sum(in_threads(12, lambda: budget.take(SlowNumber(1)))) == 3
    for _ in range(3):
        budget.give()
    assert sum(in_threads(12, lambda: budget.take(SlowNumber(1)))) == 3


# RateCap


def test_a_rate_cap_counts_within_each_second() -> None:
    clock = Clock(50.0)
    cap = RateCap(2, clock)
    for now, expected in ((50.0, 1), (50.5, 1), (50.999, 0), (51.0, 1), (51.0, 1), (51.9, 0), (99.0, 1)):
        clock.now = now
        assert cap.take() is bool(expected), now


def test_a_rate_cap_starts_full_whatever_the_clock_says() -> None:
    for start in (0.0, 0.5, 1e9):
        cap = RateCap(2, Clock(start))
        assert [cap.take() for _ in range(4)] == [True, True, False, False]


def test_a_rate_cap_of_none_lets_nobody_in() -> None:
    clock = Clock(0.0)
    cap = RateCap(0, clock)
    for clock.now in (0.0, 0.5, 1.0, 60.0):
        assert not cap.take()


def test_a_rate_cap_goes_by_the_real_clock() -> None:
    cap = RateCap(1)
    start = time.monotonic()
    taken = 0
    while time.monotonic() - start < 1.2:
        taken += cap.take()
        time.sleep(0.01)
    assert 2 <= taken <= 3, "one in each second that was touched"


def test_a_rate_cap_holds_across_threads() -> None:
    assert sum(in_threads(12, RateCap(5, Clock()).take)) == 5


def test_a_thread_that_reads_the_clock_and_sleeps_does_not_turn_it_back() -> None:
    """Else each such thread would make the second start anew, with room for more."""
    readings = iter([5.9, 6.0, 6.1, 6.2])
    asleep = threading.Event()

    def clock() -> float:
        now = next(readings)
        if now == 5.9:
            asleep.set()
            time.sleep(0.1)
        return now

    cap, admitted = RateCap(1, clock), list[bool]()
    first = threading.Thread(target=lambda: admitted.append(cap.take()))
    first.start()
    assert asleep.wait(5)
    admitted.append(cap.take())
    first.join()
    admitted += [cap.take(), cap.take()]
    assert sum(admitted) == 2, "one in second 5, one in second 6"


# Whose fault it is

OUTAGES = (  # of httpx and httpx2: the name, and whether the next server may be asked
    ("ConnectError", True),
    ("ConnectTimeout", True),
    ("ProxyError", True),
    ("ReadError", False),
    ("ReadTimeout", False),
    ("WriteError", False),
    ("WriteTimeout", False),
    ("CloseError", False),
    ("RemoteProtocolError", False),
    ("DecodingError", False),
)
SECRET = "https://h/validate?pass_token=secret"


def exceptions_of(module: Any) -> Iterator[type[Exception]]:
    for name in sorted(dir(module)):
        each = getattr(module, name)
        if isinstance(each, type) and issubclass(each, Exception):
            yield each


def made(kind: type[Exception]) -> Exception:
    """One of this kind; some insist on a request or a response."""
    request = httpx.Request("POST", SECRET)
    for arguments in ((SECRET,), ()):
        for keywords in ({}, {"request": request}, {"request": request, "response": httpx.Response(404)}):
            try:
                return kind(*arguments, **keywords)
            except TypeError:
                continue
    raise AssertionError(f"{kind} cannot be made")


@pytest.mark.parametrize(
    "kind", [*exceptions_of(httpx), *exceptions_of(httpx2)], ids=lambda kind: f"{kind.__module__}.{kind.__name__}"
)
def test_every_exception_of_both_clients(kind: type[Exception]) -> None:
    """A list of outages, not of exceptions to it: what is new there is ours until somebody has thought about it."""
    evidence = blame(made(kind))
    if kind.__name__ in dict(OUTAGES):
        assert evidence.outcome is Outcome.UNAVAILABLE
    elif kind.__name__ == "PoolTimeout":
        assert evidence.outcome is Outcome.BUSY
    else:
        assert evidence.outcome is Outcome.MISCONFIGURED
    assert was_not_sent(made(kind)) is dict(OUTAGES).get(kind.__name__, False)
    assert "secret" not in repr(evidence), "an exception's text may hold a URL"


@pytest.mark.parametrize("module", [httpx, httpx2], ids=lambda module: module.__name__)
def test_the_outages_exist_in_both_clients(module: Any) -> None:
    names = {kind.__name__ for kind in exceptions_of(module)}
    assert {name for name, _ in OUTAGES} | {"PoolTimeout", "LocalProtocolError", "TooManyRedirects"} <= names


BARE = [  # what other clients let through, and what Python itself raises
    (ConnectionRefusedError(errno.ECONNREFUSED, "refused"), Outcome.UNAVAILABLE, True),
    (socket.gaierror(socket.EAI_NONAME, "unknown"), Outcome.UNAVAILABLE, True),
    (ConnectionResetError(), Outcome.UNAVAILABLE, False),
    (ConnectionAbortedError(), Outcome.UNAVAILABLE, False),
    (BrokenPipeError(), Outcome.UNAVAILABLE, False),
    (TimeoutError(), Outcome.UNAVAILABLE, False),
    (OSError(errno.EMFILE, "too many"), Outcome.MISCONFIGURED, False),
    (PermissionError(), Outcome.MISCONFIGURED, False),
    (FileNotFoundError(), Outcome.MISCONFIGURED, False),
    (RuntimeError("Event loop is closed"), Outcome.MISCONFIGURED, False),
    (ValueError(), Outcome.MISCONFIGURED, False),
    (UnicodeEncodeError("ascii", "é", 0, 1, ""), Outcome.MISCONFIGURED, False),
    (TypeError(), Outcome.MISCONFIGURED, False),
    (AttributeError("status_code"), Outcome.MISCONFIGURED, False),
    (KeyError("x"), Outcome.MISCONFIGURED, False),
    (ImportError(), Outcome.MISCONFIGURED, False),
    (AssertionError(), Outcome.MISCONFIGURED, False),
    (MemoryError(), Outcome.MISCONFIGURED, False),
    (RecursionError(), Outcome.MISCONFIGURED, False),
    (anyio.ClosedResourceError(), Outcome.MISCONFIGURED, False),
    (ExceptionGroup("several", [ValueError()]), Outcome.MISCONFIGURED, False),
    (Exception(), Outcome.MISCONFIGURED, False),
]


@pytest.mark.parametrize(("error", "outcome", "not_sent"), BARE, ids=lambda value: repr(value)[:30])
def test_other_exceptions(error: Exception, outcome: Outcome, not_sent: bool) -> None:
    assert blame(error).outcome is outcome
    assert type(error).__name__ in blame(error).reason
    assert was_not_sent(error) is not_sent


@pytest.mark.parametrize("module", [httpx, httpx2], ids=lambda module: module.__name__)
def test_a_subclass_is_what_its_base_is(module: Any) -> None:
    for name, outcome in (("ReadTimeout", Outcome.UNAVAILABLE), ("PoolTimeout", Outcome.BUSY)):
        special = type("Special", (getattr(module, name),), {})
        assert blame(special("x")).outcome is outcome


def test_waiting_for_a_pool_is_no_outage_though_a_client_calls_it_a_timeout() -> None:
    error: Exception = type("PoolTimeout", (TimeoutError,), {})()
    assert blame(error) == Evidence(Outcome.BUSY, "no connection to spare")
    assert not was_not_sent(error)


def test_the_end_of_a_kept_connection_is_no_outage() -> None:
    assert blame(KeptConnectionError()) == Evidence(Outcome.BUSY, "a kept connection had ended")
    assert not was_not_sent(KeptConnectionError())


# Silence


HELD_UP = {  # how late the loop was, how long a look-up took: parts of the call's time
    (0.0, 0.0): Evidence(Outcome.UNAVAILABLE, "no answer in time"),
    (0.2, 0.2): Evidence(Outcome.UNAVAILABLE, "no answer in time"),
    (0.21, 0.0): Evidence(Outcome.BUSY, "the event loop was held up"),
    (0.0, 0.21): Evidence(Outcome.BUSY, "no thread to look up a host"),
    (0.0, math.inf): Evidence(Outcome.BUSY, "no thread to look up a host"),
}


@pytest.mark.parametrize(("parts", "evidence"), HELD_UP.items())
def test_silence_is_an_outage_where_we_were_free_to_hear(parts: tuple[float, float], evidence: Evidence) -> None:
    assert blame_silence(*parts) == evidence


@pytest.mark.parametrize(("free", "outcome"), [(0, Outcome.BUSY), (15, Outcome.BUSY), (16, Outcome.UNAVAILABLE)])
def test_silence_while_few_sockets_are_free_is_no_outage(
    free: int, outcome: Outcome, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Socket:
        opened = closed = 0

        def __init__(self) -> None:
            if Socket.opened == free:
                raise OSError(errno.EMFILE, "too many open files")
            Socket.opened += 1

        def __enter__(self) -> None:
            pass

        def __exit__(self, *_: object) -> None:
            Socket.closed += 1

    monkeypatch.setattr(socket, "socket", Socket)
    evidence = blame_silence(0.0, 0.0)
    monkeypatch.undo()
    assert evidence.outcome is outcome
    assert outcome is not Outcome.BUSY or evidence.reason == "no connection to spare"
    assert Socket.opened == Socket.closed == free


@pytest.mark.parametrize("known", [True, False], ids=["known", "unknown"])
@pytest.mark.anyio
async def test_how_long_a_look_up_waits_is_known_whatever_comes_of_it(
    known: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    now, threads = 100.0, Threads()

    async def sleep(seconds: float) -> None:
        nonlocal now
        now += seconds

    async def getaddrinfo(*_: object) -> list[object]:
        assert threads.waited == math.inf, "not answered yet"
        await sleep(0.25)
        if not known:
            raise socket.gaierror(socket.EAI_NONAME, "unknown")
        return []

    monkeypatch.setattr(anyio, "current_time", lambda: now)
    monkeypatch.setattr(anyio, "sleep", sleep)
    monkeypatch.setattr(anyio, "getaddrinfo", getaddrinfo)
    assert threads.waited == math.inf
    await threads.watch()
    assert (now, threads.waited) == (100.25, 0.25)


@pytest.mark.anyio
async def test_how_late_the_loop_was_is_added_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of each step all but the first 5 ms counts. A second is waited for in fifty steps, a shorter time in 10 ms."""
    now, late, steps = 100.0, [0.105, 0.004, 0.005, 0.055], 0

    async def sleep_until(wake: float) -> None:
        nonlocal now, steps
        now, steps = wake + (late.pop(0) if late else 0.0), steps + 1

    monkeypatch.setattr(anyio, "current_time", lambda: now)
    monkeypatch.setattr(anyio, "sleep_until", sleep_until)
    lateness = Lateness()
    await lateness.wait_until(101.0)
    assert lateness.seconds == pytest.approx(0.15)
    assert now == 101.0
    assert 41 <= steps <= 42, "49 and a half less what came late"
    steps, now = 0, 0.0
    in_time = Lateness()
    await in_time.wait_until(0.095)
    assert (steps, now) == (10, 0.095)
    await in_time.wait_until(0.095)
    await in_time.wait_until(0.0)
    assert (in_time.seconds, steps) == (0.0, 10)


EXHAUSTED = [errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM, errno.EADDRNOTAVAIL]


def raised(error: Exception, cause: Exception, how: str) -> Exception:
    """`error` as it is caught when `cause` brought it about."""
    try:
        if how == "cause":
            raise error from cause
        if how == "group":
            raise error from ExceptionGroup("all addresses failed", [ConnectionRefusedError(), OSError(), cause])
        if how == "deep":
            raise error from raised(RuntimeError(), raised(ValueError(), cause, "context"), "cause")
        try:
            raise cause
        except Exception:
            raise error  # noqa: B904 (the context is what is tested)
    except type(error) as caught:
        return caught


@pytest.mark.parametrize("how", ["cause", "context", "group", "deep"])
@pytest.mark.parametrize("number", EXHAUSTED, ids=lambda number: errno.errorcode[number])
@pytest.mark.parametrize("module", [httpx, httpx2], ids=lambda module: module.__name__)
def test_no_connection_for_want_of_our_own_sockets_is_no_outage(module: Any, number: int, how: str) -> None:
    """Many visitors at once can bring it about."""
    error = raised(module.ConnectError("x"), OSError(number, "x"), how)
    assert blame(error) == Evidence(Outcome.BUSY, "no connection to spare")
    assert not was_not_sent(error), "the next server is asked in vain"


@pytest.mark.parametrize("number", [errno.ECONNREFUSED, errno.EHOSTUNREACH, errno.ENETUNREACH, errno.ETIMEDOUT])
@pytest.mark.parametrize("how", ["cause", "context", "group", "deep"])
def test_a_host_that_is_not_there_is_an_outage(number: int, how: str) -> None:
    error = raised(httpx.ConnectError("x"), OSError(number, "x"), how)
    assert blame(error).outcome is Outcome.UNAVAILABLE
    assert was_not_sent(error)


@pytest.mark.parametrize("exhausted", ["__cause__", "__context__"])
def test_the_cause_is_looked_at_and_the_context_too(exhausted: str) -> None:
    error = httpx.ConnectError("x")
    error.__cause__, error.__context__ = ValueError(), ValueError()
    setattr(error, exhausted, OSError(errno.EMFILE, "x"))
    assert blame(error).outcome is Outcome.BUSY


def test_exceptions_that_caused_each_other_are_looked_at_once() -> None:
    error, other = httpx.ConnectError("x"), ValueError()
    error.__cause__, other.__cause__ = other, error
    assert blame(error).outcome is Outcome.UNAVAILABLE


def test_a_process_without_a_free_socket_does_not_call_it_an_outage() -> None:
    """A host that cannot be looked up then looks like one that does not exist, with no word of sockets."""
    code = """
import resource, socket, json, httpx
from geetest_asgi._line.blame import blame, was_not_sent
error = socket.gaierror(socket.EAI_AGAIN, "x"), httpx.ConnectError("x"), httpx.ReadTimeout("x")
before = [blame(each).outcome for each in error]
resource.setrlimit(resource.RLIMIT_NOFILE, (30, 30))
kept = []
try:
    while True:
        kept.append(socket.socket())
except OSError:
    pass
during = [blame(each).outcome for each in error], [was_not_sent(each) for each in error]
kept.pop().close()  # one that came free meanwhile says nothing about the moment of the failure
nearly = [blame(each).outcome for each in error]
for each in kept:
    each.close()
after = [blame(each).outcome for each in error]
print(json.dumps([before, *during, nearly, after]))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=20)
    down = ["unavailable"] * 3
    spent = ["busy", "busy", "unavailable"]
    assert json.loads(done.stdout) == [down, spent, [False] * 3, spent, down]


# The same with real sockets: what the clients raise is what the tables above speak of


@pytest.fixture
def closed_port() -> Iterator[int]:
    with socket.socket() as taken:  # bound and not listening: nobody else can be given the port
        taken.bind(("127.0.0.1", 0))
        yield taken.getsockname()[1]


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(5)
        yield server


async def error_of(client: Any, port: int, **settings: Any) -> Exception:
    try:
        await client.post(f"http://127.0.0.1:{port}/validate", content=b"x", **settings)
    except Exception as error:
        return error
    raise AssertionError("it was answered")


@pytest.mark.anyio
@pytest.mark.parametrize("module", [httpx, httpx2], ids=lambda module: module.__name__)
async def test_a_port_that_is_closed(module: Any, closed_port: int) -> None:
    async with module.AsyncClient(trust_env=False) as client:
        error = await error_of(client, closed_port)
    assert blame(error).outcome is Outcome.UNAVAILABLE
    assert was_not_sent(error)


@pytest.mark.anyio
@pytest.mark.parametrize("module", [httpx, httpx2], ids=lambda module: module.__name__)
async def test_a_server_that_accepts_and_hangs_up(module: Any, listener: socket.socket) -> None:
    def accept() -> None:
        connection, _ = listener.accept()
        connection.recv(1000)
        connection.close()

    hanging_up = threading.Thread(target=accept)
    hanging_up.start()
    async with module.AsyncClient(trust_env=False) as client:
        error = await error_of(client, listener.getsockname()[1])
    hanging_up.join()
    assert blame(error).outcome is Outcome.UNAVAILABLE
    assert not was_not_sent(error), "it may have arrived"


@pytest.mark.anyio
@pytest.mark.parametrize("module", [httpx, httpx2], ids=lambda module: module.__name__)
async def test_a_server_that_says_nothing_and_a_pool_that_is_used_up(module: Any, listener: socket.socket) -> None:
    port = listener.getsockname()[1]
    errors = list[Exception]()

    async def ask() -> None:
        errors.append(await error_of(client, port))

    timeout = module.Timeout(0.4, pool=0.05)
    one = module.Limits(max_connections=1)
    async with (
        module.AsyncClient(trust_env=False, timeout=timeout, limits=one) as client,
        anyio.create_task_group() as group,
    ):
        group.start_soon(ask)
        group.start_soon(ask)
    used_up, silent = errors
    assert blame(used_up).outcome is Outcome.BUSY
    assert blame(silent).outcome is Outcome.UNAVAILABLE
    assert not was_not_sent(silent)
    assert not was_not_sent(used_up)


@pytest.mark.anyio
@pytest.mark.parametrize("module", [httpx, httpx2], ids=lambda module: module.__name__)
async def test_a_call_that_cannot_be_made_at_all(module: Any, listener: socket.socket) -> None:
    """A server is there and takes connections, so that nothing but the call is wrong."""
    port = listener.getsockname()[1]
    async with module.AsyncClient(trust_env=False) as client:
        errors = [await error_of(client, port, headers={"a": "b\r\nc"})]
        errors.append(await error_of(client, port, headers={"a": "é\ud800"}))
    errors.append(await error_of(client, port))  # the client is closed
    assert [blame(error).outcome for error in errors] == [Outcome.MISCONFIGURED] * 3
