"""A websocket behind `WEBSOCKET /ws`, on servers and with frameworks that have websockets."""

import base64
import os
import struct
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress

import pytest

from . import wire
from .servers import PAIRS, SERVERS
from .spellings import spellings
from .stage import Pair, Stage
from .wire import Answer

without_django = pytest.mark.parametrize("pair", [pair for pair in PAIRS if pair[0] != "django"], indirect=True)
"""Which has no websockets."""


def handshake(app: str, target: str) -> bytes:
    headers = {
        "connection": "Upgrade",
        "upgrade": "websocket",
        "sec-websocket-version": "13",
        "sec-websocket-key": base64.b64encode(os.urandom(16)).decode(),
    }
    return wire.request(app, target, b"", headers, method="GET", content_type=None, close=False)


def ask(pair: Pair, guarded: bool, target: str) -> tuple[Answer, str]:
    """The answer to the handshake, and what was said to a hello. Nothing is an answer too: servers hang, or hang up."""
    with suppress(TimeoutError, ConnectionError):
        return _ask(pair.port, pair.guarded if guarded else pair.bare, target)
    return Answer(), ""


def _ask(port: int, name: str, target: str) -> tuple[Answer, str]:
    with closing(wire.connect(port, seconds=3.0)) as connection:
        connection.sendall(handshake(name, target))
        answer = wire.read_answer(connection)
        if answer.status != 101:
            return answer, ""
        connection.sendall(b"\x81\x85\0\0\0\0hello")  # a text frame of five letters, masked with nothing
        frames = b""
        while (len(frames) < 2 or len(frames) < 2 + frames[1]) and (data := connection.recv(65536)):
            frames += data
        connection.sendall(b"\x88\x82\0\0\0\0" + struct.pack("!H", 1000))
        return answer, frames[2 : 2 + frames[1]].decode() if frames[:1] == b"\x81" else ""


@without_django
def test_a_handshake_without_a_token_is_refused(pair: Pair, stage: Stage) -> None:
    assert ask(pair, False, "/ws")[0].status == 101
    entered = pair.entered()
    answer, _ = ask(pair, True, "/ws")
    assert answer.status == 403
    assert pair.entered() == entered
    assert stage.calls == []


@without_django
def test_a_token_in_the_query_connects(pair: Pair, stage: Stage) -> None:
    target = f"/ws?{wire.form(stage.token()).decode()}"
    answer, said = ask(pair, True, target)
    assert (answer.status, said) == (101, "hello passed")
    assert len(stage.calls) == 1
    assert ask(pair, True, target)[0].status == 403, "once"


@pytest.mark.parametrize("server", SERVERS)
def test_a_server_that_can_says_why(server: str, stage: Stage) -> None:
    """`websocket.http.response`, where a server has it, carries the same problem+json; else it is a bare 403."""
    answer, _ = ask(stage.put("asgi", server), True, "/ws")
    assert answer.code == ("" if server in ("daphne", "gunicorn") else "captcha_missing")


@without_django
def test_its_path_is_guarded_however_it_is_spelt(pair: Pair) -> None:
    targets = [target for target in dict.fromkeys(spellings("/ws")) if len(target) < 500]
    with ThreadPoolExecutor(16) as pool:
        opened = pool.map(lambda target: ask(pair, False, target)[0].status == 101, targets)
        reached = [target for target, ok in zip(targets, opened, strict=True) if ok]
        assert "/ws" in reached
        entered = pair.entered()
        refused = pool.map(lambda target: ask(pair, True, target)[0].status != 101, reached)
        assert [target for target, ok in zip(reached, refused, strict=True) if not ok] == []
    assert pair.entered() == entered
