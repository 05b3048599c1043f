"""A signed pass: who gets one, what it is good for, and what it is not."""

import base64
import re
import string
import time
from http.cookies import SimpleCookie
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from geetest_asgi import ConfigError, GeeTestMiddleware, Rule, client_address, geetest_result
from geetest_asgi.clearance import Clearance
from geetest_asgi.testing import GeeTest

ID = "a" * 32
SECRET, OTHER = "a-secret-that-nobody-can-guess", "another-one-that-nobody-can-guess"
PAGE = (Path(__file__).parent.parent / "docs" / "clearance.md").read_text()


async def comments(scope: Scope, receive: Receive, send: Send) -> None:
    request = Request(scope, receive)
    await request.body()
    result = geetest_result(scope)
    await JSONResponse({"outcome": result.outcome, "reason": result.reason}, headers={"set-cookie": "own=1"})(
        scope, receive, send
    )


def guard(*, app: ASGIApp = comments, name: str = "comments", **settings: Any) -> GeeTestMiddleware:
    rules = [Rule("POST /comments", name=name), "POST /login"]
    return GeeTestMiddleware(app, protect=rules, captcha_id=ID, captcha_key="b" * 32, **settings)


@pytest.fixture
def geetest() -> Any:
    with GeeTest() as stand_in:
        yield stand_in


class Visitor(httpx.AsyncClient):
    """A browser: it keeps cookies, and sends what it is told."""

    def __init__(self, app: ASGIApp, address: str = "192.0.2.1") -> None:
        super().__init__(transport=httpx.ASGITransport(app, client=(address, 1)), base_url="https://site")

    async def says(self, fields: dict[str, str] | None = None, path: str = "/comments", **more: Any) -> str:
        answer = (await self.post(path, data=fields, **more)).json()
        return str(answer.get("code") or answer.get("reason") or answer["outcome"])


async def cookie_of(app: ASGIApp, geetest: GeeTest) -> tuple[str, str]:
    async with Visitor(app) as visitor:
        await visitor.says(geetest.token())
        ((name, value),) = ((name, value) for name, value in visitor.cookies.items() if name != "own")
    return name, value


@pytest.mark.anyio
async def test_one_captcha_is_enough_for_a_while(geetest: GeeTest) -> None:
    async with Visitor(guard(clearance=Clearance(SECRET))) as visitor:
        assert await visitor.says() == "captcha_missing"
        assert await visitor.says(geetest.token()) == "passed"
        assert [await visitor.says() for _ in range(3)] == ["clearance"] * 3
        assert "own" in visitor.cookies, "the app's cookies are left alone"
    assert len(geetest.calls) == 1


@pytest.mark.anyio
async def test_the_cookie_is_one_that_scripts_and_other_sites_cannot_use(geetest: GeeTest) -> None:
    async with Visitor(guard(clearance=Clearance(SECRET, seconds=120))) as visitor:
        answer = await visitor.post("/comments", data=geetest.token())
    (header,) = [each for each in answer.headers.get_list("set-cookie") if not each.startswith("own")]
    ((name, cookie),) = SimpleCookie(header).items()
    assert name.startswith("geetest_clearance_")
    assert {key: value for key, value in cookie.items() if value} == {
        "max-age": "120",
        "path": "/",
        "httponly": True,
        "samesite": "Lax",
        "secure": True,
    }


@pytest.mark.anyio
async def test_on_a_test_machine_it_goes_over_plain_http(geetest: GeeTest) -> None:
    async with Visitor(guard(clearance=Clearance(SECRET, secure=False))) as visitor:
        answer = await visitor.post("/comments", data=geetest.token())
    assert "secure" not in answer.headers["set-cookie"].lower()


@pytest.mark.anyio
async def test_it_is_good_for_its_rule_only(geetest: GeeTest) -> None:
    async with Visitor(guard(clearance=Clearance(SECRET))) as visitor:
        assert await visitor.says(geetest.token()) == "passed"
        assert await visitor.says(path="/login") == "captcha_missing"
        ((name, value),) = ((name, value) for name, value in visitor.cookies.items() if name != "own")
        assert await visitor.says(geetest.token(), path="/login") == "passed"
        (other,) = (each for each in visitor.cookies if each not in (name, "own"))
    async with Visitor(guard(clearance=Clearance(SECRET))) as thief:
        assert await thief.says(path="/login", headers={"cookie": f"{other}={value}"}) == "captcha_missing"
        assert await thief.says(headers={"cookie": f"x=1;{name}={value}"}) == "clearance"


