"""Litestar: marked handlers are guarded by one guard, however they are reached, and the OpenAPI document says so."""

import json
import logging
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from typing import Any

import httpx
import pytest
from litestar import Controller, Litestar, Router, asgi, delete, get, post, route, websocket
from litestar.config.cors import CORSConfig
from litestar.connection import WebSocket
from litestar.di import Provide
from litestar.exceptions import HTTPException, ImproperlyConfiguredException, WebSocketDisconnect
from litestar.middleware import DefineMiddleware
from litestar.middleware.rate_limit import RateLimitConfig
from litestar.openapi.spec import Operation
from litestar.params import FromPath, JSONBody, URLEncodedBody
from litestar.testing import TestClient
from litestar.types import Receive, Scope, Send
from starlette.responses import PlainTextResponse

from geetest_asgi import ConfigError, GeeTestMiddleware, geetest_result
from geetest_asgi.litestar import Captcha, CaptchaResult, GeeTestPlugin, captcha, provide_captcha
from geetest_asgi.testing import GeeTest, GeeTestServer, serve

Client = TestClient[Litestar]


@dataclass
class Login:
    username: str


@post("/login", guards=[captcha], status_code=200)
async def login(captcha: CaptchaResult, data: URLEncodedBody[Login]) -> dict[str, object]:
    return {"user": data.username, "verified": captcha.verified, "rule": captcha.rule}


@post(["/orders/{number:int}", "/more/{number:int}"], guards=[captcha], sync_to_thread=False)
def order(number: FromPath[int], captcha: CaptchaResult) -> dict[str, object]:
    return {"number": number, "rule": captcha.rule}


@post("/open", sync_to_thread=False)
def open_() -> str:
    return "in"


@websocket("/live", guards=[captcha])
async def live(socket: WebSocket[Any, Any, Any], captcha: CaptchaResult) -> None:
    await socket.accept()
    await socket.send_json({"rule": captcha.rule})
    await socket.close()


@asgi("/files", is_mount=True, guards=[captcha], copy_scope=True)
async def files(scope: Scope, receive: Receive, send: Send) -> None:
    await PlainTextResponse("file")(scope, receive, send)  # type: ignore[arg-type]


class Account(Controller):
    path = "/account"
    guards = (Captcha(sources=["header"], name="account"),)

    @delete("/{name:str}", sync_to_thread=False)
    def remove(self, name: FromPath[str]) -> None:
        """Nothing."""

    @post("/mild", guards=[Captcha(mode="off", name="mild")], sync_to_thread=False)
    def mild(self, captcha: CaptchaResult) -> str:
        return captcha.rule


HANDLERS: list[Any] = [login, order, open_, live, files, Router("/v1", route_handlers=[Account])]


@post("/login", guards=[captcha], sync_to_thread=False)
def bare() -> str:
    return "in"


@post("/unmarked", sync_to_thread=False)
def unmarked(captcha: CaptchaResult) -> bool:
    return captcha.verified


def shop(handlers: Any = None, **settings: Any) -> Litestar:
    return Litestar(handlers or HANDLERS, plugins=[GeeTestPlugin(**settings)])


@pytest.fixture
def client(geetest: GeeTest) -> Iterator[Client]:
    with TestClient(shop()) as client:
        yield client


PATHS = ["/login", "/login/", "//login", "/orders/7", "/more/7", "/files", "/files/a/b", "//files/a", "/filesandmore"]


@pytest.mark.parametrize("path", PATHS)
def test_a_marked_handler_is_guarded_however_it_is_reached(path: str, client: Client, geetest: GeeTest) -> None:
    url = f"{client.base_url}{path}"  # as it stands: "//login" alone would name a host
    denied = client.post(url, data={"username": "ada"})
    assert (denied.status_code, denied.json()["code"]) == (403, "captcha_missing")
    assert denied.headers["content-type"] == "application/problem+json"
    assert client.post(url, data={"username": "ada"} | geetest.token()).is_success
    assert len(geetest.calls) == 1


def test_whatever_path_a_handler_has_it_is_guarded(geetest: GeeTest) -> None:
    @post("/users(id)/{day:date}", guards=[captcha], sync_to_thread=False)
    def odd(day: FromPath[date], captcha: CaptchaResult) -> str:
        return f"{day} {captcha.rule}"

    with TestClient(shop([odd])) as client:
        assert client.post("/users(id)/2026-11-23").json()["code"] == "captcha_missing"
        told = client.post("/users(id)/2026-11-23", json=geetest.token()).text
        assert told == "2026-11-23 POST /users(id)/{day:date}"


