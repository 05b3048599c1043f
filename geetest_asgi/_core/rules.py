"""Rule, and the types of the settings."""

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
"""An application of any framework. Messages are Any: Starlette types them as mappings, Litestar as TypedDicts."""
Source = Literal["header", "query", "body", "text"]
Mode = Literal["enforce", "monitor", "off"]
Preflight = Literal["allow", "deny"]
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


Headers = Sequence[tuple[bytes, bytes]]


class Clearance(Protocol):
    """Passes for verified clients: `geetest_asgi.clearance.Clearance`, or a class of your own.

    A pass is valid for one `realm`: a text that names the captcha_id of the request, the rule's methods and the rule,
    such as "0123… POST comments".
    """

    def admits(self, scope: Scope, realm: str) -> bool:
        """Return whether the request has a valid pass for this realm."""

    def grant(self, scope: Scope, realm: str) -> Headers:
        """Return headers for the app's answer that give the verified client a pass for this realm."""


class When(Protocol):
    """Says whether a request needs a captcha: `geetest_asgi.AfterFailures`, or a class of your own.

    Both methods are asynchronous. `store` is the guard's `geetest_asgi.stores.Store`; several processes may share it.
    """

    def wanted(self, scope: Scope, store: Any) -> Awaitable[bool]:
        """Return whether this request needs a captcha."""

    def answered(self, scope: Scope, store: Any, status: int) -> Awaitable[None]:
        """Note the status of the app's answer, before it is sent, whatever `wanted` returned.

        Not called for a request that the guard denied or that the app did not answer.
        """


@dataclass(frozen=True, slots=True)
class Rule:
    """A pattern with settings of its own. A setting that is None is inherited from the middleware.

    Settings mean the same as on `GeeTestMiddleware`. Of `limits`, a rule uses `max_body`, `body_timeout`, `max_field`,
    `drain_bytes` and `drain_seconds`; the others are the middleware's. A wrong value raises ConfigError when the
    middleware is made.

        Rule("POST /register", name="register", captcha_id="…", captcha_key="…", on_unavailable="deny")
    """

    pattern: str | re.Pattern[str]
    methods: str | Iterable[str] | None = field(default=None, kw_only=True)
    """Methods, if the pattern does not name them: "POST", ["POST", "PUT"], or "*"."""
    name: str | None = field(default=None, kw_only=True)
    """The rule's name in results, logs and metrics. Default: the pattern's text."""
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
    when: When | None = field(default=None, kw_only=True)
    skip: Skip | None = field(default=None, kw_only=True)
    accept: Accept | None = field(default=None, kw_only=True)
    on_denied: OnDenied | None = field(default=None, kw_only=True)
    on_result: OnResult | None = field(default=None, kw_only=True)
