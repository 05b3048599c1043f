"""Rule, what a user writes; RuleTable, which rule a request falls under. The first match wins."""

import re
from collections.abc import Awaitable, Callable, Iterable, Mapping, MutableMapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from .limits import Limits
from .model import GeeTestResult, Lockout, Outage

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Any]]
Send = Callable[[Any], Awaitable[None]]
ASGIApp = Callable[[Any, Receive, Send], Awaitable[None]]
"""Any framework's: Starlette types what travels as mappings, Litestar as TypedDicts; neither takes the other's."""
Source = Literal["header", "query", "body"]
Mode = Literal["enforce", "monitor", "off"]
OnUnavailable = Literal["allow", "deny"]
Skip = Callable[[Scope], str | Awaitable[str | None] | None]
Accept = Callable[[GeeTestResult, Scope], bool | Awaitable[bool]]
OnDenied = Callable[[GeeTestResult, Scope], ASGIApp | Awaitable[ASGIApp]]
OnResult = Callable[[GeeTestResult, Scope], Any]
Pair = tuple[str, str | Sequence[str]]
GivenPair = Pair | Awaitable[Pair | None] | None
Credentials = Callable[[Scope], GivenPair] | Callable[[Scope, str | None], GivenPair]
OnOutage = Callable[[Outage], object]
OnLockout = Callable[[Lockout], object]


class Clearance(Protocol):
    """Who has passed by a rule before: `geetest_asgi.clearance.Clearance`, or one of your own."""

    def admits(self, scope: Scope, rule: str) -> bool:
        """May this request pass unasked?"""

    def grant(self, scope: Scope, rule: str) -> str:
        """The `Set-Cookie` header of an answer to somebody whom GeeTest has verified."""


@dataclass(frozen=True, slots=True)
class Rule:
    """One pattern with settings of its own; what is left `None` is taken from the middleware.

    Every setting means what it means on `GeeTestMiddleware`. Of `limits`, a rule's own `max_body`, `body_timeout`
    and `max_field` count; the bounds that hold for the whole process are the middleware's. Wrong values raise
    ConfigError when the middleware is built.

        Rule("POST /register", name="register", captcha_id="…", captcha_key="…", on_unavailable="deny")
    """

    pattern: str | re.Pattern[str]
    methods: str | Iterable[str] | None = field(default=None, kw_only=True)
    """Method names, where the pattern does not say them: "POST", ["POST", "PUT"], or "*"."""
    name: str | None = field(default=None, kw_only=True)
    """What results, logs and metrics call this rule; the pattern's text by default."""
    captcha_id: str | None = field(default=None, kw_only=True)
    captcha_key: str | Sequence[str] | None = field(default=None, kw_only=True, repr=False)
    credentials: Credentials | None = field(default=None, kw_only=True)
    sources: Sequence[Source] | None = field(default=None, kw_only=True)
    fields: str | Mapping[str, str] | None = field(default=None, kw_only=True)
    on_unavailable: OnUnavailable | None = field(default=None, kw_only=True)
    timeout: float | None = field(default=None, kw_only=True)
    limits: Limits | None = field(default=None, kw_only=True)
    mode: Mode | None = field(default=None, kw_only=True)
    forgive: Iterable[int] | None = field(default=None, kw_only=True)
    clearance: Clearance | None = field(default=None, kw_only=True)
    skip: Skip | None = field(default=None, kw_only=True)
    accept: Accept | None = field(default=None, kw_only=True)
    on_denied: OnDenied | None = field(default=None, kw_only=True)
    on_result: OnResult | None = field(default=None, kw_only=True)
