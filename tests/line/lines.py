"""A line to servers written by hand, and the one question that is put to it."""

import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from edges.servers import RawServer, http_reply

from geetest_asgi import CaptchaFields, Limits
from geetest_asgi._core.protocol import build_request
from geetest_asgi._line.call import Call
from geetest_asgi._line.clock import clock
from geetest_asgi._line.exchange import Wire
from geetest_asgi._line.line import Line
from geetest_asgi._line.stand_in import put_in_place, stand_in, take_away
from geetest_asgi._line.wires import wire_maker

LOT = "4dc3cfc2cdff448cad8d13107198d473"
FIELDS = CaptchaFields(LOT, "a" * 128, "b" * 64, "1700000000")
REQUEST = build_request("a" * 32, "b" * 32, FIELDS)
FAIL = http_reply(b'{"result":"fail","reason":"x"}')


def line_to(*urls: str, **settings: Any) -> Line:
    limits = settings.pop("limits", Limits(breaker_failures=1))
    make = wire_maker(settings.pop("client", None), urls, trust_env=settings.pop("trust_env", False))
    return Line(urls, limits, make, **settings)


@contextmanager
def in_place(wire: Wire) -> Iterator[Line]:
    """The line of a stand-in."""
    put_in_place(wire)
    try:
        line = stand_in()
        assert line is not None
        yield line
    finally:
        take_away()


def a_call() -> Call:
    """One that has plenty of time, for what carries it."""
    call = Call(clock(), 60.0, 1, None)
    call.begin(1, lambda: None)
    return call


def keep_open(server: RawServer, connection: socket.socket) -> None:
    server.ended.wait()


def after(seconds: float, reply: bytes = FAIL) -> Callable[[RawServer, socket.socket], None]:
    def behave(server: RawServer, connection: socket.socket) -> None:
        while server.read_request(connection):
            if server.ended.wait(seconds):
                return
            connection.sendall(reply)
            server.sent += 1

    return behave
