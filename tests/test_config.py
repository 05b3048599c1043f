"""Every mistake in a setting stops the app while it is built: a ConfigError that quotes the value and says what would
be right. None of them quotes the key, and none switches protection off.
"""

import math
import os
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import fields, replace
from typing import Any

import pytest
from refusals import ID, KEY, guard, refusal

from geetest_asgi import AfterFailures, ConfigError, GeeTestClient, GeeTestMiddleware, Limits, Rule
from geetest_asgi import _config as config
from geetest_asgi._core.fields.spelling import WITH_ID, spelling
from geetest_asgi._core.model import FIELD_NAMES
from geetest_asgi._core.paths.rule_table import RuleTable
from geetest_asgi._core.policy import Policy
from geetest_asgi.stores import MemoryStore
from geetest_asgi.stores.setting import as_store


@pytest.fixture(autouse=True)
def _no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the developer's own shell sets must not decide a test."""
    for name in [name for name in os.environ if name.startswith("GEETEST_")]:
        monkeypatch.delenv(name)


# Every wrong value, and a part of what must be said about it


async def asynchronous() -> None: ...


class NoCounters:
    """Three verbs of four."""

    async def add(self, key: str, value: str, seconds: float) -> bool:
        return True

    async def pop(self, key: str) -> str | None: ...

    async def delete(self, key: str) -> None: ...


WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "protect: no pattern": ({"protect": []}, "protect=[]"),
    "protect: an empty tuple": ({"protect": ()}, "at least one pattern"),
    "protect: an empty iterator": ({"protect": iter(())}, "at least one pattern"),
    "protect: no list": ({"protect": 5}, "protect=5"),
    "protect: bytes": ({"protect": b"/login"}, "protect=b'/login'"),
    "protect: a mapping": ({"protect": {"/login": "POST"}}, "protect={'/login': 'POST'}"),
    "protect: false": ({"protect": False}, "protect=False"),
    "protect: an empty string": ({"protect": ""}, "must begin with '/'"),
    "protect: no slash": ({"protect": ["login"]}, "'login'"),
    "protect: an unknown method": ({"protect": ["PSOT /login"]}, "PSOT"),
    "protect: a regex in a string": ({"protect": ["^/login$"]}, "'^/login$'"),
    "protect: nothing in the list": ({"protect": [None]}, "None"),
    "protect: a rule in a rule": ({"protect": [Rule(Rule("/login"))]}, "Rule("),  # type: ignore[arg-type]
    "rule: no name": ({"protect": [Rule("/login", name="")]}, "give a text"),
    "rule: a number for a name": ({"protect": [Rule("/login", name=5)]}, "give a text"),  # type: ignore[arg-type]
    "protect: the second of two": ({"protect": ["/login", "register"]}, "'register'"),
    "protect: a regex of bytes": ({"protect": [re.compile(b"/login")]}, "b'/login'"),
    "rule: methods twice": ({"protect": [Rule("POST /login", methods="PUT")]}, "not in both"),
    "rule: methods empty": ({"protect": [Rule("/login", methods=[])]}, "'/login'"),
    "protect: a set, without an order": ({"protect": {"/login", "/pay"}}, "give a list of strings"),
    "exempt: no list": ({"exempt": 5}, "exempt=5"),
    "exempt: nothing": ({"exempt": None}, "exempt=None"),
    "exempt: no slash": ({"exempt": ["health"]}, "'health'"),
    "exempt: a rule": ({"exempt": [Rule("/health")]}, "Rule("),
    "root_paths: no list": ({"root_paths": 5}, "root_paths=5"),
    "root_paths: nothing": ({"root_paths": None}, "root_paths=None"),
    "root_paths: no slash": ({"root_paths": ["api"]}, "'api'"),
    "root_paths: a slash at the end": ({"root_paths": ["/api/"]}, "'/api/'"),
    "root_paths: a slash": ({"root_paths": "/"}, "'/'"),
    "root_paths: empty": ({"root_paths": [""]}, "''"),
    "root_paths: a number": ({"root_paths": [5]}, "5"),
    "captcha_id: blank": ({"captcha_id": " "}, "captcha_id=' '"),
    "captcha_id: with a space": ({"captcha_id": "a b"}, "captcha_id='a b'"),
    "captcha_id: with a newline": ({"captcha_id": "ab\n"}, r"captcha_id='ab\n'"),
    "captcha_id: empty": ({"captcha_id": ""}, "captcha_id is missing"),
    "captcha_id: a number": ({"captcha_id": 647}, "captcha_id=647"),
    "captcha_id: bytes": ({"captcha_id": b"abc"}, "captcha_id=b'abc'"),
    "captcha_id: no ASCII": ({"captcha_id": "ключ"}, "captcha_id='ключ'"),
    "captcha_key: blank": ({"captcha_key": "  "}, "captcha_key=…"),
    "captcha_key: with a space": ({"captcha_key": KEY + " x"}, "captcha_key=…"),
    "captcha_key: with a newline": ({"captcha_key": KEY + "\n"}, "captcha_key=…"),
    "captcha_key: empty": ({"captcha_key": ""}, "captcha_key is missing"),
    "captcha_key: two in one text": ({"captcha_key": f"{KEY},{KEY}"}, "has a comma in it"),
    "captcha_key: bytes": ({"captcha_key": KEY.encode()}, "captcha_key=…"),
    "captcha_key: a mapping": ({"captcha_key": {"key": KEY}}, "captcha_key=…"),
    "rule: an id without a key": ({"protect": [Rule("/x", captcha_id="a")]}, "belong together"),
    "rule: a key without an id": ({"protect": [Rule("/x", captcha_key=KEY)]}, "belong together"),
    "rule: an empty id": ({"protect": [Rule("/x", captcha_id="", captcha_key=KEY)]}, "captcha_id is missing"),
    "rule: an empty key": ({"protect": [Rule("/x", captcha_id="a", captcha_key="")]}, "captcha_key is missing"),
    "rule: a blank key": ({"protect": [Rule("/x", captcha_id="a", captcha_key=f" {KEY}")]}, "captcha_key=…"),
    "api_server: none": ({"api_server": []}, "api_server=[]"),
    "api_server: empty": ({"api_server": ""}, "api_server=''"),
    "api_server: a number": ({"api_server": 5}, "api_server=5"),
    "api_server: a list of numbers": ({"api_server": [5]}, "api_server=5"),
    "api_server: no scheme": ({"api_server": "gcaptcha4.geetest.com"}, "'gcaptcha4.geetest.com'"),
    "api_server: another scheme": ({"api_server": "ftp://h"}, "'ftp://h'"),
    "api_server: no host": ({"api_server": "https://"}, "'https://'"),
    "api_server: no host but a port": ({"api_server": "https://:443"}, "'https://:443'"),
    "api_server: no host but a path": ({"api_server": "https:///validate"}, "'https:///validate'"),
    "api_server: one slash": ({"api_server": "https:/h"}, "'https:/h'"),
    "api_server: a query": ({"api_server": "https://h?x=1"}, "'https://h?x=1'"),
    "api_server: an empty query": ({"api_server": "https://h?"}, "'https://h?'"),
    "api_server: a fragment": ({"api_server": "https://h#x"}, "'https://h#x'"),
    "api_server: an empty fragment": ({"api_server": "https://h#"}, "'https://h#'"),
    "api_server: a user": ({"api_server": "https://a:b@h"}, "ends up in logs"),
    "api_server: the whole URL": ({"api_server": "https://h/validate"}, "'/validate' is added"),
    "api_server: the whole URL and a slash": ({"api_server": "https://h/validate/"}, "'/validate' is added"),
    "api_server: several in one": ({"api_server": "https://a,https://b"}, "several are a list"),
    "api_server: several hosts": ({"api_server": "https://a.example,b.example"}, "several are a list"),
    "api_server: several, with semicolons": ({"api_server": "https://a;https://b"}, "several are a list"),
    "api_server: a URL in a URL": ({"api_server": "https://https://h"}, "base URL"),
    "api_server: a template": ({"api_server": "https://${GEETEST_HOST}"}, "base URL"),
    "api_server: a placeholder": ({"api_server": "https://<host>"}, "base URL"),
    "api_server: any host": ({"api_server": "https://*.geetest.com"}, "base URL"),
    "api_server: two dots": ({"api_server": "https://gcaptcha4..geetest.com"}, "base URL"),
    "api_server: a label too long": ({"api_server": f"https://{'a' * 64}.com"}, "base URL"),
    "api_server: port 0": ({"api_server": "https://h:0"}, "base URL"),
    "api_server: a port that is none": ({"api_server": "https://h:abc"}, "not a URL"),
    "api_server: a port out of range": ({"api_server": "https://h:99999"}, "not a URL"),
    "api_server: a bracket": ({"api_server": "https://[::1"}, "not a URL"),
    "api_server: a space inside": ({"api_server": "https://a b"}, "'https://a b'"),
    "api_server: a newline inside": ({"api_server": "https://a\nb"}, "base URL"),
    "api_server: no ASCII": ({"api_server": "https://höst"}, "'https://höst'"),
    **{f"{name}: a text": ({name: "no"}, f"{name}='no'") for name in ("allow_http", "trust_env", "log_clients")},
    "on_lockout: two parameters": ({"on_lockout": lambda one, two: None}, "on_lockout=<function"),
    "api_server: plain http": ({"api_server": "http://gcaptcha4.geetest.com"}, "allow_http=True"),
    "api_server: plain http, upper case": ({"api_server": "HTTP://gcaptcha4.geetest.com"}, "allow_http=True"),
    "api_server: plain http, the second": ({"api_server": ["https://h", "http://h"]}, "'http://h'"),
    "api_server: http, nearly localhost": ({"api_server": "http://localhost.example.com"}, "allow_http=True"),
    "api_server: http, all interfaces": ({"api_server": "http://0.0.0.0:80"}, "allow_http=True"),
    "api_server: http, a private address": ({"api_server": "http://192.168.0.1"}, "allow_http=True"),
    "api_server: http, 127 in a name": ({"api_server": "http://127.0.0.1.example.com"}, "allow_http=True"),
    "sources: none": ({"sources": ()}, "sources=()"),
    "sources: unknown": ({"sources": ["cookie"]}, "sources=['cookie']"),
    "sources: one unknown": ({"sources": ["body", "path"]}, "header, query, body"),
    "sources: twice": ({"sources": ["body", "body"]}, "once"),
    "sources: another case": ({"sources": "Body"}, "sources='Body'"),
    "sources: one unknown, beside text": ({"sources": ["text", "path"]}, "header, query, body, text"),
    "sources: nothing": ({"sources": None}, "sources=None"),
    "sources: a list in the list": ({"sources": [["body"]]}, "sources=[['body']]"),
    "sources: a number": ({"sources": 5}, "sources=5"),
    "fields: a list": ({"fields": ["captcha"]}, "fields=['captcha']"),
    "fields: empty": ({"fields": ""}, "fields=''"),
    "fields: an unknown name": ({"fields": {"lot": "x"}}, "fields={'lot': 'x'}"),
    "fields: one name for two": ({"fields": {"lot_number": "gen_time"}}, "same name"),
    "on_unavailable: unknown": ({"on_unavailable": "maybe"}, "on_unavailable='maybe': write one of 'allow', 'deny'"),
    "on_unavailable: true": ({"on_unavailable": True}, "on_unavailable=True"),
    "on_unavailable: nothing": ({"on_unavailable": None}, "on_unavailable=None"),
    "mode: unknown": ({"mode": "on"}, "mode='on': write one of 'enforce', 'monitor', 'off'"),
    "mode: false": ({"mode": False}, "mode=False"),
    "preflight: unknown": ({"preflight": "maybe"}, "preflight='maybe': write one of 'allow', 'deny'"),
    **{
        f"forgive: {given!r}": ({"forgive": given}, f"forgive={given!r}: list statuses from 400 to 499")
        for given in (200, 399, 500, [True], "422", b"422", [422, 302])
    },
    "timeout: zero": ({"timeout": 0}, "timeout=0"),
    "timeout: negative": ({"timeout": -1.0}, "timeout=-1.0"),
    "timeout: a string": ({"timeout": "3"}, "timeout='3'"),
    "timeout: true": ({"timeout": True}, "timeout=True"),
    "timeout: nothing": ({"timeout": None}, "timeout=None"),
    "timeout: milliseconds": ({"timeout": 3000}, "timeout=3000: give a positive number of seconds, 60 at most"),
    "timeout: endless": ({"timeout": math.inf}, "timeout=inf"),
    "timeout: not a number": ({"timeout": math.nan}, "timeout=nan"),
    "timeout: too long for a float": ({"timeout": 10**400}, "timeout=1000000"),
    "limits: a number": ({"limits": 5}, "limits=5"),
    "limits: a mapping": ({"limits": {"max_body": 5}}, "limits={'max_body': 5}"),
    "skip: no function": ({"skip": "admin"}, "skip='admin'"),
    "accept: no function": ({"accept": True}, "accept=True"),
    "on_denied: no function": ({"on_denied": 403}, "on_denied=403"),
    "on_result: no function": ({"on_result": "log"}, "on_result='log'"),
    "store: no store": ({"store": {}}, "store={}"),
    "store: without counters": (
        {"store": NoCounters()},
        "has no count: give an object with async add, pop, delete and",
    ),
    "store: a name": ({"store": "redis"}, "store='…'"),
    "store: a class": ({"store": MemoryStore}, "is a class"),
    "store: another kind of URL": ({"store": "postgres://ada:secret@h/db"}, "store='postgres'"),
    "store: no file in the URL": ({"store": "sqlite:///"}, "store='sqlite:///'"),
    "store: options in the URL": ({"store": "sqlite:///spent.db?mode=ro"}, "give the file after three slashes"),
    "store: two slashes": ({"store": "sqlite://spent.db"}, "store='sqlite://spent.db'"),
    "store: a file that cannot be": ({"store": "sqlite:////nowhere/at/all.db"}, "/nowhere/at/all.db"),
    "client: no client": ({"client": 5}, "client=5"),
    "client: a function of something": ({"client": lambda loop: None}, "a function that makes one"),
    "client: an asynchronous function": ({"client": asynchronous}, "a function that makes one"),
    "client: a name": ({"client": "httpx"}, "client='httpx'"),
}


