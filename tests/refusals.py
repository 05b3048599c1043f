"""What the tests of settings share: a guard, and the error that stops the app."""

import traceback
from collections.abc import Callable
from typing import Any

import pytest

from geetest_asgi import ConfigError, GeeTestError, GeeTestMiddleware

ID, KEY = "an-id-of-ours", "the-key-nobody-may-read"


async def app(scope: Any, receive: Any, send: Any) -> None:
    raise AssertionError("nothing is asked for here")


def guard(app: Any = app, **settings: Any) -> GeeTestMiddleware:
    return GeeTestMiddleware(app, **{"captcha_id": ID, "captcha_key": KEY, **settings})


def refusal(build: Callable[[], object]) -> ConfigError:
    """The error, of which nothing may hold the key: not its text, not what was raised before it."""
    with pytest.raises(ConfigError) as caught:
        build()
    error = caught.value
    assert isinstance(error, ValueError)
    assert isinstance(error, GeeTestError)
    told = "".join(traceback.format_exception(error, limit=0)) + repr(error) + str(error.args)
    assert KEY not in told
    return error
