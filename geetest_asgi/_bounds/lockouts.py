"""Detect that nearly all clients of a rule are refused, whoever they are. Pure counting, by distinct client addresses.

Each address has one vote: GeeTest verified its latest token, or why not. A single visitor, or a handful, cannot make up
`ENOUGH` addresses; requests without an address have no vote.
"""

import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import takewhile
from typing import Final

from .._core.model import GeeTestResult, Lockout, Outcome

ENOUGH: Final = 20
"""Distinct addresses without which nothing is concluded. A site with twenty visitors a minute hears within a minute."""

RECENT: Final = 20.0
"""Seconds of which all votes count. Where they are fewer than ENOUGH, older ones count too."""

OLDEST: Final = 600.0
"""Seconds after which a vote counts no longer: on a quiet site, bots may be all the visitors of an hour."""

PAUSE: Final = 5.0
"""Seconds between two counts of the votes."""

MOST: Final = 4096
"""Votes kept of one rule, the latest: some 1 MB."""

BEGINS: Final = 0.9
"""Share of refused addresses at which a lockout begins."""

ENDS: Final = 0.5
"""Share below which it ends."""

_VOTES: Final = frozenset({Outcome.PASSED, Outcome.FAILED, Outcome.REFUSED, Outcome.MALFORMED})
"""The outcomes that say whether a solved captcha gets through. A bot that sends no captcha says nothing about that, and
an outage, a wrong key and a full bound have warnings of their own.
"""


@dataclass(slots=True)
class _Episode:
    began: float
    reason: str
    passed: int = 0
    refused: int = 0


@dataclass(slots=True)
class _Rule:
    """The votes of one rule's clients, the oldest first."""

    votes: dict[str, tuple[float, str]] = field(default_factory=dict)
    """By address: when, and why it was refused; "" where its token was verified."""
    next_count: float = 0.0
    episode: _Episode | None = None


class Lockouts:
    """Those of one middleware, rule by rule. Not safe across threads by itself."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._rules: dict[str, _Rule] = {}

    def note(self, result: GeeTestResult, client: str | None) -> Lockout | None:
        """Count this decision. A lockout that it begins or ends."""
        if client is None or result.outcome not in _VOTES:
            return None
        rule = self._rules.get(result.rule) or self._rules.setdefault(result.rule, _Rule())
        now, why = self._clock(), "" if result.outcome is Outcome.PASSED else _why(result)
        known = rule.votes.pop(client, None)
        rule.votes[client] = (now, why)
        if len(rule.votes) > MOST:
            del rule.votes[next(iter(rule.votes))]
        if rule.episode is not None:
            rule.episode.refused += bool(why)
            rule.episode.passed += not why
        if now < rule.next_count and not (known is None and len(rule.votes) == ENOUGH):
            return None
        rule.next_count = now + PAUSE
        return _count(rule, result.rule, now)


def _why(result: GeeTestResult) -> str:
    words = " ".join(filter(None, (result.code, result.reason)))
    return f"{result.outcome}: {words}" if words else str(result.outcome)


def _count(rule: _Rule, name: str, now: float) -> Lockout | None:
    votes = _latest(rule, now)
    refused = Counter(why for why in votes if why)
    share = refused.total() / len(votes)
    episode = rule.episode
    if episode is None:
        if len(votes) < ENOUGH or share < BEGINS:
            return None
        reason, _ = refused.most_common(1)[0]
        rule.episode = _Episode(now, reason)
        return Lockout(name, False, reason, share, len(votes))
    if share >= ENDS:
        return None
    rule.episode = None
    seconds = now - episode.began
    return Lockout(name, True, episode.reason, share, len(votes), episode.refused, episode.passed, seconds)


def _latest(rule: _Rule, now: float) -> Sequence[str]:
    """The votes that count: all recent ones, or the latest ENOUGH."""
    fresh = takewhile(lambda vote: now - vote[0] <= OLDEST, reversed(rule.votes.values()))
    return [why for number, (when, why) in enumerate(fresh) if number < ENOUGH or now - when <= RECENT]
