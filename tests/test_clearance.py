"""A signed pass: who gets one, what it is good for, and what it is not."""

import re
import time
from http.cookies import SimpleCookie
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pages import Page
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send
from visits import Visitor

from geetest_asgi import ConfigError, GeeTestMiddleware, Rule, client_address, geetest_result
from geetest_asgi.clearance import Clearance
from geetest_asgi.testing import GeeTest

ID = "a" * 32
SECRET, OTHER = "a-secret-that-nobody-can-guess", "another-one-that-nobody-can-guess"
PAGE = Page("docs/clearance.md")
HEADER = "x-geetest-clearance"

pytestmark = pytest.mark.anyio


async def comments(scope: Scope, receive: Receive, send: Send) -> None:
    await Request(scope, receive).body()
    result = geetest_result(scope)
    told = {"outcome": result.outcome, "reason": result.reason}
    await JSONResponse(told, headers={"set-cookie": "own=1"})(scope, receive, send)


def guard(*, app: ASGIApp = comments, name: str = "comments", **settings: Any) -> GeeTestMiddleware:
    rules = [Rule("POST /comments", name=name), "POST /login"]
    return GeeTestMiddleware(app, protect=rules, captcha_id=ID, captcha_key="b" * 32, **settings)


class Commenter(Visitor):
    async def comments(self, fields: dict[str, str] | None = None, path: str = "/comments", **more: Any) -> str:
        return await self.says(path, fields, **more)

    @property
    def passes(self) -> dict[str, str]:
        """The cookies that are not the app's own."""
        return {name: value for name, value in self.cookies.items() if name != "own"}


async def cookie_of(app: ASGIApp, geetest: GeeTest) -> tuple[str, str]:
    async with Commenter(app) as visitor:
        await visitor.comments(geetest.token())
        ((name, value),) = visitor.passes.items()
    return name, value


async def carried(app: ASGIApp, *cookie: str, address: str = "192.0.2.1", **headers: str) -> str:
    """What is said of a comment without a token, but with this cookie, of a browser that has no other."""
    async with Commenter(app, address) as visitor:
        return await visitor.comments(headers={"cookie": "=".join(cookie), **headers})


@pytest.mark.parametrize("secure", [True, False], ids=["https", "plain http, on a test machine"])
async def test_the_cookie_is_one_that_scripts_and_other_sites_cannot_use(secure: bool, geetest: GeeTest) -> None:
    async with Commenter(guard(clearance=Clearance(SECRET, seconds=120, secure=secure))) as visitor:
        answer = await visitor.post("/comments", data=geetest.token())
    (header,) = [each for each in answer.headers.get_list("set-cookie") if not each.startswith("own")]
    ((name, cookie),) = SimpleCookie(header).items()
    assert name.startswith("geetest_clearance_")
    told = {"max-age": "120", "path": "/", "httponly": True, "samesite": "Lax"}
    assert {key: value for key, value in cookie.items() if value} == (told | {"secure": True} if secure else told)


def test_it_ends() -> None:
    clearance = Clearance(SECRET, seconds=1)
    scope = {"headers": [clearance.grant({}, "realm")[1]]}
    assert clearance.admits(scope, "realm")
    time.sleep(2.1)  # itsdangerous counts whole seconds
    assert not clearance.admits(scope, "realm")


def test_it_is_found_among_those_of_many_other_rules() -> None:
    clearance = Clearance(SECRET)
    cookies = [clearance.grant({}, f"rule {number}")[0][1].partition(b";")[0] for number in range(9)]
    scope = {"headers": [(b"cookie", b"; ".join(cookies))]}
    assert [clearance.admits(scope, f"rule {number}") for number in (0, 8, 9)] == [True, True, False]


async def test_a_changed_one_is_none(geetest: GeeTest) -> None:
    app = guard(clearance=Clearance(SECRET))
    name, value = await cookie_of(app, geetest)
    async with Commenter(app) as visitor:
        changed = [value[:at] + ("x" if value[at] != "x" else "y") + value[at + 1 :] for at in range(len(value) - 1)]
        for odd in (*changed, "", "1..", "\xff", "1" * 9000, value + value):
            cookie = f"{name}={odd}".encode("latin-1")
            assert await visitor.comments(headers={"cookie": cookie}) == "captcha_missing", odd[:100]
        both = f"{name}=stale; {name}={value}"
        assert await visitor.comments(headers={"cookie": both}) == "clearance"


