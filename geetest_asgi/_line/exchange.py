"""The request headers of a call and the parts of an answer that are kept, the same for every HTTP client."""

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
"""Header of every answer of `geetest_asgi.testing.Simulator`."""


class Wire(Protocol):
    """What the guard needs of an HTTP client: one method that posts a form."""

    async def post(self, url: str, form: bytes, call: Call) -> Reply:
        """POST the form, and report the progress to `call`. Raises what the client raises. Has no timeout."""

    async def aclose(self) -> None:
        """Close the connections that the guard owns."""


def reply_of(status: int, headers: Mapping[bytes, bytes], body: bytes | None) -> Reply:
    """Return an answer whose header fields have lower-case names."""
    encoded = headers.get(b"content-encoding", b"identity").lower() != b"identity"
    return Reply(status, None if encoded else body, MARK.encode() in headers, encoded)


async def read_reply(status: int, headers: Mapping[str, str], chunks: AsyncIterable[bytes]) -> Reply:
    """Return the answer. Its body is None if it is too long or encoded, or if the status is not 200.

    At most as many bytes are read as an answer of `/validate` can have: the body may be endless.
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
