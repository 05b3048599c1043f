"""FastAPI: marked routes are guarded, one call for each request, and the OpenAPI document says so."""

from collections.abc import Callable, Iterator
from typing import Annotated, Any
from uuid import UUID

import pytest
from fastapi import APIRouter, Depends, FastAPI, Form, HTTPException, Request
from fastapi_shop import FORGIVING, JSON, marked, plain, shop
from starlette.testclient import TestClient

from geetest_asgi import ConfigError, GeeTestMiddleware, GeeTestResult, Rule
from geetest_asgi.fastapi import Captcha, CaptchaResult, add_geetest, captcha
from geetest_asgi.testing import GeeTest


@pytest.fixture
def client(geetest: GeeTest) -> Iterator[TestClient]:
    with TestClient(shop(), raise_server_exceptions=False) as client:
        yield client


GUARDED = [
    ("POST", "/login", {"username": "ada"}),
    ("PUT", "/orders/7", {"item": "x"}),
    ("POST", "/nested", {}),
    ("POST", "/by-pattern", {}),
    ("POST", "/files/upload", {}),
]


@pytest.mark.parametrize(("method", "path", "body"), GUARDED)
def test_a_marked_route_is_guarded_and_geetest_is_asked_once(
    method: str, path: str, body: dict[str, str], client: TestClient, geetest: GeeTest
) -> None:
    kind = "data" if path == "/login" else "json"
    denied = client.request(method, path, headers=JSON, **{kind: body})  # type: ignore[arg-type]
    assert (denied.status_code, denied.json()["code"]) == (403, "captcha_missing")
    assert denied.headers["content-type"] == "application/problem+json"
    assert client.request(method, path, **{kind: body | geetest.token()}).status_code == 200  # type: ignore[arg-type]
    assert len(geetest.calls) == 1


def test_what_is_not_marked_is_open(client: TestClient, geetest: GeeTest) -> None:
    assert client.post("/open").status_code == 200
    assert client.get("/openapi.json").status_code == 200


def test_the_parameter_is_the_decision(client: TestClient, geetest: GeeTest) -> None:
    told = client.post("/login", data={"username": "ada"} | geetest.token()).json()
    assert told == {"user": "ada", "verified": True, "rule": "POST /login"}
    geetest.down()
    assert client.post("/login", data={"username": "ada"} | geetest.token()).json()["verified"] is False


def test_a_mark_has_settings_of_its_own(client: TestClient, geetest: GeeTest) -> None:
    assert client.delete("/v1/account/ada").status_code == 403
    assert client.request("DELETE", "/v1/account/ada", json=geetest.token()).status_code == 403
    assert client.delete("/v1/account/ada", headers=geetest.headers()).json() == "ada"


def test_a_marked_websocket_is_guarded(client: TestClient, geetest: GeeTest) -> None:
    with client.websocket_connect("/v1/account/live", headers=geetest.headers()) as socket:
        assert socket.receive_json() == {"rule": "account"}
    with pytest.raises(Exception), client.websocket_connect("/v1/account/live"):  # noqa: B017, PT011
        pass


@pytest.mark.filterwarnings("ignore:The `root_path` parameter")
def test_marks_that_come_after_the_guard_count_and_its_settings_are_theirs(geetest: GeeTest) -> None:
    app = FastAPI(root_path="/api")
    add_geetest(app, on_unavailable="deny", protect=Rule("/old/**", on_unavailable="allow"))

    @app.post("/late")
    async def late(captcha: CaptchaResult) -> bool:
        return captcha.verified

    @app.post("/old/way")
    async def way() -> str:
        return "in"

    client = TestClient(app)
    geetest.down()
    assert client.post("/late", json=geetest.token()).status_code == 503
    assert client.post("/api/late", json=geetest.token()).status_code == 503
    assert client.post("/old/way", json=geetest.token()).json() == "in"


def test_a_route_without_a_guard_is_not_open(geetest: GeeTest) -> None:
    app = FastAPI()
    app.post("/login", dependencies=[Depends(captcha)])(lambda: "in")
    with pytest.raises(LookupError, match="is not protected by GeeTest"):
        TestClient(app).post("/login", json=geetest.token())


