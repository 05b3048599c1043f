"""The values of one request, in the order in which they are made, and those of two hooks. All frozen."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final

from .errors import ConfigError

FIELD_NAMES: Final = ("lot_number", "captcha_output", "pass_token", "gen_time")
"""The four values that GeeTest's `getValidate()` gives to a page and that `/validate` expects."""

FOREIGN_ID: Final = "the captcha_id that was sent is none of ours"
"""Reason of `malformed` if `credentials` has no pair for the id of the page's captcha."""


class Outcome(StrEnum):
    """Result of a protected request. The values never change: use them in logs, metrics and `match`."""

    PASSED = "passed"
    """GeeTest verified the token."""
    SKIPPED = "skipped"
    """No captcha was needed: by `skip`, `when`, a clearance or mode "off", or for a CORS preflight."""
    MISSING = "missing"
    """No source contains a captcha field."""
    MALFORMED = "malformed"
    """The fields cannot be a token, the body cannot be read, or the path is unclear."""
    FAILED = "failed"
    """GeeTest answered `result: fail`, or `accept` refused the token; `reason` says which."""
    REPLAYED = "replayed"
    """This token was used here before, or is being verified right now."""
    REFUSED = "refused"
    """GeeTest answered neither success nor fail: `status: error`, HTTP 3xx or 4xx, an unknown object."""
    TOO_LARGE = "too_large"
    """The fields did not come within `Limits.max_body`."""
    TOO_SLOW = "too_slow"
    """The fields did not come within `Limits.body_timeout`."""
    MISCONFIGURED = "misconfigured"
    """The site's id or key is wrong, or its settings make the call impossible."""
    UNKNOWN_TENANT = "unknown_tenant"
    """`credentials` gave no pair for this request, and the rule has none: the client named an unknown tenant."""
    BUSY = "busy"
    """A limit of this process was reached."""
    UNAVAILABLE = "unavailable"
    """GeeTest cannot be reached. `on_unavailable="allow"` lets such requests in, and no other failure."""


@dataclass(frozen=True, slots=True)
class CaptchaFields:
    """One solved captcha, as the client sent it: printable ASCII without blanks, of bounded length. Not yet verified.

    The token and the output stay out of `repr`.
    """

    lot_number: str
    captcha_output: str = field(repr=False)
    pass_token: str = field(repr=False)
    gen_time: str
    captcha_id: str = ""
    """The id of the page's captcha; empty if it was not sent, or if `credentials` takes no `sent_id`."""


@dataclass(frozen=True, slots=True)
class ValidateRequest:
    """One call to `/validate`. The query has the captcha_id, nothing else; the form has the token and its signature."""

    captcha_id: str
    lot_number: str
    query: str
    form: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Reply:
    """GeeTest's answer over HTTP. `body` is None if it was too long to be read."""

    status: int
    body: bytes | None = field(repr=False)
    simulated: bool = False
    """A header says that the answer comes from a simulator."""
    encoded: bool = False
    """It has a Content-Encoding, though the request accepted none."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """What a step has found out about a request. `judge` decides by it."""

    outcome: Outcome
    reason: str = ""
    code: str = ""
    lot_number: str | None = None
    captcha_args: Mapping[str, Any] = field(default_factory=dict)
    elapsed: float = 0.0


@dataclass(frozen=True, slots=True)
class GeeTestResult:
    """The decision about one request: `scope["state"]["geetest"]`, and the argument of the hooks.

    `bool(result)` is `verified`. To detect an outage use `unverified`, not `not result`.
    """

    outcome: Outcome
    allowed: bool
    """The rule lets this request in: passed, skipped, or unavailable under "allow" and within the caps."""
    verified: bool
    """GeeTest verified the token: True for passed only."""
    reason: str = ""
    """Reason in the words of GeeTest or of the guard; may be empty. It contains nothing that the client sent, except
    names of fields: `missing` lists those that it found."""
    code: str = ""
    """GeeTest's error code such as "-50005", if it answered `status: error`; else empty."""
    rule: str = ""
    """The `name` of the rule that matched, else its pattern."""
    lot_number: str | None = None
    """The token's serial number, which is not secret; None without a well-formed token."""
    captcha_args: Mapping[str, Any] = field(default_factory=dict)
    """GeeTest's details of the captcha (`used_type`, `user_ip`, `scene`, `referer`, …); often empty."""
    elapsed: float = 0.0
    """Seconds that the call to GeeTest took; 0.0 without a call."""

    def __bool__(self) -> bool:
        return self.verified

    @classmethod
    def __get_pydantic_core_schema__(cls, *_: object) -> Any:
        """Refuse a FastAPI parameter of this type: FastAPI would read the decision from the client's body."""
        raise ConfigError(
            "GeeTestResult: no client may send one; as a parameter write captcha: CaptchaResult, from "
            "geetest_asgi.fastapi. A handler that returns one needs response_model=None"
        )

    @property
    def unverified(self) -> bool:
        """The request is let in although GeeTest could not be reached. Ask for a second factor, for example."""
        return self.outcome is Outcome.UNAVAILABLE and self.allowed


@dataclass(frozen=True, slots=True)
class Outage:
    """A server of GeeTest's is skipped because it fails, or it answers again: the argument of `on_outage`."""

    server: str
    """Its base URL, as in `api_server`."""
    over: bool
    """False when the outage begins, True when it ends."""
    reason: str = ""
    """How the last call to it ended, in words."""
    seconds: float = 0.0
    """Seconds for which it was skipped, apart from probes; 0.0 when the outage begins."""


@dataclass(frozen=True, slots=True)
class Lockout:
    """Nearly all clients of a rule are refused, or no longer are: the argument of `on_lockout`."""

    rule: str
    """The rule's name, else its pattern."""
    over: bool
    """False when the lockout begins, True when it ends."""
    reason: str
    """The most frequent outcome and its reason when it began, such as "refused: HTTP 403"."""
    share: float
    """Share of refused clients among the latest ones, from 0 to 1."""
    clients: int
    """Number of those clients: distinct addresses."""
    refused: int = 0
    """Requests refused since it began; 0 when it begins."""
    passed: int = 0
    """Tokens verified since it began; 0 when it begins."""
    seconds: float = 0.0
    """Seconds that it lasted; 0.0 when it begins."""
