"""Reading GeeTest's answer, and no more of it than an answer can have: the rest may be without an end."""

from collections.abc import AsyncIterable, AsyncIterator, Mapping

from anyio import CancelScope

from .._core.model import Reply
from .._core.protocol import MAX_REPLY
from .pretence import MARK


async def read_reply(status: int, headers: Mapping[str, str], chunks: AsyncIterable[bytes]) -> Reply:
    """The answer with the body as it was sent: None where it is too long, or encoded though none was asked for.

    Only a 200's body is read; no other says anything that counts.
    """
    simulated = MARK in headers
    if status != 200 or headers.get("content-encoding", "identity") != "identity":
        return Reply(status, None, simulated)
    body, pieces = bytearray(), aiter(chunks)
    async for piece in pieces:
        body += piece
        if len(body) > MAX_REPLY:
            await _break_off(pieces)
            return Reply(status, None, simulated)
    return Reply(status, bytes(body), simulated)


async def _break_off(pieces: AsyncIterator[bytes]) -> None:
    """The generators inside must be unwound, and only an exception does that."""
    with CancelScope() as enough:
        enough.cancel()
        async for _ in pieces:
            pass