def test_a_route_that_came_too_late_is_not_open(geetest: GeeTest) -> None:
    app = shop()
    client = TestClient(app)
    client.post("/open")
    app.post("/later", dependencies=[Depends(captcha)])(lambda: "in")
    with pytest.raises(LookupError, match="'/later' is not protected"):
        client.post("/later", json=geetest.token())


def test_a_setting_that_a_mark_or_the_guard_has_not_is_told_at_once() -> None:
    with pytest.raises(ConfigError, match=r"colour.*settings are those of Rule"):
        Captcha(colour="red")  # type: ignore[call-arg]
    with pytest.raises(ConfigError, match="add_geetest: unknown setting colour; there are accept"):
        add_geetest(FastAPI(), colour="red")  # type: ignore[call-arg]


@pytest.mark.parametrize("path", ["/users(id)", "/report.{rest:path}", "/a/{b}-{c}", "/x/{x:uuid}"])
def test_whatever_path_a_route_has_it_is_guarded(path: str, geetest: GeeTest) -> None:
    app = plain()

    @app.post(path)
    async def reached(captcha: CaptchaResult) -> str:
        return captcha.rule

    client, sent = TestClient(app), path.replace("{x:uuid}", str(UUID(int=1))).replace("{rest:path}", "a/b")
    assert client.post(sent).json()["code"] == "captcha_missing"
    assert client.post(sent, json=geetest.token()).json() == f"POST {path}"
    assert client.post("/users7").status_code == 404


def test_such_a_route_has_its_methods_and_the_name_of_its_mark(geetest: GeeTest) -> None:
    app = marked()

    @app.post("/users(id)", dependencies=[Depends(Captcha(name="users"))])
    async def users(request: Request) -> str:
        return request.state.geetest.rule  # type: ignore[no-any-return]

    app.put("/users(id)")(lambda: "in")
    client = TestClient(app)
    assert client.post("/users(id)", json=geetest.token()).json() == "users"
    assert client.put("/users(id)").json() == "in"


@pytest.mark.parametrize("layer", ["app", "include", "router"])
def test_a_mark_on_any_layer_reaches_the_route(layer: str, geetest: GeeTest) -> None:
    marks = {layer: [Depends(captcha)]}
    app = FastAPI(dependencies=marks.get("app"))
    outer = APIRouter(prefix="/outer")
    inner = APIRouter(prefix="/inner", dependencies=marks.get("router"))

    @inner.post("/login")
    async def login() -> str:
        return "in"

    outer.include_router(inner, dependencies=marks.get("include"))
    app.include_router(outer)
    add_geetest(app)
    client = TestClient(app)
    assert client.post("/outer/inner/login").status_code == 403
    assert client.post("/outer/inner/login", json=geetest.token()).json() == "in"
    assert "403" in app.openapi()["paths"]["/outer/inner/login"]["post"]["responses"]


def test_an_app_for_one_host_has_marks_that_count(geetest: GeeTest) -> None:
    app, inner = FastAPI(), FastAPI()

    @inner.post("/login")
    async def login(captcha: CaptchaResult) -> bool:
        return captcha.verified

    app.host("shop.example", inner)
    add_geetest(app)
    client = TestClient(app, base_url="http://shop.example")
    assert client.post("/login").status_code == 403
    assert client.post("/login", json=geetest.token()).json() is True


# --- which mark counts ------------------------------------------------------------------------------------------------


def test_an_unmarked_route_beside_a_marked_placeholder_is_open(geetest: GeeTest) -> None:
    app = marked()
    app.post("/items/preview")(lambda: "preview")
    app.post("/items/{id}", dependencies=[Depends(captcha)])(lambda id: f"bought {id}")
    app.post("/items/late")(lambda: "the placeholder stands before it")
    client = TestClient(app)
    assert client.post("/items/preview").json() == "preview"
    assert client.post("/items/PREVIEW").status_code == 403
    assert client.post("/items/late").status_code == 403
    assert client.post("/items/7", json=geetest.token()).json() == "bought 7"


