"""Every mistake in a setting stops the app while it is built: a ConfigError that quotes the value and says what would
be right. None of them quotes the key, and none switches protection off.
"""

import math
import re
import traceback
from collections.abc import Callable, Mapping
from dataclasses import fields
from typing import Any

import pytest

from geetest_asgi import ConfigError, GeeTestClient, GeeTestError, GeeTestMiddleware, Limits, Rule
from geetest_asgi import _config as config
from geetest_asgi._core.fields.spelling import spelling
from geetest_asgi._core.paths.rule_table import RuleTable
from geetest_asgi._core.policy import Policy
from geetest_asgi._core.protocol import API_SERVERS, SERVICES
from geetest_asgi.stores import MemoryStore
from geetest_asgi.stores.setting import as_store

ID, KEY = "an-id-of-ours", "the-key-nobody-may-read"
NAMES = ("GEETEST_CAPTCHA_ID", "GEETEST_CAPTCHA_KEY", "GEETEST_API_SERVER")


@pytest.fixture(autouse=True)
def _no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the developer's own shell sets must not decide a test."""
    for name in NAMES:
        monkeypatch.delenv(name, raising=False)


async def app(scope: Any, receive: Any, send: Any) -> None:
    raise AssertionError("nothing is asked for here")


def guard(**settings: Any) -> GeeTestMiddleware:
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


# Every wrong value, and a part of what must be said about it


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
    "protect: the second of two": ({"protect": ["/login", "register"]}, "'register'"),
    "protect: a regex of bytes": ({"protect": [re.compile(b"/login")]}, "b'/login'"),
    "rule: methods twice": ({"protect": [Rule("POST /login", methods="PUT")]}, "not in both"),
    "rule: methods empty": ({"protect": [Rule("/login", methods=[])]}, "'/login'"),
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
    "timeout: zero": ({"timeout": 0}, "timeout=0"),
    "timeout: negative": ({"timeout": -1.0}, "timeout=-1.0"),
    "timeout: a string": ({"timeout": "3"}, "timeout='3'"),
    "timeout: true": ({"timeout": True}, "timeout=True"),
    "timeout: nothing": ({"timeout": None}, "timeout=None"),
    "timeout: milliseconds": ({"timeout": 3000}, "timeout=3000: give a positive number of seconds, 60 at most"),
    "timeout: endless": ({"timeout": math.inf}, "timeout=inf"),
    "timeout: not a number": ({"timeout": math.nan}, "timeout=nan"),
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
    "store: a class": ({"store": MemoryStore}, "MemoryStore"),
    "store: another kind of URL": ({"store": "postgres://ada:secret@h/db"}, "store='postgres'"),
    "store: no file in the URL": ({"store": "sqlite:///"}, "store='sqlite:///'"),
    "store: two slashes": ({"store": "sqlite://spent.db"}, "store='sqlite://spent.db'"),
    "store: a file that cannot be": ({"store": "sqlite:////nowhere/at/all.db"}, "/nowhere/at/all.db"),
    "client: no client": ({"client": 5}, "client=5"),
    "client: a function of something": ({"client": lambda loop: None}, "a function that makes one"),
    "client: a name": ({"client": "httpx"}, "client='httpx'"),
}


@pytest.mark.parametrize(("settings", "said"), WRONG.values(), ids=WRONG.keys())
def test_a_wrong_setting_stops_the_app(settings: dict[str, Any], said: str) -> None:
    assert said in str(refusal(lambda: guard(**settings)))


OF_A_RULE = {
    name: (settings, said)
    for name, (settings, said) in WRONG.items()
    if set(settings) <= {*config.PER_RULE} and None not in settings.values()
}


@pytest.mark.parametrize(("settings", "said"), OF_A_RULE.values(), ids=OF_A_RULE.keys())
def test_a_wrong_setting_of_a_rule_stops_the_app(settings: dict[str, Any], said: str) -> None:
    assert said in str(refusal(lambda: guard(protect=["/x", Rule("/login", **settings)])))


