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

from geetest_asgi import AfterFailures, ConfigError, GeeTestMiddleware
from geetest_asgi.clearance import Clearance
from geetest_asgi.stores import MemoryStore, RedisStore, SQLiteStore

PAIR: dict[str, Any] = {"captcha_id": "an-id", "captcha_key": "a-key"}


async def app(scope: Any, receive: Any, send: Any) -> None:
    """Never called."""


SEVERAL = (
    *("POST /login, /register", "/login,/register", "POST /login,PUT /register", "POST /login, POST /register"),
    *(
        "/login,\t/register",
        "/login,* /register",
        "/login /register",
        "POST /login; /register",
        "/login,",
        "/login\n/x",
    ),
)

WRONG: list[tuple[str, tuple[Any, ...], str]] = [
    ("protect", SEVERAL, "give a list, one pattern in each string"),
    ("exempt", SEVERAL, "give a list, one pattern in each string"),
    # a path with blanks where no path has any
    (
        "protect",
        ("/login POST", "/login get", "POST /login PUT", "/ login", "/a\tb", "POST /a\nb"),
        "write the methods first",
    ),
    (
        "protect",
        ("/files/{*rest}", "/files/{...rest}", "/files/{rest...}", "/files/[...rest]"),
        "another router's grammar",
    ),
    # a regular expression that matches no path
    (
        "protect",
        tuple(map(re.compile, ("^login/$", "login", "^users/[0-9]+$", r"api/v\d+/.*"))),
        "a path begins with '/'",
    ),
    ("fields", ("snake_case", "snakecase", "kebab-case", "camel", "None"), "or None for GeeTest's own names"),
    # the name of one field: it would be a container of that name, in which nothing is ever found
    (
        "fields",
        (
            *("lot_number", "lotNumber", "geetest_lot_number", "geetest-pass_token"),
            *("captcha.lot_number", "captchaOutput"),
        ),
        "names one field",
    ),
    # a notation of others
    (
        "fields",
        ("lot_number,pass_token", "geetest_*", "captcha[lot_number]", "captcha[]", "{captcha}"),
        "a prefix 'geetest_'",
    ),
    (
        "fields",
        ("camelcase", "CamelCase", "camel_case", "camel-case", "CAMELCASE", "lowerCamelCase", "PascalCase"),
        "write 'camelCase'",
    ),
    *((name, ("${SECRET}", "$(secret)", "$SECRET"), "is the name of a variable") for name in PAIR),
    *((name, ('"s3cret"', "'s3cret'", 's3cret"'), "has quotes around it") for name in PAIR),
    ("captcha_key", (["a-key", "an-id"],), "is the captcha_id"),
    (
        "api_server",
        tuple(f"https://gcaptcha4.geetest.com/{path}" for path in ("validate", "load", "verify/")),
        "give a base URL",
    ),
]
"""A setting, values of it that cannot be meant, and what is said of each."""


@pytest.mark.parametrize(
    ("setting", "value", "said"), [(setting, value, said) for setting, values, said in WRONG for value in values]
)
def test_what_cannot_be_meant_is_told_what_would_be_right(setting: str, value: Any, said: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(said)) as refused:
        GeeTestMiddleware(app, **PAIR | {setting: value})
    assert setting == "captcha_id" or "s3cret" not in str(refused.value)


RIGHT: dict[str, tuple[Any, ...]] = {
    "protect": (
        # a comma within a segment or between methods
        *("/at/{lat},{lon}", "/a,b", "/x,y/z", "PUT,POST /login", "PUT, POST /login"),
        # a blank between words
        *(" POST  /login ", "/my file/{id}", "/blog post/x", "/signpost"),
        *map(re.compile, ("^/login$", "(en)?/login", "e?/login", "x*/login", "a|/login", ".*login", r"\S+")),
    ),
    "skip": (lambda *_: None, lambda scope, more=1: None, functools.partial(print, 1), str, min),
}


@pytest.mark.parametrize(
    ("setting", "value"), [(setting, value) for setting, values in RIGHT.items() for value in values]
)
def test_what_only_looks_like_a_mistake_is_taken(setting: str, value: Any) -> None:
    GeeTestMiddleware(app, **PAIR | {setting: value})


