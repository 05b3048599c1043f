"""Mistakes that protect nothing, or that fail at the first request: each is an error at start that says what would be
right, in `check --offline` too.
"""

import functools
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from commands import command
from starlette.responses import PlainTextResponse

from geetest_asgi import ConfigError, GeeTestMiddleware

PAIR: dict[str, Any] = {"captcha_id": "an-id", "captcha_key": "a-key"}


async def app(scope: Any, receive: Any, send: Any) -> None:
    """Never called."""


SEVERAL = [
    *("POST /login, /register", "/login,/register", "POST /login,PUT /register", "POST /login, POST /register"),
    *(
        "/login,\t/register",
        "/login,* /register",
        "/login /register",
        "POST /login; /register",
        "/login,",
        "/login\n/x",
    ),
]


@pytest.mark.parametrize("pattern", SEVERAL)
@pytest.mark.parametrize("setting", ["protect", "exempt"])
def test_several_patterns_in_one_string(setting: str, pattern: str) -> None:
    with pytest.raises(ConfigError, match="give a list, one pattern in each string"):
        GeeTestMiddleware(app, **PAIR | {setting: pattern})


@pytest.mark.parametrize("pattern", ["/at/{lat},{lon}", "/a,b", "/x,y/z", "PUT,POST /login", "PUT, POST /login"])
def test_a_comma_within_a_segment_or_between_methods_is_none(pattern: str) -> None:
    GeeTestMiddleware(app, protect=pattern, **PAIR)


@pytest.mark.parametrize("pattern", ["/login POST", "/login get", "POST /login PUT", "/ login", "/a\tb", "POST /a\nb"])
def test_a_path_with_blanks_where_no_path_has_any(pattern: str) -> None:
    with pytest.raises(ConfigError, match="write the methods first"):
        GeeTestMiddleware(app, protect=pattern, **PAIR)


@pytest.mark.parametrize("pattern", [" POST  /login ", "/my file/{id}", "/blog post/x", "/signpost"])
def test_a_blank_between_words_is_none_of_those(pattern: str) -> None:
    GeeTestMiddleware(app, protect=pattern, **PAIR)


@pytest.mark.parametrize("pattern", ["/files/{*rest}", "/files/{...rest}", "/files/{rest...}", "/files/[...rest]"])
def test_another_routers_way_to_take_the_rest_of_a_path(pattern: str) -> None:
    with pytest.raises(ConfigError, match="another router's grammar"):
        GeeTestMiddleware(app, protect=pattern, **PAIR)


@pytest.mark.parametrize("regex", ["^login/$", "login", "^users/[0-9]+$", r"api/v\d+/.*"])
def test_a_regular_expression_that_matches_no_path(regex: str) -> None:
    with pytest.raises(ConfigError, match="a path begins with '/'"):
        GeeTestMiddleware(app, protect=re.compile(regex), **PAIR)


@pytest.mark.parametrize("regex", ["^/login$", "(en)?/login", "e?/login", "x*/login", "a|/login", ".*login", r"\S+"])
def test_a_regular_expression_that_may_match_one(regex: str) -> None:
    GeeTestMiddleware(app, protect=re.compile(regex), **PAIR)


@pytest.mark.parametrize("fields", ["snake_case", "snakecase", "kebab-case", "camel", "None"])
def test_the_name_of_a_way_to_write_names(fields: str) -> None:
    with pytest.raises(ConfigError, match="or None for GeeTest's own names"):
        GeeTestMiddleware(app, fields=fields, **PAIR)


class Awaited:
    async def __call__(self, outage: Any) -> None:
        raise AssertionError


UNCALLABLE: list[tuple[str, Any, str]] = [
    ("skip", lambda: "always", r"give fn\(scope\)"),
    ("skip", lambda scope, result: None, r"give fn\(scope\)"),
    ("accept", lambda result: True, r"give fn\(result, scope\)"),
    ("on_denied", lambda scope: None, r"give fn\(result, scope\)"),
    ("on_denied", PlainTextResponse("no"), r"give fn\(result, scope\)"),
    ("on_result", lambda result: None, r"give fn\(result, scope\)"),
    ("on_result", "shop.noted", r"give fn\(result, scope\)"),
    ("on_outage", lambda: None, r"give fn\(outage\)"),
    ("on_lockout", lambda one, two: None, r"give fn\(lockout\)"),
    ("on_outage", Awaited(), "give a plain function"),
    ("credentials", lambda: None, r"give fn\(scope\) or fn\(scope, sent_id\)"),
    ("credentials", ("an-id", "a-key"), r"give fn\(scope\) or fn\(scope, sent_id\)"),
    ("client", httpx.Client(), r"give an httpx\.AsyncClient"),
]