OF_THE_CLIENT = {
    name: (settings, said)
    for name, (settings, said) in WRONG.items()
    if set(settings) <= {"api_server", "timeout", "on_unavailable", "limits", "client", "captcha_id", "captcha_key"}
}


@pytest.mark.parametrize(("settings", "said"), OF_THE_CLIENT.values(), ids=OF_THE_CLIENT.keys())
def test_a_wrong_setting_of_the_client_stops_the_app(settings: dict[str, Any], said: str) -> None:
    assert said in str(refusal(lambda: GeeTestClient(**{"captcha_id": ID, "captcha_key": KEY, **settings})))


def test_an_endless_number_of_seconds_is_no_crash() -> None:
    """Too long for a float: an OverflowError is a ValueError's cousin, not one."""
    refusal(lambda: guard(timeout=10**400))


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


# The id and the key


def test_without_id_and_key_no_app_is_built() -> None:
    error = refusal(lambda: GeeTestMiddleware(app))
    in_tests = "; in tests, set geetest_env = true in pytest's ini file"
    told = "captcha_id is missing: pass captcha_id=, or set GEETEST_CAPTCHA_ID in the environment"
    assert str(error) == told + in_tests
    error = refusal(lambda: GeeTestMiddleware(app, captcha_id=ID))
    told = "captcha_key is missing: pass captcha_key=, or set GEETEST_CAPTCHA_KEY in the environment"
    assert str(error) == told + in_tests
    refusal(lambda: GeeTestMiddleware(app, captcha_key=KEY))
    refusal(GeeTestClient)


def test_both_may_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GEETEST_CAPTCHA_ID", ID)
    monkeypatch.setenv("GEETEST_CAPTCHA_KEY", KEY)
    assert config.credentials(None, None) == (ID, (KEY,))
    assert config.credentials("other", None) == ("other", (KEY,))
    assert config.credentials(None, "other") == (ID, ("other",))
    GeeTestMiddleware(app)
    GeeTestClient()


