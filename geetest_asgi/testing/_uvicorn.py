"""A uvicorn server that says when it listens, and that does not wait for hanging clients at its end.

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
                timeout_keep_alive=60,  # seconds: longer than a guard keeps a connection, which so never meets its end
                timeout_graceful_shutdown=1,  # seconds, for an app that goes on after its client was hung up
            )
        )
        self.config.load()
        self.config.ssl = tls  # after load(), which makes one of files only

    def run_on(self, listener: socket.socket) -> None:
        """Serve until `should_exit`. Blocks."""
        try:
            self.run([listener])
        except SystemExit:  # uvicorn's word for a lifespan that failed; it has logged why, and `started` says it
            pass
        finally:
            self.settled.set()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """As uvicorn does, and say so."""
        await super().startup(sockets)
        self.settled.set()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Hang up on everybody first, so that nothing is left to wait for; then as uvicorn does.

        A connection that waits at the end would leave its socket open (ResourceWarning) or hold up the exit.
        """
        for connection in list(self.server_state.connections):
            connection.transport.abort()  # which uvicorn learns of before a task sees its cancellation
        for task in list(self.server_state.tasks):
            task.cancel()
        await super().shutdown(sockets)