def test_what_is_not_marked_is_open(client: Client, geetest: GeeTest) -> None:
    assert client.post("/open").text == "in"
    assert client.get("/schema/openapi.json").status_code == 200
    assert client.post("/nowhere").status_code == 404


def test_the_parameter_is_the_decision(client: Client, geetest: GeeTest) -> None:
    told = client.post("/login", data={"username": "ada"} | geetest.token()).json()
    assert told == {"user": "ada", "verified": True, "rule": "POST /login"}
    geetest.down()
    assert client.post("/login", data={"username": "ada"} | geetest.token()).json()["verified"] is False
    for path in ("/orders", "/more"):
        assert client.post(f"{path}/7", data=geetest.token()).json()["rule"] == f"POST {path}/{{number:int}}"


def test_no_visitor_can_give_the_parameter(client: Client, geetest: GeeTest) -> None:
    given = client.post("/login?captcha=1&verified=1", data={"username": "ada", "captcha": "1"})
    assert given.json()["code"] == "captcha_missing"


def test_all_routes_have_one_guard_and_so_one_memory_of_spent_tokens(client: Client, geetest: GeeTest) -> None:
    token = geetest.token()
    assert client.post("/orders/7", json=token).status_code == 201
    assert client.post("/files/a", json=token).json()["code"] == "captcha_replayed"
    assert len(geetest.calls) == 1


def test_a_mark_has_settings_of_its_own_and_the_nearest_counts(client: Client, geetest: GeeTest) -> None:
    assert client.request("DELETE", "/v1/account/ada", json=geetest.token()).status_code == 403
    assert client.delete("/v1/account/ada", headers=geetest.headers()).status_code == 204
    assert client.post("/v1/account/mild").text == "mild"


def test_a_mark_takes_no_other_guards_decision(geetest: GeeTest) -> None:
    """A guard by path, laxer than the mark, in an app without the plugin."""

    with serve(GeeTestMiddleware(Litestar([bare]), protect=["POST /login"], mode="monitor")) as url:
        assert httpx.post(f"{url}/login").status_code == 500


def test_the_class_in_place_of_a_mark_is_told_at_once() -> None:
    @post("/login", guards=[Captcha], sync_to_thread=False)  # type: ignore[list-item]
    def wrong() -> None: ...

    with pytest.raises(ConfigError, match=r"write guards=\[Captcha\(\)\]"):
        shop([wrong])


def test_of_a_marked_controller_the_unsafe_methods_are_guarded_and_the_others_are_named(
    geetest: GeeTest, caplog: pytest.LogCaptureFixture
) -> None:
    class Items(Controller):
        path = "/items"
        guards = (captcha,)

        @get("/{number:int}", sync_to_thread=False)
        def read(self, number: FromPath[int]) -> str:
            return "read"

        @post("/{number:int}", sync_to_thread=False)
        def buy(self, number: FromPath[int]) -> str:
            return "bought"

        @get("/costly", guards=[Captcha(methods="GET", sources=["header"])], sync_to_thread=False)
        def costly(self) -> str:
            return "costly"

    logger = logging.getLogger("geetest_asgi")
    logger.addHandler(caplog.handler)  # Litestar takes away what the root logger has
    with caplog.at_level("INFO", logger.name), TestClient(shop([Items])) as client:
        assert client.get("/items/7").text == "read"
        assert client.post("/items/7").status_code == 403
        assert client.get("/items/costly").status_code == 403
        assert client.get("/items/costly", headers=geetest.headers()).text == "costly"
    logger.removeHandler(caplog.handler)
    told = {each.__dict__["geetest_event"]: each for each in caplog.records if hasattr(each, "geetest_event")}
    assert "POST /items/{number:int}" in told["marks"].__dict__["geetest_routes"]
    assert told["marks_open"].__dict__["geetest_routes"] == ["GET /items/{number:int}"]


