"""The values that travel through the guard, in the order in which a request meets them. All frozen.

CaptchaFields   what the visitor sent: the four values of a solved captcha
ValidateRequest what we ask GeeTest
Reply           what came back over HTTP
Evidence        what is known about this request: one finding, no decision yet
GeeTestResult   the decision, as the app and the observers see it
Outage          news of one of GeeTest's servers, as the observers see it
Lockout         news that nearly all clients of a rule are refused, as the observers see it
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final

FIELD_NAMES: Final = ("lot_number", "captcha_output", "pass_token", "gen_time")
"""The four values that GeeTest's `getValidate()` hands to a page, and that `/validate` wants back."""

FOREIGN_ID: Final = "the captcha_id that was sent is none of ours"
"""Reason of `malformed` where `credentials` knows no pair for the id of the page's captcha."""


class Outcome(StrEnum):
    """What a check of one request found. The values are stable: safe for logs, metrics and `match`."""

    PASSED = "passed"
    """GeeTest verified the token."""
    SKIPPED = "skipped"
    """Nobody was asked: `skip` gave a reason, or the mode is "off"."""
    MISSING = "missing"
    """No captcha field in any source."""
    MALFORMED = "malformed"
    """Fields that cannot be a token, or a body that cannot be read."""
    FAILED = "failed"
    """GeeTest answered `result: fail`, or `accept` said no; the result's `reason` says which."""
    REPLAYED = "replayed"
    """This token was spent here before, or is being asked about right now."""
    REFUSED = "refused"
    """GeeTest answered, but neither success nor fail: `status: error`, HTTP 3xx or 4xx, an odd object."""
    TOO_LARGE = "too_large"
    """The fields did not come within `Limits.max_body`."""
    TOO_SLOW = "too_slow"
    """The fields did not come within `Limits.body_timeout`."""
    MISCONFIGURED = "misconfigured"
    """Our id or key is wrong, or the call could not be made for a reason that is ours."""
    UNKNOWN_TENANT = "unknown_tenant"
    """`credentials` gave no pair for this request, and there is no usual one: a client named a tenant that is none."""
    BUSY = "busy"
    """A bound of our own was hit."""
    UNAVAILABLE = "unavailable"
    """GeeTest cannot be reached: the only failure that policy may let in."""


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
    """The id of the page's captcha; empty where it was not sent, or where `credentials` takes no `sent_id`."""


@dataclass(frozen=True, slots=True)
class ValidateRequest:
    """One call to `/validate`: the query names the site, the form carries the token and our signature.

    Only `captcha_id` stands in the URL (GeeTest finds a request in its log by it); nothing secret does.
    """

    captcha_id: str
    lot_number: str
    query: str
    form: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Reply:
    """GeeTest's answer as HTTP: the status, and the body where it is worth reading (`None`: unreadable)."""

    status: int
    body: bytes | None = field(repr=False)
    simulated: bool = False
    """A simulator says that it is one."""
    encoded: bool = False
    """It came with a Content-Encoding, though none was asked for."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """What was found out about a request. It decides nothing: `policy.judge` does."""

    outcome: Outcome
    reason: str = ""
    code: str = ""
    lot_number: str | None = None
    captcha_args: Mapping[str, Any] = field(default_factory=dict)
    elapsed: float = 0.0


@dataclass(frozen=True, slots=True)
class GeeTestResult:
    """The decision about one request: `scope["state"]["geetest"]`, and what the hooks are given.

    `bool(result)` is `verified`, so that a hurried `if result:` means "a human was verified".
    """

    outcome: Outcome
    allowed: bool
    """Policy lets this request in. True for passed, skipped, and for unavailable under "allow"."""
    verified: bool
    """GeeTest itself vouched for the token. True for passed only."""
    reason: str = ""
    """Why, in words: GeeTest's own `reason` on fail, or ours. Never what the visitor sent. May be empty."""
    code: str = ""
    """GeeTest's error code such as "-50005", where it answered `status: error`; else empty."""
    rule: str = ""
    """Name of the rule that matched; its pattern where it has no name."""
    lot_number: str | None = None
    """The token's public serial number; None where no well-formed token came."""
    captcha_args: Mapping[str, Any] = field(default_factory=dict)
    """GeeTest's own account of the captcha (`used_type`, `user_ip`, `scene`, `referer`, …); often empty."""
    elapsed: float = 0.0
    """Seconds that the call to GeeTest took; 0.0 where it was not asked."""

    def __bool__(self) -> bool:
        return self.verified

    @property
    def unverified(self) -> bool:
        """Let in although GeeTest could not be reached: nobody has verified this client."""
        return self.outcome is Outcome.UNAVAILABLE and self.allowed


@dataclass(frozen=True, slots=True)
class Outage:
    """One of GeeTest's servers is not asked any more since it does not answer, or it answers again: for `on_outage`."""

    server: str
    """Its base URL, as in `api_server`."""
    over: bool
    """False where the outage begins, true where it ends."""
    reason: str = ""
    """What came of the last call to it, in words."""
    seconds: float = 0.0
    """For how long it was not asked, single trials aside; 0.0 where the outage begins."""


@dataclass(frozen=True, slots=True)
class Lockout:
    """Nearly all clients of a rule are refused, or no longer are: for `on_lockout`."""

    rule: str
    """The rule's name, else its pattern."""
    over: bool
    """False where the lockout begins, true where it ends."""
    reason: str
    """The commonest outcome when it began, and why: "refused: HTTP 403"."""
    share: float
    """Share of refused clients among the latest ones, from 0 to 1."""
    clients: int
    """Number of those clients: distinct addresses."""
    refused: int = 0
    """Requests refused since it began; 0 where it begins."""
    passed: int = 0
    """Tokens verified meanwhile."""
    seconds: float = 0.0
    """For how long it lasted; 0.0 where it begins."""
