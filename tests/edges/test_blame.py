"""A visitor cannot fake an outage: nothing in a request, and nothing that many requests do together, opens the door.

Throughout: GeeTest is well, it would say no to every token that is sent, and `on_unavailable="allow"` lets everybody
in for whom it "cannot be reached". So whoever gets in here has made it seem so.
"""

import asyncio
import json
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import anyio
import httpx
import httpx2
import pytest
import trustme

from geetest_asgi import GeeTestMiddleware, GeeTestResult, Limits, Outage, Outcome
from geetest_asgi.testing import Simulator

from .prompt import Prompt
from .support import (
    FORM,
    App,
    Front,
    GeeTest,
    RawServer,
    Visit,
    cut,
    form,
    http_reply,
    http_scope,
    messages,
    raw_request,
    read_all,
    replying,
    visit,
)

pytestmark = pytest.mark.anyio


class Door:
    """A guard that lets in on an outage, and who got through it."""

    def __init__(self, geetest: GeeTest, **settings: Any) -> None:
        self.app = App()
        self.told: list[GeeTestResult] = []
        self.outages: list[Outage] = []
        limits = Limits(unverified_per_second=10**6, breaker_failures=1)
        settings = {"sources": ("header", "query", "body"), "limits": limits, **settings}
        self.guard: GeeTestMiddleware = geetest.guard(
            self.app,
            on_unavailable="allow",
            on_result=lambda result, scope: self.told.append(result),
            on_outage=self.outages.append,
            **settings,
        )

    def is_shut(self) -> bool:
        """Nobody is in, and nothing was taken for an outage, by the breaker neither."""
        outages = [each for each in self.told if each.outcome is Outcome.UNAVAILABLE]
        return not (self.app.seen or outages or self.outages)


# --- what one request can hold ----------------------------------------------------------------------------------------

LONG = {f"{size} characters": "a" * size for size in (31, 33, 63, 65, 511, 8191, 8192, 8193, 65536, 900_000)}
VALUES: dict[str, str] = {
    **LONG,
    "a blank": " ",
    "letters": "abc",
    "a line break": "a\r\nX: y",
    "an encoded line break": "%0d%0aX:%20y",
    "NUL": "\x00",
    "an emoji": "🙂",
    "Arabic digits": "".join(chr(0x660 + int(digit)) for digit in "1700000000"),
    "full-width letters": "\uff41\uff42\uff43",
    "a letter that lower() lengthens": "\u0130" * 32,
    "below zero": "-1700000000",
    "a point": "1700000000.5",
    "an exponent": "1e9",
    "5000 digits": "1" * 5000,
    "an ampersand": "a&captcha_id=1&sign_token=2",
    "a plus": "a+b",
    "a format": "%s%n{0}{self}",
    "quotes": "\"'`",
    "a tag": "<script>",
    "SQL": "' OR 1=1--",
    "the word": "success",
    "true": "true",
    "upper case": "A" * 32,
    "capital hex": "ABCDEF0123456789" * 4,
    "a final line break": "a" * 32 + "\n",
}
FIELDS = ("lot_number", "captcha_output", "pass_token", "gen_time")


@pytest.mark.parametrize("name", FIELDS)
@pytest.mark.parametrize("value", VALUES)
async def test_a_visitor_cannot_fake_an_outage_by_the_value_of_a_field(value: str, name: str, geetest: GeeTest) -> None:
    """In a form, in JSON, in a multipart body, in the query, in a header."""
    door = Door(geetest)
    fields = geetest.token(forged=True) | {name: VALUES[value]}
    await visit(fields).run(door.guard)
    await visit(body=json.dumps(fields).encode(), content_type="application/json").run(door.guard)
    await visit(body=json.dumps(fields, ensure_ascii=False).encode(), content_type="application/json").run(door.guard)
    parts = "".join(f'--b\r\nContent-Disposition: form-data; name="{k}"\r\n\r\n{v}\r\n' for k, v in fields.items())
    await visit(body=f"{parts}--b--\r\n".encode(), content_type="multipart/form-data; boundary=b").run(door.guard)
    await visit(query=form(fields)).run(door.guard)
    headers = {f"x-geetest-{k.replace('_', '-')}": v for k, v in fields.items()}
    await visit(headers=headers).run(door.guard)
    assert door.is_shut()
    assert len(door.told) == 6


