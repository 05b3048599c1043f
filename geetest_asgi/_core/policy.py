"""Policy: all settings of one rule."""

from dataclasses import dataclass, field

from .fields.spelling import Spelling
from .limits import Limits
from .rules import Accept, Clearance, Credentials, Mode, OnDenied, OnResult, OnUnavailable, Skip, Source, When


@dataclass(frozen=True, slots=True)
class Policy:
    """All settings of one rule: its own, and those that it inherits from the middleware."""

    name: str
    captcha_id: str
    keys: tuple[str, ...] = field(repr=False)
    """The first key signs. The others are tried if GeeTest says that the signature is wrong."""
    sources: tuple[Source, ...]
    spelling: Spelling
    on_unavailable: OnUnavailable
    timeout: float
    limits: Limits
    mode: Mode
    skip: Skip | None
    accept: Accept | None
    on_denied: OnDenied | None
    on_result: OnResult | None
    credentials: Credentials | None = None
    credentials_by_id: bool = False
    """`credentials` also takes the captcha_id that was sent."""
    clearance: Clearance | None = None
    when: When | None = None
    forgive: tuple[int, ...] = ()
    refuses: str = ""
    """Reason for which every request is refused; empty for the policy of a rule."""
    methods: str = ""
    """The rule's methods as text. A clearance is bound to them."""
    identity: str = ""
    """Methods, pattern and name: the same in all processes, different for each rule."""
