"""GeeTest's servers, each with its circuit breaker."""

from collections.abc import Sequence

from .._bounds.breaker import Breaker
from .._core.limits import Limits
from .._core.model import Evidence, Outage, Outcome
from .._core.rules import OnOutage
from ..observers.logs import log_outage, notify_plain


class Server:
    """One `api_server`."""

    def __init__(self, url: str, breaker: Breaker, on_outage: OnOutage | None = None) -> None:
        self.url = url
        self.breaker = breaker
        self._on_outage = on_outage

    def hears(self, ticket: int, evidence: Evidence, *, answered: bool) -> None:
        """Report what came of a call. What is neither an answer nor an outage is our own doing, and says nothing."""
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


def servers(urls: Sequence[str], limits: Limits, on_outage: OnOutage | None) -> tuple[Server, ...]:
    """Return a server for each URL, in the order in which they are to be asked."""

    def breaker() -> Breaker:
        return Breaker(limits.breaker_failures, limits.breaker_pause, limits.breaker_longest_pause)

    return tuple(Server(url, breaker(), on_outage) for url in urls)
