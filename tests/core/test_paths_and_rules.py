"""Which requests are protected: every spelling that some framework serves as the protected handler, and exemptions only
where no spelling escapes. The rows of the tables are those of a survey of five servers and seven frameworks.
"""

import re
import sys
import time
from collections.abc import Callable, Sequence
from functools import partial
from types import FrameType
from typing import Any
from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from geetest_asgi._core.paths import forms as paths
from geetest_asgi._core.paths.path_set import PathSet
from geetest_asgi._core.paths.patterns import WEBSOCKET, parse
from geetest_asgi._core.paths.rule_table import EVERYTHING, UNCLEAR, RuleTable, as_rule, exempt_pattern, rule_pattern


def table(protect: object, exempt: object = (), roots: Sequence[str] = ()) -> RuleTable[int]:
    """A table whose rules lead to their place in the list; what must be refused leads to UNCLEAR."""
    rules = [(rule_pattern(as_rule(each)), number) for number, each in enumerate(several(protect))]
    return RuleTable(rules, [exempt_pattern(each) for each in several(exempt)], roots, UNCLEAR)


def several(given: object) -> list[object]:
    return list(given) if isinstance(given, list | tuple) else [given]


def is_protected(
    target: str,
    protect: object = "/login",
    *,
    exempt: object = (),
    root_path: str = "",
    roots: Sequence[str] = (),
    method: str = "POST",
    raw: bool = True,
) -> bool:
    """`target` as it stands in the request line; a server decodes it once and normalises nothing."""
    raw_path = target.encode() if raw else b""
    return table(protect, exempt, roots).match(method, unquote(target), raw_path, root_path) is not None


# What the servers put in the scope, and what the frameworks then serve as the handler of /login.
SPELLINGS = {
    "as it is": "/login",
    "two slashes in front (Quart, Falcon, Litestar)": "//login",
    "slash behind (Litestar, BlackSheep)": "/login/",
    "no slash in front (Litestar, Quart, Falcon)": "login",
    "dot-dot segment": "/a/../login",
    "backslashes, on Windows (StaticFiles)": "/x\\..\\login",
    "dots with parameters": "/a/..;x=1/login",
    "newline (Starlette, FastAPI)": "/login%0A",
    "NUL": "/login%00",
    "line separator within": "/log%E2%80%A8in",
    "no-break space": "/login%C2%A0",
    "invalid UTF-8, which servers replace": "/login%ff",
    "absolute form (Quart)": "http://h/login",
    "a scheme and nothing else (Quart)": "http:login",
    "a scheme in pieces (Quart)": "ht%0Atp://h/login",
    "encoded question (Microdot)": "/login%3Fx",
    "fragment (Sanic)": "/login#x",
    "absolute form, encoded question (Quart)": "http://h/login%3Fx",
    "everything at once": "/%0a//x;y/%2e%2e;z/./LO%47IN%00;a=b//",
}


@pytest.mark.parametrize("target", SPELLINGS.values(), ids=SPELLINGS.keys())
@pytest.mark.parametrize("raw", [True, False], ids=["with raw_path", "without"])
def test_every_spelling_of_login_is_protected(target: str, raw: bool) -> None:
    for pattern in ("/login", re.compile("/login")):
        assert is_protected(target, pattern, raw=raw)


DECODED = {"/login", "login"}  # after the server's decoding; frameworks that serve the second serve it as the first


@pytest.mark.parametrize("target", [each for each in SPELLINGS.values() if unquote(each) not in DECODED])
def test_only_the_plain_spelling_is_exempt(target: str) -> None:
    """Some framework serves another handler under each of these, or none; for `/**` none of them may slip by."""
    for exempt in ("/login", ["/health", "/login/public", "/x", "/a"]):
        assert is_protected(target, "/**", exempt=exempt)
    assert not is_protected("/login", "/**", exempt="/login")


ROOTS = {
    # name: target, scope's root_path, configured roots
    "uvicorn puts the root path in front": ("/api/login", "/api", ()),
    "hypercorn, granian, daphne do not": ("/login", "/api", ()),
    "a root path that ends in a slash": ("/api/login", "/api/", ()),
    "without a boundary (Quart, Litestar)": ("/apilogin", "/api", ()),
    "without any slash (Litestar)": ("apilogin", "", ("/api",)),
    "the server's and FastAPI's": ("/outer/api/login", "/outer", ("/api",)),
}


