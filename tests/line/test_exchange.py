"""What is kept of an answer, whoever carries it."""

from collections.abc import AsyncIterator

import pytest
from anyio.lowlevel import checkpoint

from geetest_asgi._core.model import Reply
from geetest_asgi._core.protocol import MAX_REPLY
from geetest_asgi._line.exchange import MARK, read_reply, reply_of

pytestmark = pytest.mark.anyio


async def body_of(*pieces: bytes, log: list[bytes]) -> AsyncIterator[bytes]:
    """A body in pieces, which logs those that were asked for, and that it was read to its end or unwound."""
    try:
        for piece in pieces:
            await checkpoint()
            log.append(piece)
            yield piece
    finally:
        log.append(b"ended")


def test_an_encoded_body_is_not_read_and_the_simulators_mark_is_seen() -> None:
    assert reply_of(200, {}, b"{}") == Reply(200, b"{}", simulated=False, encoded=False)
    assert reply_of(200, {b"content-encoding": b"Identity"}, b"{}") == Reply(200, b"{}")
    assert reply_of(200, {b"content-encoding": b"gzip"}, b"{}") == Reply(200, None, encoded=True)
    assert reply_of(200, {MARK.encode(): b"1"}, b"{}") == Reply(200, b"{}", simulated=True)


async def test_a_body_is_put_together_from_its_pieces() -> None:
    assert await read_reply(200, {"X-Note": "极验"}, body_of(b"{", b"}", log=[])) == Reply(200, b"{}")


@pytest.mark.parametrize(("status", "headers"), [(503, {}), (200, {"Content-Encoding": "gzip"})])
async def test_a_body_that_says_nothing_is_not_read(status: int, headers: dict[str, str]) -> None:
    log: list[bytes] = []
    reply = await read_reply(status, headers, body_of(b"{}", log=log))
    assert (reply, log) == (Reply(status, None, encoded=bool(headers)), [])


async def test_no_more_is_read_than_an_answer_can_have() -> None:
    log, longest = list[bytes](), b"x" * MAX_REPLY
    assert await read_reply(200, {}, body_of(longest, b"y", b"z", log=log)) == Reply(200, None)
    assert log == [longest, b"y", b"ended"]
    assert await read_reply(200, {}, body_of(longest, log=log)) == Reply(200, longest)