RAW_JSON: dict[str, bytes] = {
    "null": b"null",
    "true": b"true",
    "a number": b"17",
    "a long number": b"1" * 5000,
    "a number beyond floats": b"1e99999",
    "not a number": b"NaN",
    "infinity": b"Infinity",
    "below zero": b"-0",
    "a list": b'["a"]',
    "an object": b'{"a": 1}',
    "nested without end": b"[" * 100_000,
    "nested with an end": b"[" * 50_000 + b"]" * 50_000,
    "a lone surrogate": b'"\\ud800"',
    "surrogates the wrong way round": b'"\\udc00\\ud800"',
    "a NUL": b'"\\u0000"',
    "a bad escape": b'"\\x"',
    "bad UTF-8": b'"\xff\xfe"',
    "an overlong slash": b'"\xc0\xaf"',
    "a surrogate in UTF-8": b'"\xed\xa0\x80"',
    "no end": b'"',
    "nothing": b"",
    "a comment": b"/* */ 1",
}


@pytest.mark.parametrize("name", FIELDS)
@pytest.mark.parametrize("value", RAW_JSON)
async def test_a_visitor_cannot_fake_an_outage_by_a_kind_of_json(value: str, name: str, geetest: GeeTest) -> None:
    door = Door(geetest)
    pairs = [f'"{key}": "{text}"'.encode() for key, text in geetest.token(forged=True).items() if key != name]
    for body in (
        [b'"%s": ' % name.encode() + RAW_JSON[value], *pairs],
        [*pairs, b'"%s": ' % name.encode() + RAW_JSON[value]],
    ):
        await visit(body=b"{" + b", ".join(body) + b"}", content_type="application/json").run(door.guard)
    assert door.is_shut()
    assert len(door.told) == 2


def odd_bodies(token: dict[str, str]) -> dict[str, tuple[str | None, bytes]]:
    """A body and how it is called."""
    sent, text = form(token), json.dumps(token)
    return {
        "no content type": (None, sent),
        "text": ("text/plain", sent),
        "JSON in UTF-16": ("application/json; charset=utf-16", text.encode("utf-16")),
        "JSON in UTF-32": ("application/json", text.encode("utf-32")),
        "JSON called a form": (FORM, text.encode()),
        "a form called JSON": ("application/json", sent),
        "an unknown charset": (f"{FORM}; charset=no-such", sent),
        "a charset that is a codec": (f"{FORM}; charset=zlib", sent),
        "a boundary of 300 bytes": ("multipart/form-data; boundary=" + "b" * 300, sent),
        "no boundary": ("multipart/form-data", sent),
        "a boundary by RFC 2231": ("multipart/form-data; boundary*=utf-8''b; boundary*0=c", sent),
        "a boundary beyond ASCII": ("multipart/form-data; boundary=\xfc", sent),
        "a content type of 60 KiB": ("multipart/form-data; boundary=" + '";' * 30_000, sent),
        "a content type of quotes": ('multipart/form-data; boundary="\\', sent),
        "only a semicolon": (";", sent),
        "a list": ("application/json", b"[" + text.encode() + b"]"),
        "a string": ("application/json", json.dumps(text).encode()),
        "twice": ("application/json", text.encode() * 2),
        "nothing": ("application/json", b""),
        "blanks": ("application/json", b" " * 100_000),
        "ampersands": (FORM, b"&" * 100_000),
        "percent signs": (FORM, b"%" * 100_000),
        "names": (FORM, b"lot_number&" * 10_000),
        "parts": ("multipart/form-data; boundary=b", b"--b\r\n\r\n\r\n" * 5000),
        "a part without an end": ("multipart/form-data; boundary=b", b"--b\r\n" + b"x" * 100_000),
        "random bytes": ("multipart/form-data; boundary=b", os.urandom(10_000)),
    }


@pytest.mark.parametrize("name", odd_bodies({}))
@pytest.mark.parametrize("size", [1000, 10**9])
async def test_a_visitor_cannot_fake_an_outage_by_an_odd_body(name: str, size: int, geetest: GeeTest) -> None:
    door = Door(geetest)
    content_type, body = odd_bodies(geetest.token(forged=True))[name]
    asked = visit(body=cut(body, size), content_type=None)
    if content_type is not None:
        asked.scope["headers"].append((b"content-type", content_type.encode("latin-1")))
    await asked.run(door.guard)
    assert door.is_shut()
    assert 400 <= asked.status < 600