@pytest.mark.anyio
async def test_it_ends(geetest: GeeTest) -> None:
    app = guard(clearance=Clearance(SECRET, seconds=1))
    name, value = await cookie_of(app, geetest)
    time.sleep(2.1)  # itsdangerous counts whole seconds
    async with Visitor(app) as visitor:
        assert await visitor.says(headers={"cookie": f"{name}={value}"}) == "captcha_missing"


def _other(character: str) -> str:
    """Different in its highest bit, since of a last character some of the low ones mean nothing."""
    alphabet = string.ascii_uppercase + string.ascii_lowercase + string.digits + "-_"
    return alphabet[(alphabet.find(character) + 32) % 64]


@pytest.mark.anyio
async def test_a_changed_one_is_none(geetest: GeeTest) -> None:
    app = guard(clearance=Clearance(SECRET))
    name, value = await cookie_of(app, geetest)
    async with Visitor(app) as visitor:
        for at in range(len(value)):
            changed = value[:at] + _other(value[at]) + value[at + 1 :]
            assert await visitor.says(headers={"cookie": f"{name}={changed}"}) == "captcha_missing", changed
        for odd in ("", "1", ".", "1..", "\xff", "1" * 9000, value + value):
            cookie = f"{name}={odd}".encode("latin-1")
            assert await visitor.says(headers={"cookie": cookie}) == "captcha_missing", odd[:20]
        both = f"{name}=stale; {name}={value}"
        assert await visitor.says(headers={"cookie": both}) == "clearance"


@pytest.mark.anyio
async def test_another_secret_takes_none_and_a_list_takes_all(geetest: GeeTest) -> None:
    name, value = await cookie_of(guard(clearance=Clearance(SECRET)), geetest)
    for secrets, code in ((OTHER, "captcha_missing"), ([OTHER, SECRET], "clearance"), ([SECRET, OTHER], "clearance")):
        async with Visitor(guard(clearance=Clearance(secrets))) as visitor:
            assert await visitor.says(headers={"cookie": f"{name}={value}"}) == code
    name, value = await cookie_of(guard(clearance=Clearance([OTHER, SECRET])), geetest)
    async with Visitor(guard(clearance=Clearance(OTHER))) as visitor:
        assert await visitor.says(headers={"cookie": f"{name}={value}"}) == "clearance", "the first one signs"


@pytest.mark.anyio
async def test_bound_to_an_address_it_is_good_from_there_only(geetest: GeeTest) -> None:
    app = guard(clearance=Clearance(SECRET, bind=client_address))
    name, value = await cookie_of(app, geetest)
    for address, code in (("192.0.2.1", "clearance"), ("192.0.2.2", "captcha_missing")):
        async with Visitor(app, address) as visitor:
            assert await visitor.says(headers={"cookie": f"{name}={value}"}) == code


@pytest.mark.parametrize("how", ["failed", "down", "skipped", "accept said no"])
@pytest.mark.anyio
async def test_nobody_gets_one_whom_geetest_has_not_verified(how: str, geetest: GeeTest) -> None:
    hooks: dict[str, dict[str, Any]] = {
        "skipped": {"skip": lambda scope: "friend"},
        "accept said no": {"accept": lambda result, scope: False},
    }
    settings = hooks.get(how, {})
    if how == "down":
        geetest.down()
    async with Visitor(guard(clearance=Clearance(SECRET), **settings)) as visitor:
        await visitor.says(geetest.token(expired=how == "failed"))
        assert set(visitor.cookies) <= {"own"}


@pytest.mark.anyio
async def test_rules_have_it_or_not(geetest: GeeTest) -> None:
    rules = [Rule("POST /comments", clearance=Clearance(SECRET)), "POST /login"]
    app = GeeTestMiddleware(comments, protect=rules, captcha_id="a", captcha_key="b")
    async with Visitor(app) as visitor:
        await visitor.says(geetest.token(), path="/login")
        assert set(visitor.cookies) == {"own"}
        await visitor.says(geetest.token())
        assert len(visitor.cookies) == 2


