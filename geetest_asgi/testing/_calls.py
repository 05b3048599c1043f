"""The record of calls: one frozen value for each call to `/validate`."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from ._answers import Answer

MAX_CALLS: Final = 1000
"""Calls remembered in `Simulator.calls`; the oldest is dropped first."""


@dataclass(frozen=True, slots=True)
class Call:
    """One call to `/validate`, and its answer. Recorded before the answer is sent."""

    method: str
    parameters: Mapping[str, str]
    """Query and form together, unescaped. Read-only."""
    content_type: str
    """As it was sent, parameters and letter case included; empty if there was none."""
    status: int | None
    """The HTTP status; None if no answer was given (`hanging`)."""
    result: str
    """"success" or "fail"; empty for the error shape and for an answer that is not GeeTest's."""
    reason: str
    """GeeTest's reason for a fail; else empty."""
    code: str
    """GeeTest's error code such as "-50005"; else empty."""

    @property
    def told(self) -> str:
        """The answer in short: "success", a reason, a code, "HTTP 503" or "no answer"."""
        if self.status is None:
            return "no answer"
        named = self.reason or self.code or self.result
        return named if self.status == 200 and named else f"HTTP {self.status}"

    def as_dict(self) -> dict[str, Any]:
        """Return the call as a JSON object, as `GET /simulator/calls` lists it."""
        return {
            "method": self.method,
            "parameters": dict(self.parameters),
            "content_type": self.content_type,
            "status": self.status,
            "result": self.result,
            "reason": self.reason,
            "code": self.code,
        }


class Calls(list[Call]):
    """The last `MAX_CALLS` calls."""

    def append(self, call: Call) -> None:
        """Add a call, and drop the oldest if there are too many."""
        super().append(call)
        del self[:-MAX_CALLS]


def record(method: str, parameters: Mapping[str, str], content_type: str, answer: Answer | None) -> Call:
    """Return the call with `answer` in it."""
    status = None if answer is None else answer.status
    result, reason, code = ("" if answer is None else answer.said(name) for name in ("result", "reason", "code"))
    return Call(method, parameters, content_type, status, result, reason, code)


def expect(calls: Sequence[Call], answers: Sequence[str]) -> None:
    """Raise AssertionError unless these are the answers to the calls, in this order."""
    told = [call.told for call in calls]
    if told != list(answers):
        raise AssertionError(f"expected of GeeTest: {_listed(answers)}; what it was asked: {_listed(told)}")


def _listed(answers: Sequence[str]) -> str:
    """As `2 calls ('success', 'pass_token used')`."""
    if not answers:
        return "no call"
    return f"{len(answers)} {'call' if len(answers) == 1 else 'calls'} ({', '.join(map(repr, answers))})"
