"""Detect that nearly all clients of a rule are refused. Pure counting, by distinct client addresses.

Each address has one vote: its latest token was verified, or the reason of its refusal. `ENOUGH` addresses are needed,
more than a few attackers have. Requests without an address have no vote.
"""

import time
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import takewhile
from typing import Final

from .._core.model import GeeTestResult, Lockout, Outcome

ENOUGH: Final = 20
"""Distinct addresses needed. A site with twenty visitors a minute gets the warning within a minute."""

RECENT: Final = 20.0
"""Seconds for which all votes count. If they are fewer than ENOUGH, the latest older votes count, too."""

OLDEST: Final = 600.0
"""Seconds after which a vote no longer counts: on a quiet site, all visitors of an hour may be bots."""

PAUSE: Final = 5.0
"""Seconds between two counts of the votes."""

MOST: Final = 4096
"""Votes kept for one rule, the latest ones: about 1 MB."""

_BEGINS: Final = 0.9
"""Share of refused addresses at which a lockout begins."""
_ENDS: Final = 0.5
"""Share below which it ends."""

_VOTES: Final = frozenset({Outcome.PASSED, Outcome.FAILED, Outcome.REFUSED, Outcome.MALFORMED})
"""Outcomes that show whether a solved captcha is accepted. `missing` shows nothing about that. Outages, wrong keys and
full limits have warnings of their own.
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
    """By address: the time, and the reason of the refusal; "" if the token was verified."""
    next_count: float = 0.0
    episode: _Episode | None = None


class Lockouts:
    """Detects the lockouts of one middleware, for each rule. Not safe across threads by itself."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._rules: defaultdict[str, _Rule] = defaultdict(_Rule)

    def note(self, result: GeeTestResult, client: str | None) -> Lockout | None:
        """Count this decision. Return the lockout that it begins or ends, or None."""
        if client is None or not result.rule or result.outcome not in _VOTES:
            return None
        rule = self._rules[result.rule]
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
    refused = Counter(filter(None, votes))
    share, episode = refused.total() / len(votes), rule.episode
    if episode is None:
        if len(votes) < ENOUGH or share < _BEGINS:
            return None
        reason = max(refused, key=refused.__getitem__)
        rule.episode = _Episode(now, reason)
        return Lockout(name, False, reason, share, len(votes))
    if share >= _ENDS:
        return None
    rule.episode = None
    seconds = now - episode.began
    return Lockout(name, True, episode.reason, share, len(votes), episode.refused, episode.passed, seconds)


def _latest(rule: _Rule, now: float) -> Sequence[str]:
    """Return the votes that count: all recent ones, or the latest ENOUGH."""
    fresh = takewhile(lambda vote: now - vote[0] <= OLDEST, reversed(rule.votes.values()))
    return [why for number, (when, why) in enumerate(fresh) if number < ENOUGH or now - when <= RECENT]