@pytest.mark.parametrize("value", ["", " ", "\n", f"{KEY}\n", f" {KEY}", f"{KEY} {KEY}", "ключ"])
@pytest.mark.parametrize("name", ["GEETEST_CAPTCHA_ID", "GEETEST_CAPTCHA_KEY"])
def test_a_blank_in_the_environment_stops_the_app(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    monkeypatch.setenv("GEETEST_CAPTCHA_ID", ID)
    monkeypatch.setenv("GEETEST_CAPTCHA_KEY", KEY)
    monkeypatch.setenv(name, value)
    if name == "GEETEST_CAPTCHA_KEY":
        assert "captcha_key" in str(refusal(lambda: GeeTestMiddleware(app)))
    else:
        with pytest.raises(ConfigError, match="captcha_id"):
            GeeTestMiddleware(app)


@pytest.mark.parametrize("value", ["old,new", "one,", "<your-key>", "{{ key }}", "{key}", "%KEY%", "KEY=value"])
@pytest.mark.parametrize("name", ["captcha_id", "captcha_key"])
def test_what_cannot_be_an_id_or_a_key_stops_the_app(name: str, value: str) -> None:
    """GeeTest would refuse each signature made with it, and so each visitor."""
    given = {"captcha_id": ID, "captcha_key": KEY, name: value}
    said = "give several keys as a list" if "," in value else "the text from GeeTest's dashboard"
    assert said in str(refusal(lambda: GeeTestMiddleware(app, **given)))  # type: ignore[arg-type]


def test_a_key_may_end_as_base64_does() -> None:
    GeeTestMiddleware(app, captcha_id="shop:eu-1.a", captcha_key="a+/b~_-==")


@pytest.mark.parametrize("name", ["", 5])
def test_the_name_of_a_rule_is_a_text(name: Any) -> None:
    assert "give a text" in str(refusal(lambda: guard(protect=[Rule("/login", name=name)])))


@pytest.mark.parametrize("name", ["captcha_id", "captcha_key"])
def test_an_empty_setting_is_not_filled_from_the_environment(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """`captcha_key=os.environ["…"]` of an empty variable must be heard of."""
    monkeypatch.setenv("GEETEST_CAPTCHA_ID", ID)
    monkeypatch.setenv("GEETEST_CAPTCHA_KEY", KEY)
    refusal(lambda: GeeTestMiddleware(app, **{name: ""}))  # type: ignore[arg-type]


def test_a_rule_may_bring_the_only_pair() -> None:
    GeeTestMiddleware(app, protect=[Rule("/login", captcha_id=ID, captcha_key=KEY)])
    refusal(lambda: GeeTestMiddleware(app, protect=[Rule("/login", captcha_id=ID, captcha_key=KEY), "/other"]))


def test_only_where_nothing_is_asked_no_pair_is_needed() -> None:
    GeeTestMiddleware(app, mode="off")
    GeeTestMiddleware(app, protect=[Rule("/login", mode="off")])
    refusal(lambda: GeeTestMiddleware(app, mode="monitor"))
    refusal(lambda: GeeTestMiddleware(app, protect=["/login", Rule("/other", mode="off")]))
    refusal(lambda: GeeTestMiddleware(app, protect=[Rule("/login", mode="enforce")], mode="off"))
    refusal(lambda: GeeTestMiddleware(app, protect=[Rule("/login", captcha_id=ID)], mode="off"))


# The servers


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (None, API_SERVERS),
        ("https://h", ("https://h",)),
        ("https://h/", ("https://h",)),
        (" https://h ", ("https://h",)),
        ("https://h:8443/base/", ("https://h:8443/base",)),
        (["https://a", "https://b"], ("https://a", "https://b")),
        (("https://a",), ("https://a",)),
        ("HTTPS://h", ("HTTPS://h",)),
        ("https://[2001:db8::1]:8443", ("https://[2001:db8::1]:8443",)),
        ("http://localhost:8080", ("http://localhost:8080",)),
        ("http://LOCALHOST", ("http://LOCALHOST",)),
        ("http://127.0.0.1", ("http://127.0.0.1",)),
        ("http://127.8.8.8:1", ("http://127.8.8.8:1",)),
        ("http://[::1]:80", ("http://[::1]:80",)),
        ("geetest", API_SERVERS),
        (" geelab-eu ", ("https://cap-eu.geelabapi.com",)),
        (["https://proxy.example", "geetest"], ("https://proxy.example", *API_SERVERS)),
    ],
)
def test_servers_that_are_taken(given: Any, expected: tuple[str, ...]) -> None:
    assert config.api_servers(given, allow_http=False) == expected


@pytest.mark.parametrize("name", SERVICES)
def test_each_named_service_is_taken_as_if_its_urls_were_written(name: str) -> None:
    assert config.api_servers(name, allow_http=False) == config.api_servers(SERVICES[name], allow_http=False)
    assert all(url.startswith("https://") for url in SERVICES[name])


@pytest.mark.parametrize("name", ["global", "GEETEST", "geelab", "geelab_eu", "geetest/"])
def test_an_unknown_name_is_answered_with_the_known_ones(name: str) -> None:
    text = str(refusal(lambda: config.api_servers(name, allow_http=False)))
    assert all(repr(each) in text for each in (name, *SERVICES))


def test_plain_http_elsewhere_needs_a_word() -> None:
    refusal(lambda: config.api_servers("http://h", allow_http=False))
    assert config.api_servers("http://h", allow_http=True) == ("http://h",)
    guard(api_server="http://h", allow_http=True)
    GeeTestClient(ID, KEY, api_server="http://h", allow_http=True)
    refusal(lambda: config.api_servers("ftp://h", allow_http=True))


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("", API_SERVERS),
        ("  ", API_SERVERS),
        ("https://h", ("https://h",)),
        ("https://a, https://b/", ("https://a", "https://b")),
        ("engagelab", ("https://captcha-api.engagelab.com",)),
        ("https://a, geetest", ("https://a", *API_SERVERS)),
    ],
)
def test_servers_from_the_environment(monkeypatch: pytest.MonkeyPatch, value: str, expected: tuple[str, ...]) -> None:
    monkeypatch.setenv("GEETEST_API_SERVER", value)
    assert config.api_servers(None, allow_http=False) == expected
    assert config.api_servers("https://own", allow_http=False) == ("https://own",)


