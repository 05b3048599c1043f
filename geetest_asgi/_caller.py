"""Asking GeeTest once: one time budget for everything, the next server only where no connection was made."""

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import anyio

from ._connections import GivenClient, OwnConnections, Wire
from ._core.model import Evidence, Outcome, ValidateRequest
from ._core.protocol import parse_reply
from ._faults import blame, blame_silence, was_not_sent
from ._meters import Budget
from ._perloop import PerLoop


class Caller:
    """The calls of one middleware or client, over all its rules."""

    def __init__(
        self, api_servers: Sequence[str], *, client: Any = None, trust_env: bool = False, max_in_flight: int
    ) -> None:
        self._servers = tuple(api_servers)
        self._in_flight = Budget(max_in_flight)
        self._wires: PerLoop[Wire] = PerLoop(_wire_maker(client, trust_env), _close)

    async def ask(self, request: ValidateRequest, seconds: float) -> Evidence:
        """What GeeTest says about a token within `seconds`, or why nothing was heard. Never raises."""
        if not self._in_flight.take():
            return Evidence(Outcome.BUSY, "too many calls to GeeTest under way", lot_number=request.lot_number)
        start, computed = time.perf_counter(), time.thread_time()
        try:
            with anyio.move_on_after(seconds) as deadline:
                evidence = await self._ask_in_turn(request, deadline.deadline)
            elapsed = time.perf_counter() - start
            if deadline.cancelled_caught:
                late = anyio.current_time() - deadline.deadline
                evidence = await blame_silence(late, (time.thread_time() - computed) / elapsed)
        finally:
            self._in_flight.give()
        return replace(evidence, lot_number=request.lot_number, elapsed=elapsed)

    async def _ask_in_turn(self, request: ValidateRequest, deadline: float) -> Evidence:
        evidence = Evidence(Outcome.UNAVAILABLE, "no server")
        for behind, server in enumerate(self._servers):
            # A host that does not answer at all must leave time for those after it.
            share = (deadline - anyio.current_time()) / (len(self._servers) - behind)
            try:
                wire = await self._wires.get()
                reply = await wire.post(f"{server}/validate?{request.query}", request.form, share)
            except Exception as error:  # whatever a client raises is evidence, and `blame` trusts none it does not know
                evidence = blame(error)
                if not was_not_sent(error):
                    return evidence
            else:
                return parse_reply(reply, request.lot_number)
        return evidence

    async def aclose(self) -> None:
        """Close the connections of the running event loop. The next call opens others."""
        await self._wires.aclose()


def _wire_maker(client: Any, trust_env: bool) -> Callable[[], Wire]:
    if client is None:
        return lambda: OwnConnections(trust_env=trust_env)
    if hasattr(client, "request") and not isinstance(client, type):
        return lambda: GivenClient(client, ours=False)
    return lambda: GivenClient(client(), ours=True)


async def _close(wire: Wire) -> None:
    await wire.aclose()
