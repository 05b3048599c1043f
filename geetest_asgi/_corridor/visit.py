"""The state of one protected request."""

from dataclasses import dataclass, field

from starlette.types import Scope

from .._core.model import CaptchaFields, Evidence
from .._core.policy import Policy
from .._core.rules import Headers
from .._line.line import Line
from ..stores import Store
from .body import Body
from .spent import Claim


@dataclass(slots=True)
class Visit:
    """State of one request. Mutable: each step adds what it has found out."""

    policy: Policy
    scope: Scope
    body: Body
    line: Line
    store: Store
    client: str | None = None
    """Address under which the caps for each client count this request; None: it is not counted."""
    captcha_id: str = ""
    keys: tuple[str, ...] = field(default=(), repr=False)
    fields: CaptchaFields | None = None
    claim: Claim | None = None
    answer: Evidence | None = None
    """GeeTest's answer, set as soon as it arrives: the token is used up from then on, even if the call is cancelled."""
    evidence: Evidence | None = None
    """Evidence of the steps, before `accept`. A guard further in, or the next request with this token, may use it."""
    let_in: bool = False
    """The app gets the request: it is allowed, or the mode is "monitor"."""
    granted: Headers = ()
    """Headers that are added to the app's answer: a clearance."""
    when_pending: bool = False
    """`when.wanted` was called for this request, so `when.answered` must be called."""

    def note_answer(self, answer: Evidence) -> None:
        """Remember GeeTest's answer."""
        self.answer = answer

    @property
    def realm(self) -> str:
        """Text that a clearance is bound to. Rules with the same id, methods and name share passes."""
        return f"{self.captcha_id} {self.policy.methods} {self.policy.name}"