def two_strictnesses() -> FastAPI:
    """`allow` at a placeholder, `deny` beside it, in one app and in one that is mounted."""
    app, inner = FastAPI(), FastAPI()
    for each, first in ((app, "/users/demo"), (inner, "/{any}/x")):
        each.post(first, dependencies=[Depends(Captcha(on_unavailable="allow"))])(lambda: "lax")
        each.post("/users/{name}", dependencies=[Depends(Captcha(on_unavailable="deny"))])(lambda: "strict")
    app.mount("/inner", inner)
    add_geetest(app)
    return app


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/users/demo", 200),
        ("/users/DEMO", 503),
        ("/users/ada", 503),
        ("/users/%64emo", 200),
        ("/users/demo%0A", 200),
        ("/users/;demo", 503),
        ("/inner/users/x", 200),
        ("/inner/users/ada", 503),
        ("/inner/users/X", 503),
        ("/users/" + "a" * 2048, 403),
    ],
)
def test_a_request_is_decided_on_the_terms_of_the_route_that_fastapi_picks(
    path: str, status: int, geetest: GeeTest
) -> None:
    client = TestClient(two_strictnesses())
    geetest.down()
    assert client.post(path, json=geetest.token()).status_code == status


def test_the_same_mark_on_two_layers_is_one(geetest: GeeTest) -> None:
    app = FastAPI(dependencies=[Depends(captcha)])

    @app.post("/login")
    async def login(captcha: CaptchaResult) -> bool:
        return captcha.verified

    add_geetest(app)
    assert TestClient(app).post("/login", json=geetest.token()).json() is True
    assert len(geetest.calls) == 1


def _bare(captcha: GeeTestResult) -> bool:
    return captcha.verified


def _perhaps(captcha: GeeTestResult | None = None) -> bool:
    return captcha is None or captcha.verified


def _without_depends(captcha: Annotated[Any, captcha]) -> bool:
    return bool(captcha)


@pytest.mark.parametrize(
    ("handler", "says"),
    [(_bare, "no client may send one"), (_perhaps, "no client may send one"), (_without_depends, "is no dependency")],
)
def test_no_visitor_can_give_the_decision(handler: Any, says: str) -> None:
    """FastAPI would read such a parameter from the body: {"outcome": "passed", "allowed": true, "verified": true}."""
    with pytest.raises(ConfigError, match=says):
        FastAPI().post("/login")(handler)


def _its_class(captcha: GeeTestResult = Depends()) -> bool:  # noqa: B008 - FastAPI's way
    return captcha.verified


def _as_a_default(captcha: Any = captcha) -> bool:
    return bool(captcha)


def _with(app: FastAPI, handler: Any, method: str = "POST", **options: Any) -> FastAPI:
    app.api_route("/other", methods=[method], **options)(handler)
    return app


MISTAKES: dict[str, tuple[Callable[[], FastAPI], str]] = {
    "no mark": (marked, "no route is marked"),
    "two marks": (
        lambda: marked(captcha, Captcha(on_unavailable="deny")),
        "/login: has 2 different marks.*leave one",
    ),
    "the class in place of a mark": (lambda: marked(Captcha), r"write Depends\(Captcha\(\)\)"),
    "the class of the decision": (lambda: _with(marked(captcha), _its_class), "write captcha: CaptchaResult"),
    "a mark as a default": (lambda: _with(marked(captcha), _as_a_default), "write captcha: CaptchaResult"),
    "a mark that guards nothing": (
        lambda: _with(plain(), lambda: "page", "GET", dependencies=[Depends(captcha)]),
        r"no guarded method in GET /other; write Captcha\(methods=",
    ),
}


@pytest.mark.parametrize(("make", "says"), MISTAKES.values(), ids=MISTAKES)
def test_a_mark_that_does_not_do_what_it_says_is_an_error_at_the_start(
    make: Callable[[], FastAPI], says: str, geetest: GeeTest
) -> None:
    with pytest.raises(ConfigError, match=says), TestClient(make()):
        pass


def test_a_preflight_reaches_a_marked_handler_of_options(geetest: GeeTest) -> None:
    app = FastAPI()

    @app.api_route("/any", methods=["OPTIONS", "POST"])
    async def handler(decision: Annotated[GeeTestResult, Depends(Captcha(methods="*"))]) -> str:
        return decision.reason

    add_geetest(app)
    client = TestClient(app)
    asks = {"origin": "https://front.example", "access-control-request-method": "POST"}
    assert client.options("/any", headers=asks).json() == "a CORS preflight"
    assert client.options("/any").status_code == 403