@pytest.mark.anyio
async def test_one_of_your_own_will_do(geetest: GeeTest) -> None:
    class Always:
        def admits(self, scope: Scope, realm: str) -> bool:
            return realm == f"{ID} POST comments"

        def grant(self, scope: Scope, realm: str) -> list[tuple[bytes, bytes]]:
            return [(b"set-cookie", b"passed=1")]

    async with Visitor(guard(clearance=Always())) as visitor:
        assert await visitor.says() == "clearance"
        await visitor.says(geetest.token(), path="/login")
        assert visitor.cookies["passed"] == "1"


def _with_time(seconds: int) -> bytes:
    """A pass of any time, as far off as one can write."""
    time_then = seconds.to_bytes(11, "big").lstrip(b"\0")
    return b"1." + base64.urlsafe_b64encode(time_then).rstrip(b"=") + b".signature"


# What a pass is bound to.


async def carried(name: str, value: str, app: ASGIApp, method: str = "POST", **headers: str) -> int:
    """The status of a request without a token, but with this cookie."""
    async with Visitor(app) as visitor:
        answer = await visitor.request(method, "/comments", headers={"cookie": f"{name}={value}", **headers})
    return answer.status_code


@pytest.mark.anyio
async def test_a_tenants_pass_is_good_with_that_tenant_only(geetest: GeeTest) -> None:
    def pair(scope: Scope) -> tuple[str, str]:
        host = dict(scope["headers"])[b"host"].decode()
        return f"id-of-{host}", "key"

    app = GeeTestMiddleware(comments, protect=Rule("POST /comments", clearance=Clearance(SECRET), credentials=pair))
    name, value = await cookie_of(app, geetest)
    assert await carried(name, value, app) == 200
    assert await carried(name, value, app, host="other") == 403
    async with Visitor(app) as visitor:
        assert await visitor.says(headers={"x-geetest-clearance": value}) == "clearance"
        assert await visitor.says(headers={"x-geetest-clearance": value, "host": "other"}) == "captcha_missing"


@pytest.mark.parametrize(
    "other",
    [
        Rule("/comments", methods="DELETE", name="c"),
        Rule("/comments", methods="*", name="c"),
        Rule("/comments", name="c"),
        Rule("POST /comments", name="c", captcha_id="dear", captcha_key="k"),
        Rule("POST /comments", name="d"),
        Rule("POST /comments"),
    ],
    ids=["DELETE", "all methods", "unsafe methods", "another id", "another name", "no name"],
)
@pytest.mark.anyio
async def test_another_rules_pass_is_none(other: Rule, geetest: GeeTest) -> None:
    def one(rule: Rule) -> GeeTestMiddleware:
        return GeeTestMiddleware(comments, protect=rule, captcha_id=ID, captcha_key="k", clearance=Clearance(SECRET))

    app = one(Rule("/comments", methods="POST", name="c"))
    async with Visitor(app) as visitor:
        answer = await visitor.post("/comments", data=geetest.token())
    value = answer.headers["x-geetest-clearance"]
    async with Visitor(app) as visitor:
        assert await visitor.says(headers={"x-geetest-clearance": value}) == "clearance"
    async with Visitor(one(other)) as visitor:
        answer = await visitor.request(
            "DELETE" if other.methods == "DELETE" else "POST", "/comments", headers={"x-geetest-clearance": value}
        )
    assert answer.status_code == 403


@pytest.mark.anyio
async def test_a_pass_by_one_guard_is_none_by_the_next_one(geetest: GeeTest) -> None:
    inner = GeeTestMiddleware(comments, protect="POST /comments", captcha_id=ID, captcha_key="b" * 32)
    async with Visitor(guard(app=inner, clearance=Clearance(SECRET))) as visitor:
        assert await visitor.says(geetest.token()) == "passed"
        assert await visitor.says() == "captcha_missing"


@pytest.mark.parametrize("protect", [None, "/**", "POST /**", "/{path:path}"])
def test_a_guard_of_every_request_must_name_its_rule(protect: str | None) -> None:
    with pytest.raises(ConfigError, match=re.escape("protect=Rule('/**', methods='*', name='comments')")):
        GeeTestMiddleware(comments, protect=protect, captcha_id="a", captcha_key="b", clearance=Clearance(SECRET))


