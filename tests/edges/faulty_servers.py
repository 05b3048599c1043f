"""Servers in GeeTest's place that misbehave."""

import socket
import time

from geetest_asgi import Outcome

from .servers import SUCCESS, Behave, RawServer, http_reply, replying, reset

SILENCE = 2.0
"""Seconds after which a silent server is given up here. Not less: on a busy machine the silence would be our own."""
SHORT = 0.5
"""Where it does not matter whose fault the silence was."""
NO_ANSWER = {Outcome.UNAVAILABLE, Outcome.BUSY}


def ends(when: str, *, abrupt: bool) -> Behave:
    """A server that hangs up "at once", "after the request" or "mid answer"."""

    def behave(server: RawServer, connection: socket.socket) -> None:
        if when != "at once":
            server.read_request(connection)
        if when == "mid answer":
            connection.sendall(http_reply()[:-20])
            time.sleep(0.02)  # what was sent must be on its way before RST throws it away
        if abrupt:
            reset(connection)

    return behave


def no_http(server: RawServer, connection: socket.socket) -> None:
    server.read_request(connection)
    connection.sendall(b"SSH-2.0-OpenSSH_9.6\r\n")


def never_answer(server: RawServer, connection: socket.socket) -> None:
    server.read_request(connection)
    server.ended.wait(20)


def drips(start: bytes, piece: bytes) -> Behave:
    """A server that goes on answering with this piece, now and then: no single wait is ever long."""

    def behave(server: RawServer, connection: socket.socket) -> None:
        server.read_request(connection)
        connection.sendall(start)
        while not server.ended.wait(0.02):
            connection.sendall(piece)

    return behave


def endless(server: RawServer, connection: socket.socket) -> None:
    """An answer without an end, as fast as it is taken."""
    server.read_request(connection)
    connection.sendall(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n\r\n" + SUCCESS)
    while not server.ended.is_set():
        connection.sendall(b" " * 65536)
        server.sent += 65536


def say(status: str, body: bytes = SUCCESS, *headers: str) -> Behave:
    return replying(http_reply(body, status, *headers))


OUTAGES: dict[str, Behave] = {
    "reset at once": ends("at once", abrupt=True),
    "reset after the request": ends("after the request", abrupt=True),
    "reset mid answer": ends("mid answer", abrupt=True),
    "closed after the request": ends("after the request", abrupt=False),
    "closed mid answer": ends("mid answer", abrupt=False),
    "not HTTP": no_http,
    "an endless answer": endless,
    "HTTP 503": say("503 Service Unavailable", SUCCESS, "retry-after: 1"),
    "HTML": say("200 OK", b"<!doctype html><title>success</title>"),
}
"""What else an answer may say is asked of the parser alone."""

SILENCES: dict[str, Behave] = {
    "no answer": never_answer,
    "no answer to a TLS handshake": never_answer,
    "a byte now and then": drips(b"HTTP/1.1 200 OK\r\ncontent-length: 9999\r\n\r\n", b" "),
    "a header now and then": drips(b"HTTP/1.1 200 OK\r\n", b"x: y\r\n"),
    "early hints for ever": drips(b"", b"HTTP/1.1 103 Early Hints\r\n\r\n"),
}
