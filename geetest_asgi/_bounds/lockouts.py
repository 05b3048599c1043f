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

from .._core.model import FOREIGN_ID, GeeTestResult, Lockout, Outcome

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

_VOTES: Final = frozenset({Outcome.PASSED, Outcome.FAILED, Outcome.REFUSED, Outcome.MALFORMED})
"""The outcomes that say whether a solved captcha gets through. A bot that sends no captcha, or asks
for a path that no rule may answer, says nothing about that. Outages, wrong keys and full bounds have warnings.
"""


@dataclass(frozen=True, slots=True)
class _Kind:
    begins: float
    """Share of refused addresses at which a lockout begins."""
    ends: float
    """Share below which it ends."""
    reason: str = ""
    """The only reason that counts; "": all do."""

    def count(self, votes: Sequence[str]) -> Counter[str]:
        """The refused addresses by the reason."""
        return Counter(why for why in votes if why and self.reason in ("", why))


_ALL: Final = _Kind(0.9, 0.5)
_FOREIGN: Final = _Kind(0.2, 0.1, f"{Outcome.MALFORMED}: {FOREIGN_ID}")
"""One page of several, or one release of an app, has an id that `credentials` does not know."""


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
    episodes: dict[_Kind, _Episode] = field(default_factory=dict)


class Lockouts:
    """Those of one middleware, rule by rule. Not safe across threads by itself."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._rules: dict[str, _Rule] = {}

    def note(self, result: GeeTestResult, client: str | None) -> Lockout | None:
        """Count this decision. A lockout that it begins or ends."""
        if client is None or not result.rule or result.outcome not in _VOTES:
            return None
        rule = self._rules.get(result.rule) or self._rules.setdefault(result.rule, _Rule())
        now, why = self._clock(), "" if result.outcome is Outcome.PASSED else _why(result)
        known = rule.votes.pop(client, None)
        rule.votes[client] = (now, why)
        if len(rule.votes) > MOST:
            del rule.votes[next(iter(rule.votes))]
        for episode in rule.episodes.values():
            episode.refused += bool(why)
            episode.passed += not why
        if now < rule.next_count and not (known is None and len(rule.votes) == ENOUGH):
            return None
        rule.next_count = now + PAUSE
        return _count(rule, result.rule, now)


def _why(result: GeeTestResult) -> str:
    words = " ".join(filter(None, (result.code, result.reason)))
    return f"{result.outcome}: {words}" if words else str(result.outcome)


def _count(rule: _Rule, name: str, now: float) -> Lockout | None:
    votes = _latest(rule, now)
    if (news := _compare(rule, _ALL, votes, name, now)) is not None:
        return news
    # A foreign id of all clients is told as a lockout of all already.
    return None if _ALL in rule.episodes else _compare(rule, _FOREIGN, votes, name, now)


def _compare(rule: _Rule, kind: _Kind, votes: Sequence[str], name: str, now: float) -> Lockout | None:
    refused = kind.count(votes)
    share = refused.total() / len(votes)
    episode = rule.episodes.get(kind)
    if episode is None:
        if len(votes) < ENOUGH or share < kind.begins:
            return None
        reason, _ = refused.most_common(1)[0]
        rule.episodes[kind] = _Episode(now, reason)
        return Lockout(name, False, reason, share, len(votes))
    if share >= kind.ends:
        return None
    del rule.episodes[kind]
    seconds = now - episode.began
    return Lockout(name, True, episode.reason, share, len(votes), episode.refused, episode.passed, seconds)


def _latest(rule: _Rule, now: float) -> Sequence[str]:
    """The votes that count: all recent ones, or the latest ENOUGH."""
    fresh = takewhile(lambda vote: now - vote[0] <= OLDEST, reversed(rule.votes.values()))
    return [why for number, (when, why) in enumerate(fresh) if number < ENOUGH or now - when <= RECENT]