@pytest.mark.parametrize(
    "value", ["http://h", "h", "https://a,", ",", "https://a,,https://b", "https://a https://b", "0"]
)
def test_wrong_servers_in_the_environment_stop_the_app(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv("GEETEST_API_SERVER", value)
    assert "api_server=" in str(refusal(guard))
    guard(api_server="https://own")


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


def test_a_rule_inherits_what_it_does_not_set() -> None:
    inherited = policy(["/x"])
    assert inherited == Policy(
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


def test_a_rule_may_set_everything_of_its_own() -> None:
    def hook(*_: object) -> Any:
        return None

    rule = Rule(
        "/x",
        name="mine",
        captcha_id="own",
        captcha_key="own-key",
        sources=["header", "query"],
        fields="captcha",
        on_unavailable="deny",
        timeout=1,
        limits=Limits(max_body=5),
        mode="monitor",
        skip=hook,
        accept=hook,
        on_denied=hook,
        on_result=hook,
    )
    own = policy([rule])
    assert own == Policy(
        name="mine",
        identity="unsafe /x mine",
        methods="unsafe",
        captcha_id="own",
        keys=("own-key",),
        sources=("header", "query"),
        spelling=spelling("captcha"),
        on_unavailable="deny",
        timeout=1.0,
        limits=Limits(max_body=5),
        mode="monitor",
        skip=hook,
        accept=hook,
        on_denied=hook,
        on_result=hook,
    )
    assert isinstance(own.timeout, float)


@pytest.mark.parametrize(
    "protect",
    ["/x", "POST /x", re.compile("/x"), Rule("/x"), ["/x"], ("/x",), {"/x"}, iter(["/x"]), None],
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
    assert policy([Rule("/x", sources="header")]).sources == ("header",)  # type: ignore[arg-type]


def test_a_store_and_a_client_are_taken_as_they_are() -> None:
    class Client:
        async def stream(self) -> None: ...

    store, client = MemoryStore(), Client()
    assert as_store(store) is store
    assert isinstance(as_store(None), MemoryStore)
    assert as_store(None) is not as_store(None)
    assert config.client(client) is client
    assert config.client(Client) is Client
    assert config.client(None) is None


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


@pytest.mark.parametrize("name", EACH)
def test_a_limit_is_none_only_where_that_means_something(name: str) -> None:
    if name in ("unverified_per_second", "unverified_per_client", "breaker_failures"):
        assert getattr(Limits(**{name: 0}), name) == 0
    else:
        assert f"{name}=0" in str(refusal(lambda: Limits(**{name: 0})))


@pytest.mark.parametrize("name", EACH)
def test_only_a_time_may_be_a_fraction(name: str) -> None:
    if name in ("body_timeout", "drain_seconds", "breaker_pause", "breaker_longest_pause"):
        assert getattr(Limits(**{name: 2.5}), name) == 2.5  # type: ignore[arg-type]
    else:
        assert f"{name}=2.5" in str(refusal(lambda: Limits(**{name: 2.5})))  # type: ignore[arg-type]


def test_the_longest_pause_is_no_shorter_than_the_first() -> None:
    assert Limits(breaker_pause=2, breaker_longest_pause=2).breaker_longest_pause == 2
    assert "breaker_longest_pause=10.0" in str(refusal(lambda: Limits(breaker_pause=11)))


@pytest.mark.parametrize("name", EACH)
def test_a_limit_may_be_one(name: str) -> None:
    assert getattr(Limits(**{name: 1}), name) == 1


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
