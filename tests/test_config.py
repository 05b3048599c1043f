"""Every mistake in a setting stops the app while it is built: a ConfigError that quotes the value and says what would
be right. None of them quotes the key, and none switches protection off.
"""

import functools
import math
import re
from collections.abc import Callable, Iterator
from dataclasses import fields, replace
from types import SimpleNamespace
from typing import Any

import httpx
import pytest
from refusals import ID, KEY, guard, refusal
from starlette.responses import PlainTextResponse

from geetest_asgi import ConfigError, GeeTestClient, GeeTestMiddleware, Limits, Rule
from geetest_asgi import _config as config
from geetest_asgi._core.fields.spelling import WITH_ID, spelling
from geetest_asgi._core.model import FIELD_NAMES
from geetest_asgi._core.policy import Policy
from geetest_asgi.stores import MemoryStore

pytestmark = pytest.mark.usefixtures("no_settings_in_the_environment")


async def asynchronous(*_: object) -> None: ...


def generator(scope: object) -> Iterator[str]:
    yield ""


NO_COUNTERS = SimpleNamespace(add=asynchronous, pop=asynchronous, delete=asynchronous)


WRONG: list[tuple[str, str, list[Any]]] = [
    ("protect", "protect={!r}", [[], 5, b"/login", {"/login": "POST"}, False]),
    ("protect", "at least one pattern", [(), iter(())]),
    ("protect", "a path begins with '/'", [re.compile("login"), re.compile("^users/[0-9]+$")]),
    ("protect", "name= … give a text", [[Rule("/login", name="")]]),
    ("protect", "belong together", [[Rule("/x", captcha_id="a")], [Rule("/x", captcha_key=KEY)]]),
    ("protect", "give a list, one pattern in each string", ["POST /login, /register", "/a /b", "/a,"]),
    ("protect", "write the methods first", ["/login POST", "POST /login PUT", "POST /a\nb"]),
    ("protect", "another router's grammar", ["/files/{*rest}", "/files/{rest...}", "/files/[...rest]"]),
    ("exempt", "Rule(", [[Rule("/health")]]),
    ("root_paths", "{!r} is no prefix", ["", "/", "api", "/api/"]),
    ("captcha_id", "captcha_id={!r}", [" ", "a b", 647, "ключ"]),
    ("captcha_key", "captcha_key=…", ["  ", f"{KEY} x", f"{KEY}\n", KEY.encode(), {"key": KEY}]),
    ("captcha_key", "captcha_key=…: has a comma in it", [f"{KEY},{KEY}"]),
    ("captcha_key", "captcha_key=…: is the captcha_id", [[KEY, ID]]),
    *((name, f"{name} is missing", [""]) for name in ("captcha_id", "captcha_key")),
    ("captcha_key", "give several keys as a list", ["old,new", "one,"]),
    ("captcha_key", "is the name of a variable", ["${KEY}", "$(key)", "$KEY"]),
    ("captcha_key", "has quotes around it", ['"k,ey"', "'key'", 'key"']),
    ("captcha_id", "the text from GeeTest's dashboard", ["<your-id>", "{{ id }}", "%ID%", "ID=value"]),
    ("api_server", "api_server={!r}: give", [[], "", "gcaptcha4.geetest.com", "ftp://h", "https:/h"]),
    ("api_server", "api_server=5: give a base URL", [["https://h", 5]]),
    (
        "api_server",
        "base URL",
        ["https://", "https://${HOST}", "https://*.geetest.com", "https://h:0", "https://https://h"],
    ),
    ("api_server", "{!r} … base URL", ["https://h?x=1", "https://h#x"]),
    ("api_server", "'/validate' is added", ["https://h/validate", "https://h/validate/", "https://h/load"]),
    ("api_server", "not a URL", ["https://h:abc", "https://[::1"]),
    ("api_server", "ends up in logs", ["https://a:b@h"]),
    ("api_server", "allow_http=True", ["HTTP://geetest.example", ["https://h", "http://localhost.example.com"]]),
    ("sources", "sources={!r}: list each of header, query, body, text once", [(), "Body", ["text", "path"]]),
    ("sources", "sources={!r}", [["body", "body"], None, [["body"]]]),
    ("fields", "or None for GeeTest's own names", ["snake_case", "None"]),
    ("fields", "names one field", ["lot_number", "lotNumber", "captcha.lot_number"]),
    ("fields", "a prefix 'geetest_'", ["lot_number,pass_token", "geetest_*", "captcha[lot_number]"]),
    ("fields", "write 'camelCase'", ["camelcase", "camel-case", "PascalCase"]),
    ("on_unavailable", "on_unavailable={!r}: write one of 'allow', 'deny'", ["maybe", True, None]),
    ("mode", "mode={!r}: write one of 'enforce', 'monitor', 'off'", ["on", False]),
    ("preflight", "preflight={!r}: write one of 'allow', 'deny'", ["maybe"]),
    ("forgive", "forgive={!r}: list statuses from 400 to 499", [200, 399, 500, [True], "422", [422, 302]]),
    ("timeout", "timeout={!r}: give a positive number of seconds, 60 at most", [0, -1.0, "3", True, None, 3000]),
    ("limits", "limits={!r}", [5, {"max_body": 5}]),
    *((name, f"{name}='no'", ["no"]) for name in ("allow_http", "trust_env", "log_clients")),
    ("skip", "give fn(scope)", ["admin", lambda: "always", lambda scope, result: None, generator]),
    ("accept", "give fn(result, scope)", [True, lambda result: True]),
    ("on_denied", "give fn(result, scope)", [403, lambda scope: None, PlainTextResponse("no")]),
    ("on_result", "give fn(result, scope)", ["shop.noted", lambda result: None]),
    ("on_outage", "give fn(outage)", [lambda: None]),
    ("on_outage", "give a plain function", [asynchronous]),
    ("credentials", "give fn(scope) or fn(scope, sent_id)", [lambda: None, ("an-id", "a-key")]),
    ("store", "store={!r} has no add", [{}]),
    ("store", "has no count: give an object with async add, pop, delete and", [NO_COUNTERS]),
    ("store", "is a class", [MemoryStore]),
    ("store", "store='memcached': give a store, or a URL such as", ["memcached://host"]),
    ("store", "store='…': give a store, or a URL such as", ["secret", ""]),  # which may be a password
    ("store", "store={!r}: give the file after three slashes", ["sqlite:///", "sqlite:///a.db?m=ro", "sqlite://a.db"]),
    ("store", "/nowhere/at/all.db", ["sqlite:////nowhere/at/all.db"]),
    ("client", "client={!r}: give an httpx.AsyncClient", [5, "httpx"]),
    ("client", "a function that makes one", [lambda loop: None, httpx.Client()]),
]
"""A setting, what is said of wrong values, and such values. {!r} is the value, and … stands for any text."""