@pytest.mark.anyio
async def test_two_guards_of_every_request_with_names_do_not_take_each_others_passes(geetest: GeeTest) -> None:
    def one(name: str) -> GeeTestMiddleware:
        rule = Rule("/**", methods="*", name=name, clearance=Clearance(SECRET))
        return GeeTestMiddleware(comments, protect=rule, captcha_id="a", captcha_key="b")

    name, value = await cookie_of(one("comments"), geetest)
    assert await carried(name, value, one("comments")) == 200
    async with Visitor(one("transfer")) as visitor:
        assert await visitor.says(headers={"x-geetest-clearance": value}) == "captcha_missing"


@pytest.mark.parametrize("bind", [client_address, lambda scope: scope["client"][0]], ids=["None", "raises"])
@pytest.mark.anyio
async def test_without_anything_to_bind_to_nobody_gets_a_pass(bind: Any, geetest: GeeTest) -> None:
    """A server behind a Unix socket names no client."""
    app = guard(clearance=Clearance(SECRET, bind=bind))
    name, value = await cookie_of(app, geetest)

    async def without_a_client(scope: Scope, receive: Receive, send: Send) -> None:
        await app({**scope, "client": None}, receive, send)

    async with Visitor(without_a_client) as visitor:
        answer = await visitor.post("/comments", data=geetest.token())
        assert answer.json()["outcome"] == "passed"
        assert "x-geetest-clearance" not in answer.headers
        assert await visitor.says(headers={"cookie": f"{name}={value}"}) == "captcha_missing"


@pytest.mark.anyio
async def test_what_is_no_text_binds_nobody_and_is_no_error(geetest: GeeTest) -> None:
    """A session id in bytes, for example: nobody gets a pass, and everybody gets in with a captcha."""
    not_text: Any = lambda scope: b"a session"  # noqa: E731 - to mypy it must be Any
    async with Visitor(guard(clearance=Clearance(SECRET, bind=not_text))) as visitor:
        answer = await visitor.post("/comments", data=geetest.token())
        assert answer.json()["outcome"] == "passed"
        assert "x-geetest-clearance" not in answer.headers
        assert await visitor.says(headers={"x-geetest-clearance": "a.b.c"}) == "captcha_missing"


# As a header.


@pytest.mark.anyio
async def test_an_app_without_cookies_has_the_pass_as_a_header(geetest: GeeTest) -> None:
    app = guard(clearance=Clearance(SECRET))
    async with Visitor(app) as first:
        answer = await first.post("/comments", data=geetest.token())
    value = answer.headers["x-geetest-clearance"]
    cookies = SimpleCookie(next(each for each in answer.headers.get_list("set-cookie") if "own" not in each))
    assert [each.value for each in cookies.values()] == [value], "one signature"
    async with Visitor(app) as visitor:
        answer = await visitor.post("/comments", headers={"X-GeeTest-Clearance": value})
        assert answer.json()["reason"] == "clearance"
        assert "x-geetest-clearance" not in answer.headers, "use does not prolong it"
        assert await visitor.says(headers={"X-GeeTest-Clearance": f"of-another-rule, {value}"}) == "clearance"
        assert await visitor.says(headers={"X-GeeTest-Clearance": value + "x"}) == "captcha_missing"
        assert await visitor.says(path="/login", headers={"X-GeeTest-Clearance": value}) == "captcha_missing"


@pytest.mark.parametrize("place", ["cookie", "cookies", "header", "headers", "both"])
@pytest.mark.anyio
async def test_of_many_passes_a_few_are_looked_at(place: str, geetest: GeeTest) -> None:
    app = guard(clearance=Clearance(SECRET))
    name, value = await cookie_of(app, geetest)

    def sent(passes: list[str]) -> list[tuple[str, str]]:
        if place == "cookie":
            return [("cookie", "; ".join(f"{name}={each}" for each in passes))]
        if place == "header":
            return [("x-geetest-clearance", ",".join(passes))]
        as_cookie = {"cookies": passes, "headers": [], "both": passes[:2]}[place]
        as_header = passes[len(as_cookie) :]
        cookies = [("cookie", f"{name}={each}") for each in as_cookie]
        return [*cookies, *(("x-geetest-clearance", each) for each in as_header)]

    async with Visitor(app) as visitor:
        assert await visitor.says(headers=sent(["1.made.up"] * 3 + [value])) == "clearance"
        assert await visitor.says(headers=sent(["1.made.up"] * 4 + [value])) == "captcha_missing"