@pytest.mark.parametrize(("setting", "given", "says"), UNCALLABLE)
def test_a_function_that_could_not_be_called(setting: str, given: Any, says: str) -> None:
    with pytest.raises(ConfigError, match=f"^{setting}=.*{says}"):
        GeeTestMiddleware(app, **PAIR, **{setting: given})


@pytest.mark.parametrize("given", [lambda *_: None, lambda scope, more=1: None, functools.partial(print, 1), str, min])
def test_a_function_that_can_be_called(given: Any) -> None:
    GeeTestMiddleware(app, skip=given, **PAIR)


ONE_FIELD = [
    "lot_number",
    "lotNumber",
    "geetest_lot_number",
    "geetest-pass_token",
    "captcha.lot_number",
    "captchaOutput",
]


@pytest.mark.parametrize("fields", ONE_FIELD)
def test_the_name_of_one_field(fields: str) -> None:
    """It would be a container of that name, in which nothing is ever found."""
    with pytest.raises(ConfigError, match="names one field"):
        GeeTestMiddleware(app, fields=fields, **PAIR)


@pytest.mark.parametrize(
    "fields", ["lot_number,pass_token", "geetest_*", "captcha[lot_number]", "captcha[]", "{captcha}"]
)
def test_names_in_a_notation_of_others(fields: str) -> None:
    with pytest.raises(ConfigError, match="a prefix 'geetest_'"):
        GeeTestMiddleware(app, fields=fields, **PAIR)


@pytest.mark.parametrize(
    "fields", ["camelcase", "CamelCase", "camel_case", "camel-case", "CAMELCASE", "lowerCamelCase", "PascalCase"]
)
def test_a_near_miss_of_camel_case(fields: str) -> None:
    with pytest.raises(ConfigError, match="write 'camelCase'"):
        GeeTestMiddleware(app, fields=fields, **PAIR)


def wsgi(environ: Any, start_response: Any) -> list[bytes]:
    raise AssertionError


class Wsgi:
    """As Flask, Bottle and Django's WSGIHandler are."""

    def __call__(self, environ: Any, start_response: Any) -> list[bytes]:
        raise AssertionError


@pytest.mark.parametrize("given", [wsgi, Wsgi(), Wsgi().__call__])
def test_a_wsgi_application(given: Any) -> None:
    with pytest.raises(ConfigError, match="as a WSGI application does; give an ASGI one"):
        GeeTestMiddleware(given, protect="/login", **PAIR)


def test_djangos_middleware_is_called_with_get_response_before_anything_else_is_looked_at() -> None:
    """Django builds each of MIDDLEWARE with one function, and no other argument."""

    def get_response(request: Any) -> Any:
        raise AssertionError

    with pytest.raises(ConfigError, match=r"asgi\.py, application = geetest_asgi\.django\.protect"):
        GeeTestMiddleware(get_response)  # type: ignore[arg-type]


@pytest.mark.parametrize("given", [None, "shop:app", Wsgi, 7])
def test_what_is_no_application_at_all(given: Any) -> None:
    with pytest.raises(ConfigError, match="give an ASGI application, the object itself"):
        GeeTestMiddleware(given, **PAIR)


def four(scope: Any, receive: Any, send: Any, more: Any) -> Any:
    raise AssertionError


def test_what_needs_more_than_the_three_arguments_is_no_application() -> None:
    with pytest.raises(ConfigError, match=r"does not take \(scope, receive, send\)"):
        GeeTestMiddleware(four, **PAIR)  # type: ignore[arg-type]


def wrapped(*arguments: Any, **more: Any) -> Any:
    raise AssertionError


class Sliced:
    async def __call__(self, scope: Any, receive: Any, send: Any, extra: int = 0) -> None:
        raise AssertionError


