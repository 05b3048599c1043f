"""Signed passes: a client that GeeTest has verified is not asked again by the same rule for some minutes.

    Rule("POST /comments", clearance=Clearance(secret, seconds=600))

Off by default, and not for a login: a client with a pass sends as many requests as it likes. Signing is itsdangerous'
(`pip install 'geetest-asgi[clearance]'`); an add-on, imported by nobody here.
"""

import hashlib
import json
import re
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from typing import Any, Final

try:
    from itsdangerous import BadSignature, TimestampSigner
except ImportError as _error:
    raise ImportError("itsdangerous is missing: pip install 'geetest-asgi[clearance]'", name=_error.name) from _error

from ._core.errors import ConfigError
from ._core.rules import Headers, Scope
from .observers.logs import log_hook_raised

HEADER: Final = "X-GeeTest-Clearance"
"""For clients without cookies. In the answer that grants a pass, and in requests: one pass, or several with commas."""

_HEADER: Final = HEADER.lower().encode()
_SHORTEST_SECRET: Final = 16
_LONGEST_HEADER: Final = 8192
_MOST_TRIED: Final = 4
"""Passes of one request whose signature is checked."""
_GRANTED: Final = b"1"


class Clearance:
    """For the `clearance=` of a Rule or of the middleware.

    secret    what passes are signed with, 16 characters or more; several while one is replaced, the new one first: it
              signs, and the others are still good. Not the captcha_key: GeeTest knows that one.
    seconds   for which a pass lasts, 30 days at most. It is not prolonged by use.
    cookie    the beginning of the cookie's name; the rest is the rule's, so that a client can have a pass for each.
    bind      fn(scope) -> str | None: what the pass is bound to besides, such as `client_address` or the session. None,
              or an exception, means that this client gets no pass. Default: a pass is good for whoever has it.
    secure    False sends the cookie over plain http too, for a test machine.

    A pass holds a time and a signature, no more. It is good for the captcha_id, the methods and the name of the rule by
    which it was given: never for another tenant of `credentials`. The answer to a request that GeeTest verified brings
    it, as a cookie (`HttpOnly`, `SameSite=Lax`, `Path=/`, RFC 6265bis) and in the header `X-GeeTest-Clearance`; what
    `skip`, `when` or an outage lets in gets none. A request let in by a pass is `skipped`, reason "clearance". Raises
    ConfigError.
    """

    def __init__(
        self,
        secret: str | Sequence[str],
        *,
        seconds: int = 600,
        cookie: str = "geetest_clearance",
        bind: Callable[[Scope], str | None] | None = None,
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

    def admits(self, scope: Scope, realm: str) -> bool:
        """Whether the request carries a pass of this realm that has not ended."""
        passes = list(islice(_passes(scope, self._name(realm)), _MOST_TRIED))
        signer = self._signer(scope, realm) if passes else None
        return signer is not None and any(_is_good(signer, each, self._seconds) for each in passes)

    def grant(self, scope: Scope, realm: str) -> Headers:
        """The cookie and the header that give a pass; none where `bind` gives None."""
        signer = self._signer(scope, realm)
        if signer is None:
            return ()
        value = signer.sign(_GRANTED).decode()
        secure = "; Secure" if self._secure else ""
        cookie = f"{self._name(realm)}={value}; Max-Age={self._seconds}; Path=/; HttpOnly; SameSite=Lax{secure}"
        return (b"set-cookie", cookie.encode()), (_HEADER, value.encode())

    def _name(self, realm: str) -> str:
        return f"{self._cookie}_{hashlib.sha256(realm.encode(errors='surrogatepass')).hexdigest()[:8]}"

    def _signer(self, scope: Scope, realm: str) -> TimestampSigner | None:
        """What the pass is bound to is the salt, and so stands in no pass."""
        bound_to = self._bound_to(scope)
        if bound_to is None:
            return None
        salt = json.dumps([__name__, realm, bound_to])
        return TimestampSigner(self._secrets, salt=salt, key_derivation="hmac", digest_method=hashlib.sha256)

    def _bound_to(self, scope: Scope) -> str | None:
        if self._bind is None:
            return ""
        try:
            return self._bind(scope)
        except (
            Exception
        ):  # such as scope["client"][0] behind a Unix socket: no pass, rather than an error for everybody
            log_hook_raised("bind")
            return None


def _secrets(given: object) -> list[str]:
    """As itsdangerous wants them: the newest last."""
    secrets: list[Any] = list(given) if isinstance(given, list | tuple) else [given]
    if not secrets or any(not isinstance(each, str) or len(each) < _SHORTEST_SECRET for each in secrets):
        raise ConfigError(f"Clearance(secret=…): give {_SHORTEST_SECRET} characters or more, that nobody can guess")
    return secrets[::-1]


def _passes(scope: Scope, cookie: str) -> Iterator[str]:
    """What may be a pass: the values of the cookie and of the header."""
    for name, value in scope.get("headers") or ():
        if len(value) > _LONGEST_HEADER:
            continue
        if name.lower() == b"cookie":
            pairs = (pair.strip().partition("=") for pair in value.decode("latin-1").split(";"))
            yield from (text for given, _, text in pairs if given == cookie)
        elif name.lower() == _HEADER:
            yield from (each.strip() for each in value.decode("latin-1").split(","))


def _is_good(signer: TimestampSigner, value: str, seconds: int) -> bool:
    try:
        return signer.unsign(value, max_age=seconds) == _GRANTED
    except BadSignature:  # which an expired one is as well
        return False
