"""Verify one token with GeeTest, within one time limit. The next server is called only if nothing was sent."""

from collections.abc import Callable, Iterator, Sequence
from copy import copy
from functools import partial
from time import monotonic
from typing import Final, Self

import anyio

from .._bounds.breaker import Breaker
from .._bounds.per_loop import PerLoop
from .._bounds.places import Places
from .._core.limits import Limits
from .._core.model import Evidence, Outage, Outcome, ValidateRequest
from .._core.protocol import is_about_the_key, parse_reply
from .._core.rules import OnOutage
from ..observers.logs import log_outage, log_simulator, notify_plain
from .call import CLIENT_LEFT, Call, Disconnected
from .clock import clock
from .exchange import Wire
from .wires import Make

OnAnswer = Callable[[Evidence], None]

ALL_SERVERS_SKIPPED: Final = Evidence(
    Outcome.UNAVAILABLE, "GeeTest was not asked: it did not answer the calls before this one"
)


class Server:
    """One `api_server`."""

    def __init__(self, url: str, breaker: Breaker, on_outage: OnOutage | None) -> None:
        self.url = url
        self.breaker = breaker
        self._on_outage = on_outage

    def report(self, ticket: int, evidence: Evidence, *, answered: bool) -> None:
        """Report how a call ended. Neither an answer nor an outage: it says nothing about the server."""
        if evidence.outcome is Outcome.UNAVAILABLE:
            if self.breaker.failed(ticket):
                self._tell(Outage(self.url, over=False, reason=evidence.reason))
        elif not answered:
            self.breaker.given_up(ticket)
        elif (seconds := self.breaker.answered()) is not None:
            self._tell(Outage(self.url, over=True, reason=evidence.reason, seconds=seconds))

    def _tell(self, outage: Outage) -> None:
        log_outage(outage)
        notify_plain("on_outage", self._on_outage, outage)


class Lane:
    """State of a line in one event loop."""

    def __init__(self, make: Make, max_in_flight: int) -> None:
        self.clock = clock()
        self.places = Places(max_in_flight)
        self.wire: Wire | None = None
        self._make, self._making = make, anyio.Lock()
        self._closed = False

    async def prepare(self) -> Wire:
        """Return the wire, made when it is first needed. Raises what the user's function raises."""
        async with self._making:
            if self.wire is None:
                self.wire = await self._make()
                if self._closed:
                    await self.wire.aclose()
        return self.wire

    async def prepare_for(self, call: Call) -> Wire:
        """Do the same as `prepare`, within the time of a call."""
        call.ours = "the first call was being prepared"
        wire = await self.prepare()
        call.ours = ""
        return wire

    async def enter(self, client: str | None, call: Call) -> bool:
        """Wait for a place in flight. Return False if the call was ended."""
        place = self.places.join_line(client)
        call.begin(1, place.set)
        call.ours = "too many calls to GeeTest under way (max_in_flight)"
        return await self.places.wait(client, place)

    async def aclose(self) -> None:
        """Close the connections, and those that calls still open when the calls end."""
        self._closed = True
        if self.wire is not None:
            await self.wire.aclose()


