"""The settings of `Rule` and of `GeeTestMiddleware` as types, for helpers that hand them on by name."""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypedDict

from .._core.limits import Limits
from .._core.rules import (
    Accept,
    Clearance,
    Credentials,
    Mode,
    OnDenied,
    OnLockout,
    OnOutage,
    OnResult,
    OnUnavailable,
    Preflight,
    Skip,
    Source,
    When,
)
from ..stores import Store


class MarkSettings(TypedDict, total=False):
    """The settings of `Rule`, without its pattern."""

    methods: str | Iterable[str] | None
    name: str | None
    captcha_id: str | None
    captcha_key: str | Sequence[str] | None
    credentials: Credentials | None
    sources: Sequence[Source] | None
    fields: str | Mapping[str, str] | None
    on_unavailable: OnUnavailable | None
    timeout: float | None
    limits: Limits | None
    mode: Mode | None
    forgive: Iterable[int] | None
    clearance: Clearance | None
    when: When | None
    skip: Skip | None
    accept: Accept | None
    on_denied: OnDenied | None
    on_result: OnResult | None


class ValueSettings(TypedDict, total=False):
    """The settings of `GeeTestMiddleware`, without functions and without those about paths."""

    captcha_id: str | None
    captcha_key: str | Sequence[str] | None
    api_server: str | Sequence[str] | None
    sources: Sequence[Source]
    fields: str | Mapping[str, str] | None
    on_unavailable: OnUnavailable
    timeout: float
    limits: Limits | None
    mode: Mode | None
    forgive: Iterable[int]
    preflight: Preflight
    clearance: Clearance | None
    when: When | None
    log_clients: bool
    store: Store | str | None
    client: Any
    trust_env: bool
    allow_http: bool


class PathSettings(TypedDict, total=False):
    """The settings of `GeeTestMiddleware` about paths, without `protect`."""

    exempt: Iterable[str | Any] | str | re.Pattern[str]
    root_paths: Iterable[str] | str


class PluginSettings(ValueSettings, total=False):
    """The settings of `GeeTestMiddleware`, without those about paths."""

    credentials: Credentials | None
    skip: Skip | None
    accept: Accept | None
    on_denied: OnDenied | None
    on_result: OnResult | None
    on_outage: OnOutage | None
    on_lockout: OnLockout | None


class GuardSettings(PluginSettings, PathSettings, total=False):
    """The settings of `GeeTestMiddleware`, without the app and `protect`."""