@pytest.mark.anyio
async def test_a_header_that_no_browser_sends_is_not_looked_at(geetest: GeeTest) -> None:
    app = guard(clearance=Clearance(SECRET))
    name, value = await cookie_of(app, geetest)
    async with Visitor(app) as visitor:
        for filler, said in (("x" * 8000, "clearance"), ("x" * 8192, "captcha_missing")):
            assert await visitor.says(headers={"cookie": f"other={filler}; {name}={value}"}) == said
            assert await visitor.says(headers={"x-geetest-clearance": f"{filler}, {value}"}) == said


@example(made_up=_with_time(2**63))  # itsdangerous 2.1.1 raised OverflowError
@given(made_up=st.one_of(st.binary(max_size=60), st.integers(0, 2**64).map(_with_time)))
def test_no_made_up_pass_raises(made_up: bytes) -> None:
    clearance = Clearance(SECRET)
    header, value = clearance.grant({}, "realm")[1]
    for each in (made_up, value[:20] + made_up, made_up.join(value.split(b"."))):
        assert clearance.admits({"headers": [(header, each)]}, "realm") is (each == value)


@pytest.mark.anyio
async def test_an_answer_with_a_pass_keeps_its_own_headers_in_their_order(geetest: GeeTest) -> None:
    async with Visitor(guard(clearance=Clearance(SECRET))) as visitor:
        answer = await visitor.post("/comments", data=geetest.token())
    assert [name for name, _ in answer.headers.raw[-2:]] == [b"set-cookie", b"x-geetest-clearance"]
    assert answer.headers.get_list("set-cookie")[0] == "own=1"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"secret": "short"}, "secret"),
        ({"secret": []}, "secret"),
        ({"secret": [SECRET, ""]}, "secret"),
        ({"secret": None}, "secret"),
        ({"secret": SECRET.encode()}, "secret"),
        ({"secret": SECRET, "seconds": 0}, "seconds=0"),
        ({"secret": SECRET, "seconds": 1.5}, "seconds=1.5"),
        ({"secret": SECRET, "seconds": True}, "seconds=True"),
        ({"secret": SECRET, "seconds": 10**9}, "seconds="),
        ({"secret": SECRET, "cookie": ""}, "cookie=''"),
        ({"secret": SECRET, "cookie": "a;b"}, "cookie='a;b'"),
        ({"secret": SECRET, "bind": "client"}, "bind='client'"),
    ],
)
def test_what_cannot_be_meant_stops_the_app(arguments: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(said)) as refused:
        Clearance(**arguments)
    assert SECRET not in str(refused.value)


def test_the_setting_wants_an_object() -> None:
    with pytest.raises(ConfigError, match="clearance=True"):
        guard(clearance=True)


def test_the_secret_is_shown_nowhere() -> None:
    clearance = Clearance(SECRET)
    assert SECRET not in repr(clearance)
    assert SECRET not in repr(Rule("/x", clearance=clearance))


@pytest.mark.anyio
async def test_the_page_works_as_it_is_written(geetest: GeeTest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLEARANCE_SECRET", SECRET)
    monkeypatch.setenv("GEETEST_CAPTCHA_ID", "a" * 32)
    monkeypatch.setenv("GEETEST_CAPTCHA_KEY", "b" * 32)
    blocks = re.findall(r"^```python\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    assert len(blocks) == 2
    namespace: dict[str, Any] = {"app": comments}
    exec(blocks[0], namespace)
    async with Visitor(namespace["app"]) as visitor:
        assert await visitor.says(geetest.token()) == "passed"
        assert await visitor.says() == "clearance"
        assert await visitor.says(path="/login") == "captcha_missing"
    exec(blocks[1], namespace)
    app = GeeTestMiddleware(comments, protect=Rule("POST /comments", clearance=namespace["clearance"]))
    name, value = await cookie_of(app, geetest)
    for address, said in (("192.0.2.1", "clearance"), ("192.0.2.2", "captcha_missing")):
        async with Visitor(app, address) as visitor:
            assert await visitor.says(headers={"cookie": f"{name}={value}"}) == said
