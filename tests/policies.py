"""The policy of a rule, as the middleware makes it of the user's settings."""

from typing import Any

from geetest_asgi import GeeTestMiddleware
from geetest_asgi._core.policy import Policy


async def _nothing(*_: object) -> None: ...


def policy(**settings: Any) -> Policy:
    """Of a guard in front of everything."""
    guard = GeeTestMiddleware(_nothing, **{"captcha_id": "id", "captcha_key": "key", **settings})
    found = guard.table.match("POST", "/", b"/", "")
    assert found is not None
    return found
