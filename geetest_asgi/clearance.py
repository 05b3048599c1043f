"""Signed passes: a client that GeeTest has verified needs no further captcha under the same rule for some minutes.

    Rule("POST /comments", clearance=Clearance(secret, seconds=600))

Do not use it for a login: a client with a pass may send any number of requests. itsdangerous signs the passes
(`pip install 'geetest-asgi[clearance]'`). No other module imports this one.
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

from . import _config
from ._core.errors import ConfigError
from ._core.rules import Headers, Scope
from .observers.logs import log_hook_raised

HEADER: Final = "X-GeeTest-Clearance"
"""Header for clients without cookies. In an answer it has a new pass; in a request one pass or several, with commas."""

_HEADER: Final = HEADER.lower().encode()
_SHORTEST_SECRET: Final = 16
_LONGEST_HEADER: Final = 8192
_MOST_TRIED: Final = 4
"""Number of passes in one request whose signature is checked."""
_GRANTED: Final = b"1"


class Clearance:
    """For the `clearance=` of a Rule or of the middleware.

    secret    key that signs the passes, 16 characters or more. Give several while one is replaced: the first signs, the
              others are still valid. Do not use the captcha_key: GeeTest knows it.
    seconds   seconds for which a pass is valid, 30 days at most. Use does not prolong it. Default: 600.
    cookie    beginning of the cookie's name. The rest depends on the rule: a client can have a pass for each rule.
    bind      fn(scope) -> str | None: a text that the pass is bound to, such as `client_address` or the session. After
              None, "" or an exception, this client gets no pass. Default: anyone who has the pass can use it.
    secure    False sends the cookie over plain http, too, for a test machine. Default: True.

    A pass contains a time and a signature only. It is valid for the captcha_id, the methods and the name of the rule
    that granted it, so never for another tenant of `credentials`. The app's answer to a request that GeeTest verified
    has the pass as a cookie (`HttpOnly`, `SameSite=Lax`, `Path=/`, RFC 6265bis) and in the header
    `X-GeeTest-Clearance`. Requests let in by `skip`, `when` or during an outage get none. A request with a pass is
    `skipped`, reason "clearance". Raises ConfigError.
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
        self._seconds = seconds
        self._cookie = cookie
        self._bind = _config.plain_hook("bind", bind)
        self._secure = _config.switch("secure", secure)

    def admits(self, scope: Scope, realm: str) -> bool:
        """Return whether the request has a valid pass for this realm."""
        passes = list(islice(_passes(scope, self._name(realm)), _MOST_TRIED))
        signer = self._signer(scope, realm) if passes else None
        return signer is not None and any(_is_good(signer, each, self._seconds) for each in passes)

    def grant(self, scope: Scope, realm: str) -> Headers:
        """Return the cookie and the header with a new pass; none if `bind` returns None."""
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
        """Return the signer of this realm. The text of `bind` is part of the salt, so no pass contains it."""
        salt = self._salt(scope, realm)
        if salt is None:
            return None
        return TimestampSigner(self._secrets, salt=salt, key_derivation="hmac", digest_method=hashlib.sha256)

    def _salt(self, scope: Scope, realm: str) -> str | None:
        try:
            bound_to = "" if self._bind is None else self._bind(scope) or None
            return None if bound_to is None else json.dumps([__name__, realm, bound_to])
        except Exception:  # scope["client"][0] raises behind a Unix socket, for example: no pass, but no error either
            log_hook_raised("bind")
            return None


def _secrets(given: object) -> list[str]:
    """Return the secrets in the order of itsdangerous: the newest last."""
    secrets: list[Any] = list(given) if isinstance(given, list | tuple) else [given]
    if not secrets or any(not isinstance(each, str) or len(each) < _SHORTEST_SECRET for each in secrets):
        raise ConfigError(f"Clearance(secret=…): give {_SHORTEST_SECRET} characters or more, that nobody can guess")
    return secrets[::-1]


def _passes(scope: Scope, cookie: str) -> Iterator[str]:
    """Yield the values of the cookie and of the header, which may be passes."""
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
    except BadSignature:  # SignatureExpired is one, too
        return False
