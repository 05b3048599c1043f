"""The captcha fields worked out in another way: from all names and values that a whole-body parser gives, in order."""

import base64
import json
from collections.abc import Iterable, Iterator
from typing import Final
from urllib.parse import parse_qsl

from geetest_asgi._core.fields.spelling import Spelling
from geetest_asgi._core.model import CaptchaFields, Outcome

from .laws import Answer, Case
from .targets import require

Found = tuple[str, object]

CONTAINER: Final = "⟨all four⟩"
_ORDER: Final = ("lot_number", "captcha_output", "pass_token", "gen_time")
_EMPTY: Final = ("", "false", "null", "undefined")
_LONGEST: Final = {"lot_number": 128, "pass_token": 512, "gen_time": 13}


class Pairs(list[tuple[str, object]]):
    """A JSON object as it was written, doubled names and all."""

    __slots__ = ()


def loads(text: str) -> object:
    """JSON by the standard library, with nothing lost. Raises ValueError, RecursionError."""
    return json.loads(text, object_pairs_hook=Pairs)


def flat(pairs: Iterable[tuple[str, object]], spelling: Spelling) -> Iterator[Found]:
    """The captcha fields among the pairs of a form or a query."""
    for name, value in pairs:
        if is_container(name, spelling):
            yield CONTAINER, value
        elif (inner := _inner_name(name, spelling)) in spelling.names:
            yield spelling.names[inner], value


def is_container(name: str, spelling: Spelling) -> bool:
    """Does a form's field of this name hold all four?"""
    path = list(spelling.container or ())
    return bool(path) and name in (".".join(path), path[0] + "".join(f"[{key}]" for key in path[1:]))


def _inner_name(name: str, spelling: Spelling) -> str:
    """What a form calls `captcha.lot_number` or `captcha[lot_number]`, without the container."""
    if spelling.container is None:
        return name
    before, _, after = name.removesuffix("]").rpartition("[" if name.endswith("]") else ".")
    whole = is_container(before, spelling) and (len(spelling.container) == 1 or ("[" in before) == name.endswith("]"))
    return after if whole else ""


def expected(found: Iterable[Found], case: Case) -> CaptchaFields | Outcome:
    """What the guard should say: the first solved value of each name counts, a container settles the matter."""
    first: dict[str, object] = {}
    for field, value in found:
        if field == CONTAINER and value not in (None, False, *_EMPTY):
            return _conclude(_unpack(value, case) | first, case.max_field, present=True)
        if len(first) < len(_ORDER) and value not in (None, False, *_EMPTY):
            first.setdefault(field, value)
    return _conclude(first, case.max_field, present=bool(first))


def _unpack(value: object, case: Case) -> dict[str, object]:
    """The fields in a container's text: an object in JSON, or base64url of one."""
    pairs = _object(value, case.max_field)
    named = [(case.spelling.names.get(name, name), inner) for name, inner in pairs]
    fields = [each for each in named if each[0] in _ORDER]
    return {field: inner for field, inner in reversed(fields) if inner not in (None, False, *_EMPTY)}


def _object(value: object, max_field: int) -> Pairs:
    if not isinstance(value, str) or len(value.encode(errors="surrogatepass")) > max_field:
        return Pairs()
    text = value.strip()
    if "&" in text and text[0] != "{":
        return Pairs(parse_qsl(text))
    try:
        if text[:1] != "{":
            text = base64.b64decode(text.rstrip("=").encode("ascii") + b"==", altchars=b"-_").decode()
        read = loads(text)
    except (ValueError, RecursionError):
        return Pairs()
    return read if isinstance(read, Pairs) else Pairs()


def _conclude(values: dict[str, object], max_field: int, *, present: bool) -> CaptchaFields | Outcome:
    if not present:
        return Outcome.MISSING
    if not all(_fits(field, values.get(field), max_field) for field in _ORDER):
        return Outcome.MALFORMED
    return CaptchaFields(*(str(values[field]) for field in _ORDER))


def _fits(field: str, value: object, max_field: int) -> bool:
    if field == "gen_time" and type(value) is int:
        return 0 <= value < 10**13
    if not isinstance(value, str) or not 0 < len(value) <= min(max_field, _LONGEST.get(field, max_field)):
        return False
    return all("0" <= char <= "9" if field == "gen_time" else "!" <= char <= "~" for char in value)


def agree(answer: Answer, wanted: CaptchaFields | Outcome, *, stricter: bool = False) -> None:
    """The guard's answer is what the oracle says. `stricter`: the guard may also take it for malformed."""
    got = answer if isinstance(answer, CaptchaFields) else answer.outcome
    allowed = got == wanted or (stricter and got is Outcome.MALFORMED)
    require(allowed, "the oracle disagrees", got, wanted)
