"""Asking GeeTest about one token: one time for everything, and the next server only where nothing was sent."""

from collections.abc import Callable, Iterator, Sequence
from copy import copy
from dataclasses import replace
from time import monotonic
from typing import Any, Final, Self

import anyio

from .._bounds.per_loop import PerLoop
from .._bounds.places import Places
from .._core.limits import Limits
from .._core.model import Evidence, Outcome, ValidateRequest
from .._core.protocol import API_SERVERS, is_about_the_key, parse_reply
from .._core.rules import OnOutage
from ..observers.logs import log_simulator
from .call import Call, Disconnected, Progress
from .clock import clock
from .exchange import Wire
from .servers import Server, servers
from .wires import Make, check_proxies, wire_maker

OnAnswer = Callable[[Evidence], None]

ALL_SERVERS_SKIPPED: Final = Evidence(
    Outcome.UNAVAILABLE, "GeeTest was not asked: it did not answer the calls before this one"
)


def _ignore(answer: Evidence) -> None:
    """Nobody wants to know at once."""


class Lane:
    """What a line has in one event loop."""

    def __init__(self, make: Make, max_in_flight: int) -> None:
        self.clock = clock()
        self.places = Places(max_in_flight)
        self.wire: Wire | None = None
        self._make, self._making = make, anyio.Lock()

    async def prepare(self, progress: Progress) -> Wire:
        """Return the wire, made when it is first needed. Raises what the user's function raises."""
        progress.waits_for_us("the first call was being prepared")
        async with self._making:
            if self.wire is None:
                self.wire = await self._make()
        progress.waits_for_us("")
        return self.wire

    async def enter(self, client: str | None, call: Call) -> bool:
        """Wait for a place in flight. False if the call was ended meanwhile."""
        place = self.places.join_line(client)
        call.begin(1, place.set)
        call.waits_for_us("too many calls to GeeTest under way (max_in_flight)")
        return await self.places.wait(client, place)

    async def aclose(self) -> None:
        """Close the connections."""
        if self.wire is not None:
            await self.wire.aclose()


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

        async def make() -> Wire:
            return wire

        line = cls.__new__(cls)
        limits = Limits(breaker_failures=0)
        line._build(servers(API_SERVERS[:1], limits, None), limits, make)
        line._deliberate = True
        return line

    def _build(self, servers: Sequence[Server], limits: Limits, make: Make) -> None:
        self._servers = servers
        self._deliberate = self._said = self._own = False
        self._lanes = PerLoop(lambda: Lane(make, limits.max_in_flight), Lane.aclose)

    async def ask(
        self,
        requests: Sequence[ValidateRequest],
        seconds: float,
        *,
        client: str | None = None,
        disconnected: Disconnected | None = None,
        on_answer: OnAnswer = _ignore,
    ) -> Evidence:
        """Ask about one token, signed with one key after the other until GeeTest does not object to the signature.

        Never raises: the evidence says why there is no answer. `client` has half of the places in flight at most, and
        waits its turn for one. `disconnected` is awaited once a call has taken a tenth of its `seconds`, and returns
        whether the client has left: then the call ends as `busy`. `on_answer` is called as soon as GeeTest answers, so
        a later cancellation does not lose the answer.
        """
        start, lot_number = monotonic(), requests[0].lot_number
        if not self._ready():
            return replace(ALL_SERVERS_SKIPPED, lot_number=lot_number)
        lane = self._lanes.get()
        call = Call(lane.clock, seconds, len(self._servers), disconnected, deliberate=self._deliberate)
        try:
            if lane.places.take(client) or await lane.enter(client, call):
                try:
                    for request in requests:
                        evidence = await self._ask_servers(request, lane, call, on_answer)
                        if call.ended is not None or not is_about_the_key(evidence):
                            break
                finally:
                    lane.places.give_back(client)
            else:
                evidence = call.ended or call.silence()
        finally:
            if (watching := call.close()) is not None:
                await watching.stop()
        elapsed = 0.0 if evidence is ALL_SERVERS_SKIPPED else monotonic() - start
        return Evidence(evidence.outcome, evidence.reason, evidence.code, lot_number, evidence.captcha_args, elapsed)

    def _ready(self) -> list[Server]:
        return [server for server in self._servers if server.breaker.ready()]

    async def _ask_servers(self, request: ValidateRequest, lane: Lane, call: Call, on_answer: OnAnswer) -> Evidence:
        """Ask one server after the other, as long as nothing was sent.

        If one of them could not be reached through our own fault, it is no outage that the others are down.
        """
        ready, ours, evidence = self._ready(), None, call.ended or ALL_SERVERS_SKIPPED
        for behind, server in enumerate(ready):
            if call.ended is not None or (ticket := server.breaker.take(call.seconds)) is None:
                continue
            reply, scope = None, anyio.CancelScope()
            call.begin(len(ready) - behind, scope.cancel)
            try:
                with scope:
                    wire = lane.wire or await lane.prepare(call)
                    reply = await wire.post(f"{server.url}/validate?{request.query}", request.form, call)
            except Exception as error:  # whatever a client raises is evidence, and `blame` trusts none it does not know
                evidence = call.blame(error)
            except BaseException:
                server.breaker.given_up(ticket)
                raise
            else:
                evidence = parse_reply(reply, request.lot_number) if reply else call.ended or call.silence()
            server.hears(ticket, evidence, answered=reply is not None)
            if evidence.outcome is Outcome.UNAVAILABLE:
                evidence = ours or evidence
            if reply is not None:
                if reply.simulated:
                    self._tell_of_a_simulator()
                on_answer(evidence)
            if call.sent or reply is not None:
                return evidence
            ours = evidence if evidence.outcome is not Outcome.UNAVAILABLE else ours
        return evidence

    def _tell_of_a_simulator(self) -> None:
        if not self._said:
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
        if self._own:
            await self._lanes.get().prepare(Progress())

    async def aclose(self) -> None:
        """Close the connections of the running event loop. The next call opens others."""
        await self._lanes.aclose()
