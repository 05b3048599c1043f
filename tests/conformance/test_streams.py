"""Behind the guard a server's `receive` is the server's own again: streams run to their end, and a client that leaves
ends what it started, just as without the guard."""

import json
from contextlib import closing

import pytest

from . import wire
from .servers import SERVERS, each_server
from .stage import Pair, Stage

STREAM = b"0\n1\n2\n3\n4\n"


def test_a_streamed_answer_comes_whole(pair: Pair) -> None:
    """A disconnect that somebody made up after the body would end it early."""
    assert pair.ask(False, "/stream").body == STREAM
    answer = pair.with_token("/stream")
    assert answer.body == STREAM
    assert answer.seen["outcome"] == "passed"


def test_a_client_that_leaves_ends_an_endless_answer_as_without_the_guard(pair: Pair, stage: Stage) -> None:
    ended = []
    for guarded in (False, True):
        before = pair.entered(guarded=guarded)["ended"]
        name = pair.guarded if guarded else pair.bare
        with closing(wire.connect(pair.port)) as connection:
            connection.sendall(wire.request(name, "/endless", wire.form(stage.token())))
            with closing(wire.begun(connection)) as answer:
                assert answer.read(5) == b"tick\n"
        ended.append(pair.wait_for("ended", before, guarded=guarded))
    assert ended[1] == ended[0]


@pytest.mark.parametrize("server", SERVERS)
def test_after_the_body_receive_waits_for_the_client_to_leave(server: str, stage: Stage) -> None:
    """Nothing is invented while the client is there, and its leaving is told once."""
    pair = stage.put("asgi", server)
    body = wire.form({"user": "x", **stage.token()})
    for guarded in (False, True):
        before = pair.entered(guarded=guarded)["http.disconnect"]
        name = pair.guarded if guarded else pair.bare
        with closing(wire.connect(pair.port)) as connection:
            connection.sendall(wire.request(name, "/wait", body))
            with closing(wire.begun(connection)) as answer:
                assert answer.read(3) == b"ok\n"
                seen = json.loads(answer.headers["x-report"])
                assert (seen["early"], seen["size"]) == ([], len(body))
                assert pair.entered(guarded=guarded)["http.disconnect"] == before
        assert pair.wait_for("http.disconnect", before, guarded=guarded)


@each_server
def test_a_state_of_its_own_for_each_request(pair: Pair) -> None:
    """Some servers share one state between all requests, one has none at all: no decision is left in it."""
    assert pair.with_token().seen["outcome"] == "passed"
    assert pair.ask(True, "/open").seen["outcome"] == "none"
    assert pair.with_token("/users/a/reset").seen["outcome"] == "passed"