@pytest.mark.parametrize(("target", "root_path", "roots"), ROOTS.values(), ids=ROOTS.keys())
def test_a_root_path_leaves_no_hole(target: str, root_path: str, roots: Sequence[str]) -> None:
    assert is_protected(target, "/login", root_path=root_path, roots=roots)


@pytest.mark.parametrize("target", ["/login", "/api/login", "//login", "/apilogin", "/zzz/api/login"])
def test_a_pattern_may_be_written_with_the_root_path(target: str) -> None:
    """FastAPI(root_path="/api") serves POST /login as well as POST /api/login, whichever of them the user writes."""
    assert is_protected(target, "/api/login", root_path="/api")
    assert is_protected("/login", "/api/login", roots=["/v1", "/api"], root_path="/outer")


def test_a_root_path_within_a_longer_path() -> None:
    assert is_protected("/zzz/api/a/api/login", "/a/api/login", root_path="/api"), "Litestar cuts where it first stands"
    assert is_protected("/api/users/a%2Fb/reset", "/users/{name}/reset", root_path="/api")
    assert is_protected("/users/a%2Fb/reset", "/api/users/{name}/reset", root_path="/api")
    assert is_protected("/login", "/X/login", root_path="/X/")


PROTECTED = {
    # name: target, pattern
    "an empty segment (Falcon)": ("/users//reset", "/users/{name}/reset"),
    "an empty segment and a slash at the end (Falcon)": ("/users//reset/", "/users/{name}/reset"),
    "an empty segment and two slashes in front (Falcon)": ("//users//reset", "/users/{name}/reset"),
    "dots for a value": ("/users/../reset", "/users/{name}/reset"),
    "an encoded slash in a value (BlackSheep)": ("/users/a%2Fb/reset", "/users/{name}/reset"),
    "a number and a newline (Starlette)": ("/n/5%0A", "/n/{x:int}"),
    "a newline under the star": ("/files/a%0Ab.zip", "/files/*.zip"),
    "** alone, OPTIONS *": ("*", "/**"),
    "the root in absolute form": ("http://h", "/"),
    "the root under a star, two slashes (Quart, Falcon, Litestar)": ("//", "/*"),
    "a pattern in upper case": ("/login", "/LOGIN"),
    "a regex whose class leaves out one case": ("/ABC", re.compile("/[^a-z]+")),
    "a regex whose dot stops at the newline": ("/a%0Ab", re.compile("/(?!.*b)a\nb")),
    "a long s (folds to s)": ("/%C5%BFave", "/save"),
    "a space in the pattern, newline behind (Starlette)": ("/my%20file%0A", "/my file"),
}


@pytest.mark.parametrize(("target", "pattern"), PROTECTED.values(), ids=PROTECTED)
def test_what_a_pattern_may_mean_in_some_framework_is_protected(target: str, pattern: object) -> None:
    assert is_protected(target, pattern)


def test_two_globs_in_the_same_place_are_told_apart() -> None:
    rules = table(["/files/a*.zip", "/files/b*.zip", "/files/b*.tar"])
    names = ("ax.zip", "bx.zip", "bx.tar", "ax.tar")
    assert [rules.match("POST", f"/files/{name}") for name in names] == [0, 1, 2, None]


@pytest.mark.parametrize("target", ["/logins", "/log/in", "/login/x", "/", "/x/login", "/login.html"])
def test_other_paths_are_left_alone(target: str) -> None:
    assert not is_protected(target)
    assert not is_protected(target, re.compile("/login"))


@pytest.mark.parametrize("method", ["GET", "OPTIONS", "FOO", WEBSOCKET])
def test_a_guard_without_patterns_means_every_request(method: str) -> None:
    assert RuleTable([(rule_pattern(EVERYTHING), True)]).match(method, "") is True


# Several rules, exemptions