APPS: list[Any] = [app, wrapped, Sliced(), functools.partial(Sliced(), extra=1), functools.wraps(app)(wrapped), print]


@pytest.mark.parametrize("given", APPS)
def test_whatever_takes_the_three_arguments_is_an_application(given: Any) -> None:
    assert GeeTestMiddleware(given, **PAIR).app is given


QUOTED: list[Callable[[str], str]] = [lambda text: f'"{text}"', lambda text: f"'{text}'", lambda text: f'{text}"']


@pytest.mark.parametrize("quoted", QUOTED)
@pytest.mark.parametrize("name", ["captcha_id", "captcha_key"])
def test_quotes_around_a_credential(name: str, quoted: Callable[[str], str], monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigError, match="has quotes around it") as given:
        GeeTestMiddleware(app, **PAIR | {name: quoted("s3cret")})
    assert name == "captcha_id" or "s3cret" not in str(given.value)
    monkeypatch.setenv(f"GEETEST_{name.upper()}", quoted("s3cret,other"))
    with pytest.raises(ConfigError, match="has quotes around it"):
        GeeTestMiddleware(app, **{other: text for other, text in PAIR.items() if other != name})


@pytest.mark.parametrize("name", ["captcha_id", "captcha_key"])
@pytest.mark.parametrize("value", ["${SECRET}", "$(secret)", "$SECRET"])
def test_a_variable_that_nobody_has_expanded(name: str, value: str) -> None:
    with pytest.raises(ConfigError, match="is the name of a variable"):
        GeeTestMiddleware(app, **PAIR | {name: value})


def test_the_id_in_place_of_the_key() -> None:
    with pytest.raises(ConfigError, match="is the captcha_id"):
        GeeTestMiddleware(app, captcha_id="an-id", captcha_key=["a-key", "an-id"])


def test_a_function_that_makes_the_application() -> None:
    def make_app() -> Any:
        return app

    with pytest.raises(ConfigError, match="call it here"):
        GeeTestMiddleware(make_app, **PAIR)  # type: ignore[arg-type]


@pytest.mark.parametrize("path", ["validate", "load", "verify/"])
def test_the_url_of_a_call_in_place_of_a_server(path: str) -> None:
    with pytest.raises(ConfigError, match="give a base URL"):
        GeeTestMiddleware(app, api_server=f"https://gcaptcha4.geetest.com/{path}", **PAIR)


def test_the_clearance_without_its_extra() -> None:
    code = "import sys; sys.modules['itsdangerous'] = None; import geetest_asgi.clearance"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1] == (
        "ImportError: itsdangerous is missing: pip install 'geetest-asgi[clearance]'"
    )


SITES = {
    "several patterns": ("app = GeeTestMiddleware(plain, protect='POST /login, /register')", "looks like several"),
    "camelcase": ("app = GeeTestMiddleware(plain, protect='/login', fields='camelcase')", "write 'camelCase'"),
    "a WSGI application": (
        "def wsgi(environ, start_response): ...\napp = GeeTestMiddleware(wsgi, protect='/login')",
        "give an ASGI one",
    ),
    "a mark without parentheses": (
        "from fastapi import Depends, FastAPI\nfrom geetest_asgi.fastapi import Captcha, add_geetest\n"
        "app = FastAPI()\nadd_geetest(app)\n"
        "@app.post('/login', dependencies=[Depends(Captcha)])\ndef login(): ...",
        "write Depends(Captcha())",
    ),
}


@pytest.mark.parametrize(("site", "says"), SITES.values(), ids=SITES.keys())
def test_check_offline_says_it_too(site: str, says: str, tmp_path: Path) -> None:
    plain = "async def plain(scope, receive, send): ..."
    text = f"from geetest_asgi import GeeTestMiddleware\n\n{plain}\n\n{site}\n"
    (tmp_path / "shop.py").write_text(text)
    done = command("check", "--offline", "--app", "shop:app", cwd=tmp_path)
    assert done.returncode != 0
    assert says in " ".join((done.stdout + done.stderr).split())
    assert "Traceback" not in done.stderr


def test_check_offline_says_that_a_key_has_quotes() -> None:
    done = command("check", "--offline", "--protect", "/login", captcha_key="'abc'")
    assert done.returncode != 0
    assert "has quotes around it" in done.stdout + done.stderr
