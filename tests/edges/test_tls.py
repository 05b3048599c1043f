"""Calls over TLS: a server that can't prove that it is GeeTest is not asked, and gets nothing to read."""

import datetime
import socket
from collections.abc import Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import anyio
import pytest
import trustme

from geetest_asgi import Outcome

from .faulty_servers import ends
from .servers import CLIENTS, Behave, GeeTest, RawServer, http_reply, replying, secured
from .site import App, Site
from .visitors import until, visit

pytestmark = pytest.mark.anyio

LONG_AGO = datetime.datetime(2020, 1, 1, tzinfo=datetime.UTC)


@pytest.fixture
def authority(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> trustme.CA:
    """The one authority that the environment names, as a company does whose proxy looks into TLS."""
    authority = trustme.CA()
    file = tmp_path / "authority.pem"
    authority.cert_pem.write_to_path(str(file))
    monkeypatch.setenv("SSL_CERT_FILE", str(file))
    return authority


def hang_up_in_the_handshake(server: RawServer, connection: socket.socket) -> None:
    connection.recv(5)


def speak_plainly(server: RawServer, connection: socket.socket) -> None:
    connection.recv(5)
    connection.sendall(http_reply())


def never_shake_hands(server: RawServer, connection: socket.socket) -> None:
    """Until the other side hangs up, which is counted."""
    while connection.recv(65536):
        pass
    server.sent += 1


async def found(server: RawServer, geetest: GeeTest, **settings: Any) -> tuple[Outcome, str]:
    """The outcome of one call, and its reason."""
    site = Site(geetest, api_server=f"https://127.0.0.1:{server.port}", **settings)
    await site.come()
    await site.guard.aclose()
    return site.result.outcome, site.result.reason


CERTIFICATES: dict[str, Callable[[trustme.CA], trustme.LeafCert]] = {
    "good": lambda authority: authority.issue_cert("127.0.0.1"),
    "of another authority": lambda authority: trustme.CA().issue_cert("127.0.0.1"),
    "for another host": lambda authority: authority.issue_cert("gcaptcha4.geetest.com"),
    "expired": lambda authority: authority.issue_cert("127.0.0.1", not_before=LONG_AGO, not_after=LONG_AGO),
}


@pytest.mark.parametrize("trust_env", [True, False])
@pytest.mark.parametrize("name", CERTIFICATES)
async def test_a_certificate_that_proves_nothing_gets_no_request(
    name: str, trust_env: bool, authority: trustme.CA, geetest: GeeTest
) -> None:
    certificate = CERTIFICATES[name](authority)
    with RawServer(secured(certificate, replying(http_reply()))) as server:
        outcome, reason = await found(server, geetest, trust_env=trust_env)
    if name == "good" and trust_env:
        assert outcome is Outcome.PASSED
    else:
        assert outcome is Outcome.UNAVAILABLE
        assert reason == "no connection: its certificate is not trusted (ConnectError)"
        assert (server.accepted, server.requests) == (1, [])


@pytest.mark.parametrize("behave", [speak_plainly, hang_up_in_the_handshake])
async def test_a_handshake_that_fails_is_no_connection(behave: Behave, authority: trustme.CA, geetest: GeeTest) -> None:
    with RawServer(behave) as server:
        found_out = await found(server, geetest, trust_env=True)
    assert found_out == (Outcome.UNAVAILABLE, "no connection (ConnectError)")
    assert server.accepted == 1


@pytest.mark.parametrize("leaves", [False, True])
@pytest.mark.parametrize("client", CLIENTS)
async def test_a_handshake_that_takes_for_ever_leaves_no_connection(
    client: str, leaves: bool, authority: trustme.CA, geetest: GeeTest
) -> None:
    """Neither when its time is over, nor where the visitor leaves: each who does it would cost a file descriptor."""
    make = CLIENTS[client]
    async with AsyncExitStack() as stack:
        given = make and await stack.enter_async_context(make())  # before its time begins: it reads certificates
        server = stack.enter_context(RawServer(never_shake_hands))
        url, seconds = f"https://127.0.0.1:{server.port}", 5.0 if leaves else 1.0
        site = Site(geetest, api_server=url, timeout=seconds, client=given)
        asked = visit(geetest.token())
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(asked.run, site.guard)
            await until(lambda: server.accepted)
            if leaves:
                await asked.leave_during_the_call()
            await until(lambda: server.sent == 1)
        await site.guard.aclose()
    assert server.accepted == 1
    assert site.app.seen == []
    assert leaves or site.result.outcome in (Outcome.UNAVAILABLE, Outcome.BUSY), "BUSY on a busy machine"


async def test_the_next_server_is_asked_where_a_certificate_is_not_good_and_not_where_the_call_may_have_been_sent(
    authority: trustme.CA, geetest: GeeTest
) -> None:
    good = secured(authority.issue_cert("127.0.0.1"), replying(http_reply()))
    bad = secured(trustme.CA().issue_cert("127.0.0.1"), replying(http_reply()))
    cut_off = secured(authority.issue_cert("127.0.0.1"), ends("after the request", abrupt=False))
    for first, code, asked in ((bad, "in", (0, 1)), (cut_off, "captcha_unavailable", (1, 0))):
        with RawServer(first) as server, RawServer(good) as other:
            servers = [f"https://127.0.0.1:{each.port}" for each in (server, other)]
            guard = geetest.guard(App(), api_server=servers, trust_env=True, on_unavailable="deny")
            assert (await visit(geetest.token()).run(guard)).code == code
            await guard.aclose()
        assert (len(server.requests), len(other.requests)) == asked
