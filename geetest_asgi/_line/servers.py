"""GeeTest's servers, each with its circuit breaker, and a call's attempt at them."""

from collections.abc import Sequence
from typing import Final

from .._bounds.breaker import Breaker
from .._core.limits import Limits
from .._core.model import Evidence, Outage, Outcome
from .._core.rules import OnOutage
from ..observers.logs import log_hook_raised, log_outage

ALL_SERVERS_SKIPPED: Final = Evidence(
    Outcome.UNAVAILABLE, "GeeTest was not asked: it did not answer the calls before this one"
)


class Server:
    """One `api_server`."""

    def __init__(self, url: str, breaker: Breaker, on_outage: OnOutage | None = None) -> None:
        self.url = url
        self.breaker = breaker
        self._on_outage = on_outage

    def _tell(self, outage: Outage) -> None:
        log_outage(outage)
        if self._on_outage is not None:
            try:
                self._on_outage(outage)
            except Exception:
                log_hook_raised("on_outage")

    def heard(self, ticket: int, evidence: Evidence, *, answered: bool) -> None:
        """Report what came of a call. What is neither an answer nor an outage is our own doing, and says nothing."""
        if evidence.outcome is Outcome.UNAVAILABLE:
            if self.breaker.failed(ticket):
                self._tell(Outage(self.url, over=False, reason=evidence.reason))
        elif not answered:
            self.breaker.given_up(ticket)
        elif (seconds := self.breaker.answered()) is not None:
            self._tell(Outage(self.url, over=True, reason=evidence.reason, seconds=seconds))


def servers(urls: Sequence[str], limits: Limits, on_outage: OnOutage | None) -> tuple[Server, ...]:
    """A server for each URL, in the order in which they are to be asked."""

    def breaker() -> Breaker:
        return Breaker(limits.breaker_failures, limits.breaker_pause, limits.breaker_longest_pause)

    return tuple(Server(url, breaker(), on_outage) for url in urls)


class Attempt:
    """Tracks which server a call is asking, and reports the result to that server's breaker.

    `ready` are those worth asking. Leaving the `with` block, in whichever way, gives up what is still being asked.
    """

    def __init__(self, ready: Sequence[Server], seconds: float) -> None:
        self.ready = ready
        self._seconds = seconds
        self._asking: tuple[Server, int] | None = None
        self._ours: Evidence | None = None

    def begin(self, server: Server) -> bool:
        """Ask this one, unless another call is probing it meanwhile."""
        ticket = server.breaker.take(self._seconds)
        if ticket is not None:
            self._asking = (server, ticket)
        return ticket is not None

    def end(self, evidence: Evidence, *, answered: bool = False) -> Evidence:
        """Report what came of it; return what it means together with the servers before.

        If one of them could not be reached through our own fault, it is no outage that the others are down.
        """
        if self._asking is not None:
            (server, ticket), self._asking = self._asking, None
            server.heard(ticket, evidence, answered=answered)
        if evidence.outcome is Outcome.UNAVAILABLE:
            return self._ours or evidence
        self._ours = evidence
        return evidence

    def __enter__(self) -> "Attempt":
        return self

    def __exit__(self, *_: object) -> None:
        if self._asking is not None:
            (server, ticket), self._asking = self._asking, None
            server.breaker.given_up(ticket)
