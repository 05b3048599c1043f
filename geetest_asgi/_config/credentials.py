"""Check the captcha id and its keys."""

import os
import re
from collections.abc import Sequence
from typing import Any, Final

from .._core.errors import ConfigError
from .values import takes

Key = str | Sequence[str] | None


_CREDENTIAL: Final = re.compile(r"(?:(?![<>{}%=])[!-~])+=*")
"""Characters of a credential. A template's placeholder and `NAME=value` have others."""
_UNEXPANDED: Final = re.compile(r"\$(\{|\(|[A-Za-z_]+$)")


def credentials(captcha_id: str | None, captcha_key: Key) -> tuple[str, tuple[str, ...]]:
    """Return the id and its keys, from the parameters or else from the environment. Raises ConfigError."""
    captcha_id = os.environ.get("GEETEST_CAPTCHA_ID") if captcha_id is None else captcha_id
    captcha_key = os.environ.get("GEETEST_CAPTCHA_KEY", "").split(",") if captcha_key is None else captcha_key
    keys = captcha_key if isinstance(captcha_key, list | tuple) else [captcha_key]
    _check_credential("captcha_id", captcha_id, shown=repr(captcha_id))
    for key in keys or [None]:
        _check_credential("captcha_key", key, shown="…")
        if key == captcha_id:
            raise ConfigError("captcha_key=…: is the captcha_id; give the key that belongs to it")
    return str(captcha_id), tuple(keys)


def takes_id(function: Any) -> bool:
    """Return whether `credentials` takes (scope, sent_id) and not only (scope). Raises ConfigError."""
    if function is None or takes(function, 1):
        return False
    if not takes(function, 2):
        raise ConfigError(f"credentials={function!r}: give fn(scope) or fn(scope, sent_id)")
    return True


def given_credentials(given: object) -> tuple[str, tuple[str, ...]]:
    """Check the pair that the user's function returned for one request. Raises ConfigError."""
    if not isinstance(given, tuple) or len(given) != 2 or None in given:
        raise ConfigError("credentials: the function must give (captcha_id, captcha_key), or None for the usual ones")
    return credentials(*given)


def _check_credential(name: str, value: object, *, shown: str) -> None:
    if value is None or value == "":
        hint = "; in tests, set geetest_env = true in pytest's ini file" * ("PYTEST_VERSION" in os.environ)
        raise ConfigError(f"{name} is missing: pass {name}=, or set GEETEST_{name.upper()} in the environment{hint}")
    if isinstance(value, str) and re.fullmatch(r"""["'][\w,-]+["']?|[\w,-]+["']""", value):
        raise ConfigError(f"{name}={shown}: has quotes around it; write it without (docker's --env-file keeps them)")
    if isinstance(value, str) and _UNEXPANDED.match(value):
        raise ConfigError(f"{name}={shown}: is the name of a variable; give its value (env files do not expand names)")
    if isinstance(value, str) and "," in value:
        raise ConfigError(f"{name}={shown}: has a comma in it; give several keys as a list, ['new', 'old']")
    if not isinstance(value, str) or not _CREDENTIAL.fullmatch(value):
        raise ConfigError(f"{name}={shown}: must be the text from GeeTest's dashboard, without white space or brackets")
