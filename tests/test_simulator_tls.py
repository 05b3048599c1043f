"""The simulator over https: a certificate made on the spot, for this machine's names and GeeTest's."""

import socket
import ssl
from pathlib import Path

import httpx
import pytest

from geetest_asgi.testing import Simulator, run_simulator, serve
from geetest_asgi.testing.tls import HOSTS, server_context


@pytest.fixture
def authority(tmp_path: Path) -> Path:
    return tmp_path / "authority.pem"


def test_whoever_trusts_the_authority_is_answered_under_every_name_and_nobody_else(authority: Path) -> None:
    with serve(Simulator(), tls=server_context(authority, "geetest.internal")) as url:
        trusting = ssl.create_default_context(cafile=authority)
        with httpx.Client(verify=trusting, trust_env=False) as client:
            assert f"curl {url}/validate" in client.get(url).text
        with httpx.Client(trust_env=False) as stranger, pytest.raises(httpx.ConnectError, match="CERTIFICATE_VERIFY"):
            stranger.get(url)
        for host in (*HOSTS, "geetest.internal"):
            plain = socket.create_connection(("127.0.0.1", int(url.rpartition(":")[2])), 10)
            with plain, trusting.wrap_socket(plain, server_hostname=host) as secure:
                assert secure.version() in ("TLSv1.2", "TLSv1.3"), host


def test_no_key_is_written_and_only_a_file_of_its_kind_is_written_over(authority: Path, tmp_path: Path) -> None:
    server_context(authority)
    first = authority.read_text()
    assert "PRIVATE KEY" not in first
    server_context(authority)
    assert authority.read_text() != first
    assert [each.name for each in tmp_path.iterdir()] == ["authority.pem"]
    (precious := tmp_path / "server.pem").write_text("-----BEGIN CERTIFICATE-----")
    with pytest.raises(FileExistsError, match="name another file"):
        server_context(precious)
    assert precious.read_text() == "-----BEGIN CERTIFICATE-----"


def test_the_command_says_in_one_line_what_is_wrong(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (taken := tmp_path / "mine.pem").write_text("mine")
    assert (run_simulator(tls=taken), run_simulator(tls_port=0)) == (1, 1)
    other, needs_tls = capsys.readouterr().err.splitlines()
    assert "name another file" in other
    assert "give tls, the file for the authority, too" in needs_tls


def test_a_second_start_at_a_taken_port_leaves_the_authority_of_the_first(authority: Path) -> None:
    with serve(Simulator(), tls=server_context(authority)) as url:
        taken = int(url.rpartition(":")[2])
        assert (run_simulator(port=taken, tls=authority), run_simulator(tls=authority, tls_port=taken)) == (1, 1)
        with httpx.Client(verify=ssl.create_default_context(cafile=authority), trust_env=False) as client:
            assert client.get(url).status_code == 200