def client(**settings: Any) -> GeeTestClient:
    return GeeTestClient(**{"captcha_id": ID, "captcha_key": KEY, **settings})


def rule(**settings: Any) -> GeeTestMiddleware:
    return guard(protect=["/x", Rule("/login", **settings)])


OF_A_CLIENT = {"api_server", "timeout", "on_unavailable", "limits", "client", "captcha_id", "captcha_key"}


def taken_by(setting: str, value: object) -> Iterator[Callable[..., object]]:
    """Whoever has this setting. For a rule, None is the guard's."""
    yield guard
    if setting in config.PER_RULE and value is not None:
        yield rule
    if setting in OF_A_CLIENT:
        yield client


@pytest.mark.parametrize(("setting", "said", "values"), WRONG)
def test_a_wrong_setting_of_guard_rule_or_client_stops_the_app(setting: str, said: str, values: list[Any]) -> None:
    for value in values:
        for build in taken_by(setting, value):
            error = str(refusal(functools.partial(build, **{setting: value})))
            for part in said.format(value).split(" … "):
                assert part in error, (build.__name__, value)


RIGHT: dict[str, list[Any]] = {
    "protect": [
        *("/at/{lat},{lon}", "/a,b", "/x,y/z", "PUT,POST /login", "PUT, POST /login"),
        *(" POST  /login ", "/my file/{id}", "/blog post/x", "/signpost"),
        *map(re.compile, ("^/login$", "(en)?/login", "a|/login", ".*login")),
    ],
    "skip": [lambda *_: None, lambda scope, more=1: None, functools.partial(print, 1), str],
    "captcha_key": ["a+/b~_-=="],
    "timeout": [0.5, 1, 60],
    "forgive": [[400, 499]],
}


@pytest.mark.parametrize("setting", RIGHT)
def test_what_only_looks_like_a_mistake_is_taken(setting: str) -> None:
    for value in RIGHT[setting]:
        guard(**{setting: value})


@pytest.mark.parametrize("root", ["/api ", "//api", "/a%70i", "/api?x", "/api,/v1", "/api/*", "/{tenant}"])
def test_a_root_path_that_no_path_begins_with_is_refused_or_read_as_meant(root: str) -> None:
    """The app would take its own prefix off, and the guard would not know of it."""
    try:
        table = guard(protect=["/login"], root_paths=[root]).table
    except ConfigError:
        return
    assert table.match("POST", "/api/login") or table.match("POST", "/api/v1/login"), f"{root!r} means nothing"


def policy(protect: object, path: str = "/x", **settings: Any) -> Policy:
    found = guard(protect=protect, **settings).table.match("POST", path)
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("protect", "name"),
    [
        *((["POST /x"], "POST /x"), ("/x", "/x"), (iter(["/x"]), "/x"), ([re.compile("/x+")], "/x+")),
        *((Rule("/x", name="mine"), "mine"), (None, "every request")),
    ],
)
def test_one_pattern_or_many_of_any_kind_and_none_for_every_request(protect: object, name: str) -> None:
    assert policy(protect).name == name


