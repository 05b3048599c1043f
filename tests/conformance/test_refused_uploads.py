"""A refused upload gets the guard's own answer, whoever stands between, and costs the site nothing.

A server that closes a connection while the client still sends resets it. Then curl and browsers may lose the answer,
and a proxy takes the server for dead and answers 502 to everybody for a while.
"""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest
from commands import until

from . import wire
from .proxies import PROXIES, behind
from .servers import LITERAL, SERVERS, each_server
from .stage import Pair, Stage
from .test_bodies import multipart
from .uploaders import FILE, Send, Upload, client, patient

EACH: Final = 2


def uploads(stage: Stage) -> list[tuple[int, Upload]]:
    """Six megabytes each, and what the guard says to them."""
    expired = stage.simulator.token(expired=True)
    return [(413, Upload("application/json", '"')), (413, _form({})), (403, _form(expired))]


def _form(fields: dict[str, str]) -> Upload:
    content_type, body = multipart(fields, FILE)
    before, _, after = body.partition(FILE)
    return Upload(content_type, before.decode(), after.decode())


CLIENTS: Final = ["patient", "curl", "node", "chromium"]


@pytest.fixture(scope="module", params=CLIENTS)
def send(request: pytest.FixtureRequest) -> Iterator[Send]:
    with client(request.param) as chosen:
        yield chosen


def all_are_answered(stage: Stage, pair: Pair, port: int, send: Send) -> None:
    """A crowd that sends them all at once; and another visitor."""
    wanted, crowd = zip(*uploads(stage) * EACH, strict=True)
    assert send(port, pair.guarded, list(crowd)) == list(wanted)
    assert wire.ask(port, wire.request(pair.bare, "/open", b"", method="POST")).status == 200, "another visitor"


@each_server
def test_directly(pair: Pair, send: Send, stage: Stage) -> None:
    all_are_answered(stage, pair, pair.port, send)


@pytest.mark.parametrize("proxy", PROXIES)
@pytest.mark.parametrize(
    ("server", "send"),
    [*((server, "patient") for server in SERVERS), *((LITERAL, client) for client in CLIENTS[1:])],
    indirect=["send"],
)
def test_behind_a_proxy(server: str, send: Send, proxy: str, stage: Stage, tmp_path: Path) -> None:
    """On each server, and for each client."""
    pair = stage.put("starlette", server)
    tmp_path.chmod(0o755)
    with behind(proxy, tmp_path, pair.port) as port:
        all_are_answered(stage, pair, port, send)


@each_server
def test_no_connection_is_left_behind(pair: Pair) -> None:
    crowd = [_form({})] * 8
    patient(pair.port, pair.guarded, crowd[:1])
    descriptors = held(pair.pid)
    assert {*patient(pair.port, pair.guarded, crowd), *patient(pair.port, pair.guarded, crowd)} == {413}
    until(lambda: held(pair.pid) <= descriptors + 2)


def held(pid: int) -> int:
    """Descriptors of a process and of its workers."""
    return sum(len(os.listdir(f"/proc/{each}/fd")) for each in family(pid))


def family(pid: int) -> list[int]:
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [pid, *(member for child in children for member in family(int(child)))]
