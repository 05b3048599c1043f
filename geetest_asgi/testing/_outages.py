"""The faults of the service. A fault is a value; its effect on a call is one row of `EFFECTS`.

mode      answer                                  mode      answer
up        the right one                           garbled   HTTP 200, a page of HTML
slow      the right one, later                    answers   a fixed one of your own
down      HTTP 503                                error     the error shape, a code of your choice
hanging   none, while the client waits            offline   HTTP 503, and the browser's side with it
replay    the next one of a cassette
"""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import cycle
from types import MappingProxyType
from typing import Any, Final

from ._answers import Answer, text
from ._answers import error as error_answer
from .cassette import Recording, filled

MAX_SECONDS: Final = 3600.0
"""Seconds of the longest `slow`. For more use `hanging`."""


@dataclass(frozen=True, slots=True)
class Fault:
    """The current fault of the service; `UP` if there is none."""

    mode: str
    """One of the rows of `EFFECTS`."""
    seconds: float = 0.0
    """How much later an answer comes; `slow` only."""
    answer: Answer | None = None
    """The answer that every call gets, where it is a fixed one."""
    tape: Iterator[Answer] | None = None
    """The answers of the calls to come; `replay` only."""

    def __post_init__(self) -> None:
        if self.answer is not None:
            self.answer.response()  # a body that cannot be sent raises here, in the test, and not in each call


_HTML: Final = b"<!doctype html>\n<title>Maintenance</title>\n<p>We will be back shortly.\n"

UP: Final = Fault("up")
HANGING: Final = Fault("hanging")
DOWN: Final = Fault("down", answer=text(503, "Service Unavailable\n"))
OFFLINE: Final = Fault("offline", answer=DOWN.answer)
GARBLED: Final = Fault("garbled", answer=Answer(200, _HTML, "text/html; charset=utf-8"))


def slow(seconds: float) -> Fault:
    """Return the fault that gives right answers, `seconds` late."""
    if not (math.isfinite(seconds) and 0 <= seconds <= MAX_SECONDS):
        raise ValueError(f"seconds is {seconds!r}: a number from 0 to {MAX_SECONDS:g} is wanted")
    return Fault("slow", seconds=seconds)


def error(code: str | int, msg: str | None = None) -> Fault:
    """Return the fault that answers every call with the error shape."""
    return Fault("error", answer=error_answer(str(code), msg))


def answers(
    status: int, body: bytes | Mapping[str, Any] | None, content_type: str, headers: Mapping[str, str] | None
) -> Fault:
    """Return the fault that gives one fixed answer to every call."""
    if not 200 <= status <= 599:
        raise ValueError(f"status is {status!r}: a final HTTP status from 200 to 599 is wanted")
    content = b"" if body is None else body
    if not isinstance(content, bytes | Mapping):  # the text of a JSON object would go out as a JSON string
        raise TypeError(f"body is {body!r}: bytes, or a mapping that goes out as JSON, is wanted")
    return Fault("answers", answer=Answer(status, content, content_type, headers or {}))


def replay(calls: Sequence[Recording]) -> Fault:
    """Return the fault that gives the recorded answers, one for each call; after the last one it starts again."""
    return Fault("replay", tape=cycle([call.answer() for call in calls]))


def affect(fault: Fault, judge: Callable[[], Answer], lot_number: str) -> Answer | None:
    """Return the answer to one call under `fault`, or None for no answer. `judge` returns the right answer."""
    return EFFECTS[fault.mode](fault, judge, lot_number)


_Effect = Callable[[Fault, Callable[[], Answer], str], Answer | None]


def _judged(fault: Fault, judge: Callable[[], Answer], _: str) -> Answer:
    # Judged on arrival and answered late, as GeeTest would: a client that gives up has spent its token, too.
    return replace(judge(), delay=fault.seconds)


def _fixed(fault: Fault, judge: Callable[[], Answer], _: str) -> Answer | None:
    return fault.answer


def _taped(fault: Fault, judge: Callable[[], Answer], lot_number: str) -> Answer | None:
    return None if fault.tape is None else filled(next(fault.tape), lot_number)


EFFECTS: Final[Mapping[str, _Effect]] = MappingProxyType(
    {
        "up": _judged,
        "slow": _judged,
        "down": _fixed,
        "offline": _fixed,
        "garbled": _fixed,
        "answers": _fixed,
        "error": _fixed,
        "hanging": _fixed,  # its fixed answer is none
        "replay": _taped,
    }
)
"""The effect of each mode on a call. Only calls that are judged spend a token."""
