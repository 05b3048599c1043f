"""What was asked: one frozen value for each call to `/validate`."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from ._answers import Answer

MAX_CALLS: Final = 1000
"""Calls remembered in `Simulator.calls`; the oldest is dropped first."""


@dataclass(frozen=True, slots=True)
class Call:
    """One call to `/validate`, and what it was told. Recorded before the answer goes out."""

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
    """GeeTest's word for a fail; else empty."""
    code: str
    """GeeTest's error code such as "-50005"; else empty."""

    def as_dict(self) -> dict[str, Any]:
        """The call as a JSON object: what `GET /simulator/calls` lists."""
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
        """One more, and the oldest goes if there are too many."""
        super().append(call)
        del self[:-MAX_CALLS]


def record(method: str, parameters: Mapping[str, str], content_type: str, answer: Answer | None) -> Call:
    """The call with what `answer` says in it."""
    status = None if answer is None else answer.status
    result, reason, code = ("" if answer is None else answer.said(name) for name in ("result", "reason", "code"))
    return Call(method, parameters, content_type, status, result, reason, code)