async def test_another_secret_takes_none_and_a_list_takes_all(geetest: GeeTest) -> None:
    cookie = await cookie_of(guard(clearance=Clearance(SECRET)), geetest)
    for secrets, code in ((OTHER, "captcha_missing"), ([OTHER, SECRET], "clearance"), ([SECRET, OTHER], "clearance")):
        assert await carried(guard(clearance=Clearance(secrets)), *cookie) == code
    cookie = await cookie_of(guard(clearance=Clearance([OTHER, SECRET])), geetest)
    assert await carried(guard(clearance=Clearance(OTHER)), *cookie) == "clearance", "the first one signs"


@pytest.mark.parametrize("how", ["failed", "down", "skipped", "accept said no"])
async def test_nobody_gets_one_whom_geetest_has_not_verified(how: str, geetest: GeeTest) -> None:
    skip = (lambda scope: "friend") if how == "skipped" else None
    accept = (lambda result, scope: False) if how == "accept said no" else None
    if how == "down":
        geetest.down()
    async with Commenter(guard(clearance=Clearance(SECRET), skip=skip, accept=accept)) as visitor:
        await visitor.comments(geetest.token(expired=how == "failed"))
        assert visitor.passes == {}


async def test_a_form_with_a_mistake_brings_one_too(geetest: GeeTest) -> None:
    async with Commenter(guard(app=JSONResponse({}, 422), clearance=Clearance(SECRET))) as visitor:
        answer = await visitor.post("/comments", data=geetest.token())
    assert (answer.status_code, HEADER in answer.headers) == (422, True)


async def test_one_of_your_own_will_do(geetest: GeeTest) -> None:
    class Always:
        def admits(self, scope: Scope, realm: str) -> bool:
            return realm == f"{ID} POST comments"

        def grant(self, scope: Scope, realm: str) -> list[tuple[bytes, bytes]]:
            return [(b"set-cookie", b"passed=1")]

    async with Commenter(guard(clearance=Always())) as visitor:
        assert await visitor.comments() == "clearance"
        await visitor.comments(geetest.token(), path="/login")
        assert visitor.cookies["passed"] == "1"


async def test_a_tenants_pass_is_good_with_that_tenant_only(geetest: GeeTest) -> None:
    def pair(scope: Scope) -> tuple[str, str]:
        host = dict(scope["headers"])[b"host"].decode()
        return f"id-of-{host}", "key"

    app = GeeTestMiddleware(comments, protect=Rule("POST /comments", clearance=Clearance(SECRET), credentials=pair))
    name, value = await cookie_of(app, geetest)
    for sent in ((name, value), ()):
        header = {} if sent else {HEADER: value}
        assert await carried(app, *sent, **header) == "clearance"
        assert await carried(app, *sent, **header, host="other") == "captcha_missing"


OTHERS = {
    "DELETE": Rule("/comments", methods="DELETE", name="c"),
    "another id": Rule("POST /comments", name="c", captcha_id="dear", captcha_key="k"),
    "another name": Rule("POST /comments", name="d"),
    "no name": Rule("POST /comments"),
}


@pytest.mark.parametrize("name", OTHERS)
async def test_another_rules_pass_is_none(name: str, geetest: GeeTest) -> None:
    def one(rule: Rule) -> GeeTestMiddleware:
        return GeeTestMiddleware(comments, protect=rule, captcha_id=ID, captcha_key="k", clearance=Clearance(SECRET))

    app = one(Rule("/comments", methods="POST", name="c"))
    _, value = await cookie_of(app, geetest)
    assert await carried(app, **{HEADER: value}) == "clearance"
    async with Commenter(one(OTHERS[name])) as visitor:
        method = "DELETE" if name == "DELETE" else "POST"
        assert (await visitor.request(method, "/comments", headers={HEADER: value})).status_code == 403


@pytest.mark.parametrize("protect", [None, "POST /**"])
def test_a_guard_of_every_request_must_name_its_rule(protect: str | None) -> None:
    with pytest.raises(ConfigError, match=re.escape("protect=Rule('/**', methods='*', name='comments')")):
        GeeTestMiddleware(comments, protect=protect, captcha_id="a", captcha_key="b", clearance=Clearance(SECRET))


BINDS: dict[str, Any] = {
    "None": client_address,
    "raises": lambda scope: scope["client"][0],
    "no text": lambda scope: b"a session",
}