def client(**settings: Any) -> GeeTestClient:
    return GeeTestClient(**{"captcha_id": ID, "captcha_key": KEY, **settings})


def rule(**settings: Any) -> GeeTestMiddleware:
    return guard(protect=["/x", Rule("/login", **settings)])


def overruled(**settings: Any) -> GeeTestMiddleware:
    right: dict[str, Any] = {**DEFAULTS, "fields": "camelCase", "skip": lambda _: None, "when": AfterFailures()}
    right |= {**dict.fromkeys(("accept", "on_denied", "on_result"), lambda *_: None), "credentials": lambda _: None}
    return guard(protect=Rule("/login", **right), **settings)


OF_A_CLIENT = {"api_server", "timeout", "on_unavailable", "limits", "client", "captcha_id", "captcha_key"}


def taken_by(settings: dict[str, Any]) -> Iterator[Callable[..., object]]:
    """Whoever has these settings. For a rule, None is the guard's."""
    yield guard
    if set(settings) <= {*config.PER_RULE} and None not in settings.values():
        yield rule
    if set(settings) <= {*config.PER_RULE}:
        yield overruled
    if set(settings) <= OF_A_CLIENT:
        yield client


CASES = {
    f"{build.__name__}: {name}": (build, settings, said)
    for name, (settings, said) in WRONG.items()
    for build in taken_by(settings)
}