HEADERS: dict[str, list[tuple[str, str]]] = {
    "two content types": [("content-type", "application/json")],
    "gzip": [("content-encoding", "gzip")],
    "an unknown encoding": [("content-encoding", "no-such")],
    "a length of nothing": [("content-length", "0")],
    "a length past belief": [("content-length", "9" * 18)],
    "a length of 5000 digits": [("content-length", "9" * 5000)],
    "a length that is none": [("content-length", "-5")],
    "chunked": [("transfer-encoding", "chunked")],
    "a proxy": [("proxy", "http://127.0.0.1:9"), ("x-forwarded-host", "evil"), ("forwarded", "for=1;host=evil")],
    "a host": [("host", "evil:99999")],
    "an upgrade": [("connection", "upgrade"), ("upgrade", "websocket")],
    "another method": [("x-http-method-override", "GET"), ("x-method-override", "GET")],
    "another path": [("x-original-url", "/"), ("x-rewrite-url", "/")],
    "a preflight's": [("origin", "null"), ("access-control-request-method", "POST")],
    "half a header token": [("x-geetest-lot-number", "x")],
    "a doubled header token": [("x-geetest-lot-number", "a" * 32)] * 2,
    "an object": [("x-geetest", "{" * 8000)],
    "an object in base64": [("x-geetest", "e3t7" * 2000)],
    "an object of NULs": [("x-geetest", "AAAA")],
    "five thousand headers": [(f"x-{number}", "y") for number in range(5000)],
    "an accept of 100 KiB": [("accept", "text/html;q=" * 10_000)],
}


@pytest.mark.parametrize("name", HEADERS)
async def test_a_visitor_cannot_fake_an_outage_by_a_header(name: str, geetest: GeeTest) -> None:
    for settings in ({}, {"fields": "x-geetest"}, {"fields": "captcha"}):
        door = Door(geetest, **settings)
        asked = visit(geetest.token(forged=True), headers=HEADERS[name])
        await asked.run(door.guard)
        assert door.is_shut()
        assert 400 <= asked.status < 600


async def test_a_visitor_cannot_fake_an_outage_by_the_constant_offline_token(geetest: GeeTest) -> None:
    door = Door(geetest)
    assert (await visit(geetest.token(offline=True)).run(door.guard)).code == "captcha_failed"
    with_flag = geetest.token(offline=True) | {"isOffline": "true", "offline": "1"}
    assert (await visit(with_flag).run(door.guard)).code == "captcha_failed"
    assert door.is_shut()


# --- over a socket: what an ASGI scope cannot show --------------------------------------------------------------------


def raw_tricks(token: dict[str, str]) -> dict[str, bytes]:
    body = form(token)
    good = raw_request(body, f"Content-Type: {FORM}", "Connection: close")
    head = good.removesuffix(body)
    chunked = head.replace(b"Content-Length: %d\r\n" % len(body), b"Transfer-Encoding: chunked\r\n")
    return {
        "as it should be": good,
        "both lengths": head.replace(b"Host", b"Transfer-Encoding: chunked\r\nHost")
        + b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body),
        "two lengths": head.replace(b"Host", b"Content-Length: 0\r\nHost") + body,
        "chunks of one byte": chunked + b"".join(b"1\r\n%c\r\n" % byte for byte in body) + b"0\r\n\r\n",
        "a bad chunk": chunked + b"zz\r\n" + body,
        "a chunk without an end": chunked + b"%x\r\n%s" % (len(body) + 50, body),
        "HTTP/1.0": good.replace(b"HTTP/1.1", b"HTTP/1.0"),
        "an absolute target": good.replace(b"POST /login", b"POST http://127.0.0.1:9/login"),
        "a lower-case method": good.replace(b"POST", b"post"),
        "a target with an escape": good.replace(b"/login", b"/%6c%6Fgin"),
        "a target with a line break": good.replace(b"/login", b"/login%0a"),
        "two requests at once": good.replace(b"Connection: close\r\n", b"") + good,
        "a header beyond ASCII": head.replace(b"Host", b"X-GeeTest-Lot-Number: \xff\xfe\r\nHost") + body,
        "a folded header": head.replace(b"Host: front", b"Host: front\r\n more") + body,
        "a header of 100 KiB": head.replace(b"Host", b"X: " + b"y" * 100_000 + b"\r\nHost") + body,
    }


