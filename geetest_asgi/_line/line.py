"""Asking GeeTest once: one time budget for everything, the next server only where no connection was made."""

import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from copy import copy
from dataclasses import replace
from typing import Any

import anyio

from .._bounds.counters import Budget
from .._bounds.per_loop import PerLoop
from .._core.limits import Limits
from .._core.model import Evidence, Outcome, ValidateRequest
from .._core.protocol import is_about_the_key, parse_reply
from .._core.rules import OnOutage
from .blame import Patience, was_not_sent
from .connections import GivenClient, OwnConnections, Wire
from .pretence import Pretence
from .servers import NOT_ASKED, Server, Turn, servers
from .stand_in import stand_in


class Line:
    """The calls of one middleware or client, over all its rules."""

    def __init__(
        self,
        api_servers: Sequence[str],
        limits: Limits,
        *,
        client: Any = None,
        trust_env: bool = False,
        on_outage: OnOutage | None = None,
    ) -> None:
        self._servers = servers(api_servers, limits, on_outage)
        self._in_tests = servers(api_servers, replace(limits, breaker_failures=0), None)
        self._in_flight = Budget(limits.max_in_flight)
        self._pretence = Pretence(api_servers)
        self._wires: PerLoop[Wire] = PerLoop(_wire_maker(client, trust_env), _close)

    async def _ask_one(
        self,
        request: ValidateRequest,
        seconds: float,
        gone: Callable[[], Awaitable[bool]] | None = None,
        heard: Callable[[Evidence], None] = lambda _: None,
    ) -> Evidence:
        """What GeeTest says about a token within `seconds`, or why nothing was heard. Never raises.

        `gone` ends when there is news of the visitor: true if they left, and then nobody needs an answer.
        `heard` is told of an answer at once: whoever cancels us then would make it unheard.
        """
        ready = self._worth_asking()
        if not ready:
            return replace(NOT_ASKED, lot_number=request.lot_number)
        if not self._in_flight.take():
            full = "too many calls to GeeTest under way (max_in_flight)"
            return Evidence(Outcome.BUSY, full, lot_number=request.lot_number)
        start = time.perf_counter()
        try:
            with Turn(ready, seconds) as turn:
                evidence = await self._exchange(request, seconds, turn, gone, heard)
        finally:
            self._in_flight.give()
        elapsed = 0.0 if evidence is NOT_ASKED else time.perf_counter() - start
        return replace(evidence, lot_number=request.lot_number, elapsed=elapsed)

    @classmethod
    def over(cls, wire: Wire) -> "Line":
        return cls(("http://127.0.0.1",), Limits())

    async def prepare(self) -> None:
        pass

    async def ask(
        self,
        requests: Sequence[ValidateRequest],
        seconds: float,
        *,
        disconnected: Callable[[], Awaitable[bool]] | None = None,
        on_answer: Callable[[Evidence], None] = lambda _: None,
    ) -> Evidence:
        """Ask about one token, signed with one key after the other until GeeTest does not object to the signature."""
        took = 0.0
        for request in requests:
            evidence = await self._ask_one(request, seconds - took, disconnected, on_answer)
            took += evidence.elapsed
            if took >= seconds or not is_about_the_key(evidence):
                break
        return replace(evidence, elapsed=took)

    def _worth_asking(self) -> Sequence[Server]:
        if stand_in() is not None:  # one test's outage is not the next one's
            return self._in_tests
        return [server for server in self._servers if server.breaker.ready()]

    async def _exchange(
        self,
        request: ValidateRequest,
        seconds: float,
        turn: Turn,
        gone: Callable[[], Awaitable[bool]] | None,
        heard: Callable[[Evidence], None],
    ) -> Evidence:
        """The call; where it takes its time, the visitor and the clock beside it. The first to end ends the others."""
        evidence: Evidence | None = None
        patience, done = Patience(seconds), anyio.Event()

        async def hear() -> None:
            nonlocal evidence
            evidence = await self._ask_in_turn(request, turn, patience)
            heard(evidence)
            done.set()

        async def watch_visitor(gone: Callable[[], Awaitable[bool]]) -> None:
            nonlocal evidence
            if await gone():
                evidence = evidence or Evidence(Outcome.BUSY, "the visitor left")
                done.set()

        async def watch_clock() -> None:
            nonlocal evidence
            silence = await patience.run_out()
            evidence = evidence or turn.end(silence)
            done.set()

        async with anyio.create_task_group() as group:
            group.start_soon(hear)
            if not await patience.soon(done):
                group.start_soon(watch_clock)
                if gone is not None:
                    group.start_soon(watch_visitor, gone)
                await done.wait()
                group.cancel_scope.cancel()
        assert evidence is not None  # noqa: S101 - each of the three leaves one
        return evidence

    async def _ask_in_turn(self, request: ValidateRequest, turn: Turn, patience: Patience) -> Evidence:
        evidence = NOT_ASKED
        for behind, server in enumerate(turn.ready):
            if not turn.begin(server):
                continue
            # A host that does not answer at all must leave time for those after it.
            left, servers, late = patience.left, len(turn.ready) - behind, patience.late
            # The last one's time is ended by our own clock, which looks at whose fault that is.
            share = left / servers if servers > 1 else 2 * left
            try:
                wire = stand_in() or await self._wires.get()
                reply = await wire.post(f"{server.url}/validate?{request.query}", request.form, share)
            except Exception as error:  # whatever a client raises is evidence, and `blame` trusts none it does not know
                evidence = turn.end(await patience.blame(error, share, late))
                if not was_not_sent(error):
                    return evidence
            else:
                if reply.simulated:
                    self._pretence.simulated()
                return turn.end(parse_reply(reply, request.lot_number), answered=True)
        return evidence

    def each(self) -> Iterator[tuple[str, "Line"]]:
        """Every server with a caller that asks it alone, on the same connections: for a look at each of them."""
        for server in self._servers:
            alone = copy(self)
            alone._servers = (server,)
            yield server.url, alone

    async def aclose(self) -> None:
        """Close the connections of the running event loop. The next call opens others."""
        await self._wires.aclose()


def _wire_maker(client: Any, trust_env: bool) -> Callable[[], Wire]:
    if client is None:
        return lambda: OwnConnections(trust_env=trust_env)
    if hasattr(client, "stream") and not isinstance(client, type):
        return lambda: GivenClient(client, ours=False)
    return lambda: GivenClient(client(), ours=True)


async def _close(wire: Wire) -> None:
    await wire.aclose()