def test_an_unmarked_handler_beside_a_marked_placeholder_is_open(geetest: GeeTest) -> None:
    @post("/items/preview", sync_to_thread=False)
    def preview() -> str:
        return "preview"

    @post("/items/{name:str}", guards=[captcha], sync_to_thread=False)
    def buy(name: FromPath[str]) -> str:
        return "bought"

    with TestClient(shop([preview, buy])) as client:
        assert client.post("/items/preview").text == "preview"
        assert client.post("/items/7").status_code == 403


def test_a_marked_websocket_is_guarded(client: Client, geetest: GeeTest) -> None:
    with client.websocket_connect("/live", headers=geetest.headers()) as socket:
        assert socket.receive_json() == {"rule": "WEBSOCKET /live"}
    with pytest.raises(WebSocketDisconnect), client.websocket_connect("/live") as socket:
        socket.receive_json()


def test_a_mistyped_form_costs_no_second_captcha(geetest: GeeTest) -> None:
    @post("/register", guards=[Captcha(forgive=(422,))], status_code=200)
    async def register(captcha: CaptchaResult, data: JSONBody[dict[str, str]]) -> str:
        if "@" not in data["email"]:
            raise HTTPException("no e-mail address", status_code=422)
        return str(captcha.outcome)

    with TestClient(shop([register])) as client:
        token = geetest.token()
        assert client.post("/register", json=token | {"email": "ada"}).status_code == 422
        assert client.post("/register", json=token | {"email": "a@b"}).text == "passed"
        assert len(geetest.calls) == 1


def test_a_browser_of_another_origin_may_read_the_denial_and_ask_beforehand(geetest: GeeTest) -> None:
    site = "https://front.example"
    asks = {"origin": site, "access-control-request-method": "DELETE"}
    app = Litestar(HANDLERS, plugins=[GeeTestPlugin()], cors_config=CORSConfig(allow_origins=[site]))
    with TestClient(app) as client:
        denied = client.post("/login", headers={"origin": site})
        assert (denied.status_code, denied.headers["access-control-allow-origin"]) == (403, site)
        assert client.options("/v1/account/ada", headers=asks).headers["access-control-allow-origin"] == site
    with TestClient(shop()) as client:  # and Litestar answers by itself, through the guard
        assert client.options("/v1/account/ada", headers=asks).headers["allow"] == "DELETE, OPTIONS"


@pytest.mark.parametrize("plugins", [[GeeTestPlugin()], []], ids=["with the plugin", "without"])
def test_a_preflight_reaches_a_marked_handler_of_options_and_no_unguarded_one(
    plugins: list[Any], geetest: GeeTest
) -> None:
    @route("/any", http_method=["OPTIONS", "POST"], guards=[Captcha(methods="*")], sync_to_thread=False)
    def handler(scope: Scope) -> str:
        return geetest_result(scope).reason

    asks = {"origin": "https://front.example", "access-control-request-method": "POST"}
    with TestClient(Litestar([handler], plugins=plugins), raise_server_exceptions=False) as client:
        answer = client.options("/any", headers=asks)
        assert (answer.text == "a CORS preflight") is (answer.status_code != 500) is bool(plugins)
        assert client.options("/any").status_code == (403 if plugins else 500)


@pytest.mark.parametrize(("placed", "third"), [(True, 429), (False, 403)])
def test_the_guard_may_stand_behind_a_rate_limit_and_is_the_outermost_without_a_place(
    placed: bool, third: int, geetest: GeeTest
) -> None:
    limit, plugin = RateLimitConfig(rate_limit=("minute", 2)), GeeTestPlugin()
    middleware: list[Any] = [limit.middleware, *([plugin.middleware] if placed else [])]
    app = Litestar([login], middleware=middleware, plugins=[plugin])
    with TestClient(app) as client:
        assert [client.post("/login").status_code for _ in range(3)] == [403, 403, third]
        assert len(app.middleware) == 2


def test_a_handler_without_a_guard_in_front_is_not_open(geetest: GeeTest) -> None:
    with TestClient(Litestar([bare], debug=True)) as client:
        answer = client.post("/login", data=geetest.token())
    assert answer.status_code == 500
    assert "is not protected by GeeTest" in answer.text


def test_a_handler_that_came_too_late_is_not_open(geetest: GeeTest) -> None:
    app = shop([login])
    with TestClient(app) as client:
        app.register(order)
        assert client.post("/orders/7", data=geetest.token()).status_code == 500
        app.debug = True
        assert "is not protected by GeeTest" in client.post("/orders/7", data=geetest.token()).text