@pytest.mark.parametrize("name", raw_tricks({}))
def test_a_visitor_cannot_fake_an_outage_by_what_is_on_the_wire(name: str, geetest: GeeTest, front: Front) -> None:
    door = Door(geetest)
    front.put_on(door.guard)
    with front.connect() as wire:
        wire.sendall(raw_tricks(geetest.token(forged=True))[name])
        wire.shutdown(socket.SHUT_WR)
        read_all(wire)
    assert door.is_shut()


def test_a_visitor_cannot_fake_an_outage_by_leaving(geetest: GeeTest, front: Front) -> None:
    """At every stage: within the head, within the body, at its end, while GeeTest is asked."""
    geetest.simulator.slow(0.05)
    door = Door(geetest)
    front.put_on(door.guard)
    request = raw_request(form(geetest.token(forged=True)), f"Content-Type: {FORM}")
    for at in (10, len(request) // 2, len(request) - 1, len(request)):
        for abrupt in (True, False):
            with front.connect() as wire:
                wire.sendall(request[:at])
                time.sleep(0.02)
                if abrupt:
                    wire.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    time.sleep(0.2)
    assert door.is_shut()


def test_a_visitor_cannot_fake_an_outage_by_being_slow(geetest: GeeTest, front: Front) -> None:
    door = Door(geetest, limits=Limits(body_timeout=0.1, unverified_per_second=10**6), timeout=0.5)
    front.put_on(door.guard)
    body = form(geetest.token(forged=True))
    wires = [front.connect() for _ in range(20)]
    for number, wire in enumerate(wires):
        wire.sendall(raw_request(body, f"Content-Type: {FORM}", "Connection: close")[: -1 - number])
    for wire in wires:
        assert read_all(wire).startswith(b"HTTP/1.1 408 ")
        wire.close()
    assert door.is_shut()
    assert {result.outcome for result in door.told} == {Outcome.TOO_SLOW}


# --- many at once -----------------------------------------------------------------------------------------------------


async def crowd(door: Door, fields: list[dict[str, str]]) -> list[str]:
    visits = [visit(each) for each in fields]
    async with anyio.create_task_group() as tasks:
        for each in visits:
            tasks.start_soon(each.run, door.guard)
    return [each.code for each in visits]


async def test_a_visitor_cannot_fake_an_outage_by_many_calls_at_once(geetest: GeeTest) -> None:
    """Twenty times as many as may be under way, while GeeTest takes its time: most wait until theirs is over."""
    geetest.simulator.slow(0.2)
    door = Door(geetest, limits=Limits(max_in_flight=5, unverified_per_second=10**6), timeout=1.0)
    codes = await crowd(door, [geetest.token(forged=True) for _ in range(100)])
    assert door.is_shut()
    assert set(codes) == {"captcha_failed", "captcha_busy"}


async def test_a_visitor_cannot_fake_an_outage_by_filling_the_memory_for_bodies(geetest: GeeTest) -> None:
    door = Door(geetest, limits=Limits(max_buffered=3000, unverified_per_second=10**6))
    holding = [Visit(http_scope(headers={"content-type": FORM}), *messages(b"x" * 1400, ends=False)) for _ in range(2)]
    async with anyio.create_task_group() as tasks:
        for each in holding:
            tasks.start_soon(each.run, door.guard)
        await anyio.sleep(0.02)
        assert set(await crowd(door, [geetest.token(forged=True) for _ in range(20)])) == {"captcha_busy"}
        for each in holding:
            each.leave()
    assert door.is_shut()


@pytest.mark.parametrize("kit", [httpx, httpx2])
async def test_a_visitor_cannot_fake_an_outage_by_using_up_a_given_clients_pool(kit: Any, geetest: GeeTest) -> None:
    """A developer's client has a pool of its own, and whoever waits for it waits for us, not for GeeTest."""
    geetest.simulator.slow(0.3)
    async with kit.AsyncClient(limits=kit.Limits(max_connections=2)) as client:
        door = Door(geetest, client=client, timeout=1.2)
        codes = await crowd(door, [geetest.token(forged=True) for _ in range(30)])
    assert door.is_shut()
    assert codes.count("captcha_failed") >= 2
    assert set(codes) == {"captcha_failed", "captcha_busy"}


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_a_visitor_cannot_fake_an_outage_by_using_up_the_apps_threads(backend: str, geetest: GeeTest) -> None:
    """Forty slow requests to plain `def` endpoints, which Starlette and FastAPI run on anyio's forty threads."""
    door, codes = Door(geetest, timeout=0.3), []
    release = threading.Event()

    async def slow_endpoint() -> None:
        await anyio.to_thread.run_sync(release.wait)

    async def main() -> None:
        async with anyio.create_task_group() as tasks:
            for _ in range(60):
                tasks.start_soon(slow_endpoint)
            await anyio.sleep(0.05)
            try:
                codes.extend(await crowd(door, [geetest.token(forged=True) for _ in range(3)]))
            finally:
                release.set()

    anyio.run(main, backend=backend)
    assert door.is_shut(), codes


@pytest.mark.parametrize("servers", [1, 3])
def test_a_visitor_cannot_fake_an_outage_by_using_up_the_loops_threads(servers: int, geetest: GeeTest) -> None:
    """asyncio looks up the names of hosts on the threads that an app's own `asyncio.to_thread` keeps busy."""
    named = [geetest.url.replace("127.0.0.1", "localhost")] * servers
    door, codes = Door(geetest, timeout=0.3, api_server=named), []
    release = threading.Event()

    async def main() -> None:
        busy = [asyncio.create_task(asyncio.to_thread(release.wait)) for _ in range(60)]
        await asyncio.sleep(0.05)
        try:
            codes.extend(await crowd(door, [geetest.token(forged=True) for _ in range(3)]))
        finally:
            release.set()
            await asyncio.gather(*busy)

    asyncio.run(main())
    assert door.is_shut(), codes


@pytest.mark.parametrize("hold", [0.52, 0.6, 0.7])
def test_a_visitor_cannot_fake_an_outage_by_giving_the_threads_back_in_time(hold: float, geetest: GeeTest) -> None:
    """In time for a look at them when the call is over: by then the look-up of GeeTest's host has waited in vain."""
    door = Door(geetest, timeout=0.5, api_server=geetest.url.replace("127.0.0.1", "localhost"))

    async def main() -> None:
        asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(4))
        busy = [asyncio.create_task(asyncio.to_thread(time.sleep, hold)) for _ in range(4)]
        await asyncio.sleep(0.02)
        await crowd(door, [geetest.token(forged=True) for _ in range(3)])
        await asyncio.gather(*busy)

    asyncio.run(main())
    assert door.is_shut(), door.told


