"""What `check --app` finds in an application: every guard, every route, and which protects which."""

from collections.abc import Callable
from io import StringIO
from typing import Any

import httpx
import pytest
from fastapi import APIRouter, Depends, FastAPI
from litestar import Litestar
from litestar import get as litestar_get
from litestar import post as litestar_post
from litestar.middleware import DefineMiddleware
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.responses import Response
from starlette.routing import BaseRoute, Host, Mount, Route, Router, WebSocketRoute

from geetest_asgi import GeeTestMiddleware, Rule
from geetest_asgi.commands import app_routes as site
from geetest_asgi.commands.coverage import cover
from geetest_asgi.commands.report import Report
from geetest_asgi.commands.tables import write_routes, write_rules
from geetest_asgi.fastapi import add_geetest, captcha

PAIR: dict[str, Any] = {"captcha_id": "an-id", "captcha_key": "a-key"}


@pytest.fixture(autouse=True)
def _pair(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in PAIR.items():
        monkeypatch.setenv(f"GEETEST_{name.upper()}", value)


async def handler(request: Any) -> Response:
    return Response()


async def opaque(scope: Any, receive: Any, send: Any) -> None: ...


def guard(**settings: Any) -> Middleware:
    return Middleware(GeeTestMiddleware, **PAIR, **settings)


def protected(app: Any) -> dict[str, list[str]]:
    """Each "METHOD path", with the patterns of the rules that protect it."""
    found: dict[str, list[str]] = {}
    for route in site.read(app).routes:
        for each in cover(route):
            text = f"{each.method} {route.path}".replace("⟨", "").replace("⟩", "")
            rules = found.setdefault(text, [])
            if each.guard is not None and each.rule is not None:
                rules.append(each.guard.middleware.table.rules[each.rule][0].text)
    return found


ROUTES: list[BaseRoute] = [
    Route("/login", handler, methods=["GET", "POST"]),
    Route("/users/{id:int}/reset", handler, methods=["POST"]),
    WebSocketRoute("/ws", handler),
]


def wrapped(attribute: str) -> Callable[[Any], Any]:
    class Wrapper:
        def __init__(self, app: Any) -> None:
            setattr(self, attribute, app)

        async def __call__(self, scope: Any, receive: Any, send: Any) -> None: ...

    return Wrapper


PROTECT = ["POST /login", "/users/{id}/reset"]
EXPECTED = {
    "GET /login": [],
    "HEAD /login": [],
    "POST /login": ["POST /login"],
    "POST /users/{id:int}/reset": ["/users/{id}/reset"],
    "WEBSOCKET /ws": [],
}


@pytest.mark.parametrize(
    "app",
    [
        Starlette(routes=ROUTES, middleware=[guard(protect=PROTECT)]),
        wrapped("app")(GeeTestMiddleware(Router(ROUTES), protect=PROTECT, **PAIR)),
        wrapped("_app")(Router(ROUTES, middleware=[guard(protect=PROTECT)])),
        wrapped("asgi_app")(Starlette(routes=ROUTES, middleware=[guard(protect=PROTECT)])),
    ],
    ids=["in Starlette", "around a router", "in a router", "behind a wrapper"],
)
def test_a_guard_is_found_wherever_it_stands(app: Any) -> None:
    assert protected(app) == EXPECTED
    assert [each.local for each in site.read(app).guards] == [False]


def test_guards_within_mounts_and_on_routes_protect_what_is_behind_them() -> None:
    def post(path: str, *guards: Middleware) -> Route:
        return Route(path, handler, methods=["POST"], middleware=guards)

    routes = [
        Mount("/shop", Starlette(routes=[post("/pay")], middleware=[guard(protect=["/shop/pay"])])),
        Mount("/files", opaque, middleware=[guard()]),
        Mount("/open", opaque),
        Host("admin.example", Router([post("/x")])),
        *(post("/one", guard()), post("/two")),
    ]
    expected = {"POST /shop/pay": ["/shop/pay"], "PUT /files/{rest:path}": ["/**"], "PUT /open/{rest:path}": []}
    expected |= {"POST /x": [], "POST /one": ["/**"], "POST /two": []}
    assert protected(Starlette(routes=routes)).items() >= expected.items()


@pytest.mark.anyio
@pytest.mark.parametrize("protect", ["/v1/shop/pay", "/shop/pay", "/pay", "/v1/pay", "/v1/**"])
async def test_what_is_said_of_mounts_within_mounts_is_what_happens(protect: str) -> None:
    pay = Route("/pay", handler, methods=["POST"])
    shop = Mount("/shop", routes=[pay], middleware=[guard(protect=protect)])
    app = Starlette(routes=[Mount("/v1", routes=[shop, pay]), pay])
    said = protected(app)
    assert list(said) == ["POST /v1/shop/pay", "POST /v1/pay", "POST /pay"]
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test") as browser:
        for line, rules in said.items():
            assert (await browser.request(*line.split())).status_code == (403 if rules else 200)


def test_routes_of_included_fastapi_routers_are_known_by_their_whole_path() -> None:
    inner, outer, app = APIRouter(prefix="/inner"), APIRouter(prefix="/outer"), FastAPI(docs_url=None, openapi_url=None)

    @inner.post("/x/{name}")
    async def x(name: str) -> None: ...

    outer.include_router(inner)
    app.include_router(outer)
    app.include_router(inner)
    app.add_middleware(GeeTestMiddleware, protect=["/outer/**"])
    assert protected(app) == {"POST /outer/inner/x/{name}": ["/outer/**"], "POST /inner/x/{name}": []}


def test_litestars_routes_have_each_their_own_guards_and_a_plugin_is_one_on_all() -> None:
    from geetest_asgi.litestar import GeeTestPlugin, captcha

    @litestar_post("/one", middleware=[DefineMiddleware(GeeTestMiddleware)])
    async def one() -> None: ...

    @litestar_post("/two/{number:int}", guards=[captcha])
    async def two() -> None: ...

    @litestar_get("/three")
    async def three() -> None: ...

    layer = DefineMiddleware(GeeTestMiddleware, protect=["/two/*"])
    app = Litestar([one, three, litestar_post("/two/{number:int}")(two.fn)], middleware=[layer], openapi_config=None)
    expected = {"POST /one": ["/**"], "POST /two/{number:int}": ["/two/*"], "GET /three": []}
    assert protected(app).items() >= expected.items()
    assert len(site.read(app).guards) == 2
    found = site.read(Litestar([two, three], plugins=[GeeTestPlugin()], openapi_config=None))
    assert {route.guards for route in found.routes} == {tuple(found.guards)}


def test_an_app_that_tells_no_routes_is_told_as_such_and_a_circle_of_wrappers_ends() -> None:
    found = site.read(GeeTestMiddleware(opaque))
    assert (found.knows_routes, found.routes, found.layers) == (False, [], ["GeeTestMiddleware", "function"])
    one, other = wrapped("app")(None), wrapped("app")(None)
    one.app, other.app = other, one
    assert site.read(one).guards == []


def told(app: Any) -> str:
    report = Report(stream := StringIO())
    found = site.read(app)
    write_rules(report, found)
    write_routes(report, found)
    return stream.getvalue()


def test_open_routes_are_listed_with_what_is_known_about_them() -> None:
    routes = [Route(path, handler, methods=["POST"]) for path in ("/files/{name}", "/api/hook", "/forgotten")]
    front = guard(protect=["/files/*.zip", "/api/**"], exempt=["/api/hook"])
    opened = told(Starlette(routes=routes, middleware=[front])).partition("Open: ")[2]
    assert [" ".join(row.split()) for row in opened.splitlines()[1:]] == [
        "POST /files/{name} but for what matches rule 1",
        "POST /api/hook exempt from rule 2",
        "POST /forgotten",
    ]


@pytest.mark.parametrize(
    ("protect", "more", "doubt"),
    [
        (["/a/**", "/A/b"], {}, "rule 2 is never reached: rule 1 before it"),
        (["/x", "/a/*"], {"exempt": ["/a/**"]}, "rule 2 protects nothing but odd spellings: '/a/**' exempts it"),
        (["/x"], {"mode": "monitor"}, "rule 1 denies nobody: its mode is 'monitor'"),
        (["/nowhere"], {}, "rule 1 protects no route: '/nowhere' matches none"),
    ],
)
def test_what_looks_like_a_mistake_is_a_warning(protect: list[str], more: dict[str, Any], doubt: str) -> None:
    app = Starlette(routes=[Route("/z", handler, methods=["POST"])], middleware=[guard(protect=protect, **more)])
    assert doubt in told(app).replace("\n        ", " ")


def test_what_is_no_mistake_is_no_warning_and_a_rule_says_what_it_matches() -> None:
    routes = [Route("/a/{x}", handler, methods=["POST"]), Route("/b", handler, methods=["GET", "POST"])]
    rules = ["POST /a/b", "/a/**", "POST /b", Rule("GET /b", sources=["query"])]
    assert "warn" not in told(Starlette(routes=routes, middleware=[guard(protect=rules, exempt=["/a/c"])]))
    for protect, example in ((["/**"], "every path"), (["/users/{id}/reset"], "/users/x/reset")):
        assert f"rule 1 matches {example}" in told(Starlette(middleware=[guard(protect=protect)]))


def test_of_a_guard_that_goes_by_routes_an_unmarked_one_beside_a_placeholder_is_open() -> None:
    app = FastAPI()
    app.post("/items/preview")(lambda: None)
    app.post("/items/{number}", dependencies=[Depends(captcha)])(lambda: None)
    app.post("/old/way")(lambda: None)
    add_geetest(app, protect=["POST /old/**"])
    assert protected(app) == {
        "POST /items/preview": [],
        "POST /items/{number}": ["POST /items/{number}"],
        "POST /old/way": ["POST /old/**"],
    } | {each: [] for each in protected(app) if each.split()[0] in ("GET", "HEAD")}
