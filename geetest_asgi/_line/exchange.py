"""What is sent to GeeTest beside the form, and what is kept of an answer, whoever carries them."""

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
"""Of each call."""

MARK: Final = "x-geetest-simulator"
"""The header of all that `geetest_asgi.testing.Simulator` answers."""


class Wire(Protocol):
    """The one thing that is asked of an HTTP client here."""

    async def post(self, url: str, form: bytes, call: Call) -> Reply:
        """POST the form, and tell `call` how far it has come. Raises what the client raises. Has no time-out."""

    async def aclose(self) -> None:
        """Close what is ours to close."""


def reply_of(status: int, headers: Mapping[bytes, bytes], body: bytes | None) -> Reply:
    """Return an answer whose header fields have lower-case names."""
    encoded = headers.get(b"content-encoding", b"identity").lower() != b"identity"
    return Reply(status, None if encoded else body, MARK.encode() in headers, encoded)


async def read_reply(status: int, headers: Mapping[str, str], chunks: AsyncIterable[bytes]) -> Reply:
    """Return the answer, with its body as it was sent; None where it is too long or encoded, or not a 200's.

    No more is read of it than an answer of `/validate` can have: the rest may be without an end.
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
    """The generators inside must be unwound, and only an exception does that."""
    with CancelScope() as enough:
        enough.cancel()
        async for _ in pieces:
            pass
