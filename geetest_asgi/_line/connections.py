"""The wire to GeeTest: our own connections, or a client of the user's.

httpx's own pool looks at every connection and every waiting call at each step, so its cost grows with the square of
what is in flight. Here each connection is a transport of its own in a list of free ones, last used first; how many
there are is bounded by whoever calls (`Limits.max_in_flight`).
"""

import time
from collections import defaultdict, deque
from typing import TYPE_CHECKING, Any, Final, Protocol

from anyio import CancelScope, CapacityLimiter, to_thread

from .._core.model import Reply
from .handshake import handshake
from .reading import read_reply

if TYPE_CHECKING:
    from .transport import Connection

HEADERS: Final = {
    "Content-Type": "application/x-www-form-urlencoded",
    "Accept": "application/json",
    "Accept-Encoding": "identity",
    "User-Agent": "geetest_asgi",
}
"""Of each call."""

UNUSED: Final = 45.0
"""Seconds after which a free connection is closed; GeeTest's end may close it earlier."""


class Wire(Protocol):
    """The one thing that is asked of an HTTP client here."""

    async def post(self, url: str, form: bytes, connect: float) -> Reply:
        """POST the form; `connect` is how many seconds a connection may take. Raises what the client raises."""

    async def aclose(self) -> None:
        """Close what is ours to close."""


class OwnConnections:
    """The default: single connections by httpx. Belongs to one event loop."""

    def __init__(self, *, trust_env: bool) -> None:
        self._trust_env = trust_env
        self._closed = False
        self._threads = CapacityLimiter(4)
        self._free: defaultdict[str, deque[tuple[float, Connection]]] = defaultdict(deque)

    async def post(self, url: str, form: bytes, connect: float) -> Reply:
        """POST on a free connection or a new one. One that failed is not used again."""
        origin = url.partition("/validate?")[0]
        connection = await self._take(origin)
        reply = None
        try:
            reply = await connection.post(url, form, HEADERS, connect)
            return reply
        finally:
            if reply is not None and reply.body is not None and not self._closed:
                self._free[origin].append((time.monotonic(), connection))
            else:  # it failed, or something was left unread, or its user has closed us meanwhile
                with CancelScope(shield=True):
                    await connection.aclose()

    async def _take(self, origin: str) -> "Connection":
        free = self._free[origin]
        while free and time.monotonic() - free[0][0] > UNUSED:
            await free.popleft()[1].aclose()
        if free:
            return free.pop()[1]
        # Importing httpx and reading the certificates takes tens of milliseconds: not on the event loop. And not on the
        # threads that the app's own slow endpoints may have used up.
        return await to_thread.run_sync(_new_connection, origin, self._trust_env, limiter=self._threads)

    async def aclose(self) -> None:
        """Close every free connection now, and those in use when their calls end."""
        self._closed = True
        for free in self._free.values():
            while free:
                await free.pop()[1].aclose()


def _new_connection(origin: str, trust_env: bool) -> "Connection":
    from .transport import Connection

    return Connection(origin, trust_env=trust_env, unused=UNUSED)


class GivenClient:
    """A client of the user's: any object with httpx's asynchronous `stream`."""

    def __init__(self, client: Any, *, ours: bool) -> None:
        self._client = client
        self._ours = ours

    async def post(self, url: str, form: bytes, connect: float) -> Reply:
        """POST by `client.stream`; never following a redirect, which would carry the token elsewhere."""
        # Connect, read, write, pool. The caller's deadline bounds the reading. Waiting for the client's own pool is
        # our crowd's doing and no outage: it must end, as PoolTimeout, while most of that deadline is left.
        timeout = (connect, None, None, connect / 8)
        async with handshake() as extensions:
            request = {"content": form, "headers": HEADERS, "timeout": timeout, "extensions": extensions}
            async with self._client.stream("POST", url, follow_redirects=False, **request) as response:
                return await read_reply(response.status_code, response.headers, response.aiter_raw())

    async def aclose(self) -> None:
        """Close the client if a function of the user's made it for us."""
        if self._ours and hasattr(self._client, "aclose"):
            await self._client.aclose()
