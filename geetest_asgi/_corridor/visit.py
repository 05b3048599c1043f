"""One protected request, and what is known about it so far."""

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
    """Mutable, one for each request; each step adds what it has learnt."""

    policy: Policy
    scope: Scope
    body: Body
    line: Line
    store: Store
    client: str | None = None
    """Whom the caps for each client count; None: nobody."""
    captcha_id: str = ""
    keys: tuple[str, ...] = field(default=(), repr=False)
    fields: CaptchaFields | None = None
    claim: Claim | None = None
    answer: Evidence | None = None
    """GeeTest's answer, noted the moment it comes: from then on the token is used up, even if we are cancelled."""
    finding: Evidence | None = None
    """What the steps found, before this rule's `accept`: another guard or a repeated request may share it."""
    let_in: bool = False
    """The app gets the request: it is allowed, or the mode is "monitor"."""
    granted: Headers = ()
    """Headers for the app's answer: a pass."""
    tell_when: bool = False
    """`when` was asked about this request, and wants to hear of the app's answer."""

    def note_answer(self, answer: Evidence) -> None:
        """GeeTest has answered."""
        self.answer = answer

    @property
    def realm(self) -> str:
        """What a pass is bound to. Neither an id nor methods have blanks: no two rules share one by chance."""
        return f"{self.captcha_id} {self.policy.methods} {self.policy.name}"