def test_the_first_match_wins_whatever_kind_it_is() -> None:
    rules = table(["POST /a", "/a", re.compile("/[ab]"), "/**", "* /a"])
    assert rules.match("POST", "/a") == 0
    assert rules.match("PUT", "/a") == 1
    assert rules.match("PUT", "/b") == 2
    assert rules.match("PUT", "/c") == 3
    assert rules.match("GET", "/a") == 4
    assert rules.match("GET", "/b") is None
    assert table(["/**", "/a"]).match("POST", "/a") == 0


TWO_READINGS = {
    # name: the lax rule, the strict rule, a target that the strict rule's handler is served under
    "dot segments": ("/files/public/**", "/files/**", "/files/public/%2e%2e/secret.zip"),
    "letter case": ("/users/demo/reset", "/users/**", "/users/DEMO/reset"),
    "parameters": ("/a", "/{any}", "/a;x"),
    "an encoded slash (BlackSheep)": ("/users/{name}/reset", "/users/**", "/users/a%2Fb/reset"),
    "absolute form": ("/http:/**", "/login", "http://h/login"),
    "an empty placeholder (Falcon)": ("/users/reset", "/users/{name}/reset", "/users//reset"),
}


@pytest.mark.parametrize(("lax", "strict", "target"), TWO_READINGS.values(), ids=TWO_READINGS.keys())
def test_a_path_whose_spellings_fall_under_two_rules_is_refused(lax: object, strict: object, target: str) -> None:
    line = ("POST", unquote(target), target.encode())
    assert table([lax, strict]).match(*line) == UNCLEAR
    assert table([strict]).match(*line) == 0, "the strict rule alone would decide"
    assert table([lax]).match(*line) == 0, "and so would the lax one"


SEVERAL: list[tuple[list[object], object, str, int | str | None]] = [
    # the rules; what is exempt; a path; the place of the rule that decides
    # of several rules for one spelling the first decides, and a slash at a pattern's end is no difference
    (["/login", "/login/"], (), "/login/", 0),
    (["/users/Demo", "/users/**"], (), "/users/Demo", 0),  # as it is written, and in any case
    (["/users/demo/x", "/users/{name}/x"], (), "/Users/DEMO/x", UNCLEAR),  # cases count in a placeholder alone, perhaps
    (["/users/**", "/users/demo"], (), "//users/x/../DEMO;y", 0),  # the second is never reached
    (["PUT /users/demo", "POST /users/**"], (), "/users/DEMO", 1),
    # under a rule and none the rule counts, and under a rule and an exemption
    (["/b/**", "/a"], (), "//c/../a", 1),
    (["/files/public/**", "/files/**"], "/files/public/**", "/files/public/a", None),
    (["/files/public/**", "/files/**"], "/files/public/**", "/files/public/../secret", 1),
    (["/files/public/**", "/files/**"], "/files/public/**", "/files/PUBLIC/a", UNCLEAR),
    (["/login", "/other"], "/login", "/login\n", 0),
    (["/login", "/{any}"], "/login", "//login", 0),  # nobody is under the second rule
]


@pytest.mark.parametrize(("rules", "exempt", "path", "decides"), SEVERAL)
def test_which_of_several_rules_decides(rules: list[object], exempt: object, path: str, decides: object) -> None:
    assert table(rules, exempt).match("POST", path) == decides


def test_a_path_that_is_not_under_the_root_path_may_be_read_within_a_mount() -> None:
    """Starlette gives the whole path to the routes within the mount: see `in_mounts`."""
    pattern = "/api/{version}/login"
    assert is_protected("/api/login", pattern, root_path="/x")
    assert is_protected("/api/login", pattern, root_path="/ap"), "a part of a segment is no root path"
    assert is_protected("/api/login", pattern, roots=["/x"])
    assert is_protected("/a/b/c/login", "/a/b/c/{x}/{y}/{z}/login", root_path="/x")
    assert not is_protected("/a/b/c/d/login", "/a/b/c/d/{w}/{x}/{y}/{z}/login", root_path="/x"), "which bounds the work"
    assert not is_protected("/x/login", "/x/login/{version}/login", root_path="/x")
    assert not is_protected("/api/login", pattern)
    assert is_protected("/api/login%0A", pattern)


