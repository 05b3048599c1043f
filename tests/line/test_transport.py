"""Connections of our own: where they lead, whom they trust, and how long they are kept."""

import socket
import ssl
from pathlib import Path

import pytest
import trustme
from edges.servers import RawServer, replying
from lines import FAIL, a_call

from geetest_asgi._line import transport
from geetest_asgi._line.transport import Transport, certificates

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize(
    ("url", "port"), [("http://a.test/v", 80), ("https://a.test/v", 443), ("https://a.test:8443/v", 8443)]
)
async def test_a_scheme_has_its_port(url: str, port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[str, int]] = []

    def getaddrinfo(host: str, port: int, **_: object) -> None:
        asked.append((host, port))
        raise socket.gaierror(socket.EAI_NONAME, "unknown")

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)  # no name of this machine's
    with pytest.raises(Exception, match=r"a\.test cannot be reached"):
        await Transport().post(url, b"", a_call())
    assert asked == [("a.test", port)]


@pytest.mark.parametrize(("unused", "accepted"), [(transport.UNUSED, 1), (-1.0, 3)])
async def test_a_connection_is_used_again_unless_it_was_free_for_long(
    unused: float, accepted: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transport, "UNUSED", unused)
    with RawServer(replying(FAIL)) as server:
        own = Transport()
        for _ in range(3):
            assert (await own.post(f"{server.url}/validate", b"x=y", a_call())).status == 200
        assert server.accepted == accepted
        await own.aclose()


def trusts(context: ssl.SSLContext, authority: trustme.CA) -> bool:
    wanted = ssl.PEM_cert_to_DER_cert(authority.cert_pem.bytes().decode())
    return wanted in context.get_ca_certs(binary_form=True)


def test_the_environments_authorities_count_with_trust_env_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(tmp_path / "authority.pem"))
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "authority.pem"))
    assert trusts(certificates(True), authority)
    assert not trusts(certificates(False), authority)


def test_certificates_are_read_once_for_each_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SSL_CERT_FILE", raising=False)
    first = certificates(True)
    assert certificates(True) is first
    monkeypatch.setenv("SSL_CERT_DIR", str(tmp_path))
    assert certificates(True) is not first
