"""The pattern grammar: what is accepted and what it means; what is refused, so that no typing error leaves a hole."""

import re

import pytest

from geetest_asgi import ConfigError, Rule
from geetest_asgi._core.paths.patterns import EVERY, WEBSOCKET, Pattern, parse
from geetest_asgi._core.paths.rule_table import RuleTable, exempt_pattern


def matches(pattern: object, method: str, path: str, methods: object = None) -> bool:
    return RuleTable([(parse(pattern, methods), True)]).match(method, path, path.encode()) is True


ACCEPTED = [  # pattern, a path that it means, one that it does not
    ("/login", "/login", "/logins"),
    ("/login/", "/login/", "/login/x"),
    ("/", "/", "/x"),
    ("/", "", "/x"),
    ("POST, PUT /login", "/login", "/log"),
    ("/users/{id}", "/users/7", "/users/7/8"),
    ("/users/{id}-{name}", "/users/7-ann", "/users/7"),
    ("/{lang}/{rest:path}/save", "/en/a/b/save", "/en/a/b"),
    ("/files/*.zip", "/files/.zip", "/files/a/b.zip"),
    ("/files/a*c*e", "/files/abcde", "/files/abcd"),
    ("/users/{id}*", "/users/7", "/users"),
    ("/files/*ab*ab", "/files/xabab", "/files/xab"),
    ("/api/**", "/api", "/apis"),
    ("/api/**", "/api/a/b/c", "/x/api/a"),
    ("/**", "", None),
    ("/a/**/z", "/a/b/c/z", "/a/b/c/y"),
    ("/**/z", "/z", "/z/y"),
    ("/100%", "/100%", "/100"),
    (re.compile("/users/[0-9]+"), "/users/7", "/users/x"),
]


@pytest.mark.parametrize(("pattern", "meant", "not_meant"), ACCEPTED, ids=lambda value: str(value))
def test_an_accepted_pattern_means_what_it_says(pattern: object, meant: str, not_meant: str | None) -> None:
    assert matches(pattern, "POST", meant)
    assert not_meant is None or not matches(pattern, "POST", not_meant)


METHODS = [  # pattern, methods=, those meant, those not meant
    # An HTTP method is any token, WEBSOCKET too: it is none of a websocket's.
    ("/x", None, "POST PUT DELETE PROPFIND CONNECT FOO post foo WEBSOCKET", "GET HEAD OPTIONS TRACE get head"),
    ("POST /x", None, "POST post PoSt", "PUT GET HEAD DELETE FOO"),
    ("GET /x", None, "GET HEAD get head", "POST OPTIONS TRACE"),
    ("ACL,MERGE,MKCALENDAR,QUERY,REBIND,UNLOCK /x", None, "ACL MERGE MKCALENDAR QUERY REBIND UNLOCK", "POST"),
    ("* /x", None, "GET HEAD OPTIONS TRACE POST FOO get WEBSOCKET websocket", ""),
    ("WEBSOCKET /x", None, "", "WEBSOCKET GET POST"),
    ("/x", "post, put", "POST PUT", "GET"),
    ("/x", ("POST", "PUT"), "POST PUT", "GET"),
]


@pytest.mark.parametrize(("pattern", "methods", "meant", "not_meant"), METHODS, ids=lambda value: str(value))
def test_methods_of_a_pattern(pattern: str, methods: object, meant: str, not_meant: str) -> None:
    assert {each: matches(pattern, each, "/x", methods) for each in meant.split()} == dict.fromkeys(meant.split(), True)
    assert not any(matches(pattern, each, "/x", methods) for each in not_meant.split())
    assert matches(pattern, WEBSOCKET, "/x", methods) is pattern.startswith("WEBSOCKET"), "meant only by its name"


