"""Calls over TLS: a server that can't prove that it is GeeTest is not asked, and gets nothing to read."""

import datetime
import socket
from collections.abc import Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import anyio
import pytest
import trustme

from geetest_asgi import Outcome

from .faulty_servers import close_without_an_answer
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


async def outcomes(
    server: RawServer, geetest: GeeTest, policies: Sequence[str] = ("allow", "deny"), **settings: Any
) -> list[tuple[str, Outcome, str]]:
    """By each policy: what the visitor got, the outcome and its reason."""
    found = []
    for policy in policies:
        site = Site(geetest, api_server=f"https://127.0.0.1:{server.port}", on_unavailable=policy, **settings)
        found.append((await site.come(), site.result.outcome, site.result.reason))
        await site.guard.aclose()
    return found


def shut(found: list[tuple[str, Outcome, str]], reason: str) -> bool:
    """Whether it was an outage, which the policy decides about, and the words of the log say why."""
    return found == [("in", Outcome.UNAVAILABLE, reason), ("captcha_unavailable", Outcome.UNAVAILABLE, reason)]


async def test_a_certificate_of_an_authority_that_the_environment_names_is_good(
    authority: trustme.CA, geetest: GeeTest
) -> None:
    with RawServer(secured(authority.issue_cert("127.0.0.1"), replying(http_reply()))) as server:
        found = await outcomes(server, geetest, trust_env=True)
    assert [each[:2] for each in found] == [("in", Outcome.PASSED)] * 2
    assert len(server.requests) == 2


async def test_the_environments_authority_counts_only_with_trust_env(authority: trustme.CA, geetest: GeeTest) -> None:
    with RawServer(secured(authority.issue_cert("127.0.0.1"), replying(http_reply()))) as server:
        assert shut(await outcomes(server, geetest), "no connection: its certificate is not trusted (ConnectError)")
    assert server.requests == []


@pytest.mark.parametrize("fault", ["of another authority", "for another host", "expired", "signed by itself"])
async def test_a_certificate_that_proves_nothing_gets_no_request(
    fault: str, authority: trustme.CA, geetest: GeeTest
) -> None:
    certificate = {
        "of another authority": lambda: trustme.CA().issue_cert("127.0.0.1"),
        "for another host": lambda: authority.issue_cert("gcaptcha4.geetest.com"),
        "expired": lambda: authority.issue_cert("127.0.0.1", not_before=LONG_AGO, not_after=LONG_AGO),
        "signed by itself": lambda: trustme.CA().issue_cert("localhost", "127.0.0.1"),
    }[fault]()
    with RawServer(secured(certificate, replying(http_reply()))) as server:
        found = await outcomes(server, geetest, trust_env=True)
    assert shut(found, "no connection: its certificate is not trusted (ConnectError)")
    assert server.accepted == 2
    assert server.requests == []


@pytest.mark.parametrize("behave", [speak_plainly, hang_up_in_the_handshake])
async def test_a_handshake_that_fails_is_no_connection(behave: Behave, authority: trustme.CA, geetest: GeeTest) -> None:
    with RawServer(behave) as server:
        assert shut(await outcomes(server, geetest, trust_env=True), "no connection (ConnectError)")
    assert server.accepted == 2


@pytest.mark.parametrize("client", CLIENTS)
async def test_a_handshake_that_takes_for_ever_ends_in_time(
    client: str, authority: trustme.CA, geetest: GeeTest
) -> None:
    """And its connection with it, while the event loop runs on."""
    make = CLIENTS[client]
    given = make and make()  # made before its time begins: it reads certificates
    with RawServer(never_shake_hands) as server:
        ((code, outcome, _),) = await outcomes(server, geetest, ["deny"], timeout=1.0, client=given)
        assert (code, outcome) in [
            ("captcha_unavailable", Outcome.UNAVAILABLE),
            ("captcha_busy", Outcome.BUSY),  # on a busy machine
        ]
        if given:
            await given.aclose()
        await until(lambda: server.sent == 1)


@pytest.mark.parametrize("client", CLIENTS)
async def test_a_visitor_who_leaves_during_the_handshake_leaves_no_connection(
    client: str, authority: trustme.CA, geetest: GeeTest
) -> None:
    """Else each who does it would cost a file descriptor. Clients that are kept are closed only at the end."""
    make = CLIENTS[client]
    async with AsyncExitStack() as stack:
        given = make and await stack.enter_async_context(make())
        server = stack.enter_context(RawServer(never_shake_hands))
        guard = geetest.guard(App(), api_server=f"https://127.0.0.1:{server.port}", timeout=5, client=given)
        leaving = visit(geetest.token())
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(leaving.run, guard)
            await until(lambda: server.accepted)
            await anyio.sleep(0.7)  # past the call's first tenth, in which nobody listens
            leaving.leave()
            await until(lambda: server.sent == 1)
        await guard.aclose()
    assert server.accepted == 1


async def test_the_next_server_is_asked_where_a_certificate_is_not_good_and_not_where_the_call_may_have_been_sent(
    authority: trustme.CA, geetest: GeeTest
) -> None:
    good = secured(authority.issue_cert("127.0.0.1"), replying(http_reply()))
    bad = secured(trustme.CA().issue_cert("127.0.0.1"), replying(http_reply()))
    cut_off = secured(authority.issue_cert("127.0.0.1"), close_without_an_answer)
    for first, code, asked in ((bad, "in", (0, 1)), (cut_off, "captcha_unavailable", (1, 0))):
        with RawServer(first) as server, RawServer(good) as other:
            servers = [f"https://127.0.0.1:{each.port}" for each in (server, other)]
            guard = geetest.guard(App(), api_server=servers, trust_env=True, on_unavailable="deny")
            assert (await visit(geetest.token()).run(guard)).code == code
            await guard.aclose()
        assert (len(server.requests), len(other.requests)) == asked
