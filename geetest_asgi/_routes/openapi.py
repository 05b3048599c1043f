"""Describe the captcha fields and the denials of a protected operation in an OpenAPI document (3.1, 2024-10)."""

from collections.abc import Mapping
from typing import Any, Final

from .._core.fields.spelling import Spelling, spelling
from .._core.rules import Rule
from ..denials import DENIALS

_WHAT: Final[Mapping[str, str]] = {
    "lot_number": "GeeTest's serial number of the captcha",
    "captcha_output": "What the visitor's browser says about the captcha, opaque",
    "pass_token": "GeeTest's token for this captcha; good once",
    "gen_time": "When the captcha was passed, in seconds since 1970",
}
_FORMS: Final = ("application/x-www-form-urlencoded", "multipart/form-data", "application/json")

_AS_TEXT: Final = {"type": "string", "description": "The four fields of the captcha as JSON, or that in base64url"}

_PROBLEM: Final = {
    "type": "object",
    "title": "CaptchaProblem",
    "required": ["type", "title", "status", "detail", "code", "retry"],
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "code": {"type": "string", "enum": [f"captcha_{outcome}" for outcome in DENIALS]},
        "retry": {"type": "string", "enum": ["solve", "later", "never"]},
    },
}


def describe(operation: dict[str, Any], rule: Rule, settings: Mapping[str, Any]) -> None:
    """Add the captcha's fields and the denials to one operation, in place.

    `settings` are the middleware's. The fields are not required if some requests pass without them. The denials are
    left out if no request is refused, or if `on_denied` answers.
    """

    def setting(name: str) -> Any:
        own = getattr(rule, name)
        return settings.get(name) if own is None else own

    enforced = setting("mode") in (None, "enforce")
    always = enforced and not any(map(setting, ("skip", "clearance", "when")))
    _add_fields(operation, spelling(setting("fields")), tuple(setting("sources") or ("body",)), always=always)
    if enforced and setting("on_denied") is None:
        for status, response in _denials().items():
            operation.setdefault("responses", {}).setdefault(status, response)


def _add_fields(operation: dict[str, Any], spelt: Spelling, places: tuple[str, ...], *, always: bool) -> None:
    required = always and len(places) == 1
    for place in places:
        if place == "body":
            _add_to_body(operation, spelt, required=required)
        elif place != "text":  # a schema cannot say that a text holds JSON
            named = _in_headers(spelt) if place == "header" else _in_a_form(spelt)
            operation.setdefault("parameters", []).extend(
                {"name": name, "in": place, "required": required, "schema": schema} for name, schema in named.items()
            )


def _add_to_body(operation: dict[str, Any], spelt: Spelling, *, required: bool) -> None:
    body = operation.setdefault("requestBody", {})
    body.setdefault("required", required)
    content = body.setdefault("content", {})
    if not content:
        content.update({media_type: {} for media_type in _FORMS})
    for media_type, each in content.items():
        ours = _in_json(spelt) if media_type.endswith("json") else _object(_in_a_form(spelt))
        ours = ours if required else {**ours, "required": []}
        each["schema"] = {"allOf": [each["schema"], ours]} if "schema" in each else ours


def _in_a_form(spelt: Spelling) -> dict[str, Any]:
    return _fields(spelt) if spelt.container is None else {".".join(spelt.container): _AS_TEXT}


def _in_headers(spelt: Spelling) -> dict[str, Any]:
    if spelt.container is not None:
        return {spelt.container_header: _AS_TEXT}
    return {header: {"type": "string", "description": _WHAT[name]} for header, name in [*spelt.headers.items()][:4]}


def _in_json(spelt: Spelling) -> dict[str, Any]:
    schema = _object(_fields(spelt))
    for name in reversed(spelt.container or ()):
        schema = _object({name: schema})
    return schema


def _fields(spelt: Spelling) -> dict[str, Any]:
    """Return each of the four fields under its first name."""
    first: dict[str, str] = {}
    for sent, name in spelt.names.items():
        first.setdefault(name, sent)
    return {first[name]: {"type": "string", "description": what} for name, what in _WHAT.items()}


def _object(properties: dict[str, Any]) -> dict[str, Any]:
    return {"type": "object", "required": list(properties), "properties": properties}


def _denials() -> dict[str, Any]:
    """Return the denials by status, each with its codes."""
    codes: dict[str, list[str]] = {}
    for outcome, denial in DENIALS.items():
        codes.setdefault(str(denial.status), []).append(f"captcha_{outcome}")
    return {
        status: {
            "description": f"No captcha, or none that counts: {', '.join(found)}",
            "content": {"application/problem+json": {"schema": _PROBLEM}},
        }
        for status, found in sorted(codes.items())
    }