def test_a_mark_takes_no_other_guards_decision(geetest: GeeTest) -> None:
    """A guard by path, laxer than the mark, in an app where nobody has called `add_geetest`."""
    app = FastAPI()
    app.post("/login", dependencies=[Depends(Captcha(on_unavailable="deny"))])(lambda: "in")
    app.add_middleware(GeeTestMiddleware, protect=["POST /login"], mode="monitor")
    with pytest.raises(LookupError, match="the rule 'POST /login' decided about this request"):
        TestClient(app).post("/login")


def test_a_path_that_is_rewritten_behind_the_guard_reaches_no_marked_route(geetest: GeeTest) -> None:
    class Rewrite:
        def __init__(self, app: Any) -> None:
            self.app = app

        async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
            await self.app({**scope, "path": "/users/ada"}, receive, send)

    app = FastAPI()
    app.add_middleware(Rewrite)
    app.post("/users/demo", dependencies=[Depends(Captcha(mode="monitor"))])(lambda: "lax")
    app.post("/users/{name}", dependencies=[Depends(captcha)])(lambda: "strict")
    add_geetest(app)
    with pytest.raises(LookupError, match="decided about this request"):
        TestClient(app).post("/users/demo")


def test_of_a_marked_router_the_unsafe_methods_are_guarded_and_the_others_are_named(
    geetest: GeeTest, caplog: pytest.LogCaptureFixture
) -> None:
    router = APIRouter(prefix="/items", dependencies=[Depends(captcha)])
    router.get("/{id}")(lambda: "read")
    router.post("/{id}")(lambda: "bought")
    app = FastAPI()
    app.include_router(router)
    add_geetest(app)
    client = TestClient(app)
    with caplog.at_level("INFO", "geetest_asgi"):
        assert client.get("/items/7").json() == "read"
    assert client.post("/items/7").status_code == 403
    told = {each.__dict__["geetest_event"]: each for each in caplog.records if each.name == "geetest_asgi"}
    assert told["marks"].__dict__["geetest_routes"] == ["POST /items/{id}"]
    assert told["marks_open"].levelname == "WARNING"
    assert told["marks_open"].__dict__["geetest_routes"] == ["GET /items/{id}"]
    assert "403" not in app.openapi()["paths"]["/items/{id}"]["get"]["responses"]


def test_a_mark_may_say_which_methods_it_guards(geetest: GeeTest, caplog: pytest.LogCaptureFixture) -> None:
    page, write = Captcha(methods="*", sources=["header"]), Captcha(methods=["PUT"], sources=["header"])
    app = FastAPI()

    @app.api_route("/page", methods=["GET", "POST"])
    async def read(captcha: Annotated[GeeTestResult, Depends(page)]) -> str:
        return captcha.outcome

    @app.api_route("/write", methods=["GET", "POST", "PUT"])
    async def written(captcha: Annotated[GeeTestResult, Depends(write)]) -> str:
        return captcha.outcome

    add_geetest(app)
    client = TestClient(app)
    assert [client.request(method, "/page").status_code for method in ("GET", "POST")] == [403, 403]
    assert client.get("/page", headers=geetest.headers()).json() == "passed"
    answers = [client.request(method, "/write") for method in ("GET", "POST", "PUT")]
    assert [each.status_code for each in answers] == [200, 200, 403]
    assert answers[1].json() == "skipped", "not guarded, and not verified"
    assert "marks_open" not in [each.__dict__.get("geetest_event") for each in caplog.records]


def test_a_redirect_to_the_path_with_a_slash_spends_no_token(geetest: GeeTest) -> None:
    assert TestClient(marked(captcha)).post("/login/", json=geetest.token()).json() == "in"
    assert len(geetest.calls) == 1


def test_a_mistyped_form_costs_no_second_captcha(geetest: GeeTest) -> None:
    app = plain()

    @app.post("/register")
    async def register(email: Annotated[str, Form()], captcha: Annotated[GeeTestResult, Depends(FORGIVING)]) -> str:
        if "@" not in email:
            raise HTTPException(422, "no e-mail address")
        return str(captcha.outcome)

    client, token = TestClient(app), geetest.token()
    mistyped = client.post("/register", data=token | {"email": "ada"})
    assert (mistyped.json(), mistyped.headers["x-geetest-token"]) == ({"detail": "no e-mail address"}, "kept")
    assert client.post("/register", data=token | {"email": "a@b"}).json() == "passed"
    assert client.post("/register", data=token | {"email": "a@b"}).json()["code"] == "captcha_replayed"
    assert len(geetest.calls) == 1
