"""Which failures of a call count as an outage. Sockets and exceptions are real ones."""

import errno
import socket
import ssl
from collections.abc import Iterator
from typing import Any

import httpx
import httpx2
import pytest
from edges.servers import no_socket_to_spare

from geetest_asgi import Outcome
from geetest_asgi._core.model import Evidence
from geetest_asgi._line.blame import KeptConnectionError, blame

OUTAGES = {  # of httpx and httpx2
    *("ConnectError", "ReadError", "WriteError", "CloseError", "ProxyError", "RemoteProtocolError"),
    *("ConnectTimeout", "ReadTimeout", "WriteTimeout"),
}
BESIDES = {"PoolTimeout": Outcome.BUSY, "DecodingError": Outcome.REFUSED}
SECRET = "https://h/validate?pass_token=secret"


def exceptions_of(module: Any) -> Iterator[type[Exception]]:
    for name in sorted(dir(module)):
        each = getattr(module, name)
        if isinstance(each, type) and issubclass(each, Exception):
            yield each


@pytest.mark.parametrize(
    "kind", [*exceptions_of(httpx), *exceptions_of(httpx2)], ids=lambda kind: f"{kind.__module__}.{kind.__name__}"
)
def test_every_exception_of_both_clients(kind: type[Exception]) -> None:
    """A list of outages, not of exceptions to it: what is new there is ours until somebody has thought about it."""
    evidence = blame(kind.__new__(kind, SECRET))  # some insist on a request or a response
    if kind.__name__ in OUTAGES:
        assert evidence.outcome is Outcome.UNAVAILABLE
    elif kind.__name__ in BESIDES:
        assert evidence.outcome is BESIDES[kind.__name__]
    else:
        assert evidence.outcome is Outcome.MISCONFIGURED
    assert "secret" not in repr(evidence), "an exception's text may hold a URL"


# Of other clients, and of Python itself.
OF_OTHERS: list[Exception] = [ConnectionRefusedError(), socket.gaierror(socket.EAI_NONAME, "unknown"), TimeoutError()]
OF_OURS: list[Exception] = [OSError(errno.EMFILE, "x"), PermissionError(), RuntimeError("Event loop is closed")]


def test_other_exceptions() -> None:
    for error in OF_OTHERS + OF_OURS:
        outcome = Outcome.UNAVAILABLE if error in OF_OTHERS else Outcome.MISCONFIGURED
        assert blame(error).outcome is outcome, error
        assert type(error).__name__ in blame(error).reason


def brought_about(error: Exception, cause: Exception, how: str) -> Exception:
    if how == "context":
        error.__context__ = cause
    elif how == "deep":
        error.__cause__ = brought_about(RuntimeError(), cause, "context")
    else:
        error.__cause__ = cause if how == "cause" else ExceptionGroup("all addresses failed", [OSError(), cause])
    return error


EXHAUSTED = [errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM, errno.EADDRNOTAVAIL]
NOT_THERE = [errno.ECONNREFUSED, errno.EHOSTUNREACH, errno.ENETUNREACH, errno.ETIMEDOUT]
NO_CONNECTION = "no connection (ConnectError)"
CAUSES: list[tuple[Exception, str]] = [
    *[(OSError(number, "x"), "no connection to spare") for number in EXHAUSTED],
    *[(OSError(number, "x"), NO_CONNECTION) for number in NOT_THERE],
    (ssl.SSLError("x"), NO_CONNECTION),
    (ssl.SSLCertVerificationError("x"), "no connection: its certificate is not trusted (ConnectError)"),
]


@pytest.mark.parametrize("how", ["cause", "context", "group", "deep"])
@pytest.mark.parametrize("module", [httpx, httpx2], ids=lambda module: module.__name__)
def test_what_brought_a_failed_connection_about_is_looked_for(module: Any, how: str) -> None:
    """Many visitors at once can use up our own sockets. A certificate lasts, and may well be this machine's fault."""
    for cause, reason in CAUSES:
        evidence = blame(brought_about(module.ConnectError("x"), cause, how))
        assert evidence.reason == reason, cause
        assert evidence.outcome is (Outcome.BUSY if reason == "no connection to spare" else Outcome.UNAVAILABLE)


POOL: Exception = type("PoolTimeout", (TimeoutError,), {})()
"""By its class a time-out."""


def test_what_is_busy_says_why() -> None:
    assert blame(POOL) == Evidence(Outcome.BUSY, "no connection to spare")
    assert blame(KeptConnectionError()) == Evidence(Outcome.BUSY, "a kept connection had ended")


def test_exceptions_that_caused_each_other_are_looked_at_once() -> None:
    error, other = httpx.ConnectError("x"), ValueError()
    error.__cause__, other.__cause__ = other, error
    assert blame(error).outcome is Outcome.UNAVAILABLE


@pytest.mark.parametrize("free", [0, 1])
def test_a_process_without_a_free_socket_does_not_call_it_an_outage(free: int) -> None:
    """A host that cannot be looked up then looks like one that does not exist, with no word of sockets.

    One that came free meanwhile says nothing about the moment of the failure.
    """
    errors = socket.gaierror(socket.EAI_AGAIN, "x"), httpx.ConnectError("x"), httpx.ReadTimeout("x")
    with no_socket_to_spare(but=free):
        assert [blame(each).outcome for each in errors] == [Outcome.BUSY, Outcome.BUSY, Outcome.UNAVAILABLE]
    assert {blame(each).outcome for each in errors} == {Outcome.UNAVAILABLE}
