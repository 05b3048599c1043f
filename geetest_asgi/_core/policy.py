"""Policy: everything that one rule says, with nothing left open."""

from dataclasses import dataclass, field

from .fields.spelling import Spelling
from .limits import Limits
from .rules import Accept, Clearance, Credentials, Mode, OnDenied, OnResult, OnUnavailable, Skip, Source, When


@dataclass(frozen=True, slots=True)
class Policy:
    """One rule with nothing left open: what the user wrote, with the middleware's settings filled in."""

    name: str
    captcha_id: str
    keys: tuple[str, ...] = field(repr=False)
    """The first signs; the others are tried where GeeTest says that the signature is wrong."""
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
    """`credentials` takes the captcha_id that was sent, too."""
    clearance: Clearance | None = None
    when: When | None = None
    forgive: tuple[int, ...] = ()
    refuses: str = ""
    """Why every request is refused, whatever it brings; empty for the policy of a rule."""
    methods: str = ""
    """The rule's methods as one text: a pass by another method's rule is none."""
    identity: str = ""
    """The rule, as all processes know it: its methods, its pattern and its name, each of which others may share."""
