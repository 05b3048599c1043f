"""The headers of a call, the part of an answer that is kept, and the protocol of a wire."""

from collections.abc import AsyncIterable, AsyncIterator, Mapping
from typing import Final, Protocol

from anyio import CancelScope

from .._core.model import Reply
from .._core.protocol import MAX_REPLY
from .call import Call

HEADERS: Final = {
    "Content-Type": "application/x-www-form-urlencoded",
    "Accept": "application/json",
    "Accept-Encoding": "identity",
    "User-Agent": "geetest_asgi",
}
"""The headers of each call."""

MARK: Final = "x-geetest-simulator"
"""A header of each answer of `geetest_asgi.testing.Simulator`."""


class Wire(Protocol):
    """Makes the calls of one event loop: the line uses nothing else of an HTTP client."""

    async def post(self, url: str, form: bytes, call: Call) -> Reply:
        """POST the form, and report the progress to `call`. Raises what the client raises. Has no timeout."""

    async def aclose(self) -> None:
        """Close the connections, but not a client that the user closes."""


def reply_of(status: int, headers: Mapping[bytes, bytes], body: bytes | None) -> Reply:
    """Return the answer. The names of `headers` must be in lower case."""
    encoded = headers.get(b"content-encoding", b"identity").lower() != b"identity"
    return Reply(status, None if encoded else body, MARK.encode() in headers, encoded)


async def read_reply(status: int, headers: Mapping[str, str], chunks: AsyncIterable[bytes]) -> Reply:
    """Return the answer, with its body as it was sent; None if it is too long or encoded, or the status is not 200.

    Reads no more than an answer of `/validate` can have, since the body may have no end.
    """
    raw = {name.lower().encode("latin-1"): value.encode("latin-1", "replace") for name, value in headers.items()}
    without_body = reply_of(status, raw, None)
    if status != 200 or without_body.encoded:
        return without_body
    body, pieces = bytearray(), aiter(chunks)
    async for piece in pieces:
        body += piece
        if len(body) > MAX_REPLY:
            await _break_off(pieces)
            return without_body
    return reply_of(status, raw, bytes(body))


async def _break_off(pieces: AsyncIterator[bytes]) -> None:
    """Unwind the generators inside. Only an exception does that."""
    with CancelScope() as enough:
        enough.cancel()
        async for _ in pieces:
            pass