def test_a_rule_inherits_what_it_does_not_set() -> None:
    own = Rule("/x", captcha_id="own", captcha_key="own-key", sources=["header", "query"], timeout=1)
    plain, other = policy(["/x"]), policy([own])
    assert (plain.captcha_id, plain.keys, plain.sources, plain.timeout) == (ID, (KEY,), ("body",), 3.0)
    assert (other.captcha_id, other.keys, other.sources, other.timeout) == ("own", ("own-key",), ("header", "query"), 1)
    assert (plain.mode, plain.identity, other.mode) == ("enforce", "unsafe /x /x", "enforce")


def test_exemptions_root_paths_and_sources_may_be_one_string() -> None:
    built = guard(protect="/**", exempt="/health", root_paths="/api").table
    assert built.match("POST", "/health") is None
    assert built.match("POST", "/apihealth") is not None
    for each in ("header", "query", "body", "text"):
        assert policy([Rule("/x", sources=each)]).sources == (each,)  # type: ignore[arg-type]


def by_scope(_: object) -> None: ...


def by_sent_id(_: object, __: object) -> None: ...


@pytest.mark.parametrize(("function", "by_id"), [(None, False), (by_scope, False), (by_sent_id, True)])
def test_credentials_may_take_the_id_that_was_sent(function: Any, by_id: bool) -> None:
    made = policy([Rule("/x", credentials=function)])
    assert (made.credentials, made.credentials_by_id) == (function, by_id)
    assert made.spelling == spelling(None, WITH_ID if by_id else FIELD_NAMES)


def test_a_rule_with_a_pair_of_its_own_has_no_credentials_of_the_guard() -> None:
    own = Rule("/x", captcha_id="own", captcha_key="own-key")
    for rule, function in ((own, None), (Rule("/x"), by_scope), (replace(own, credentials=by_sent_id), by_sent_id)):
        assert policy(rule, credentials=by_scope).credentials is function


def test_a_proxy_that_cannot_be_used_is_a_mistake_under_trust_env(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "gopher://proxy.example")
    assert "gopher" in str(refusal(lambda: guard(trust_env=True)))
    guard(trust_env=False)


@pytest.mark.parametrize("given", [None, httpx.AsyncClient, httpx.AsyncClient(), httpx.AsyncHTTPTransport()])
def test_a_client_a_transport_or_what_makes_one_is_taken_as_it_is(given: object) -> None:
    assert config.client(given) is given


EACH = [each.name for each in fields(Limits)]


@pytest.mark.parametrize("name", EACH)
@pytest.mark.parametrize("value", [-0.5, True, "5", None, math.nan, math.inf])
def test_a_limit_that_is_no_positive_number_is_refused_and_quoted(name: str, value: Any) -> None:
    error = refusal(lambda: Limits(**{name: value}))
    assert f"{name}={value!r}" in str(error)


MAY_BE_NONE = {"unverified_per_second", "unverified_per_client", "breaker_failures"}
SECONDS = {"body_timeout", "drain_seconds", "breaker_pause", "breaker_longest_pause"}


@pytest.mark.parametrize("name", EACH)
def test_a_limit_is_none_only_where_that_means_something_and_a_fraction_only_of_a_time(name: str) -> None:
    assert getattr(Limits(**{name: 1}), name) == 1
    for value, taken in ((0, MAY_BE_NONE), (2.5, SECONDS)):
        if name in taken:
            assert getattr(Limits(**{name: value}), name) == value  # type: ignore[arg-type]
        else:
            assert f"{name}={value}" in str(refusal(lambda given=value: Limits(**{name: given})))  # type: ignore[misc]


def test_the_longest_pause_is_no_shorter_than_the_first() -> None:
    assert Limits(breaker_pause=2, breaker_longest_pause=2).breaker_longest_pause == 2
    assert "breaker_longest_pause=10.0" in str(refusal(lambda: Limits(breaker_pause=11)))


def test_the_key_is_in_no_representation_and_in_no_error() -> None:
    rule = Rule("/login", captcha_id=ID, captcha_key=KEY)
    seen = [rule, policy([rule], "/login"), guard(protect=[rule]), guard(protect=[rule]).table, GeeTestClient(ID, KEY)]
    assert KEY not in "".join(f"{each!r}{each}" for each in seen)
    assert ID in repr(rule), "the id is public"
    wrong = {"exempt": [rule], "protect": {"/login": rule}, "root_paths": [rule], "store": rule, "limits": rule}
    for setting, value in wrong.items():
        refusal(functools.partial(guard, **{setting: value}))
