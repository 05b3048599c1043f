"""A GeeTest that costs next to nothing, in a process of its own: it says success to everything, after a while.

Not the simulator: that judges what it is sent, and would be slower than some of the clients that are measured.
"""

import asyncio
import ssl
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from .checkouts import ROOT, command

_BODY = b'{"status":"success","result":"success","reason":"","captcha_args":{}}'
_REPLY = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(_BODY) + _BODY


class _Answer(asyncio.Protocol):
    """Reads requests with a Content-Length, one at a time, and answers each after a while."""

    delay = 0.0
    """Seconds, of all connections."""

    def __init__(self) -> None:
        self._read = b""
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See asyncio.Protocol."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        """See asyncio.Protocol."""
        self._read += data
        head, found, rest = self._read.partition(b"\r\n\r\n")
        if not found:
            return
        length = int(head.lower().partition(b"content-length:")[2].split(b"\r\n", 1)[0])
        if len(rest) < length:
            return
        self._read = rest[length:]
        if self.delay:
            asyncio.get_running_loop().call_later(self.delay, self._answer)
        else:
            self._answer()

    def _answer(self) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(_REPLY)


async def _serve(certificate: str | None = None) -> None:
    tls = None
    if certificate is not None:
        tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        tls.load_cert_chain(certificate)
    loop = asyncio.get_running_loop()
    server = await loop.create_server(_Answer, "127.0.0.1", 0, backlog=2048, ssl=tls)
    print(server.sockets[0].getsockname()[1], flush=True)
    # Ends when whoever started it does; each line says how long to wait from now on.
    while line := await loop.run_in_executor(None, sys.stdin.readline):
        _Answer.delay = float(line)
        print(flush=True)


class FastGeeTest:
    """One that runs, and its URL."""

    def __init__(self, process: "subprocess.Popen[str]", scheme: str) -> None:
        self._process = process
        self.url = f"{scheme}://127.0.0.1:{int(self._line())}"

    def answer_after(self, seconds: float) -> None:
        """So long after each call from now on."""
        assert self._process.stdin is not None
        print(seconds, file=self._process.stdin, flush=True)
        self._line()

    def _line(self) -> str:
        assert self._process.stdout is not None
        return self._process.stdout.readline()


@contextmanager
def fast_geetest(certificate: Path | None = None) -> Iterator[FastGeeTest]:
    """One that answers at once; `certificate`: for TLS, with its key, as PEM."""
    arguments = [certificate] if certificate else []
    with subprocess.Popen(
        command("fast_geetest", *arguments), cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdin is not None
        yield FastGeeTest(process, "https" if certificate else "http")
        process.stdin.close()


@contextmanager
def authority() -> Iterator[tuple[Path, Path]]:
    """A certificate for `fast_geetest`, and a file of authorities: its own, among as many as there usually are."""
    import certifi
    import trustme

    ours = trustme.CA()
    with tempfile.TemporaryDirectory() as directory:
        certificate, trusted = Path(directory, "geetest.pem"), Path(directory, "trusted.pem")
        certificate.write_bytes(ours.issue_cert("127.0.0.1").private_key_and_cert_chain_pem.bytes())
        trusted.write_text(certifi.contents() + ours.cert_pem.bytes().decode())
        yield certificate, trusted


if __name__ == "__main__":
    asyncio.run(_serve(*sys.argv[1:]))
