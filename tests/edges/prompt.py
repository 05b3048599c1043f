"""A GeeTest that answers at once, in a process of its own, and says when it has nothing left to answer.

A server on a thread of the tests' process would wait for the interpreter while an event loop is held up, and then its
silence would be a real one.
"""

import selectors
import socket
import ssl
import subprocess
import sys
from collections import deque
from pathlib import Path
from typing import Self

ANSWER = (
    b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 69\r\n\r\n"
    b'{"status":"success","result":"fail","reason":"no","captcha_args":{}} '
)
IDLE = b"?"
"""Asks on a plain connection, by one byte, to be answered when nothing else is left to be done."""


class Prompt:
    """The process, for the length of a `with` block. `certificate`: for TLS up to `version`, with its key, as PEM."""

    def __init__(self, certificate: Path | None = None, version: str = "TLSv1_3") -> None:
        self._arguments = [str(certificate), version] if certificate else []
        self._scheme = "https" if certificate else "http"

    def __enter__(self) -> Self:
        command = [sys.executable, __file__, *self._arguments]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        assert self._process.stdout is not None
        port, control = map(int, self._process.stdout.readline().split())
        self.url = f"{self._scheme}://127.0.0.1:{port}"
        self._control = socket.create_connection(("127.0.0.1", control))
        self._control.settimeout(30)
        return self

    def __exit__(self, *_: object) -> None:
        self._control.close()
        with self._process as process:
            assert process.stdin is not None
            process.stdin.close()

    def settle(self) -> None:
        """Return when everything that was sent until now is answered. Blocks, as a visitor of a slow endpoint does."""
        self._control.sendall(IDLE)
        assert self._control.recv(1) == IDLE


class _Peer:
    """A connection, which may still be shaking hands."""

    def __init__(self, wire: socket.socket) -> None:
        self.wire = wire
        self._received = b""

    def read(self) -> bool:
        """Answer what has come. False once the other end has hung up."""
        try:
            while data := self.wire.recv(65536):
                self._received += data
                self._answer()
        except (BlockingIOError, ssl.SSLWantReadError):
            return True
        except OSError:
            pass
        return False

    def _answer(self) -> None:
        head, found, body = self._received.partition(b"\r\n\r\n")
        length = int(head.lower().partition(b"content-length:")[2].split(b"\r\n", 1)[0] or 0) if found else 1
        if len(body) >= length:
            self._received = body[length:]
            self.wire.sendall(ANSWER)


def _serve(certificate: str | None = None, version: str = "") -> None:
    tls = None
    if certificate is not None:
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        tls.maximum_version = ssl.TLSVersion[version]
        tls.load_cert_chain(certificate)
    listener, control = (socket.create_server(("127.0.0.1", 0), backlog=1024) for _ in range(2))
    listener.setblocking(False)
    print(listener.getsockname()[1], control.getsockname()[1], flush=True)
    asking, _ = control.accept()
    selector, waiting = selectors.DefaultSelector(), deque[bytes]()
    selector.register(listener, selectors.EVENT_READ)
    selector.register(asking, selectors.EVENT_READ)
    selector.register(sys.stdin, selectors.EVENT_READ)  # ends with whoever started it
    while True:
        ready = {key.fileobj: key.data for key, _ in selector.select(0 if waiting else None)}
        if sys.stdin in ready:
            return
        if asking in ready and (data := asking.recv(1)):
            waiting.append(data)
        elif not ready:
            asking.sendall(waiting.popleft())
        if listener in ready:
            wire, _ = listener.accept()
            wire.setblocking(False)
            if tls is not None:
                wire = tls.wrap_socket(wire, server_side=True, do_handshake_on_connect=False)
            selector.register(wire, selectors.EVENT_READ, _Peer(wire))
        for peer in ready.values():
            if peer is not None and not peer.read():
                selector.unregister(peer.wire)
                peer.wire.close()


if __name__ == "__main__":
    _serve(*sys.argv[1:])