async def test_a_visitor_cannot_fake_an_outage_by_timing_the_end_of_a_kept_connection(geetest: GeeTest) -> None:
    """Servers end idle connections, and a call that crosses the end on its way gets no answer: one can aim at that."""

    def end_at_the_second(server: RawServer, connection: socket.socket) -> None:
        server.read_request(connection)
        connection.sendall(http_reply(b'{"status":"success","result":"fail","reason":"pass_token error"}'))
        server.read_request(connection)

    for client in (None, httpx.AsyncClient, httpx2.AsyncClient):
        with RawServer(end_at_the_second) as server:
            door = Door(geetest, api_server=server.url, client=client)
            codes = [await crowd(door, [geetest.token(forged=True)]) for _ in range(4)]
            await door.guard.aclose()
        assert codes == [["captcha_failed"], ["captcha_busy"]] * 2
        assert door.is_shut()
        assert server.accepted == 2


Stall = Callable[[float], Iterator[float]]
"""Yields how long the loop is held, again and again; it may compute meanwhile."""


def stall_once(until: float) -> Iterator[float]:
    """Far beyond the time that GeeTest has."""
    yield 0.6


def stall_often(until: float) -> Iterator[float]:
    for _ in range(8):
        yield 0.07


def stall_shortly(until: float) -> Iterator[float]:
    """A little at each turn of the loop, and none of it when the time is up: at that moment all looks well."""
    while (left := until - 0.005 - time.monotonic()) > 0:
        yield min(0.02, left)


