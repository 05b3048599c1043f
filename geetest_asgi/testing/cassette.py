"""Cassettes: GeeTest's answers in a file that contains no token, no key and nothing about a visitor.

A cassette is a JSON object of `"format": 1` and `"calls"`. Each call has:

    method          "POST"
    parameters      the name of each, and the kind of its value: "32 hex", "10 digits", "empty", "132 characters"
    status          of the answer
    content_type    of the answer
    body            the answer as JSON; null where it was no JSON object

In a body only the values of `KEPT` are GeeTest's. `"{lot_number}"` stands for the call's own, "…" for any other text,
and 0 for any other number.
"""

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Final

from ._answers import Answer

FORMAT: Final = 1
MAX_CALLS: Final = 1000
"""Calls on one cassette."""
DOCUMENTED: Final = Path(__file__).with_name("documented.json")
"""The answers that GeeTest's documentation prints (2026-11)."""

KEPT: Final = frozenset(
    ("status", "result", "reason", "code", "msg", "type", "used_type", "client_type", "ip_type", "fail_count")
)
"""The names whose values stay as they were sent."""
LOT_NUMBER: Final = "{lot_number}"
_BLANK: Final = "…"


@dataclass(frozen=True, slots=True)
class Recording:
    """One call and its answer, as they stand on a cassette."""

    method: str
    parameters: Mapping[str, str]
    status: int
    content_type: str
    body: Mapping[str, Any] | None

    def __post_init__(self) -> None:
        kinds = {"method": str, "parameters": dict, "status": int, "content_type": str, "body": dict | None}
        for name, kind in kinds.items():
            if not isinstance(getattr(self, name), kind):
                raise ValueError(f"{name} is {getattr(self, name)!r}")
        if not 200 <= self.status <= 599:
            raise ValueError(f"status is {self.status}: a final HTTP status from 200 to 599 is wanted")

    def answer(self) -> Answer:
        """The answer, to be `filled`."""
        return Answer(self.status, b"" if self.body is None else self.body, self.content_type)


def recording(method: str, parameters: Mapping[str, str], status: int, content_type: str, content: bytes) -> Recording:
    """Return the call and its answer, with all private values blanked."""
    kinds = {name: kind_of(value) for name, value in parameters.items()}
    lot_number = parameters.get("lot_number", "")
    body = _blanked(_object(content), lot_number)
    return Recording(method, kinds, status, content_type, body)


def kind_of(value: str) -> str:
    """Return a description of a parameter's value."""
    if not value:
        return "empty"
    if value.isascii() and value.isdigit():
        return f"{len(value)} digits"
    return f"{len(value)} hex" if re.fullmatch("[0-9a-f]+", value) else f"{len(value)} characters"


def _object(content: bytes) -> dict[str, Any] | None:
    try:
        value = json.loads(content)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def _blanked(value: Any, lot_number: str, name: str = "") -> Any:
    if isinstance(value, dict):
        return {each: _blanked(inner, lot_number, each) for each, inner in value.items()}
    if isinstance(value, list):
        return [_blanked(each, lot_number) for each in value]
    if isinstance(value, str) and value == lot_number != "":
        return LOT_NUMBER
    if name in KEPT or value is None or isinstance(value, bool):
        return value
    return _BLANK if isinstance(value, str) else 0


def filled(answer: Answer, lot_number: str) -> Answer:
    """Return the answer with this lot number: a guard refuses an answer about another."""
    return replace(answer, content=_filled(answer.content, lot_number))


def _filled(value: Any, lot_number: str) -> Any:
    if isinstance(value, Mapping):
        return {name: _filled(inner, lot_number) for name, inner in value.items()}
    return lot_number if value == LOT_NUMBER else value


def save(path: Path, calls: Iterable[Recording]) -> None:
    """Write the cassette."""
    cassette = {"format": FORMAT, "calls": [asdict(each) for each in calls]}
    path.write_text(json.dumps(cassette, indent=2, ensure_ascii=False) + "\n", "utf-8")


def load(path: str | Path) -> tuple[Recording, ...]:
    """Read a cassette. Raises ValueError if it is none, OSError if the file cannot be read."""
    try:
        cassette = json.loads(Path(path).read_text("utf-8"))
        if cassette["format"] != FORMAT:
            raise ValueError(f"format is {cassette['format']!r}")
        calls = tuple(Recording(**each) for each in cassette["calls"])
    except (ValueError, TypeError, KeyError, RecursionError) as wrong:
        raise ValueError(f"{path} is no cassette of format {FORMAT} ({wrong}): `record` makes one") from None
    if not calls:
        raise ValueError(f"{path} has no call on it")
    return calls
