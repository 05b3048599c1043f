"""Which failures of a call count as an outage. Sockets and exceptions are real ones."""

import errno
import json
import socket
import ssl
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import anyio
import httpx
import httpx2
import pytest

from geetest_asgi import Outcome
from geetest_asgi._core.model import Evidence
from geetest_asgi._line.blame import KeptConnectionError, blame

pytestmark = pytest.mark.anyio

OUTAGES = {  # of httpx and httpx2
    "ConnectError",
    "ConnectTimeout",
    "ProxyError",
    "ReadError",
    "ReadTimeout",
    "WriteError",
    "WriteTimeout",
    "CloseError",
    "RemoteProtocolError",
    "DecodingError",
}
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
    if kind.__name__ in OUTAGES:
        assert evidence.outcome is Outcome.UNAVAILABLE
    elif kind.__name__ == "PoolTimeout":
        assert evidence.outcome is Outcome.BUSY
    else:
        assert evidence.outcome is Outcome.MISCONFIGURED
    assert "secret" not in repr(evidence), "an exception's text may hold a URL"


@pytest.mark.parametrize("module", [httpx, httpx2], ids=lambda module: module.__name__)
def test_the_outages_exist_in_both_clients(module: Any) -> None:
    names = {kind.__name__ for kind in exceptions_of(module)}
    assert OUTAGES | {"PoolTimeout", "LocalProtocolError", "TooManyRedirects"} <= names


BARE = [  # what other clients let through, and what Python itself raises
    (ConnectionRefusedError(errno.ECONNREFUSED, "refused"), Outcome.UNAVAILABLE),
    (socket.gaierror(socket.EAI_NONAME, "unknown"), Outcome.UNAVAILABLE),
    (ConnectionResetError(), Outcome.UNAVAILABLE),
    (ConnectionAbortedError(), Outcome.UNAVAILABLE),
    (BrokenPipeError(), Outcome.UNAVAILABLE),
    (TimeoutError(), Outcome.UNAVAILABLE),
    (OSError(errno.EMFILE, "too many"), Outcome.MISCONFIGURED),
    (PermissionError(), Outcome.MISCONFIGURED),
    (FileNotFoundError(), Outcome.MISCONFIGURED),
    (RuntimeError("Event loop is closed"), Outcome.MISCONFIGURED),
    (ValueError(), Outcome.MISCONFIGURED),
    (UnicodeEncodeError("ascii", "é", 0, 1, ""), Outcome.MISCONFIGURED),
    (TypeError(), Outcome.MISCONFIGURED),
    (AttributeError("status_code"), Outcome.MISCONFIGURED),
    (KeyError("x"), Outcome.MISCONFIGURED),
    (ImportError(), Outcome.MISCONFIGURED),
    (AssertionError(), Outcome.MISCONFIGURED),
    (MemoryError(), Outcome.MISCONFIGURED),
    (RecursionError(), Outcome.MISCONFIGURED),
    (anyio.ClosedResourceError(), Outcome.MISCONFIGURED),
    (ExceptionGroup("several", [ValueError()]), Outcome.MISCONFIGURED),
    (Exception(), Outcome.MISCONFIGURED),
]


@pytest.mark.parametrize(("error", "outcome"), BARE, ids=lambda value: repr(value)[:30])
def test_other_exceptions(error: Exception, outcome: Outcome) -> None:
    assert blame(error).outcome is outcome
    assert type(error).__name__ in blame(error).reason


@pytest.mark.parametrize("module", [httpx, httpx2], ids=lambda module: module.__name__)
def test_a_subclass_is_what_its_base_is(module: Any) -> None:
    for name, outcome in (("ReadTimeout", Outcome.UNAVAILABLE), ("PoolTimeout", Outcome.BUSY)):
        special = type("Special", (getattr(module, name),), {})
        assert blame(special("x")).outcome is outcome


def test_waiting_for_a_pool_is_no_outage_though_a_client_calls_it_a_timeout() -> None:
    error: Exception = type("PoolTimeout", (TimeoutError,), {})()
    assert blame(error) == Evidence(Outcome.BUSY, "no connection to spare")


def test_the_end_of_a_kept_connection_is_no_outage() -> None:
    assert blame(KeptConnectionError()) == Evidence(Outcome.BUSY, "a kept connection had ended")


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


@pytest.mark.parametrize("number", [errno.ECONNREFUSED, errno.EHOSTUNREACH, errno.ENETUNREACH, errno.ETIMEDOUT])
@pytest.mark.parametrize("how", ["cause", "context", "group", "deep"])
def test_a_host_that_is_not_there_is_an_outage(number: int, how: str) -> None:
    error = raised(httpx.ConnectError("x"), OSError(number, "x"), how)
    assert blame(error).outcome is Outcome.UNAVAILABLE


@pytest.mark.parametrize("how", ["cause", "context", "group", "deep"])
def test_a_certificate_that_is_not_trusted_is_named(how: str) -> None:
    """It lasts, and may well be this machine's fault."""
    error = raised(httpx.ConnectError("x"), ssl.SSLCertVerificationError("x"), how)
    assert blame(error).reason == "no connection: its certificate is not trusted (ConnectError)"
    assert blame(raised(httpx.ConnectError("x"), ssl.SSLError("x"), how)).reason == "no connection (ConnectError)"


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
from geetest_asgi._line.blame import blame
error = socket.gaierror(socket.EAI_AGAIN, "x"), httpx.ConnectError("x"), httpx.ReadTimeout("x")
before = [blame(each).outcome for each in error]
resource.setrlimit(resource.RLIMIT_NOFILE, (30, 30))
kept = []
try:
    while True:
        kept.append(socket.socket())
except OSError:
    pass
during = [blame(each).outcome for each in error]
kept.pop().close()  # one that came free meanwhile says nothing about the moment of the failure
nearly = [blame(each).outcome for each in error]
for each in kept:
    each.close()
after = [blame(each).outcome for each in error]
print(json.dumps([before, during, nearly, after]))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=20)
    down = ["unavailable"] * 3
    spent = ["busy", "busy", "unavailable"]
    assert json.loads(done.stdout) == [down, spent, spent, down]


# What the clients raise for calls that can be made is asked in tests/edges, by what becomes of a visitor


async def error_of(client: Any, port: int, **settings: Any) -> Exception:
    try:
        await client.post(f"http://127.0.0.1:{port}/validate", content=b"x", **settings)
    except Exception as error:
        return error
    raise AssertionError("it was answered")


@pytest.mark.parametrize("module", [httpx, httpx2], ids=lambda module: module.__name__)
async def test_a_call_that_cannot_be_made_at_all(module: Any) -> None:
    """A server is there and takes connections, so that nothing but the call is wrong."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        async with module.AsyncClient(trust_env=False) as client:
            errors = [await error_of(client, port, headers={"a": "b\r\nc"})]
            errors.append(await error_of(client, port, headers={"a": "é\ud800"}))
        errors.append(await error_of(client, port))  # the client is closed
    assert [blame(error).outcome for error in errors] == [Outcome.MISCONFIGURED] * 3