class Line:
    """The calls of one middleware or client, for all its rules. Serves any number of threads and event loops.

    `make` makes the wire of an event loop. `deliberate`: every silence is deliberate, as in tests.
    """

    def __init__(
        self,
        api_servers: Sequence[str],
        limits: Limits,
        make: Make,
        *,
        on_outage: OnOutage | None = None,
        deliberate: bool = False,
    ) -> None:
        breaker = partial(Breaker, limits.breaker_failures, limits.breaker_pause, limits.breaker_longest_pause)
        self._servers = tuple(Server(url, breaker(), on_outage) for url in api_servers)
        self._deliberate, self._said = deliberate, False
        self._lanes = PerLoop(lambda: Lane(make, limits.max_in_flight), Lane.aclose)

    async def ask(
        self,
        requests: Sequence[ValidateRequest],
        seconds: float,
        *,
        client: str | None = None,
        disconnected: Disconnected | None = None,
        on_answer: OnAnswer = lambda answer: None,
    ) -> Evidence:
        """Ask about one token, signed with one key after the other until GeeTest does not object to the signature.

        Never raises: the evidence says why there is no answer. A `client` has half of the places in flight at most, and
        waits in line for one. `disconnected` is awaited once a call has taken a tenth of its `seconds`; it returns
        whether the client has disconnected, and then the call ends as `CLIENT_LEFT`. If it returns at once it is
        ignored: test clients send a disconnect as soon as the body is exhausted. `on_answer` is called as soon as
        GeeTest answers, so a later cancellation does not lose the answer.
        """
        start, lot_number, lane = monotonic(), requests[0].lot_number, self._lanes.get()
        call = Call(lane.clock, seconds, len(self._servers), disconnected, deliberate=self._deliberate)
        try:
            if lane.places.take(client) or await self._wait_for_place(lane, client, call):
                try:
                    for request in requests:
                        evidence = await self._ask_servers(request, lane, call, on_answer)
                        if call.ended is not None or not is_about_the_key(evidence):
                            break
                finally:
                    lane.places.give_back(client)
            else:
                evidence = call.stopped or ALL_SERVERS_SKIPPED
        finally:
            call.over = True
            if call.watching is not None:
                await call.watching.stop()
        if evidence is CLIENT_LEFT:
            return evidence
        elapsed = 0.0 if evidence is ALL_SERVERS_SKIPPED else monotonic() - start
        return Evidence(evidence.outcome, evidence.reason, evidence.code, lot_number, evidence.captcha_args, elapsed)

    async def _wait_for_place(self, lane: Lane, client: str | None, call: Call) -> bool:
        """Wait for a place in flight. False: all servers are skipped, or `call` was stopped."""
        if not any(server.breaker.ready() for server in self._servers):
            return False
        return await lane.enter(client, call)

    async def _ask_servers(self, request: ValidateRequest, lane: Lane, call: Call, on_answer: OnAnswer) -> Evidence:
        """Call one server after the other, as long as nothing was sent.

        If a server could not be reached through our own fault, that is the result, even if the others are down.
        """
        ours, evidence = None, call.ended or ALL_SERVERS_SKIPPED
        for behind, server in enumerate(self._servers):
            if call.ended is not None or (ticket := server.breaker.take(call.seconds)) is None:
                continue
            reply, scope = None, lane.clock.scope()
            call.begin(len(self._servers) - behind, scope.cancel)
            try:
                with scope:
                    wire = lane.wire or await lane.prepare_for(call)
                    reply = await wire.post(f"{server.url}/validate?{request.query}", request.form, call)
            except Exception as error:  # any exception is evidence; `blame` takes an unknown one for our own fault
                evidence = call.blame(error)
            except BaseException:
                server.breaker.given_up(ticket)
                raise
            else:
                evidence = parse_reply(reply, request.lot_number) if reply else call.stopped or evidence
            server.report(ticket, evidence, answered=reply is not None)
            if evidence.outcome is Outcome.UNAVAILABLE:
                evidence = ours or evidence
            if reply is not None:
                if reply.simulated and not self._said:
                    self._said = True
                    log_simulator()
                on_answer(evidence)
            if call.sent or reply is not None:
                return evidence
            ours = evidence if evidence.outcome is not Outcome.UNAVAILABLE else ours
        return evidence

    def each(self) -> Iterator[tuple[str, Self]]:
        """Yield every server with a line that calls this server alone, on the same connections."""
        for server in self._servers:
            alone = copy(self)
            alone._servers = (server,)
            yield server.url, alone

    async def prepare(self) -> None:
        """Import what the first call needs, read the certificates, make the user's client. Raises what that raises."""
        await self._lanes.get().prepare()

    async def aclose(self) -> None:
        """Close the connections of the running event loop. The next call opens others."""
        await self._lanes.aclose()
