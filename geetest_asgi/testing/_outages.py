"""How the service can be ill. A fault is a value; what it does to a call is one row of `EFFECTS`.

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
"""The longest `slow`, seconds. Whoever wants more wants `hanging`."""


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong with the service at present; `UP` if nothing is."""

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
            self.answer.response()  # what cannot be sent raises here, in the test that orders it, and not in each call


_HTML: Final = b"<!doctype html>\n<title>Maintenance</title>\n<p>We will be back shortly.\n"

UP: Final = Fault("up")
HANGING: Final = Fault("hanging")
DOWN: Final = Fault("down", answer=text(503, "Service Unavailable\n"))
OFFLINE: Final = Fault("offline", answer=DOWN.answer)
GARBLED: Final = Fault("garbled", answer=Answer(200, _HTML, "text/html; charset=utf-8"))


def slow(seconds: float) -> Fault:
    """Right answers, `seconds` late."""
    if not (math.isfinite(seconds) and 0 <= seconds <= MAX_SECONDS):
        raise ValueError(f"seconds is {seconds!r}: a number from 0 to {MAX_SECONDS:g} is wanted")
    return Fault("slow", seconds=seconds)


def error(code: str | int, msg: str | None = None) -> Fault:
    """The error shape for everybody."""
    return Fault("error", answer=error_answer(str(code), msg))


def answers(
    status: int, body: bytes | Mapping[str, Any] | None, content_type: str, headers: Mapping[str, str] | None
) -> Fault:
    """One fixed answer for everybody."""
    if not 200 <= status <= 599:
        raise ValueError(f"status is {status!r}: a final HTTP status from 200 to 599 is wanted")
    content = b"" if body is None else body
    if not isinstance(content, bytes | Mapping):  # the text of a JSON object would go out as a JSON string
        raise TypeError(f"body is {body!r}: bytes, or a mapping that goes out as JSON, is wanted")
    return Fault("answers", answer=Answer(status, content, content_type, headers or {}))


def replay(calls: Sequence[Recording]) -> Fault:
    """The recorded answers, one for each call; after the last one comes the first again."""
    return Fault("replay", tape=cycle([call.answer() for call in calls]))


def affect(fault: Fault, judge: Callable[[], Answer], lot_number: str) -> Answer | None:
    """The answer to one call under `fault`; None: there will be none. `judge` gives the right one."""
    return EFFECTS[fault.mode](fault, judge, lot_number)


_Effect = Callable[[Fault, Callable[[], Answer], str], Answer | None]


def _judged(fault: Fault, judge: Callable[[], Answer], _: str) -> Answer:
    # Judged on arrival and answered late, as GeeTest would: who gives up waiting has spent the token all the same.
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
"""What each mode makes of a call. Only the judged ones spend a token."""
