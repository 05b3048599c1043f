# pyright: strict, reportUnnecessaryTypeIgnoreComment=error, reportUnusedFunction=false, reportUnusedVariable=false
"""The types of every public name, as type checkers see them: typical uses, and wrong ones that must be found.

Never run: `.ci/run` has it read by mypy, and by pyright, which is another opinion and what editors show. A line with
`type: ignore` is a mistake on purpose; both complain when it is no longer found.
"""

import re
import unittest
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from pathlib import Path
from typing import Any, Literal, assert_type

import httpx
import httpx2
from fastapi import Depends, FastAPI
from litestar import Litestar
from litestar import post as litestar_post
from litestar.middleware import DefineMiddleware
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send
from starlette.websockets import WebSocket

import geetest_asgi
from geetest_asgi import (
    AfterFailures,
    CaptchaFields,
    ConfigError,
    GeeTestClient,
    GeeTestError,
    GeeTestMiddleware,
    GeeTestResult,
    Limits,
    Lockout,
    Outage,
    Outcome,
    Rule,
    client_address,
    geetest_result,
    report_failure,
    testing,
)
from geetest_asgi import fastapi as fastapi_helper
from geetest_asgi import litestar as litestar_helper
from geetest_asgi.clearance import Clearance
from geetest_asgi.denials import default_denial
from geetest_asgi.django import GeeTestSettings
from geetest_asgi.frontend import REQUEST_HEADERS, RESPONSE_HEADERS, form_script
from geetest_asgi.observers.otel import OpenTelemetry
from geetest_asgi.stores import FailSafe, MemoryStore, RedisStore, SQLiteStore, Store

# The front door loads lazily, which a type checker must not notice

assert_type(geetest_asgi.Rule, type[Rule])
assert_type(geetest_asgi.__version__, str)

# A guard in front of an app


async def site(scope: Scope, receive: Receive, send: Send) -> None: ...


guarded: ASGIApp = GeeTestMiddleware(app=site, protect=["POST /login", re.compile("/v[12]/.*"), Rule("/api/**")])

starlette_app = Starlette(middleware=[Middleware(GeeTestMiddleware, protect=["POST /login"], on_unavailable="deny")])
Litestar(middleware=[DefineMiddleware(GeeTestMiddleware, protect=["POST /login"])])

GeeTestMiddleware()  # type: ignore[call-arg]
GeeTestMiddleware(site, protct=["POST /login"])  # type: ignore[call-arg]
GeeTestMiddleware(site, protect=7)  # type: ignore[arg-type]
GeeTestMiddleware(site, sources=["cookie"])  # type: ignore[list-item]
GeeTestMiddleware("shop:app")  # type: ignore[arg-type]

# Every setting that a rule may have

rule = Rule("/register", methods=["POST", "PUT"], name="register", captcha_id="id", captcha_key=["new", "old"])
rule = Rule("/register", sources=("header", "body"), fields={"lot_number": "lot"}, on_unavailable="deny", timeout=1.5)
rule = Rule("/register", limits=Limits(max_field=1000), mode="monitor", forgive=[422])
assert_type(rule.mode, Literal["enforce", "monitor", "off"] | None)
Rule("/a", store=MemoryStore())  # type: ignore[call-arg]
rule.name = "another"  # type: ignore[misc]

# Hooks, plain and asynchronous


class Hooks:
    skip: Callable[[Scope], str | None]
    skip_later: Callable[[Scope], Awaitable[str | None]]
    accept: Callable[[GeeTestResult, Scope], bool]
    accept_later: Callable[[GeeTestResult, Scope], Awaitable[bool]]
    on_denied: Callable[[GeeTestResult, Scope], Response]
    on_denied_later: Callable[[GeeTestResult, Scope], Awaitable[ASGIApp]]
    on_result: Callable[[GeeTestResult, MutableMapping[str, Any]], None]
    on_result_later: Callable[[GeeTestResult, Scope], Awaitable[None]]
    credentials: Callable[[Scope], tuple[str, str] | None]
    credentials_later: Callable[[Scope], Awaitable[tuple[str, list[str]]]]
    on_lockout: Callable[[Lockout], None]
    on_outage: Callable[[Outage], None]
    says_yes: Callable[[Scope], bool]


GeeTestMiddleware(site, skip=Hooks.skip, accept=Hooks.accept, on_denied=Hooks.on_denied, on_result=Hooks.on_result)
GeeTestMiddleware(site, credentials=Hooks.credentials_later, on_outage=Hooks.on_outage, on_lockout=Hooks.on_lockout)
GeeTestMiddleware(site, accept=Hooks.accept_later, on_result=Hooks.on_result_later, on_denied=default_denial)
Rule("/a", skip=Hooks.skip_later, accept=Hooks.accept, on_denied=Hooks.on_denied_later, credentials=Hooks.credentials)
GeeTestMiddleware(site, skip=Hooks.says_yes)  # type: ignore[arg-type]

# In the app


async def login(request: Request) -> Response:
    result = geetest_result(request)
    assert_type(result, GeeTestResult)
    assert_type(result.captcha_args, Mapping[str, Any])
    result.allowed = True  # type: ignore[misc]
    return Response(status_code=400 if result.outcome is Outcome.PASSED else 200)


