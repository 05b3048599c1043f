"""Mistakes that protect nothing, or that fail at the first request: each is an error at start that says what would be
right, in `check --offline` too.
"""

import functools
import re
from pathlib import Path
from typing import Any

import pytest
from commands import command
from refusals import app

from geetest_asgi import ConfigError, GeeTestMiddleware

PAIR: dict[str, Any] = {"captcha_id": "an-id", "captcha_key": "a-key"}


class Wsgi:  # as Flask, Bottle and Django's WSGIHandler are
    def __call__(self, environ: Any, start_response: Any) -> list[bytes]:
        raise AssertionError


NO_APP: list[tuple[Any, dict[str, Any], str]] = [
    (lambda environ, start_response: [], PAIR, "as a WSGI application does; give an ASGI one"),
    (Wsgi(), PAIR, "as a WSGI application does; give an ASGI one"),
    # Django builds each of MIDDLEWARE with one function, and no other argument.
    (lambda get_response: None, {}, "asgi.py, application = geetest_asgi.django.protect"),
    *((given, PAIR, "give an ASGI application, the object itself") for given in (None, "shop:app", Wsgi)),
    (lambda scope, receive, send, more: None, PAIR, "does not take (scope, receive, send)"),
    (lambda: app, PAIR, "call it here"),
]


@pytest.mark.parametrize(("given", "settings", "says"), NO_APP)
def test_what_is_no_asgi_application(given: Any, settings: dict[str, Any], says: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(says)):
        GeeTestMiddleware(given, **settings)


def wrapped(*arguments: Any, **more: Any) -> Any:
    raise AssertionError


APPS: list[Any] = [app, wrapped, functools.partial(app), functools.wraps(app)(wrapped), print]


@pytest.mark.parametrize("given", APPS)
def test_whatever_takes_the_three_arguments_is_an_application(given: Any) -> None:
    assert GeeTestMiddleware(given, **PAIR).app is given


def test_check_offline_says_it_too(tmp_path: Path) -> None:
    site = "from geetest_asgi import GeeTestMiddleware\ndef wsgi(environ, start_response): ...\n"
    (tmp_path / "shop.py").write_text(f"{site}app = GeeTestMiddleware(wsgi)\n")
    done = command("check", "--offline", "--app", "shop:app", cwd=tmp_path)
    assert done.returncode != 0
    assert "give an ASGI one" in " ".join((done.stdout + done.stderr).split())
    assert "Traceback" not in done.stderr