def test_a_root_path_is_a_spelling_too() -> None:
    """Whether the app takes it off the path nobody knows: see `RuleTable`."""
    rules = table(["/newsletter/**", "/transfer"])
    assert rules.match("POST", "/transfer", root_path="/newsletter") == UNCLEAR
    assert rules.match("POST", "/transfer", root_path="/x") == 1
    assert table(["/x/**", "/**"], exempt="/x/hook").match("POST", "//x/hook", root_path="/") == 1, "no prefix"
    for path, root in (("/xA/transfer", "/x%41"), ("/xa/x//transfer", "/x/"), ("/x%41/transfer", "/x%41")):
        assert rules.match("POST", path, root_path=root) == 1, "cut as it is written, or decoded"
    assert table(["/login", "/api/**"], roots=["/api"]).match("POST", "/api/login") == UNCLEAR
    assert table(["/api/*/orders", "/orders"]).match("POST", "/orders", root_path="/api/") == 1, "no segment is empty"


def test_a_slash_at_the_end_of_a_path_or_of_a_pattern_does_not_count() -> None:
    found = PathSet([parse(each) for each in ("/x/a", "/x/a/", "/x/a/b", "/x/*/", "/")], fold=False)
    assert found.find(("x", "a")) == found.find(("x", "a", "")) == {0, 1, 3}
    assert found.find(("x", "a", "b")) == {2}
    assert found.find(()) == found.find(("",)) == {4}
    assert paths.root_spellings("/X/") == {"/X/", "/X"}


EXEMPT = ("/api/orders/webhook", "/api/public/**", "GET /api/readable", re.compile("/api/v[0-9]/ping"))


@pytest.mark.parametrize("target", ["/api/orders/%77ebhook", "/api/public", "/api/public/a/b", "/api/v1/ping"])
@pytest.mark.parametrize("method", ["POST", "GET", "FOO"])
def test_an_exempt_path_is_left_alone(target: str, method: str) -> None:
    assert not is_protected(target, "* /api/**", exempt=EXEMPT, method=method)


NOT_EXEMPT = """
    /api/orders /api/orders/webhook/ /api/orders//webhook /api/orders/WEBHOOK /api/orders/webhook%0A
    /api/orders/webhook;x /api/orders/webhook/../delete /api/orders%2Fwebhook http://h/api/orders/webhook
    /api/public/%2e%2e/orders /api/public/..;/orders /api/public/..%2Forders /api/v1/ping%0A /api/V1/ping /api/v1/ping/
""".split()


@pytest.mark.parametrize("target", NOT_EXEMPT)
def test_a_path_that_may_be_read_otherwise_is_not_exempt(target: str) -> None:
    assert is_protected(target, "* /api/**", exempt=EXEMPT)


EXEMPT_OR_NOT: list[tuple[str, object, dict[str, Any], bool]] = [
    # a target; what is exempt; root paths; whether it is protected all the same
    ("/a//b", ["/a/{x}/b", "/a/b"], {}, False),  # all forms, by different patterns
    ("/a//b", ["/a/{x}/b"], {}, True),
    ("/api/hook", ["/api/hook", "/hook"], {"root_path": "/api"}, False),  # with the root path and without
    ("/api/hook", "/hook", {"root_path": "/api"}, True),
    ("/api/hook", "/api/hook", {"roots": ["/api"]}, True),
    ("/PING", re.compile("/ping"), {}, True),  # a regex exempts only as it is written
    ("/pi%0Ang", re.compile("/pi.ng"), {}, True),
    ("/PING", re.compile("/ping", re.IGNORECASE), {}, False),
]


@pytest.mark.parametrize(("target", "exempt", "roots", "protected"), EXEMPT_OR_NOT)
def test_what_an_exemption_takes(target: str, exempt: object, roots: dict[str, Any], protected: bool) -> None:
    assert is_protected(target, "/**", exempt=exempt, **roots) is protected


# Bounded work


def work(call: Callable[[], object]) -> int:
    """How many byte codes the interpreter runs: the same on every machine and every day.

    The least of three runs: the garbage collector may run finalizers of other tests in between.
    """
    return min(byte_codes(call) for _ in range(3))


def byte_codes(call: Callable[[], object]) -> int:
    count = 0

    def trace(frame: FrameType, event: str, _: object) -> Any:
        nonlocal count
        frame.f_trace_opcodes = True
        count += event == "opcode"
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        call()
    finally:
        sys.settrace(before)
    return count