async def websocket(socket: WebSocket, scope: Scope) -> str:
    assert_type(client_address(scope), str | None)
    return geetest_result(socket).outcome or geetest_result(scope).outcome  # an Outcome is a str


errors: tuple[ValueError, GeeTestError] = (ConfigError("a wrong setting"), ConfigError("a wrong setting"))

# Asking by oneself


async def validates(fields: CaptchaFields, form: dict[str, str]) -> bool:
    async with GeeTestClient("id", ["new", "old"], on_unavailable="deny", on_outage=Hooks.on_outage) as client:
        assert_type(await client.validate(fields), GeeTestResult)
        return bool(await client.validate(form))


CaptchaFields(lot_number="1", captcha_output="2", pass_token="3", gen_time="4")

# Clients, stores, add-ons

GeeTestMiddleware(site, client=httpx2.AsyncClient(), trust_env=True, allow_http=True)
GeeTestMiddleware(site, client=lambda: httpx.AsyncClient(http2=False))


class TableStore:
    async def add(self, key: str, value: str, seconds: float) -> bool:
        return True

    async def pop(self, key: str) -> str | None: ...

    async def delete(self, key: str) -> None: ...

    async def count(self, key: str, seconds: float) -> int:
        return 1


stores: list[Store] = [
    MemoryStore(1000),
    SQLiteStore("spent.db", size=1000, timeout=0.5),
    RedisStore("redis://", prefix="shop:"),
    FailSafe(TableStore()),
    TableStore(),
]
GeeTestMiddleware(site, store="sqlite:///spent.db")

clearance = Clearance(["sixteen letters!", "and older ones.."], seconds=300, bind=lambda scope: scope["client"][0])
GeeTestMiddleware(site, clearance=clearance)


class OnlyPosts:
    async def wanted(self, scope: Scope, store: Store) -> bool:
        return bool(scope["method"] == "POST")

    async def answered(self, scope: Scope, store: Store, status: int) -> None:
        pass


report_failure({"type": "http"})
failures = AfterFailures(5, seconds=60.5, statuses=[401], key=client_address, store="redis://")
GeeTestMiddleware(site, when=failures)
GeeTestMiddleware(site, when=OnlyPosts())

telemetry = OpenTelemetry()
GeeTestMiddleware(site, on_result=telemetry, on_outage=telemetry.on_outage)

starlette_app.mount("/geetest", form_script)
starlette_app.add_middleware(CORSMiddleware, allow_headers=REQUEST_HEADERS, expose_headers=RESPONSE_HEADERS)

# The frameworks' helpers

api = FastAPI()
fastapi_helper.add_geetest(api, protect=["POST /login", Rule("/api/**")], on_unavailable="deny")
fastapi_helper.Captcha(methods=["PUT"], sources=["header"], mode="off", forgive=(422,), skip=Hooks.skip)
litestar_helper.Captcha(on_unavailable="deny", when=failures)

in_front_of_django: GeeTestSettings = {
    "protect": [rule, "POST /login"],
    "accept": "shop.captcha.accept",
    "skip": Hooks.skip,
}
in_front_of_django = {"protect": "/login", "time_out": 3}  # type: ignore[typeddict-unknown-key]


@api.post("/register", dependencies=[Depends(fastapi_helper.Captcha())])
async def register(captcha: fastapi_helper.CaptchaResult) -> bool:
    assert_type(captcha, GeeTestResult)
    return captcha.verified


@litestar_post("/comments", guards=[litestar_helper.captcha])
async def comment(captcha: litestar_helper.CaptchaResult) -> bool:
    assert_type(captcha, GeeTestResult)
    return captcha.verified


Litestar([comment], plugins=[litestar_helper.GeeTestPlugin(on_unavailable="deny", mode="monitor")])

# In tests


def test_login(geetest: testing.GeeTest, geetest_server: testing.GeeTestServer) -> None:
    assert_type(geetest.token(expired=True, used=False, forged=False, offline=False, captcha_id="id"), dict[str, str])
    geetest.headers(stale=True)  # type: ignore[call-arg]
    geetest.error(-50005, "no")
    geetest.answers(404, {"status": "error"}, content_type="application/json", headers={"server": "x"})
    assert_type(geetest.calls[0], testing.Call)
    assert_type(geetest_server.env, dict[str, str])


def by_hand() -> None:
    simulator = testing.Simulator({testing.DEMO_ID: testing.DEMO_KEY}, clock=lambda: 0.0)
    with testing.serve(simulator, host="127.0.0.1", port=0) as url:
        assert_type(url, str)
    with testing.GeeTest() as geetest:
        assert_type(geetest, testing.GeeTest)
    assert_type(testing.MAGIC["sim-pass"], testing.Magic)
    assert_type(testing.MAGIC["sim-down"].fault, testing.Fault)
    assert_type(testing.run_simulator("127.0.0.1", 8077, tls=Path("authority.pem")), int)
    assert_type(testing.geetest_for(unittest.TestCase()), testing.GeeTest)
    simulator.expect("success", "HTTP 503")
    assert_type(testing.CODES["-50005"], str)
