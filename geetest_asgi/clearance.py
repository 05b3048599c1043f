"""A signed cookie after a pass: a visitor solves one captcha in so many minutes, and not one for each request.

    Rule("POST /comments", clearance=Clearance(secret, seconds=600))

Off by default, and not for a login: whoever has passed once may send as many requests as they like until it ends.
Signing is itsdangerous' (`pip install 'geetest-asgi[clearance]'`); an add-on, imported by nobody here.
"""

import hashlib
import re
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final

try:
    from itsdangerous import BadSignature, TimestampSigner
except ImportError as _error:
    raise ImportError("itsdangerous is missing: pip install 'geetest-asgi[clearance]'", name=_error.name) from _error

from ._core.errors import ConfigError
from ._core.rules import Scope

_SHORTEST_SECRET: Final = 16
_LONGEST_COOKIE: Final = 8192
_GRANTED: Final = b"1"


class Clearance:
    """For the `clearance=` of a Rule or of the middleware.

    secret    what the cookie is signed with, 16 characters or more; several while one is replaced, the new one first:
              it signs, and the others are still good. Not the captcha_key: GeeTest knows that one.
    seconds   for which a pass lasts. It is not prolonged by use.
    cookie    the beginning of its name; each rule has one of its own, as a pass by one rule is none by another.
    bind      fn(scope) -> str: what the pass is bound to as well, such as the client's address
              (`lambda scope: scope["client"][0]`) or the session. Default: whoever has the cookie.
    secure    False sends the cookie over plain http too, for a test machine.

    The cookie is `HttpOnly`, `SameSite=Lax` and `Path=/` (RFC 6265bis), holds nothing but a time and a signature, and
    is set where GeeTest verified a token only: not for a request let in by `skip` or in an outage. A request that it
    lets in is `skipped`, with the reason "clearance". Raises ConfigError.
    """

    def __init__(
        self,
        secret: str | Sequence[str],
        *,
        seconds: int = 600,
        cookie: str = "geetest_clearance",
        bind: Callable[[Scope], str] | None = None,
        secure: bool = True,
    ) -> None:
        self._secrets = _secrets(secret)
        if isinstance(seconds, bool) or not isinstance(seconds, int) or not 0 < seconds <= 30 * 24 * 3600:
            raise ConfigError(f"Clearance(seconds={seconds!r}): give whole seconds, 30 days at most")
        if not isinstance(cookie, str) or not re.fullmatch(r"[A-Za-z0-9_.-]+", cookie):
            raise ConfigError(f"Clearance(cookie={cookie!r}): letters, digits and '_', '.', '-' make its name")
        if bind is not None and not callable(bind):
            raise ConfigError(f"Clearance(bind={bind!r}): give a function")
        self._seconds = seconds
        self._cookie = cookie
        self._bind = bind
        self._secure = secure

    def admits(self, scope: Scope, rule: str) -> bool:
        """Has this visitor passed by this rule, and not too long ago?"""
        name, signer = self._name(rule), self._signer(scope, rule)
        return any(_is_good(signer, value, self._seconds) for value in _cookies(scope, name))

    def grant(self, scope: Scope, rule: str) -> str:
        """The `Set-Cookie` for a visitor who has just passed."""
        value = self._signer(scope, rule).sign(_GRANTED).decode()
        secure = "; Secure" if self._secure else ""
        return f"{self._name(rule)}={value}; Max-Age={self._seconds}; Path=/; HttpOnly; SameSite=Lax{secure}"

    def _name(self, rule: str) -> str:
        return f"{self._cookie}_{hashlib.sha256(rule.encode()).hexdigest()[:8]}"

    def _signer(self, scope: Scope, rule: str) -> TimestampSigner:
        """What the pass is bound to is the salt, and so stands in no cookie."""
        bound_to = self._bind(scope) if self._bind else ""
        salt = "\n".join([__name__, rule, bound_to])
        return TimestampSigner(self._secrets, salt=salt, digest_method=hashlib.sha256)


def _secrets(given: object) -> list[str]:
    """As itsdangerous wants them: the newest last."""
    secrets: list[Any] = list(given) if isinstance(given, list | tuple) else [given]
    if not secrets or any(not isinstance(each, str) or len(each) < _SHORTEST_SECRET for each in secrets):
        raise ConfigError(f"Clearance(secret=…): give {_SHORTEST_SECRET} characters or more, that nobody can guess")
    return secrets[::-1]


def _cookies(scope: Scope, name: str) -> Iterable[str]:
    """The values of this name: a browser may send several, for a path and for the site."""
    for header, value in scope.get("headers") or ():
        if header.lower() == b"cookie" and len(value) <= _LONGEST_COOKIE:
            for pair in value.decode("latin-1").split(";"):
                given, _, text = pair.strip().partition("=")
                if given == name:
                    yield text


def _is_good(signer: TimestampSigner, value: str, seconds: int) -> bool:
    try:
        return signer.unsign(value, max_age=seconds) == _GRANTED
    except BadSignature:  # which an expired one is as well
        return False