@pytest.mark.parametrize(("build", "settings", "said"), CASES.values(), ids=CASES)
def test_a_wrong_setting_of_a_guard_a_rule_or_a_client_stops_the_app(
    build: Callable[..., object], settings: dict[str, Any], said: str
) -> None:
    assert said in str(refusal(lambda: build(**settings)))


@pytest.mark.parametrize(
    "root",
    ["/api ", " /api", "/api\n", "//api", "/api//v1", "/a%70i", "/api?x", "/api#x", "/api,/v1", "/api/*", "/{tenant}"],
)
def test_a_root_path_that_no_path_begins_with_is_refused_or_read_as_meant(root: str) -> None:
    """The app would take its own prefix off, and the guard would not know of it."""
    try:
        table = config.build_table(["/login"], (), [root], (ID, KEY), DEFAULTS)
    except ConfigError:
        return
    assert table.match("POST", "/api/login") or table.match("POST", "/api/v1/login"), f"{root!r} means nothing"


# What is right


DEFAULTS: Mapping[str, Any] = {
    **dict.fromkeys(config.PER_RULE),
    "sources": ("body",),
    "on_unavailable": "allow",
    "timeout": 3.0,
    "limits": Limits(),
    "mode": "enforce",
    "forgive": (),
}


def table(protect: object) -> RuleTable[Policy]:
    return config.build_table(protect, (), (), (ID, KEY), DEFAULTS)


