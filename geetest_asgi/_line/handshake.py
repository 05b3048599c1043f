"""Connections that are given up during the TLS handshake: httpcore 1.0.9 (2025) leaves them open.

The event loop holds on to an open connection, and so each visitor who leaves at that moment, and each call that a
silent server lets run out of time, would cost a file descriptor for as long as the server likes. httpx has no word for
"close what you were opening", but its `trace` extension shows what is opened.
"""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

from anyio import CancelScope

Extensions = Mapping[str, Any]


class KeptConnectionError(Exception):
    """A connection that was kept from another call failed. Its other end may have closed it while this call was on its
    way, which a visitor can time; so it says nothing about GeeTest.
    """


@asynccontextmanager
async def handshake() -> AsyncIterator[Extensions]:
    """For one call: the value goes into its request's `extensions`. Whatever ends the call ends its handshake too."""
    opening: Any = None
    made = kept = False

    async def trace(event: str, info: Mapping[str, Any]) -> None:
        nonlocal opening, made, kept
        made = made or ".connect_" in event
        kept = not made and (kept or event.endswith("send_request_headers.started"))
        if event.endswith("connect_tcp.complete"):
            opening = info["return_value"]
        elif not event.endswith(("start_tls.started", "start_tls.failed")):
            opening = None  # it is open, and the client's to keep

    try:
        yield {"trace": trace}
    except Exception as error:
        if kept:
            raise KeptConnectionError from error
        raise
    finally:
        if opening is not None:
            with CancelScope(shield=True):
                await opening.aclose()