def test_a_parameter_on_a_route_that_is_not_marked_says_which_are(geetest: GeeTest) -> None:
    with TestClient(Litestar([login, unmarked], plugins=[GeeTestPlugin()], debug=True)) as client:
        assert "'/unmarked' is not protected by GeeTest" in client.post("/unmarked").text


def test_in_an_app_without_the_plugin_the_parameter_is_a_mistake_that_litestar_tells_of() -> None:
    with pytest.raises(ImproperlyConfiguredException, match="captcha"):
        Litestar([unmarked])


def test_a_guard_in_front_of_the_app_serves_the_parameter_as_well(geetest: GeeTest) -> None:
    app = Litestar([unmarked], dependencies={"captcha": Provide(provide_captcha)})
    with serve(GeeTestMiddleware(app, protect=["POST /unmarked"])) as url:
        assert httpx.post(f"{url}/unmarked", json=geetest.token()).json() is True


def test_two_guards_in_one_stack_ask_once(geetest: GeeTest) -> None:
    with serve(GeeTestMiddleware(shop(), protect=["POST /login"])) as url:
        told = httpx.post(f"{url}/login", data={"username": "ada"} | geetest.token())
        assert (told.status_code, len(geetest.calls)) == (200, 1)


@pytest.mark.parametrize(
    ("handlers", "settings", "says"),
    [
        ([open_], {}, "no route is marked; write guards"),
        ([login], {"on_unavailable": "maybe"}, "on_unavailable='maybe'"),
        ([login], {"captcha_key": ""}, "captcha_key is missing"),
    ],
)
def test_a_wrong_setting_ends_the_start(handlers: Any, settings: dict[str, Any], says: str, geetest: GeeTest) -> None:
    # Litestar runs its start in a task group, which wraps what is raised there.
    with pytest.raises(BaseExceptionGroup) as raised, TestClient(shop(handlers, **settings)):
        pass
    (error,) = leaves(raised.value)
    assert isinstance(error, ConfigError)
    assert says in str(error)


def leaves(error: BaseException) -> list[BaseException]:
    inner = error.exceptions if isinstance(error, BaseExceptionGroup) else ()
    return [leaf for each in inner for leaf in leaves(each)] or [error]


@pytest.mark.parametrize("setting", [{"protect": ["POST /x"]}, {"exempt": "/x"}, {"root_paths": "/x"}])
def test_what_is_about_paths_is_refused_at_once(setting: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=r"goes by handlers.*guards=\[captcha\]"):
        GeeTestPlugin(**setting)


def test_a_setting_that_a_mark_or_the_guard_has_not_is_told_at_once() -> None:
    with pytest.raises(ConfigError, match="GeeTestPlugin: unknown setting colour; there are accept"):
        GeeTestPlugin(colour="red")  # type: ignore[call-arg]
    with pytest.raises(ConfigError, match=r"colour.*settings are those of Rule"):
        Captcha(colour="red")  # type: ignore[call-arg]


def test_its_connections_are_closed_when_the_app_ends(geetest_server: GeeTestServer) -> None:
    made = []

    def make() -> httpx.AsyncClient:
        made.append(httpx.AsyncClient())
        return made[-1]

    closed_by_then = []

    async def at_the_end() -> None:  # the loop goes on: it is not its end that closes them
        closed_by_then.append(made[0].is_closed)

    own: dict[str, Any] = {"api_server": geetest_server.url, "captcha_id": geetest_server.captcha_id}
    plugin = GeeTestPlugin(client=make, captcha_key=geetest_server.captcha_key, **own)
    with TestClient(Litestar([login], plugins=[plugin], on_shutdown=[at_the_end])) as client:
        assert client.post("/login", data={"username": "ada"} | geetest_server.token()).json()["verified"] is True
        assert not made[0].is_closed
    assert closed_by_then == [True]


@pytest.mark.anyio
async def test_without_a_lifespan_it_begins_with_the_first_request(geetest: GeeTest) -> None:
    transport = httpx.ASGITransport(shop())  # type: ignore[arg-type]  # which runs none
    async with httpx.AsyncClient(transport=transport, base_url="http://shop.example") as client:
        assert (await client.post("/login", data={"username": "ada"})).status_code == 403
        told = await client.post("/login", data={"username": "ada"} | geetest.token())
        assert told.json()["verified"] is True


