"""Asking GeeTest about one token: one time for everything, and the next server only where nothing was sent."""

import time
from collections.abc import Callable, Iterator, Sequence
from copy import copy
from dataclasses import replace
from typing import Any, Self

import anyio

from .._bounds.per_loop import PerLoop
from .._core.limits import Limits
from .._core.model import Evidence, ValidateRequest
from .._core.protocol import API_SERVERS, is_about_the_key, parse_reply
from .._core.rules import OnOutage
from ..observers.logs import log_simulator
from .clock import Clock, clock
from .deadline import Deadline, Disconnected
from .exchange import GivenWire, OwnWire, Wire, wire_maker
from .proxies import check_proxies
from .servers import ALL_SERVERS_SKIPPED, Attempt, Server, servers

OnAnswer = Callable[[Evidence], None]


def _ignore(answer: Evidence) -> None:
    """Nobody wants to know at once."""


class _Lane:
    """What a line has in one event loop."""

    def __init__(self, make: Callable[[], Wire], max_in_flight: int) -> None:
        self.clock: Clock = clock()
        self._make, self._wire = make, None
        self._room = anyio.Semaphore(max_in_flight)

    _wire: Wire | None

    @property
    def wire(self) -> Wire:
        """Made when it is first needed. Raises what the user's function raises."""
        if self._wire is None:
            self._wire = self._make()
        return self._wire

    async def enter(self, deadline: Deadline) -> bool:
        """Wait for a place in flight, first come, first served. False if the call was ended meanwhile."""
        try:
            self._room.acquire_nowait()
        except anyio.WouldBlock:
            with deadline.waiting("too many calls to GeeTest under way (max_in_flight)") as scope:
                await self._room.acquire()
            return not scope.cancelled_caught
        return True

    def leave(self) -> None:
        """Give the place back."""
        self._room.release()

    async def aclose(self) -> None:
        """Close the connections."""
        if self._wire is not None:
            await self._wire.aclose()


class Line:
    """The calls of one middleware or client, over all its rules. Serves any number of threads and event loops.

    Raises ConfigError if `trust_env` is set and the environment names a proxy that cannot be used.
    """

    def __init__(
        self,
        api_servers: Sequence[str],
        limits: Limits,
        *,
        client: Any = None,
        trust_env: bool = False,
        on_outage: OnOutage | None = None,
    ) -> None:
        if trust_env and client is None:
            check_proxies(api_servers)
        self._build(servers(api_servers, limits, on_outage), limits, wire_maker(client, trust_env=trust_env))
        self._own = client is None

    @classmethod
    def over(cls, wire: Wire) -> Self:
        """Return a line over `wire`, without a breaker, whose every silence is deliberate: for a stand-in."""
        line = cls.__new__(cls)
        limits = Limits(breaker_failures=0)
        line._build(servers(API_SERVERS[:1], limits, None), limits, lambda: wire)
        line._deliberate = True
        return line

    def _build(self, servers: Sequence[Server], limits: Limits, make: Callable[[], Wire]) -> None:
        self._servers = servers
        self._deliberate = self._said = self._own = False
        self._lanes = PerLoop(lambda: _Lane(make, limits.max_in_flight), _Lane.aclose)

    async def ask(
        self,
        requests: Sequence[ValidateRequest],
        seconds: float,
        *,
        disconnected: Disconnected | None = None,
        on_answer: OnAnswer = _ignore,
    ) -> Evidence:
        """Ask about one token, signed with one key after the other until GeeTest does not object to the signature.

        Never raises: the evidence says why there is no answer. `disconnected` is awaited once a call has taken a tenth
        of its `seconds`, and returns whether the client has left: then the call ends as `busy`. `on_answer` is called
        as soon as GeeTest answers, so a later cancellation does not lose the answer.
        """
        start, lot_number = time.perf_counter(), requests[0].lot_number
        if not self._ready():
            return replace(ALL_SERVERS_SKIPPED, lot_number=lot_number)
        lane = await self._lanes.get()
        deadline = Deadline(lane.clock, seconds, len(self._servers), disconnected, deliberate=self._deliberate)
        try:
            evidence = await self._ask_in_turn(requests, lane, deadline, on_answer)
        finally:
            if (watching := deadline.close()) is not None:
                await watching.stop()
        elapsed = 0.0 if evidence is ALL_SERVERS_SKIPPED else time.perf_counter() - start
        return replace(evidence, lot_number=lot_number, elapsed=elapsed)

    def _ready(self) -> Sequence[Server]:
        return [server for server in self._servers if server.breaker.ready()]

    async def _ask_in_turn(
        self, requests: Sequence[ValidateRequest], lane: _Lane, deadline: Deadline, on_answer: OnAnswer
    ) -> Evidence:
        if not await lane.enter(deadline):
            assert deadline.ended is not None  # noqa: S101 - it says why
            return deadline.ended
        try:
            for request in requests:
                with Attempt(self._ready(), deadline.seconds) as attempt:
                    evidence = await self._ask_servers(request, lane, deadline, attempt, on_answer)
                if deadline.ended is not None or not is_about_the_key(evidence):
                    break
        finally:
            lane.leave()
        return evidence

    async def _ask_servers(
        self, request: ValidateRequest, lane: _Lane, deadline: Deadline, attempt: Attempt, on_answer: OnAnswer
    ) -> Evidence:
        evidence = ALL_SERVERS_SKIPPED
        for behind, server in enumerate(attempt.ready):
            if deadline.ended is not None or not attempt.begin(server):
                continue
            progress, reply = deadline.begin(len(attempt.ready) - behind), None
            try:
                with progress.scope:
                    wire = lane.wire
                    if isinstance(wire, GivenWire):
                        deadline.follow(progress)
                    reply = await wire.post(f"{server.url}/validate?{request.query}", request.form, progress)
            except Exception as error:  # whatever a client raises is evidence, and `blame` trusts none it does not know
                evidence = attempt.end(deadline.blame(error))
            else:
                if reply is not None:
                    self._look_for_a_simulator(simulated=reply.simulated)
                    evidence = attempt.end(parse_reply(reply, request.lot_number), answered=True)
                    on_answer(evidence)
                    return evidence
                evidence = attempt.end(deadline.ended or deadline.silence())
            if not progress.was_not_sent:
                break
        return evidence

    def _look_for_a_simulator(self, *, simulated: bool) -> None:
        if simulated and not self._said:
            self._said = True
            log_simulator()

    def each(self) -> Iterator[tuple[str, Self]]:
        """Yield every server with a line that asks it alone, on the same connections."""
        for server in self._servers:
            alone = copy(self)
            alone._servers = (server,)
            yield server.url, alone

    async def prepare(self) -> None:
        """Import what the first call needs and read the certificates: for the start of a lifespan."""
        if self._own and isinstance(wire := (await self._lanes.get()).wire, OwnWire):
            await wire.prepare()

    async def aclose(self) -> None:
        """Close the connections of the running event loop. The next call opens others."""
        await self._lanes.aclose()
