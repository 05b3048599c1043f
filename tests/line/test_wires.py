"""What carries the calls: a client or a transport of the user's, a proxy of the environment, or our own connections."""

import asyncio
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import anyio
import httpx
import httpx2
import pytest
import trustme
from anyio import to_thread
from edges.faulty_servers import OUTAGES
from edges.servers import RawServer, http_reply, refusing, replying, secured
from edges.visitors import until
from lines import FAIL, REQUEST, after, line_to

from geetest_asgi import ConfigError, Limits, Outcome
from geetest_asgi._bounds.per_loop import on_asyncio
from geetest_asgi._core.model import Evidence

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize("kit", [httpx, httpx2])
async def test_a_transport_is_made_and_used_again(kit: Any) -> None:
    with RawServer(replying(FAIL)) as server:
        async with aclosing(line_to(server.url, client=kit.AsyncHTTPTransport)) as line:
            for _ in range(3):
                assert (await line.ask([REQUEST], 5.0)).outcome is Outcome.FAILED
    assert (len(server.requests), server.accepted) == (3, 1)


@pytest.mark.slow_except("asyncio-httpx")
@pytest.mark.parametrize("kit", [httpx, httpx2])
async def test_a_loop_that_is_held_for_seconds_under_a_given_client_is_no_outage(kit: Any) -> None:
    async def hold(turns: int) -> None:
        for _ in range(turns):
            await anyio.sleep(0)
        time.sleep(1.2)

    with RawServer(after(0.01)) as server:
        async with kit.AsyncClient() as client:
            line = line_to(server.url, client=client)
            for turns in (0, 5, 15):
                async with anyio.create_task_group() as group:
                    group.start_soon(hold, turns)
                    evidence = await line.ask([REQUEST], 1.0)
                assert evidence.outcome in (Outcome.BUSY, Outcome.FAILED), evidence


def test_httpx_aiohttp_never_takes_a_token_to_two_servers() -> None:
    httpx_aiohttp = pytest.importorskip("httpx_aiohttp")

    async def main() -> Evidence:
        async with aclosing(line_to(first.url, second.url, client=httpx_aiohttp.HttpxAiohttpClient)) as line:
            return await line.ask([REQUEST], 3.0)

    with RawServer(OUTAGES["closed after the request"]) as first, RawServer(replying(FAIL)) as second:
        evidence = asyncio.run(main())
    assert (len(first.requests), second.accepted) == (1, 0)
    assert evidence.outcome in (Outcome.BUSY, Outcome.UNAVAILABLE)


@pytest.fixture
def proxies(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "REQUEST_METHOD"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
    return monkeypatch


@pytest.mark.parametrize("scheme", ["http://", ""])
async def test_the_environments_proxy_is_used_with_trust_env_alone(scheme: str, proxies: pytest.MonkeyPatch) -> None:
    """It may be named without a scheme, and is not asked for a host in NO_PROXY."""

    async def outcome(url: str, *, trust_env: bool) -> Outcome:
        async with aclosing(line_to(url, trust_env=trust_env)) as line:
            return (await line.ask([REQUEST], 5.0)).outcome

    with RawServer(replying(FAIL)) as proxy, RawServer(replying(http_reply())) as server:
        proxies.setenv("HTTP_PROXY", scheme + proxy.url.removeprefix("http://"))
        assert await outcome(server.url, trust_env=False) is Outcome.PASSED
        assert (proxy.accepted, server.accepted) == (0, 1)
        assert await outcome(server.url, trust_env=True) is Outcome.FAILED
        assert proxy.requests[0].startswith(f"POST {server.url}/validate?".encode()), "the absolute form, for a proxy"
        proxies.setenv("NO_PROXY", "127.0.0.1")
        assert await outcome(server.url, trust_env=True) is Outcome.PASSED
        proxies.delenv("NO_PROXY")
        with refusing() as nobody:
            proxies.setenv("HTTP_PROXY", nobody)
            assert await outcome(server.url, trust_env=True) is Outcome.UNAVAILABLE
        assert (len(proxy.requests), len(server.requests)) == (1, 2)


async def test_calls_share_the_connections_to_a_proxy(proxies: pytest.MonkeyPatch) -> None:
    with RawServer(replying(FAIL)) as proxy:
        proxies.setenv("ALL_PROXY", proxy.url)
        async with aclosing(line_to("http://geetest.test", trust_env=True)) as line:
            assert [(await line.ask([REQUEST], 5.0)).outcome for _ in range(3)] == [Outcome.FAILED] * 3
        assert (len(proxy.requests), proxy.accepted) == (3, 1)
        await until(lambda: proxy.open == 0)


@pytest.fixture
def authority(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> trustme.CA:
    """The authority that the environment names, in a file of `tmp_path`."""
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(tmp_path / "authority.pem"))
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "authority.pem"))
    return authority


async def test_tls_through_a_proxy_trusts_the_environments_authorities(
    authority: trustme.CA, proxies: pytest.MonkeyPatch
) -> None:
    behind = secured(authority.issue_cert("geetest.test"), replying(FAIL))

    def tunnel(server: RawServer, connection: socket.socket) -> None:
        server.read_request(connection)
        connection.sendall(http_reply(b""))
        behind(server, connection)

    with RawServer(tunnel) as proxy:
        proxies.setenv("HTTPS_PROXY", proxy.url)
        async with aclosing(line_to("https://geetest.test", trust_env=True)) as line:
            assert (await line.ask([REQUEST], 5.0)).outcome is Outcome.FAILED
    assert proxy.requests[0].startswith(b"CONNECT geetest.test:443 ")