def policy(protect: object, path: str = "/x") -> Policy:
    found = table(protect).match("POST", path)
    assert found is not None
    return found


PLAIN = Policy(
    name="/x",
    identity="unsafe /x /x",
    methods="unsafe",
    captcha_id=ID,
    keys=(KEY,),
    sources=("body",),
    spelling=spelling(None),
    on_unavailable="allow",
    timeout=3.0,
    limits=Limits(),
    mode="enforce",
    skip=None,
    accept=None,
    on_denied=None,
    on_result=None,
)


def test_a_rule_inherits_what_it_does_not_set() -> None:
    assert policy(["/x"]) == PLAIN


def test_a_rule_may_set_everything_of_its_own() -> None:
    def hook(*_: object) -> Any:
        return None

    own: dict[str, Any] = {"name": "mine", "captcha_id": "own", "on_unavailable": "deny", "timeout": 1.0}
    own |= {"limits": Limits(max_body=5), "mode": "monitor"}
    own |= {"skip": hook, "accept": hook, "on_denied": hook, "on_result": hook}
    rule = Rule("/x", captcha_key="own-key", sources=["header", "query"], fields="captcha", **own | {"timeout": 1})
    made: dict[str, Any] = {"identity": "unsafe /x mine", "keys": ("own-key",), "sources": ("header", "query")}
    assert policy([rule]) == replace(PLAIN, **own, **made, spelling=spelling("captcha"))
    assert isinstance(policy([rule]).timeout, float)


@pytest.mark.parametrize(
    "protect",
    ["/x", "POST /x", re.compile("/x"), Rule("/x"), ["/x"], ("/x",), iter(["/x"]), None],
    ids=lambda value: type(value).__name__,
)
def test_one_pattern_or_many_of_any_kind(protect: object) -> None:
    assert policy(protect).captcha_id == ID


def test_the_name_of_a_rule() -> None:
    assert policy(["POST /x"]).name == "POST /x"
    assert policy([re.compile("/x+")]).name == "/x+"
    assert policy([Rule("/x", name="mine")]).name == "mine"
    assert policy(None).name == "every request"


def test_no_patterns_mean_every_request() -> None:
    everything = table(None)
    assert all(everything.match(method, "/any") for method in ("GET", "HEAD", "OPTIONS", "POST", "FOO"))
    assert guard(protect=None) is not None


def test_exemptions_and_root_paths_may_be_one_string() -> None:
    built = config.build_table("/**", "/health", "/api", (ID, KEY), DEFAULTS)
    assert built.match("POST", "/health") is None
    assert built.match("POST", "/apihealth") is not None


def test_sources_may_be_one_string() -> None:
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
        defaults = {**DEFAULTS, "credentials": by_scope}
        assert config.build_policy(rule, (ID, KEY), defaults).credentials is function


