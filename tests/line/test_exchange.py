"""What is kept of an answer, whoever carries it."""

from collections.abc import AsyncIterator

import pytest
from anyio.lowlevel import checkpoint

from geetest_asgi._core.model import Reply
from geetest_asgi._core.protocol import MAX_REPLY
from geetest_asgi._line.exchange import MARK, read_reply, reply_of

pytestmark = pytest.mark.anyio


class Pieces:
    """A body in pieces; it knows how many were asked for, and whether it was read to its end or unwound."""

    def __init__(self, *pieces: bytes) -> None:
        self.given, self.ended = 0, False
        self._pieces = pieces

    async def __aiter__(self) -> AsyncIterator[bytes]:
        try:
            for piece in self._pieces:
                await checkpoint()
                self.given += 1
                yield piece
        finally:
            self.ended = True


def test_an_encoded_body_is_not_read_and_the_simulators_mark_is_seen() -> None:
    assert reply_of(200, {}, b"{}") == Reply(200, b"{}", simulated=False, encoded=False)
    assert reply_of(200, {b"content-encoding": b"Identity"}, b"{}") == Reply(200, b"{}")
    assert reply_of(200, {b"content-encoding": b"gzip"}, b"{}") == Reply(200, None, encoded=True)
    assert reply_of(200, {MARK.encode(): b"1"}, b"{}") == Reply(200, b"{}", simulated=True)


async def test_a_body_is_put_together_from_its_pieces() -> None:
    assert await read_reply(200, {"X-Note": "极验"}, Pieces(b"{", b"}")) == Reply(200, b"{}")


@pytest.mark.parametrize(("status", "headers"), [(503, {}), (200, {"Content-Encoding": "gzip"})])
async def test_a_body_that_says_nothing_is_not_read(status: int, headers: dict[str, str]) -> None:
    body = Pieces(b"{}")
    assert await read_reply(status, headers, body) == Reply(status, None, encoded=bool(headers))
    assert body.given == 0


async def test_no_more_is_read_than_an_answer_can_have() -> None:
    body = Pieces(b"x" * MAX_REPLY, b"y", b"z")
    assert await read_reply(200, {}, body) == Reply(200, None)
    assert (body.given, body.ended) == (2, True)
    longest = b"x" * MAX_REPLY
    assert await read_reply(200, {}, Pieces(longest)) == Reply(200, longest)
