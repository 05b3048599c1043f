"""The simulator's control pages, for curl and for tests in other languages.

A parameter that is wrong or unknown is a ValueError that says what would be right: the answer is HTTP 400.
"""

import json
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Final
from urllib.parse import urlencode

from ._answers import Answer, as_json, text
from ._state import State
from ._wire import Asked

_YES_NO: Final[Mapping[str, bool]] = MappingProxyType(
    {"1": True, "true": True, "yes": True, "on": True, "": False, "0": False, "false": False, "no": False, "off": False}
)
_FLAGS: Final = ("expired", "used", "forged", "offline")
_JSON: Final = "application/json"
_FORM: Final = "application/x-www-form-urlencoded"

Parameters = Mapping[str, Any]


def controlled(page: Callable[[State, Parameters], Answer], *names: str) -> Callable[[State, Asked], Answer]:
    """A control page: not for pages of other origins, and for parameters of these names only."""

    def answer(state: State, asked: Asked) -> Answer:
        if asked.refusal is not None:
            return text(403, f"Forbidden: {asked.refusal}\n")
        try:
            return page(state, _parameters(asked, names))
        except ValueError as wrong:
            return Answer(400, {"error": str(wrong)})

    return answer


def _parameters(asked: Asked, names: tuple[str, ...]) -> Parameters:
    """Query and form, or query and JSON object."""
    is_json = asked.content_type.partition(";")[0].strip().lower() == _JSON
    given = {**asked.parameters, **(_json_object(asked.body) if is_json and asked.body else {})}
    for name in given:
        if name not in names:
            wanted = f"one of {', '.join(names)} is wanted" if names else "none is wanted"
            raise ValueError(f"{name!r} is no parameter of this page: {wanted}")
    return given


def _json_object(body: bytes) -> dict[str, Any]:
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):
        raise ValueError('the body is no JSON: an object such as {"mode": "down"} is wanted') from None
    if not isinstance(value, dict):
        raise ValueError('the body is JSON, but no object: {"mode": "down"}, say, is wanted')
    return value


def _text(parameters: Parameters, name: str, default: str = "") -> str:
    """A string, or a number or truth value of JSON as one."""
    value = parameters.get(name, default)
    if isinstance(value, str):
        return value
    if isinstance(value, bool | int | float):
        return str(value)
    raise ValueError(f"{name} is {value!r}: a string is wanted")


# --- the pages --------------------------------------------------------------------------------------------------------


def _token(state: State, parameters: Parameters) -> Answer:
    flags = {name: _flag(parameters, name) for name in _FLAGS}
    encoding = _text(parameters, "format", "json")
    if encoding not in ("json", "form"):
        raise ValueError(f"format is {encoding!r}: json or form is wanted")
    token = state.token(captcha_id=_text(parameters, "captcha_id") or None, **flags)
    if encoding == "form":
        return Answer(content=urlencode(token).encode(), content_type=_FORM)
    return Answer(content=token)


def _fault(state: State, parameters: Parameters) -> Answer:
    mode = _text(parameters, "mode")
    if mode not in _MODES:
        raise ValueError(f"mode is {mode!r}: one of {', '.join(_MODES)} is wanted")
    order, own = _MODES[mode]
    for name in parameters:
        if name not in ("mode", *own):
            raise ValueError(f"{name!r} is no parameter of mode={mode}: {' and '.join(own) or 'none'} is wanted")
    order(state, parameters)
    return Answer(content={"mode": state.mode})


def _calls(state: State, parameters: Parameters) -> Answer:
    return Answer(content=as_json([call.as_dict() for call in state.calls.copy()]))


def _reset(state: State, parameters: Parameters) -> Answer:
    state.reset()
    return Answer(content={"mode": state.mode})


def _flag(parameters: Parameters, name: str) -> bool:
    """A switch such as `expired=1`; off if it is absent."""
    value = _text(parameters, name).lower()
    if value not in _YES_NO:
        raise ValueError(f"{name} is {value!r}: 1 or 0 is wanted")
    return _YES_NO[value]


def _slow(state: State, parameters: Parameters) -> None:
    given = _text(parameters, "seconds")
    try:
        seconds = float(given)
    except ValueError:
        raise ValueError(f"seconds is {given!r}: a number such as 2 or 0.5 is wanted") from None
    state.slow(seconds)


def _error(state: State, parameters: Parameters) -> None:
    state.error(_text(parameters, "code"), _text(parameters, "msg") if "msg" in parameters else None)


def _answers(state: State, parameters: Parameters) -> None:
    status, body = _text(parameters, "status", "200"), parameters.get("body")
    if not (status.isascii() and status.isdigit() and len(status) == 3):
        raise ValueError(f"status is {status!r}: a final HTTP status from 200 to 599 is wanted")
    content = body if body is None or isinstance(body, dict) else _text(parameters, "body").encode()
    content_type = _text(parameters, "content_type", _JSON)
    state.answers(int(status), content, content_type=content_type, headers=_headers(parameters.get("headers", {})))


def _headers(value: object) -> dict[str, str]:
    if not isinstance(value, dict) or not all(isinstance(each, str) for each in value.values()):
        raise ValueError(f"headers is {value!r}: a JSON object of strings is wanted")
    return value


_Order = Callable[[State, Parameters], None]
_MODES: Final[Mapping[str, tuple[_Order, tuple[str, ...]]]] = MappingProxyType(
    {
        "up": (lambda state, _: state.up(), ()),
        "down": (lambda state, _: state.down(), ()),
        "hanging": (lambda state, _: state.hanging(), ()),
        "garbled": (lambda state, _: state.garbled(), ()),
        "slow": (_slow, ("seconds",)),
        "error": (_error, ("code", "msg")),
        "answers": (_answers, ("status", "body", "content_type", "headers")),
        "offline": (lambda state, _: state.offline(), ()),
    }
)
"""A mode of `POST /simulator/fault` → what it orders, and the parameters that it takes."""

token_page: Final = controlled(_token, *_FLAGS, "captcha_id", "format")
fault_page: Final = controlled(_fault, "mode", "seconds", "code", "msg", "status", "body", "content_type", "headers")
calls_page: Final = controlled(_calls)
reset_page: Final = controlled(_reset)