def test_an_exemption_without_methods_speaks_of_every_method() -> None:
    rules = [(parse("* /x"), True), (parse("WEBSOCKET /x"), True)]
    table = RuleTable(rules, [exempt_pattern("/x")])
    for method in ("GET", "POST", "OPTIONS", "FOO", WEBSOCKET):
        assert table.match(method, "/x") is None
    some = RuleTable(rules, [exempt_pattern("GET /x")])
    assert some.match("GET", "/x") is None
    assert some.match("HEAD", "/x") is None
    assert some.match("POST", "/x") is True
    assert some.match(WEBSOCKET, "/x") is True


REFUSED = {
    "nothing": "",
    "no slash": "login",
    "method alone": "POST",
    "one unknown method of two": "POST,PSOT /login",
    "tab after the method": "POST\t/login",
    "two slashes": "/a//b",
    "query": "/login?x=1",
    "percent escape": "/%6Cogin",
    "anchored regex": "^/login$",
    "regex escape": "/users/\\d",
    "one sign of a regex, ^": "/a^b",
    "Rails and Express": "/users/:id",
    "Flask and Django": "/users/<id>",
    "** and more in a segment": "/api**",
    "path placeholder and more": "/x{rest:path}",
    "open brace": "/users/{id",
    "closed brace": "/users/id}",
    "brace over a slash": "/{a/b}",
    "several patterns": "POST /login, /register",
    "dot segment": "/a/./b",
    "dot-dot segment": "/a/../b",
}


@pytest.mark.parametrize("pattern", REFUSED.values(), ids=REFUSED.keys())
def test_a_doubtful_pattern_is_refused_and_quoted(pattern: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse(pattern)
    assert repr(pattern) in str(caught.value)
    with pytest.raises(ConfigError):
        exempt_pattern(pattern)


NO_PATTERN = [None, b"/login", ["/login"], Rule("/login")]
NO_REGEX = [*map(re.compile, ["^login/$", "^$", ""]), re.compile(b"/login")]  # match no path; matches bytes


@pytest.mark.parametrize("pattern", [*NO_PATTERN, *NO_REGEX])
def test_what_is_no_pattern_at_all_is_refused_and_quoted(pattern: object) -> None:
    with pytest.raises(ConfigError) as caught:
        parse(pattern)
    assert repr(pattern.pattern if isinstance(pattern, re.Pattern) else pattern) in str(caught.value)


@pytest.mark.parametrize("methods", ["", ",", "PSOT", "* ,POST", b"POST", 5, [], [None], ["POST", "*"], ["POST /x"]])
@pytest.mark.parametrize("pattern", ["/login", re.compile("/login")])
def test_doubtful_methods_are_refused_and_the_pattern_quoted(pattern: object, methods: object) -> None:
    with pytest.raises(ConfigError, match="'/login'"):
        parse(pattern, methods)


def test_the_unknown_methods_are_named() -> None:
    with pytest.raises(ConfigError, match=r"\(PSOT, PTU\)"):
        parse("PTU,POST,PSOT /login")
    with pytest.raises(ConfigError, match="none given"):
        parse("/login", [])


def test_methods_in_two_places_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"'POST /login'.*not in both"):
        parse("POST /login", ["POST"])


@pytest.mark.parametrize("blank", [" ", "\t", "\n", "\r\n"], ids=repr)
@pytest.mark.parametrize("written", ["/login{}", "{}/login", "POST /login{}", "/api/**{}"])
def test_blanks_around_a_pattern_leave_no_path_open(written: str, blank: str) -> None:
    """A pattern out of a file or the environment comes with them. Refused or read as meant: either is right."""
    pattern = written.format(blank)
    try:
        parse(pattern)
    except ConfigError:
        return
    assert any(matches(pattern, "POST", path) for path in ("/login", "/api/x")), "it is accepted and protects nothing"


@pytest.mark.parametrize(
    ("pattern", "shown"),
    [
        (parse("/login"), "unsafe"),
        (parse("* /login"), "*"),
        (parse("/login", default=EVERY), "all"),
        (parse("WEBSOCKET,GET,POST /login"), "GET,HEAD,POST,WEBSOCKET"),
    ],
)
def test_methods_are_shown_as_they_are_written(pattern: Pattern, shown: str) -> None:
    assert str(pattern.methods) == shown
