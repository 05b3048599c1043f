"""`serve`: any ASGI app on a thread with a URL, for a client that needs a real socket."""

import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from starlette.types import ASGIApp

    from ._uvicorn import QuickServer

START_TIMEOUT: Final = 10.0
"""Seconds for the app's lifespan to start; more means that it hangs."""

STOP_TIMEOUT: Final = 3.0
"""Seconds to wait for the thread's end. It takes 0.3 but for an app that blocks, whose thread is left behind."""


@contextmanager
def serve(
    app: "ASGIApp", *, host: str = "127.0.0.1", port: int = 0, tls: ssl.SSLContext | None = None
) -> Iterator[str]:
    """Run `app` with uvicorn on a thread of its own. The value is its base URL, without a slash at the end.

    `port` 0: any free port. `tls`: serve https with this context. The app accepts connections when the block begins.
    At the end of the block every connection is closed, even if a request waits, and the app's lifespan ends. Raises
    OSError if the address is in use, RuntimeError if the lifespan does not start, ImportError without uvicorn.
    """
    with closing(bind(host, port)) as listener, serve_on(listener, app, tls) as url:
        yield url


@contextmanager
def serve_on(listener: socket.socket, app: "ASGIApp", tls: ssl.SSLContext | None) -> Iterator[str]:
    """`serve` at a socket that `bind` made; the caller closes it."""
    server = _quick_server()(app, tls)
    listener.listen(2048)
    thread = threading.Thread(target=server.run_on, args=(listener,), name="geetest_asgi serve", daemon=True)
    thread.start()
    try:
        _await_start(server)
        yield _url("http" if tls is None else "https", listener)
    finally:
        server.should_exit = True
        thread.join(STOP_TIMEOUT)


def _quick_server() -> "type[QuickServer]":
    try:
        from ._uvicorn import QuickServer
    except ModuleNotFoundError as missing:
        if missing.name != "uvicorn":
            raise
        raise ImportError("serving needs uvicorn: pip install 'geetest-asgi[demo]'") from missing
    return QuickServer


def bind(host: str, port: int) -> socket.socket:
    """A socket that is bound here, so that its port is known, and a wrong address is the caller's exception.

    It does not listen yet, so the command can write the authority's file before a client connects.
    """
    if not 0 <= port <= 65535:  # getaddrinfo takes 70000 for 4464
        raise ValueError(f"port is {port!r}: a number from 0 to 65535 is wanted")
    family, kind, protocol, *_ = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)[0]
    # With its protocol named: asyncio turns off Nagle's algorithm only where it sees TCP, else answers come 40 ms late.
    listener = socket.socket(family, kind, protocol)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
    except OSError:
        listener.close()
        raise
    return listener


def _await_start(server: "QuickServer") -> None:
    if not server.settled.wait(START_TIMEOUT):
        raise RuntimeError(f"the app's lifespan did not start within {START_TIMEOUT:g} seconds")
    if not server.started:
        raise RuntimeError("the app's lifespan failed to start: uvicorn's log has its traceback")


def _url(scheme: str, listener: socket.socket) -> str:
    """The bound address as a URL; loopback where it is any interface, since that is no address to call."""
    name: tuple[Any, ...] = listener.getsockname()
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(name[0], name[0])  # noqa: S104 - read, not bound to
    literal = f"[{host}]" if ":" in host else host
    return f"{scheme}://{literal}:{name[1]}"