@pytest.mark.parametrize("bind", BINDS.values(), ids=BINDS)
async def test_without_anything_to_bind_to_nobody_gets_a_pass(bind: Any, geetest: GeeTest) -> None:
    """A server behind a Unix socket names no client."""
    app = guard(clearance=Clearance(SECRET, bind=bind))

    async def without_a_client(scope: Scope, receive: Receive, send: Send) -> None:
        await app({**scope, "client": None}, receive, send)

    name, value = await cookie_of(guard(clearance=Clearance(SECRET)), geetest)
    async with Commenter(without_a_client) as visitor:
        answer = await visitor.post("/comments", data=geetest.token())
        assert answer.json()["outcome"] == "passed"
        assert HEADER not in answer.headers
        for headers in ({"cookie": f"{name}={value}"}, {HEADER: value}, {HEADER: "a.b.c"}):
            assert await visitor.comments(headers=headers) == "captcha_missing"


async def test_an_app_without_cookies_has_the_pass_as_a_header(geetest: GeeTest) -> None:
    app = guard(clearance=Clearance(SECRET))
    async with Commenter(app) as first:
        answer = await first.post("/comments", data=geetest.token())
    value = answer.headers[HEADER]
    async with Commenter(app) as visitor:
        answer = await visitor.post("/comments", headers={HEADER: value})
        assert answer.json()["reason"] == "clearance"
        assert HEADER not in answer.headers, "use does not prolong it"
        assert await visitor.comments(headers={HEADER: f"of-another-rule, {value}"}) == "clearance"
        assert await visitor.comments(headers={HEADER: value + "x"}) == "captcha_missing"
        assert await visitor.comments(path="/login", headers={HEADER: value}) == "captcha_missing"


@pytest.mark.parametrize("place", ["cookie", HEADER])
async def test_of_many_or_long_passes_a_few_are_looked_at(place: str, geetest: GeeTest) -> None:
    app = guard(clearance=Clearance(SECRET))
    name, value = await cookie_of(app, geetest)
    before = f"{name}=" if place == "cookie" else ""
    async with Commenter(app) as visitor:
        for made_up, said in ((3, "clearance"), (4, "captcha_missing")):
            passes = [(place, f"{before}{each}") for each in ["1.made.up"] * made_up + [value]]
            assert await visitor.comments(headers=passes) == said
        for filler, said in (("x" * 8000, "clearance"), ("x" * 8192, "captcha_missing")):
            long = f"other={filler}; {before}{value}" if before else f"{filler}, {value}"
            assert await visitor.comments(headers={place: long}) == said


@example(made_up=b"1.gAAAAAAAAAA.signature")  # of the second 2**63: itsdangerous 2.1.1 raised OverflowError
@given(made_up=st.binary(max_size=60))
def test_no_made_up_pass_raises(made_up: bytes) -> None:
    clearance = Clearance(SECRET)
    header, value = clearance.grant({}, "realm")[1]
    for each in (made_up, value[:20] + made_up, made_up.join(value.split(b"."))):
        assert clearance.admits({"headers": [(header, each)]}, "realm") is (each == value)


async def bound_later(scope: Scope) -> str:
    raise AssertionError


WRONG: list[tuple[dict[str, Any], str]] = [
    *(({"secret": secret}, "secret") for secret in ("short", [], [SECRET, ""], SECRET.encode())),
    *(({"seconds": seconds}, f"seconds={seconds}") for seconds in (0, 1.5, True, 10**9)),
    *(({"cookie": cookie}, f"cookie={cookie!r}") for cookie in ("", "a;b")),
    *(({"bind": bind}, "give fn(scope)") for bind in ("client", lambda: "ada")),
    ({"bind": bound_later}, "give a plain function"),
    ({"secure": "false"}, "give True or False"),
]


@pytest.mark.parametrize(("arguments", "said"), WRONG)
def test_what_cannot_be_meant_stops_the_app(arguments: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(said)) as refused:
        Clearance(**{"secret": SECRET, **arguments})
    assert SECRET not in str(refused.value) + repr(Clearance(SECRET)) + repr(Rule("/x", clearance=Clearance(SECRET)))
    with pytest.raises(ConfigError, match="clearance=True"):
        guard(clearance=True)


async def test_the_page_works_as_it_is_written(geetest: GeeTest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLEARANCE_SECRET", SECRET)
    given = PAGE.run("import Clearance", app=comments)
    async with Commenter(given["app"]) as visitor:
        assert await visitor.comments(geetest.token()) == "passed"
        assert await visitor.comments() == "clearance"
        assert await visitor.comments(path="/login") == "captcha_missing"
    bound = PAGE.run("bind=", **given)["clearance"]
    app = GeeTestMiddleware(comments, protect=Rule("POST /comments", clearance=bound))
    cookie = await cookie_of(app, geetest)
    for address, said in (("192.0.2.1", "clearance"), ("192.0.2.2", "captcha_missing")):
        assert await carried(app, *cookie, address=address) == said