def stall_by_waiting(until: float) -> Iterator[float]:
    """A database that is asked without `await`: much time goes by, and nothing is computed."""
    while (left := until - 0.005 - time.monotonic()) > 0:
        yield min(0.12, left)


def stall_by_computing(until: float) -> Iterator[float]:
    """bcrypt takes 0.3 s."""
    for _ in range(4):
        end = time.monotonic() + 0.12
        while time.monotonic() < end:
            pass
        yield 0.0


@pytest.fixture(scope="module")
def certified(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A certificate, and its authority."""
    made, folder = trustme.CA(), tmp_path_factory.mktemp("tls")
    made.cert_pem.write_to_path(str(folder / "authority.pem"))
    made.issue_cert("127.0.0.1").private_key_and_cert_chain_pem.write_to_path(str(folder / "geetest.pem"))
    return folder / "geetest.pem", folder / "authority.pem"


@pytest.fixture(scope="module")
def prompt() -> Iterator[Prompt]:
    with Prompt() as served:
        yield served


@pytest.fixture(scope="module")
def prompt_over_tls(certified: tuple[Path, Path]) -> Iterator[Prompt]:
    with Prompt(certified[0]) as served:
        yield served


@pytest.fixture
def answering(request: pytest.FixtureRequest, tls: str, certified: tuple[Path, Path]) -> Prompt:
    request.getfixturevalue("monkeypatch").setenv("SSL_CERT_FILE", str(certified[1]))
    served: Prompt = request.getfixturevalue("prompt_over_tls" if tls == "TLS" else "prompt")
    return served


STALLS: list[tuple[Stall, str]] = [
    (stall_once, "open connections"),
    (stall_by_waiting, "open connections"),
    (stall_by_computing, "open connections"),
    (stall_often, "no connections"),
    (stall_shortly, "no connections"),
    (stall_by_waiting, "no connections"),
    (stall_once, "three servers"),
    (stall_shortly, "three servers"),
]
LOOPS: dict[str, tuple[str, dict[str, Any]]] = {
    "asyncio": ("asyncio", {}),
    "uvloop": ("asyncio", {"use_uvloop": True}),
    "trio": ("trio", {}),
}


@pytest.mark.slow_except("asyncio-plain-*", "trio-TLS-stall_by_waiting-*")
@pytest.mark.parametrize(("stall", "start"), STALLS)
@pytest.mark.parametrize("tls", ["plain", "TLS"])
@pytest.mark.parametrize("loop", LOOPS)
def test_a_visitor_cannot_fake_an_outage_by_holding_up_the_event_loop(
    loop: str, stall: Stall, start: str, answering: Prompt, geetest: GeeTest
) -> None:
    """Visitors call an endpoint that does not let go of the loop; then GeeTest's answers lie there and wait for us."""
    if loop == "uvloop":
        pytest.importorskip("uvloop")
    urls = [answering.url] * (3 if start == "three servers" else 1)
    door, codes = Door(geetest, timeout=0.25, api_server=urls, trust_env=True), []

    async def hold(stalls: Iterator[float]) -> None:
        """The loop; GeeTest answers meanwhile all that it was sent, however busy the machine is."""
        while True:
            time.sleep(next(stalls, 0.0))
            answering.settle()
            await anyio.sleep(0)

    async def held_crowd(stalls: Iterator[float]) -> None:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(hold, stalls)
            codes.extend(await crowd(door, [geetest.token(forged=True) for _ in range(50)]))
            tasks.cancel_scope.cancel()

    async def main() -> None:
        await door.guard.guard.line.prepare()
        if start == "open connections":
            await held_crowd(iter(()))
        await held_crowd(stall(time.monotonic() + 0.25))
        await door.guard.aclose()

    backend, options = LOOPS[loop]
    anyio.run(main, backend=backend, backend_options=options)
    assert door.is_shut(), (codes.count("in"), {result.reason for result in door.told})


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_a_visitor_cannot_fake_an_outage_by_bodies_that_are_hard_to_read(backend: str, geetest: GeeTest) -> None:
    """The same without any endpoint: what the guard itself does with large bodies at once. Scaled down threefold."""
    door, codes = Door(geetest, timeout=0.3, sources=("body",)), []
    hard = (b"{" + b'"\\u0061":1,' * 30_000)[:131_072]

    async def main() -> None:
        heavy = [visit(body=cut(hard, 65536), content_type="application/json") for _ in range(10)]
        async with anyio.create_task_group() as tasks:
            for each in heavy:
                tasks.start_soon(each.run, door.guard)
            codes.extend(await crowd(door, [geetest.token(forged=True) for _ in range(5)]))

    anyio.run(main, backend=backend)
    assert door.is_shut(), codes


# --- file descriptors: in a process of its own, since its limit is lowered --------------------------------------------

EXHAUSTED = """
import collections, os, random, resource, sys, threading, time
import anyio
from edges.support import App, GeeTest, visit
from geetest_asgi import Limits
from geetest_asgi.testing import Simulator

url, backend, seconds = sys.argv[1], sys.argv[2], float(sys.argv[3])
outcomes, held, over = collections.Counter(), [], threading.Event()

def fill():
    try:
        while True:
            held.append(os.open("/dev/null", os.O_RDONLY))
    except OSError:
        pass

def come_and_go():
    while not over.is_set():
        if held:
            os.close(held.pop())
        for _ in range(random.randrange(50)):
            pass
        fill()

async def main():
    geetest = GeeTest(Simulator(), url)
    guard = geetest.guard(App(), limits=Limits(unverified_per_second=10**6), timeout=0.3,
                          on_result=lambda result, scope: outcomes.update([str(result.outcome)]))
    async def ask():
        await visit(geetest.token(forged=True)).run(guard)
        await guard.aclose()  # a kept connection would need no file descriptor
    await ask()
    outcomes.clear()
    resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))
    for free in range(8):
        fill()
        for _ in range(free):
            os.close(held.pop())
        await ask()
    crowd = threading.Thread(target=come_and_go)
    crowd.start()
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        await ask()
    over.set()
    crowd.join()
    print(*sorted(outcomes), sum(outcomes.values()) > 7)

anyio.run(main, backend=backend)
"""


@contextmanager
def subprocess_of(code: str, *arguments: str) -> Iterator["subprocess.Popen[str]"]:
    root = Path(__file__).parents[2]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(root), str(root / "tests")])}
    with subprocess.Popen(
        [sys.executable, "-W", "ignore", "-c", code, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


@pytest.mark.slow_except("127.0.0.1-asyncio")
@pytest.mark.parametrize("backend", ["asyncio", "trio"])
@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_a_visitor_cannot_fake_an_outage_by_using_up_the_file_descriptors(
    host: str, backend: str, geetest: GeeTest
) -> None:
    """Many open connections do it. None left, a few left, and as it is in life: one now and then.

    Without one a host cannot be looked up either, and the resolver's error does not say why. It cannot read the
    list of hosts, and asks the network instead: where that does not answer, a lookup lasts longer than the call.
    """
    url = geetest.url.replace("127.0.0.1", host)
    with subprocess_of(EXHAUSTED, url, backend, "1.2" if host == "localhost" else "0.3") as process:
        out, errors = process.communicate(timeout=30)
    *outcomes, enough = out.split() or ["", ""]
    assert enough == "True", errors
    assert "busy" in outcomes
    assert "unavailable" not in outcomes


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_silence_while_no_file_descriptor_is_to_spare_is_no_outage(backend: str, geetest: GeeTest) -> None:
    """Nothing says whether it was GeeTest's, or the resolver's that could not read its files."""
    geetest.simulator.hanging()
    with subprocess_of(EXHAUSTED, geetest.url, backend, "0") as process:
        out, errors = process.communicate(timeout=30)
    assert out.split() == ["busy", "True"], errors


# --- and the other way round: a real outage is one --------------------------------------------------------------------


async def test_a_real_outage_lets_in_as_many_as_the_cap_says(geetest: GeeTest) -> None:
    """Else the tests above would prove nothing."""
    fault: Callable[[Simulator], None]
    for fault in (Simulator.down, Simulator.garbled, Simulator.hanging):
        fault(geetest.simulator)
        door = Door(geetest, timeout=2.5)
        assert set(await crowd(door, [geetest.token(forged=True) for _ in range(5)])) == {"in"}
    with RawServer(replying(http_reply(b"", "502 Bad Gateway"))) as server:
        door = Door(geetest, api_server=server.url)
        assert set(await crowd(door, [geetest.token(forged=True)])) == {"in"}
        await door.guard.aclose()