async def test_a_call_needs_none_of_the_apps_threads() -> None:
    """Neither to read certificates nor to look up a host."""
    lent = to_thread.current_default_thread_limiter()
    lent.total_tokens = 1
    lent.acquire_on_behalf_of_nowait(object())
    if on_asyncio():
        (nobody := ThreadPoolExecutor()).shutdown()
        asyncio.get_running_loop().set_default_executor(nobody)
    with RawServer(replying(FAIL)) as server:
        async with aclosing(line_to(server.url.replace("127.0.0.1", "localhost"))) as line:
            assert (await line.ask([REQUEST], 5.0)).outcome is Outcome.FAILED


def test_a_quick_call_needs_no_other_task() -> None:
    """Neither on a new connection nor on a kept one."""
    made: list[object] = []

    def make(loop: asyncio.AbstractEventLoop, code: Any, **settings: Any) -> "asyncio.Task[Any]":
        made.append(code)
        return asyncio.Task(code, loop=loop, **settings)

    async def main() -> None:
        async with aclosing(line_to(server.url)) as line:
            await line.prepare()
            asyncio.get_running_loop().set_task_factory(make)
            for _ in range(2):
                assert (await line.ask([REQUEST], 60.0)).outcome is Outcome.FAILED
            assert made == []

    with RawServer(replying(FAIL)) as server:
        asyncio.run(main())


@pytest.mark.parametrize("proxy", ["127.0.0.1:port", "http://[secret", "http://user:secret@:80", "127.0.0.1:0"])
def test_a_proxy_whose_url_cannot_be_read_is_an_error_at_start(proxy: str, proxies: pytest.MonkeyPatch) -> None:
    proxies.setenv("HTTPS_PROXY", proxy)
    with pytest.raises(ConfigError, match="the URL of a proxy cannot be read; write 'http://host:port'") as caught:
        line_to("https://example.org", trust_env=True)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("scheme", ["ftp", "socks4", "socks5"])
def test_a_proxy_that_cannot_be_used_is_an_error_at_start(scheme: str, proxies: pytest.MonkeyPatch) -> None:
    """SOCKS needs a package, which may be installed."""
    proxies.setenv("HTTPS_PROXY", f"{scheme}://user:secret@127.0.0.1:1")
    line_to("https://example.org")
    if scheme == "socks5" and find_spec("socksio") is not None:
        line_to("https://example.org", trust_env=True)
        return
    told = "socksio" if scheme == "socks5" else "trust_env: a proxy with the scheme"
    with pytest.raises(ConfigError, match=told) as caught:
        line_to("https://example.org", trust_env=True)
    assert "secret" not in str(caught.value)


def test_certificates_are_read_when_the_line_is_prepared(tmp_path: Path, authority: trustme.CA) -> None:
    """A first call then reads no file, however large the bundle is."""

    async def main() -> Outcome:
        async with aclosing(line_to(server.url.replace("http:", "https:"), trust_env=True)) as line:
            await line.prepare()
            (tmp_path / "authority.pem").unlink()
            return (await line.ask([REQUEST], 5.0)).outcome

    with RawServer(secured(authority.issue_cert("127.0.0.1"), replying(FAIL))) as server:
        assert anyio.run(main) is Outcome.FAILED


@pytest.mark.parametrize("kit", [httpx, httpx2])
async def test_a_given_client_stays_open_and_may_have_read_the_answer_before_us(kit: Any) -> None:
    """By an event hook, as one does that logs answers."""
    hooks = {"response": [kit.Response.aread]}
    with RawServer(after(0.0)) as server:
        async with kit.AsyncClient(event_hooks=hooks, trust_env=False) as client:
            async with aclosing(line_to(server.url, client=client)) as line:
                assert (await line.ask([REQUEST], 3.0)).outcome is Outcome.FAILED
            assert not client.is_closed
    broken = kit.MockTransport(lambda request: kit.Response(200, headers={"content-encoding": "gzip"}, content=b"{}"))
    assert (await line_to("http://127.0.0.1:9", client=broken).ask([REQUEST], 3.0)).outcome is Outcome.REFUSED


async def test_a_proxy_has_as_many_calls_as_may_be_in_flight(proxies: pytest.MonkeyPatch) -> None:
    """httpx's own bound is a hundred."""

    def answer_all(server: RawServer, connection: socket.socket) -> None:
        server.read_request(connection)
        all_there.wait(10)
        connection.sendall(FAIL)

    async def ask() -> None:
        found.append(await line.ask([REQUEST], 30.0))

    all_there, found = threading.Barrier(120), list[Evidence]()
    with RawServer(answer_all) as proxy:
        proxies.setenv("HTTP_PROXY", proxy.url)
        limits = Limits(max_in_flight=120)
        line = line_to("http://geetest.test", trust_env=True, limits=limits)
        async with aclosing(line), anyio.create_task_group() as group:
            for _ in range(120):
                group.start_soon(ask)
    assert {each.outcome for each in found} == {Outcome.FAILED}
