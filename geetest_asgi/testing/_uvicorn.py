"""A uvicorn server that reports when it listens, and that closes hanging connections at its end.

The only module that imports uvicorn; `server.serve` imports it when it is called.
"""

import asyncio
import socket
import ssl
import threading

from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn import Config, Server


class QuickServer(Server):
    """One run of an app, on a thread. `should_exit = True` from any thread ends it within about 0.3 seconds."""

    def __init__(self, app: ASGIApp, tls: ssl.SSLContext | None = None) -> None:
        self.settled = threading.Event()
        """Set when the server listens (`started`), or when it ended without ever doing so."""

        async def quietly(scope: Scope, receive: Receive, send: Send) -> None:
            try:
                await app(scope, receive, send)
            except asyncio.CancelledError:
                if not self.should_exit:
                    raise

        # No log_config: it would replace the caller's own logging set-up.
        super().__init__(
            Config(
                quietly,
                interface="asgi3",
                loop="asyncio",
                http="h11",
                log_config=None,
                access_log=False,
                proxy_headers=False,  # the peer is the peer, whatever X-Forwarded-For says
                timeout_keep_alive=60,  # seconds: a guard keeps connections for less, so none ends during a call
                timeout_graceful_shutdown=1,  # seconds, for an app that goes on after its client was hung up
            )
        )
        self.config.load()
        self.config.ssl = tls  # after load(), which makes one of files only

    def run_on(self, listener: socket.socket) -> None:
        """Serve until `should_exit`. Blocks."""
        try:
            self.run([listener])
        except SystemExit:  # uvicorn exits so if a lifespan fails; it has logged why, and `started` reports it
            pass
        finally:
            self.settled.set()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start as uvicorn does, and report it."""
        await super().startup(sockets)
        self.settled.set()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Close every connection first, so that there is nothing to wait for; then stop as uvicorn does.

        A connection that waits at the end would leave its socket open (ResourceWarning) or hold up the exit.
        """
        for connection in list(self.server_state.connections):
            connection.transport.abort()  # uvicorn notices this before a task sees its cancellation
        for task in list(self.server_state.tasks):
            task.cancel()
        await super().shutdown(sockets)