def test_what_is_cached_is_not_open(geetest: GeeTest) -> None:
    @get("/costly", guards=[Captcha(sources=["header"], methods="GET")], cache=True, sync_to_thread=False)
    def costly() -> str:
        return "in"

    with TestClient(shop([costly])) as client:
        assert client.get("/costly", headers=geetest.headers()).text == "in"
        assert client.get("/costly").status_code == 403


def test_a_mount_in_a_pattern_wants_the_guard_around_the_app(geetest: GeeTest) -> None:
    """Why docs/quickstart/litestar.md says so: Litestar takes the mount's path away before its middleware runs."""

    @asgi("/mount", is_mount=True, copy_scope=True)
    async def mount(scope: Scope, receive: Receive, send: Send) -> None:
        await PlainTextResponse(scope["path"])(scope, receive, send)  # type: ignore[arg-type]

    inside = Litestar([mount], middleware=[DefineMiddleware(GeeTestMiddleware, protect=["/mount/**"])])
    around = GeeTestMiddleware(Litestar([mount]), protect=["/mount/**"])
    with serve(inside) as url:  # type: ignore[arg-type]
        assert httpx.post(f"{url}/mount/a").text == "/a/"
    with serve(around) as url:
        assert httpx.post(f"{url}/mount/a").status_code == 403


# --- the OpenAPI document ---------------------------------------------------------------------------------------------


def document(**settings: Any) -> dict[str, Any]:
    made: dict[str, Any] = json.loads(json.dumps(shop(**settings).openapi_schema.to_schema()))
    return made


def test_a_form_shows_the_fields_besides_its_own() -> None:
    content = document()["paths"]["/login"]["post"]["requestBody"]["content"]
    theirs, ours = content["application/x-www-form-urlencoded"]["schema"]["allOf"]
    assert "$ref" in theirs
    assert ours["required"] == ["lot_number", "captcha_output", "pass_token", "gen_time"]


def test_the_mark_and_the_plugin_say_where_the_fields_are() -> None:
    paths = document(sources=["query"])["paths"]
    assert [each["name"] for each in paths["/orders/{number}"]["post"]["parameters"]][1:] == [
        *("lot_number", "captcha_output", "pass_token", "gen_time"),
    ]
    parameters = paths["/v1/account/{name}"]["delete"]["parameters"]
    assert {each["name"] for each in parameters if each["in"] == "header"} == {
        *("x-geetest-lot-number", "x-geetest-captcha-output", "x-geetest-pass-token", "x-geetest-gen-time"),
    }


def test_what_is_not_marked_is_as_litestar_wrote_it() -> None:
    plain = Litestar([open_]).openapi_schema.to_schema()["paths"]["/open"]
    assert document()["paths"]["/open"] == json.loads(json.dumps(plain))


def test_each_operation_is_described_once_and_in_a_class_of_ones_own() -> None:
    class Noted(Operation):
        def to_schema(self) -> dict[str, Any]:
            return super().to_schema() | {"x-note": "mine"}

    @post("/open", guards=[captcha], operation_class=Noted, sync_to_thread=False)
    def noted() -> str:
        return "in"

    @delete("/open", sync_to_thread=False)
    def joins() -> None:
        """At the same path, so that Litestar tells of the first handler again."""

    operation = shop([noted, joins]).openapi_schema.to_schema()["paths"]["/open"]["post"]
    assert operation["x-note"] == "mine"
    assert set(operation["requestBody"]["content"]["application/json"]["schema"]) == {"type", "required", "properties"}


def test_where_nobody_is_refused_no_denial_is_described() -> None:
    paths = document(on_denied=lambda result, scope: None)["paths"]
    assert "403" not in paths["/login"]["post"]["responses"]
    assert "403" not in document()["paths"]["/v1/account/mild"]["post"]["responses"]


def test_sentry_can_follow_the_middleware(geetest: GeeTest) -> None:
    """Its integration of Litestar sets an attribute of each middleware."""
    reason = "pip install 'geetest-asgi[conformance]'"
    sentry = pytest.importorskip("sentry_sdk.integrations.litestar", reason=reason)
    plugin = GeeTestPlugin()
    sentry.enable_span_for_middleware(plugin.middleware)
    with Client(Litestar([login], plugins=[plugin])) as client:
        assert client.post("/login", data={"username": "ada"} | geetest.token()).json()["verified"]
