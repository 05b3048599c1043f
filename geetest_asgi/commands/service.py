"""Call the service with made-up tokens, over the guards' own lines, as their requests would."""

import base64
import os
import secrets
import socket
import time
import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import urlsplit

import anyio

from .._config import is_loopback
from .._core.model import CaptchaFields, Evidence, Outcome
from .._core.policy import Policy
from .._core.protocol import build_request
from .._line.line import Line
from .._middleware import GeeTestMiddleware
from ..testing.environment import DEMO_ID
from . import verdicts

LONGEST: Final = 10.0
"""Greatest number of seconds to wait for a call, whatever the rule's `timeout`."""

_NOT_ASKED: Final = Evidence(Outcome.UNAVAILABLE, "not asked: no server answers")
_MADE_UP: Final = ("an-id-that-nobody-has", "a-key-that-nobody-has")


@dataclass(slots=True)
class Server:
    """One server, and the results of the calls to it."""

    url: str
    line: Line = field(repr=False)
    seconds: float
    addresses: list[str] = field(default_factory=list)
    lookup: float = 0.0
    """Seconds that looking up its name took."""
    trouble: str = ""
    """The system's words for why there is no connection."""
    first: Evidence = _NOT_ASKED
    """With the connection made for it."""
    again: Evidence = _NOT_ASKED
    """On the kept connection."""


@dataclass(slots=True)
class Pair:
    """One id and key, and the results of the calls with them."""

    captcha_id: str
    captcha_key: str = field(repr=False)
    rules: list[str]
    servers: list[Server]
    right: Evidence = _NOT_ASKED
    wrong: Evidence = _NOT_ASKED


@dataclass(slots=True)
class Service:
    """All servers and pairs to check."""

    servers: list[Server] = field(default_factory=list)
    pairs: list[Pair] = field(default_factory=list)
    by_request: list[str] = field(default_factory=list)
    """Names of the rules whose id and key depend on the request."""

    def add(self, middleware: GeeTestMiddleware) -> None:
        """Add its servers and its pairs, each once. A rule whose mode is off makes no calls."""
        policies = [policy for _, policy in middleware.table.rules if policy.mode != "off"]
        if not policies:
            return
        seconds = min(LONGEST, max(policy.timeout for policy in policies))
        own = [self._server(url, line, seconds) for url, line in middleware.guard.line.each()]
        for policy in policies:
            self._add_pair(policy, own)

    def _server(self, url: str, line: Line, seconds: float) -> Server:
        known = next((server for server in self.servers if server.url == url), None)
        if known is None:
            self.servers.append(known := Server(url, line, seconds))
        return known

    def _add_pair(self, policy: Policy, servers: list[Server]) -> None:
        if policy.credentials is not None:
            self.by_request.append(policy.name)
        if not policy.captcha_id:
            return
        for key in policy.keys:
            for pair in self.pairs:
                if (pair.captcha_id, pair.captcha_key, pair.servers) == (policy.captcha_id, key, servers):
                    pair.rules.append(policy.name)
                    break
            else:
                self.pairs.append(Pair(policy.captcha_id, key, [policy.name], servers))

    def doubts(self) -> list[str]:
        """What is wrong with the pairs, whatever the servers say."""
        demo = [pair for pair in self.pairs if pair.captcha_id == DEMO_ID]
        far = [server for pair in demo for server in pair.servers if not is_loopback(_place(server.url)[0])]
        return [f"{DEMO_ID} is GeeTest's public demonstration id: make one of your own in its dashboard"] if far else []

    def beside(self, pair: Pair) -> list[Pair]:
        """The same id with the other keys that it has while one is replaced."""
        return [
            other
            for other in self.pairs
            if other is not pair and other.captcha_id == pair.captcha_id and set(other.rules) & set(pair.rules)
        ]


def impossible_token() -> CaptchaFields:
    """Return a made-up token of the right shape. A new one each time, since a token is verified once."""
    output = base64.urlsafe_b64encode(secrets.token_bytes(96)).decode()
    return CaptchaFields(uuid.uuid4().hex, output, secrets.token_hex(32), str(int(time.time())))


def ask(service: Service) -> None:
    """Ask all servers at once, then about all pairs. Takes some four times the longest `timeout` at most."""
    anyio.run(_ask, service)


async def _ask(service: Service) -> None:
    for server in service.servers:  # what is imported and read before the first call is no part of how fast it is
        await server.line.prepare()
    try:
        await _all(_try, service.servers)
        await _all(_compare, service.pairs)
    finally:
        for server in service.servers:
            await server.line.aclose()


async def _all(function: Any, each: Iterable[Any]) -> None:
    async with anyio.create_task_group() as group:
        for one in each:
            group.start_soon(function, one)


async def _try(server: Server) -> None:
    await _look_up(server)
    server.first = await _call(server, *_MADE_UP)
    if verdicts.answered(server.first):
        server.again = await _call(server, *_MADE_UP)
    elif server.first.reason.startswith("no connection (") and server.addresses:
        server.trouble = await _trouble(server)


async def _compare(pair: Pair) -> None:
    server = next((each for each in pair.servers if verdicts.answered(each.first)), None)
    if server is None:
        return
    pair.right = await _call(server, pair.captcha_id, pair.captcha_key)
    pair.wrong = await _call(server, pair.captcha_id, secrets.token_hex(16))


async def _call(server: Server, captcha_id: str, captcha_key: str) -> Evidence:
    request = build_request(captcha_id, captcha_key, impossible_token())
    return await server.line.ask([request], server.seconds)


async def _look_up(server: Server) -> None:
    host, port = _place(server.url)
    begin = time.perf_counter()
    try:
        with anyio.move_on_after(server.seconds):
            found: Sequence[Any] = await anyio.getaddrinfo(host, port, type=socket.SOCK_STREAM)
            server.addresses = list(dict.fromkeys(str(each[4][0]) for each in found))
    except (OSError, UnicodeError):
        server.trouble = f"the name {host} is not known"
    server.lookup = time.perf_counter() - begin


async def _trouble(server: Server) -> str:
    """A connection by hand: the call's own evidence leaves out the system's words."""
    host, port = _place(server.url)
    try:
        with anyio.fail_after(server.seconds):
            await (await anyio.connect_tcp(host, port)).aclose()
    except TimeoutError:
        return "connecting takes too long"
    except OSError as error:
        return _words(error)
    return ""


def _words(error: BaseException) -> str:
    """anyio keeps the system's error, or one for each address, behind its own."""
    while (inner := error.exceptions[0] if isinstance(error, BaseExceptionGroup) else error.__cause__) is not None:
        error = inner
    number = getattr(error, "errno", None)
    return os.strerror(number) if number else str(error)


def _place(url: str) -> tuple[str, int]:
    parts = urlsplit(url)
    return str(parts.hostname), parts.port or (443 if parts.scheme == "https" else 80)
