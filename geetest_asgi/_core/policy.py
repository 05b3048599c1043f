"""Policy: everything that one rule says, with nothing left open."""

from dataclasses import dataclass, field

from .fields.gatherer import Spelling
from .limits import Limits
from .rules import Accept, Clearance, Credentials, Mode, OnDenied, OnResult, OnUnavailable, Skip, Source


@dataclass(frozen=True, slots=True)
class Policy:
    """One rule with nothing left open: what the user wrote, with the middleware's settings filled in."""

    name: str
    captcha_id: str
    captcha_key: str = field(repr=False)
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
    older_keys: tuple[str, ...] = field(default=(), repr=False)
    credentials: Credentials | None = None
    clearance: Clearance | None = None
    after: bool = False
    refuses: str = ""
    """Why every request is refused, whatever it brings; empty for the policy of a rule."""