@pytest.mark.parametrize(
    ("settings", "needed"), [({}, True), ({"credentials": by_scope}, False), ({"mode": "off"}, False)]
)
def test_a_rule_that_asks_nothing_or_has_credentials_needs_no_pair(settings: dict[str, Any], needed: bool) -> None:
    def build(*pair: str | None) -> Policy:
        return config.build_policy(Rule("/x", **settings), (pair[0], pair[1]), DEFAULTS)

    assert build(ID, KEY).captcha_id == ID
    assert "captcha_key is missing" in str(refusal(lambda: build(ID, None))), "half a pair is a mistake"
    if needed:
        assert "captcha_id is missing" in str(refusal(lambda: build(None, None)))
    else:
        assert build(None, None).captcha_id == ""


@pytest.mark.parametrize("seconds", [0.5, 1, 60])
def test_a_timeout_is_a_minute_at_most(seconds: float) -> None:
    assert policy([Rule("/x", timeout=seconds)]).timeout == seconds


def test_statuses_are_those_of_a_refusal() -> None:
    assert policy([Rule("/x", forgive=[400, 499])]).forgive == (400, 499)


def test_the_end_of_a_server_is_kept_but_for_its_slash() -> None:
    assert config.api_servers("https://h/X/", allow_http=False) == ("https://h/X",)


def test_a_proxy_of_the_environment_that_cannot_be_used_is_a_mistake_under_trust_env(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "gopher://proxy.example")
    assert "gopher" in str(refusal(lambda: guard(trust_env=True)))
    guard(trust_env=False)


def test_a_switch_is_returned() -> None:
    assert [config.switch("trust_env", each) for each in (True, False)] == [True, False]


def test_a_store_is_taken_as_it_is() -> None:
    store = MemoryStore()
    assert as_store(store) is store
    assert isinstance(as_store(None), MemoryStore)
    assert as_store(None) is not as_store(None)


class Client:
    async def stream(self) -> None: ...


class Transport:
    """It can be opened both ways."""

    async def handle_async_request(self, _: object) -> None: ...

    def __enter__(self) -> None: ...

    async def __aenter__(self) -> None: ...


@pytest.mark.parametrize("given", [None, Client(), Client, Transport(), Transport])
def test_a_client_a_transport_or_what_makes_one_is_taken_as_it_is(given: object) -> None:
    assert config.client(given) is given


# Limits


def test_the_defaults_of_the_limits() -> None:
    """A contract: deployments are sized by them."""
    assert Limits() == Limits(
        max_body=1024 * 1024,
        body_timeout=30.0,
        max_field=8192,
        max_buffered=64 * 1024 * 1024,
        max_in_flight=256,
        unverified_per_second=20,
    )
    assert config.limits(None) == Limits()


EACH = [each.name for each in fields(Limits)]


@pytest.mark.parametrize("name", EACH)
@pytest.mark.parametrize("value", [-1, -0.5, True, False, "5", None, math.nan, math.inf, -math.inf, [5], 1j])
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


def test_limits_are_frozen() -> None:
    with pytest.raises(AttributeError):
        Limits().max_body = 5  # type: ignore[misc]


# The key is nowhere to be read


def test_the_key_is_in_no_representation() -> None:
    rule = Rule("/login", captcha_id=ID, captcha_key=KEY)
    seen = [repr(rule), str(rule), repr(policy([rule], "/login")), repr(table([rule])), repr(guard()), repr(guard)]
    seen += [repr(GeeTestClient(ID, KEY)), repr([rule]), f"{rule}", f"{policy([rule], '/login')}"]
    assert KEY not in "".join(seen)
    assert ID in repr(rule), "the id is public"


def test_a_rule_that_is_quoted_does_not_tell_its_key() -> None:
    rule = Rule("/login", captcha_id=ID, captcha_key=KEY)
    refusal(lambda: guard(exempt=[rule]))
    refusal(lambda: guard(protect={"/login": rule}))
    refusal(lambda: guard(protect=[Rule(rule)]))  # type: ignore[arg-type]
    refusal(lambda: guard(root_paths=[rule]))
    refusal(lambda: guard(store=rule))
    refusal(lambda: guard(limits=rule))