@pytest.mark.parametrize("target", ["/site/500/reset", "/site/none/reset", "//site/500;x/reset%0A", "/other"])
def test_matching_does_not_take_longer_with_more_patterns(target: str) -> None:
    kinds = ("/site/{}/reset", "/site/{}/{{id}}/x", "/deep/{}/**", "/**/{}/end")
    few, many = ([kind.format(number) for number in range(480, end) for kind in kinds] for end in (510, 1500))
    small, large = table(few), table(many)
    path, raw_path = unquote(target), target.encode()
    assert small.match("POST", path, raw_path) == large.match("POST", path, raw_path)
    of_few, of_many = (work(partial(each.match, "POST", path, raw_path)) for each in (small, large))
    assert of_many <= 1.1 * of_few


@pytest.mark.parametrize("unit", ["/a", "//", "/.", "/..", "/%0A", "/a;", "/a%2Fb", "/A", "x"])
def test_the_work_grows_linearly_with_the_path(unit: str) -> None:
    rules = table(["/a/**/z", "/**/m/**", "/{x}/{y}/z", "/a/*b*c*d"], roots=["/a"])
    costs = []
    for times in (12, 24, 48):
        target = "/" + unit * times
        costs.append(work(partial(rules.match, "POST", unquote(target), target.encode())))
    assert costs[2] <= 4.5 * costs[0], costs  # four times as long
    assert costs[2] - costs[1] <= 2.3 * (costs[1] - costs[0]), costs


def test_stars_in_a_segment_never_go_back() -> None:
    """Processor time, which is spent inside a regular expression: with backtracking it is seconds."""
    rules = table("/*a*a*a*a*b")
    start = time.thread_time()
    assert rules.match("POST", "/" + "a" * 300) is None
    assert time.thread_time() - start < 0.5
    assert rules.match("POST", "/" + "a" * 300 + "b") == 0


def test_a_path_that_is_too_long_to_look_at_is_refused_where_any_rule_speaks_of_its_method() -> None:
    rules = table(["GET /a", "PUT /b", "/c"], exempt="/**")
    longest = "/" + "x" * (paths.MAX_PATH - 1)
    assert rules.match("POST", longest) is None
    for method in ("POST", "PUT", "get"):
        assert rules.match(method, longest + "x") == UNCLEAR
    assert rules.match("OPTIONS", longest + "x") is None, "no rule speaks of this method"
    assert rules.match("POST", "/x", b"/" + b"%41" * paths.MAX_PATH) == UNCLEAR, "nor is a longer raw path looked at"
    assert rules.match("POST", "/x", b"/" * (3 * paths.MAX_PATH)) is None
    assert rules.match("POST", "/x", root_path="/" + "r" * paths.MAX_PATH) == UNCLEAR
    assert table("PUT /b").match("DELETE", longest + "x") is None


def test_a_path_of_too_many_segments_is_refused() -> None:
    rules = table(["/**/z", "/c"], exempt="/**")
    assert rules.match("POST", "/x" * paths.MAX_SEGMENTS) is None
    assert rules.match("POST", "/x" * (paths.MAX_SEGMENTS + 1)) == UNCLEAR
    assert rules.match("POST", "/x", root_path="/x" * (paths.MAX_SEGMENTS + 1)) == UNCLEAR


# Properties


@given(st.text("/aA.;%0 \n~", max_size=40))
def test_the_short_cut_for_plain_paths_loses_no_form(path: str) -> None:
    """A path is called plain only where it has one form; the short cut must not change a verdict."""
    if paths.is_plain(path, b""):
        assert paths.forms(path, path.encode(), ()) == {paths.split(path)}


def test_odd_text_that_a_server_takes_for_a_path_or_a_root_path_raises_nothing() -> None:
    assert ("login",) in paths.forms("http://[h/login", b"", []), "a URL that urllib.parse refuses"
    assert ("A",) in paths.forms("/A", b"/%41", ["/\ud800"]), "a root path that is no UTF-8"


def test_common_methods_without_a_rule_are_known() -> None:
    assert table("POST /login").unprotected_methods == {"GET", "HEAD", "OPTIONS", WEBSOCKET}
    assert table("GET /login").unprotected_methods == {"OPTIONS", WEBSOCKET}