@pytest.mark.parametrize("quoted", ['"s3cret,other"', "'s3cret,other'", 's3cret,other"'])
@pytest.mark.parametrize("name", PAIR)
def test_quotes_around_a_credential_of_the_environment(name: str, quoted: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(f"GEETEST_{name.upper()}", quoted)
    with pytest.raises(ConfigError, match="has quotes around it"):
        GeeTestMiddleware(app, **{other: text for other, text in PAIR.items() if other != name})


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


async def bound_later(scope: Any) -> str:
    raise AssertionError


OF_ADD_ONS: dict[str, tuple[Callable[..., Any], Any, str]] = {
    "whose failures: no argument": (lambda given: AfterFailures(key=given), lambda: "ada", r"give fn\(scope\)"),
    "whose failures: two arguments": (lambda given: AfterFailures(key=given), lambda one, two: "", r"give fn\(scope\)"),
    "whose failures: nothing": (lambda given: AfterFailures(key=given), None, r"give fn\(scope\)"),
    "bound to: no argument": (lambda given: Clearance("s" * 40, bind=given), lambda: "ada", r"give fn\(scope\)"),
    "bound to: asynchronous": (lambda given: Clearance("s" * 40, bind=given), bound_later, "give a plain function"),
    "secure: a word": (lambda given: Clearance("s" * 40, secure=given), "false", "give True or False"),
    "prefix: none": (lambda given: RedisStore("redis://h", prefix=given), None, "give a text"),
    "path: none": (SQLiteStore, None, "give the path of a file"),
}


@pytest.mark.parametrize(("build", "given", "says"), OF_ADD_ONS.values(), ids=OF_ADD_ONS.keys())
def test_a_setting_of_what_is_added(build: Callable[..., Any], given: Any, says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        build(given)


OF_STORES = {
    "size": ([0, -1, 1.5, "100", None, True], "give a number of entries", (MemoryStore, SQLiteStore)),
    "timeout": ([0, -1, 2.5, "1", None, True], "give seconds, 2 at most", (RedisStore, SQLiteStore)),
}


@pytest.mark.parametrize(
    ("name", "value", "store"),
    [(name, value, store) for name, (values, _, stores) in OF_STORES.items() for value in values for store in stores],
)
def test_a_size_and_a_timeout_of_a_store(name: str, value: Any, store: Callable[..., Any], tmp_path: Path) -> None:
    place = {SQLiteStore: [tmp_path / "spent.db"], RedisStore: ["redis://h"]}.get(store, [])  # type: ignore[call-overload]
    with pytest.raises(ConfigError, match=rf"Store\({name}=.*{OF_STORES[name][1]}"):
        store(*place, **{name: value})


def wsgi(environ: Any, start_response: Any) -> list[bytes]:
    raise AssertionError


class Wsgi:
    """As Flask, Bottle and Django's WSGIHandler are."""

    def __call__(self, environ: Any, start_response: Any) -> list[bytes]:
        raise AssertionError


def four(scope: Any, receive: Any, send: Any, more: Any) -> Any:
    raise AssertionError


def get_response(request: Any) -> Any:
    raise AssertionError


def make_app() -> Any:
    return app


NO_APP: list[tuple[Any, dict[str, Any], str]] = [
    *((given, PAIR, "as a WSGI application does; give an ASGI one") for given in (wsgi, Wsgi(), Wsgi().__call__)),
    # Django builds each of MIDDLEWARE with one function, and no other argument.
    (get_response, {}, "asgi.py, application = geetest_asgi.django.protect"),
    *((given, PAIR, "give an ASGI application, the object itself") for given in (None, "shop:app", Wsgi, 7)),
    (four, PAIR, "does not take (scope, receive, send)"),
    (make_app, PAIR, "call it here"),
]


@pytest.mark.parametrize(("given", "pair", "says"), NO_APP)
def test_what_is_no_asgi_application(given: Any, pair: dict[str, Any], says: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(says)):
        GeeTestMiddleware(given, **pair)


def wrapped(*arguments: Any, **more: Any) -> Any:
    raise AssertionError


class Sliced:
    async def __call__(self, scope: Any, receive: Any, send: Any, extra: int = 0) -> None:
        raise AssertionError


APPS: list[Any] = [app, wrapped, Sliced(), functools.partial(Sliced(), extra=1), functools.wraps(app)(wrapped), print]


@pytest.mark.parametrize("given", APPS)
def test_whatever_takes_the_three_arguments_is_an_application(given: Any) -> None:
    assert GeeTestMiddleware(given, **PAIR).app is given


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
